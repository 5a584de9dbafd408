"""The clusters that tests can ask for, and in one line why a test cannot run.

`api` is an API server with controllers; `node` has a node with pods and packets too. With CLUSTER=mine both mean
the cluster that KUBECONFIG names, and nothing beyond its being there is ours: a test that needs more (stopping a
part, another mode of the policy engine) asks for `ours` and is skipped there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.cluster.controllers import make_site
from tests.cluster.harness.basics import STEPPING_BACK, CannotRunError, HarnessError, wait_until
from tests.cluster.harness.images import TOOLS
from tests.cluster.harness.layout import (
    STATE_VARIABLE,
    Layout,
    Tier,
    default_state,
    worker_state,
)
from tests.cluster.harness.programs import HELM, KUBERNETES, Programs
from tests.cluster.harness.running import Running
from tests.cluster.harness.starter import Starter, best_tier, order_binary
from tests.cluster.launcher import Launcher, running_launcher
from tests.cluster.place import RESTRICTED, Place
from tests.cluster.reach import Reach
from tests.support.databases import Postgres
from tre.cli.trial.controller_site import ControllerSite
from tre.cluster.client import KubernetesClient, connect

__all__ = ["Reach"]

HERE = Path(__file__).parent
CRDS = Path(__file__).parents[2] / "helm" / "tre" / "crds"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
IS_MINE = os.environ.get("CLUSTER", "") == "mine"
PUBLIC_IMAGE = "docker.io/library/python:3.13-slim"
SECONDS = 900

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
if WORKER:  # each of them has a cluster of its own
    os.environ[STATE_VARIABLE] = str(worker_state(WORKER))
    os.nice(0 if WORKER == "gw0" else STEPPING_BACK)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here needs a cluster, and real things take their time.

    In one cluster those that share the chart's installation come last: its guards are the whole cluster's. Side by side
    they come first, since they take longest, and the others' processes let theirs go first.
    """
    items.sort(key=lambda item: ("launcher" in getattr(item, "fixturenames", ())) is not bool(WORKER))
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(SECONDS))


def why_no_cluster() -> str:
    """Why no cluster of ours runs."""
    try:
        best_tier(install=False)
    except CannotRunError as error:
        return f"no cluster can run here: {error}"
    return "no cluster runs: make cluster"


@pytest.fixture(scope="session")
def reach() -> Iterator[Reach]:
    """The cluster: ours, or the one that KUBECONFIG names."""
    if IS_MINE:
        given, kubectl = os.environ.get("KUBECONFIG"), shutil.which("kubectl")
        if not given or not kubectl:
            pytest.fail("CLUSTER=mine needs KUBECONFIG and kubectl in the PATH")
        found = Reach(Path(given), kubectl, os.environ.get("CLUSTER_IMAGE", PUBLIC_IMAGE))
    else:
        starter = Starter(Layout(default_state()))
        if starter.tier() is None:
            pytest.skip(why_no_cluster())
        found = Reach(starter.where.kubeconfig, order_binary(starter.where, KUBERNETES, "kubectl"), TOOLS)
    with contextlib.closing(found.client):
        yield found


@pytest.fixture(scope="session")
def api(reach: Reach) -> Reach:
    """A real API server with its controllers."""
    return reach


@pytest.fixture(scope="session")
def node(reach: Reach) -> Reach:
    """A cluster where pods run."""
    if not reach.client.get("/api/v1/nodes")["items"]:
        reason = "this cluster has no node"
        if not IS_MINE:
            with contextlib.suppress(CannotRunError):
                reason += f": {best_tier(install=False)[1] or 'make cluster-down, then make cluster'}"
        pytest.skip(reason)
    return reach


@pytest.fixture(scope="session")
def ours() -> Running:
    """The tests' own cluster, to stop parts of it and to look at it from the machine."""
    if IS_MINE:
        pytest.skip("this test reaches into the tests' own cluster, and CLUSTER=mine is another")
    try:
        return Running.found(Layout(default_state()))
    except HarnessError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def helm() -> str:
    """The program helm: built with the cluster, or the one in the path."""
    with contextlib.suppress(CannotRunError):
        built = Programs.found().folder(HELM) / "helm"
        if built.exists():
            return str(built)
    found = shutil.which("helm")
    return found or pytest.skip("helm is neither built (make cluster) nor in the path")


@pytest.fixture
def our_node(node: Reach, ours: Running) -> Iterator[Running]:
    """The tests' own cluster with its node; whatever a test did to the policy engine's mode is undone."""
    assert ours.tier is Tier.node
    ours.set_engine("closed", "cut")
    yield ours
    ours.set_engine("closed", "cut")


@pytest.fixture
def new_place(api: Reach) -> Iterator[Callable[[dict[str, str]], Place]]:
    """Namespaces with labels of the test's choice; they are deleted afterwards."""
    places: list[Place] = []

    def make(labels: dict[str, str]) -> Place:
        places.append(api.place(labels))
        return places[-1]

    yield make
    for place in places:
        api.client.delete(f"/api/v1/namespaces/{place.name}")


@pytest.fixture
def place(new_place: Callable[[dict[str, str]], Place]) -> Place:
    """A namespace under the restricted profile."""
    return new_place(RESTRICTED)


@pytest.fixture(scope="session")
def launcher(node: Reach, ours: Running, helm: str) -> Iterator[Launcher]:
    """The launcher as the chart installs it, once for all tests that look at it as a whole."""
    try:
        with running_launcher(node, ours, helm) as found:
            yield found
    except CannotRunError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def client(api: Reach) -> Iterator[KubernetesClient]:
    """The product's client on a cluster that has the chart's definitions."""
    for path in sorted(CRDS.glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        name = content["metadata"]["name"]
        api.client.apply(f"{DEFINITIONS}/{name}", content)
        wait_until(partial(_is_served, api, name), f"{name} should be served", 30, 0.05)
    found = connect(api.kubeconfig)
    yield found
    found.close()


def _is_served(api: Reach, name: str) -> bool:
    conditions = api.client.get(f"{DEFINITIONS}/{name}")["status"].get("conditions") or []
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


@pytest.fixture
def site(
    client: KubernetesClient, api: Reach, place: Place, postgres: Postgres, tmp_path: Path
) -> Iterator[ControllerSite]:
    """Real controllers over one record and one namespace; `client` brings the definitions."""
    assert client is not None
    found = make_site(postgres, api.kubeconfig, place.name, tmp_path)
    yield found
    found.close()
