"""The runtime with the controller's own rights and nothing more, under every admission policy that is shipped."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.guarded import ADMISSION, Ground, guards
from tests.cluster.harness.basics import CannotRunError, wait_until
from tests.cluster.harness.client import ApiError
from tests.cluster.harness.running import Running
from tests.cluster.images import pods_image
from tests.cluster.pods import Pods, new_directory
from tre.cluster.protocol import Key
from tre.domain import names
from tre.domain.errors import Reason
from tre.runtimes.kubernetes.kinds import POD
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def ground(node: Reach) -> Iterator[Ground]:
    """The shipped roles and policies, for every grant on the cluster."""
    found = Ground(node.client, secrets.token_hex(4))
    found.install_roles()
    for guard in guards.load():
        rendering = guards.Rendering(found.controller_name, f"-{found.token}")
        found.make(f"{ADMISSION}/validatingadmissionpolicies", guards.policy(guard, rendering))
        found.make(f"{ADMISSION}/validatingadmissionpolicybindings", guards.binding(guard, rendering))
    yield found
    found.clear()


@pytest.fixture
def pods(ours: Running, ground: Ground) -> Iterator[Pods]:
    directory = new_directory()
    try:
        found = Pods(ours, pods_image(ours), directory, user=ground.controller_name)
    except CannotRunError as error:
        pytest.skip(str(error))
    yield found
    try:
        found.close()
    finally:
        shutil.rmtree(directory)


def test_a_whole_run_passes_every_guard_and_needs_no_further_right(pods: Pods, node: Reach) -> None:
    plan = pods.plan("guarded")
    run = pods.start(plan)
    assert pods.get(run)["answer"].startswith("HTTP/1.1 200 ")
    path = f"/api/v1/namespaces/{names.grant_namespace(pods.grant)}/pods/{plan.identity}"
    wait_until(lambda: refused(node, path), "the administrator should be refused", 20)
    pods.runtime.shorten(plan.identity, pods.end.replace(microsecond=0))  # no earlier than it is: nothing
    pods.runtime.end(plan.identity, Reason.GrantRevoked)
    pods.await_dead(plan)
    assert pods.await_phase(plan, RunPhase.Ended).reason is Reason.GrantRevoked
    pods.runtime.forget(plan.identity)
    pods.await_forgotten(plan)
    pods.plans.remove(plan)
    assert pods.client.get(POD, Key(names.grant_namespace(pods.grant), plan.identity)) is None


def refused(node: Reach, path: str) -> bool:
    """Whether an administrator cannot take the finalizer off that keeps a pod until its node said that it is dead."""
    try:
        node.client.request(
            "PATCH", f"{path}?dryRun=All", {"metadata": {"finalizers": None}}, "application/merge-patch+json"
        )
    except ApiError as error:
        return "only the controller" in str(error)
    return False
