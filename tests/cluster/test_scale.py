"""Many grants and many runs, on nodes that cost nothing (kwok): what a restart takes, and what a quiet controller asks.

The small variant shows that it works; `make test-cluster PYTEST_ARGS='tests/cluster/test_scale.py -m soak'` measures.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.controllers import ControllerProcess, ControllerSite, measured
from tests.cluster.harness.basics import say
from tests.cluster.harness.running import Running
from tests.cluster.place import Place
from tests.cluster.test_custom_resources import client  # noqa: F401 - the definitions, once
from tests.support.databases import Postgres
from tests.support.factories import ALICE
from tre.cluster.client import KubernetesClient
from tre.cluster.protocol import Selector, key_of
from tre.cluster.resources import ACCESS_GRANT
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.runtimes.kubernetes.kinds import NAMESPACE, POD, VOLUME
from tre.runtimes.kubernetes.render.vocabulary import GRANT_LABEL, ISOLATION_ANNOTATION
from tre.store import workspaces

FAKE = {"kwok.x-k8s.io/node": "fake"}
VAST = {"cpu": "100k", "memory": "1Pi", "ephemeral-storage": "1Pi", "pods": "1M"}
WRITERS = 4
QUIET_SECONDS = 30.0
MIB = 2**20


@dataclass(frozen=True)
class Size:
    """How much, and how long it may take to bring it there."""

    grants: int
    live: int
    seconds: float


SMALL = Size(60, 10, 60.0)
LARGE = Size(10_000, 1_000, 3000.0)


@pytest.fixture
def site(
    client: KubernetesClient,  # noqa: F811 - a fixture
    api: Reach,
    ours: Running,
    place: Place,
    postgres: Postgres,
    tmp_path: Path,
) -> Iterator[ControllerSite]:
    ours.command("start", "kwok")
    node = {"metadata": {"name": place.name, "annotations": FAKE, "labels": FAKE}}
    api.client.create("/api/v1/nodes", node | {"status": {"capacity": VAST, "allocatable": VAST}})
    found = ControllerSite(postgres, api.kubeconfig, place.name, tmp_path, "startTimeoutSeconds: 600")
    yield found
    found.close()
    _clear(client)
    api.client.delete(f"/api/v1/nodes/{place.name}")
    ours.command("stop", "kwok")


def _clear(client: KubernetesClient) -> None:  # noqa: F811
    """The controller is gone: take away what only it would take away."""
    for pod in client.list(POD, "", Selector(labels=GRANT_LABEL)).items:
        client.patch(POD, key_of(pod), {"metadata": {"finalizers": None}})
    for namespace in client.list(NAMESPACE, "", Selector(labels=GRANT_LABEL)).items:
        client.delete(NAMESPACE, key_of(namespace))
    for volume in client.list(VOLUME, "", Selector(labels=GRANT_LABEL)).items:
        client.delete(VOLUME, key_of(volume))


class Node:
    """In the place of the doors on fake nodes: says of every pod that it is isolated and that its server answers."""

    def __init__(self, client: KubernetesClient) -> None:  # noqa: F811
        self._client = client
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Node:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10.0)

    def _run(self) -> None:
        proven = {"metadata": {"annotations": {ISOLATION_ANNOTATION: json.dumps({"proven": True, "served": True})}}}
        while not self._stop.wait(0.2):
            for pod in self._client.list(POD, "", Selector(labels=GRANT_LABEL)).items:
                if "podIP" in pod["status"] and ISOLATION_ANNOTATION not in pod["metadata"]["annotations"]:
                    self._client.patch(POD, key_of(pod), proven)


def fill(site: ControllerSite, client: KubernetesClient, size: Size) -> None:  # noqa: F811
    """Grants by resources, and the first of them with somebody at work."""
    member = [{"subject": ALICE.as_plain(), "role": "lead"}]
    names = [f"{site.namespace[-8:]}-{number:05}" for number in range(size.grants)]
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda name: client.create(ACCESS_GRANT, site.resource(name, members=member)), names))
    site.await_that(lambda: site.phases() == {"Active": size.grants}, "all should be active", size.seconds)
    for name in names[: size.live]:
        workspace = Workspace.name_for(name, ALICE)
        with site.database.change(site.event("workspace.wanted", f"workspace/{workspace}")) as change:
            workspaces.want(change, workspace, Wanted.Running)
    with Node(client):
        site.await_that(lambda: _running(site) == size.live, "all should run", size.seconds)


def _running(site: ControllerSite) -> int:
    return int(site.counted("tre_workspaces", 'phase="Running"'))


def is_synced(controller: ControllerProcess) -> bool:
    """Whether it leads, has seen everything, and nothing waits."""
    if not controller.leads() or controller.answer("/healthz")[0] != 200:
        return False
    said = controller.metrics()
    lists = re.findall(r'tre_cluster_lists_total\{kind="(\w+)",outcome="ok"\}', said)
    quiet = "tre_source_queue 0.0" in said and "tre_reconcile_queue 0.0" in said
    return quiet and {"AccessGrant", "Workspace", "Dataset", "Pod"} <= set(lists)


def requests(controller: ControllerProcess) -> float:
    return sum(float(value) for value in re.findall(r"tre_cluster_requests_total\{.*\} (\S+)", controller.metrics()))


def memory(controller: ControllerProcess) -> tuple[int, int]:
    """Resident bytes now, and the most there were."""
    said = Path(f"/proc/{controller.process.pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", said, re.M))
    return int(found["VmRSS"]) * 1024, int(found["VmHWM"]) * 1024


def try_size(
    site: ControllerSite,
    client: KubernetesClient,  # noqa: F811
    size: Size,
) -> dict[str, float]:
    """Bring it there, restart the controller, let it rest; what was measured."""
    first = site.start()
    site.await_that(first.leads, "it should lead")
    with measured() as filled:
        fill(site, client, size)
    site.await_that(lambda: is_synced(first), "nothing should wait", size.seconds)
    assert first.end(60.0) == 0
    with measured() as synced:
        again = site.start()
        site.await_that(lambda: is_synced(again), "nothing should wait after a restart", 120)
    site.await_that(lambda: _is_at_rest(again), "it should come to rest", 120)
    before = requests(again)
    with measured() as rested:
        threading.Event().wait(QUIET_SECONDS)
    resident, most = memory(again)
    found = {
        "filled in s": filled[0],
        "restart to synced in s": synced[0],
        "requests each second": (requests(again) - before) / rested[0],
        "resident MiB": resident / MIB,
        "most resident MiB": most / MIB,
        "running": _running(site),
    }
    say(f"{size.grants} grants, {size.live} runs: " + ", ".join(f"{what} {value:.2f}" for what, value in found.items()))
    return found


def _is_at_rest(controller: ControllerProcess) -> bool:
    before = requests(controller)
    began = time.monotonic()
    threading.Event().wait(5.0)
    return requests(controller) - before < 2.0 * (time.monotonic() - began)


def test_a_restart_finds_everything_and_a_quiet_controller_is_quiet(
    site: ControllerSite,
    client: KubernetesClient,  # noqa: F811
) -> None:
    found = try_size(site, client, SMALL)
    assert found["running"] == SMALL.live
    assert found["restart to synced in s"] <= 30.0  # most of it is the start of a program, beside other tests
    assert found["requests each second"] <= 1.0
    assert found["resident MiB"] <= 300.0


@pytest.mark.soak
@pytest.mark.timeout(2 * LARGE.seconds)
def test_ten_thousand_grants_and_a_thousand_runs(
    site: ControllerSite,
    client: KubernetesClient,  # noqa: F811
) -> None:
    found = try_size(site, client, LARGE)
    assert found["running"] == LARGE.live
    assert found["restart to synced in s"] <= 10.0, found
    assert found["requests each second"] <= 1.0, found
    assert found["most resident MiB"] <= 300.0, found
