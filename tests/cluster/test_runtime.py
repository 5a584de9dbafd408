"""The runtime of a cluster on a real node: the contract that every runtime owes, and what only a cluster can show."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import BUSY, CannotRunError, HarnessError, wait_until
from tests.cluster.harness.running import Running
from tests.cluster.images import pods_image
from tests.cluster.pods import STUBBORN, Pods, new_directory
from tests.contract.runtime_contract import RuntimeContract, RuntimeSite
from tre.cluster.protocol import ClusterError, Deletion, Key, Kind, Object
from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes import evidence
from tre.runtimes.kubernetes.clearing import Clearer
from tre.runtimes.kubernetes.kinds import CLAIM, CONFIG_MAP, NAMESPACE, POD, VOLUME, kind_of, of_cluster
from tre.runtimes.kubernetes.render.grant import objects_for_grant
from tre.runtimes.protocol import RunPhase

pytestmark = pytest.mark.timeout(900)

CYCLES = 10


@pytest.fixture(scope="module")
def image(node: Reach, ours: Running) -> str:
    try:
        return pods_image(ours)
    except CannotRunError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pods(ours: Running, image: str) -> Iterator[Pods]:
    directory = new_directory()
    found = Pods(ours, image, directory)
    yield found
    try:
        found.close()
    finally:
        shutil.rmtree(directory)


class TestKubernetes(RuntimeContract):
    """A node of a cluster."""

    fastest = 40.0
    earliness, lateness = (
        5.0,
        2.0 * BUSY,
    )  # the deadline leaves two seconds between two clocks, and times are whole seconds

    @pytest.fixture
    def site(self, pods: Pods) -> Iterator[RuntimeSite]:
        yield pods
        for plan in pods.plans:
            pods.finish(plan)
        pods.plans.clear()


@pytest.fixture
def free(pods: Pods) -> Iterator[Pods]:
    """Nothing runs before, nothing afterwards."""
    yield pods
    for plan in pods.plans:
        pods.finish(plan)
    pods.plans.clear()


def test_jupyterlab_answers_the_gateway_through_the_door_and_nobody_else(free: Pods) -> None:
    run = free.start(free.plan("alice"))
    assert free.get(run)["answer"].startswith("HTTP/1.1 200 ")
    assert free.get(run, certificate="stranger").get("answer", "") == ""
    assert free.get(run, certificate="").get("answer", "") == ""
    assert run.isolation is not None
    proven = set(run.isolation["provenItems"])  # type: ignore[call-overload]
    assert {"absent /run/keys", "create /data/cxr", "create /usr", "socket inet stream", "tcp host port 8081"} <= proven
    assert {one.item for one in free.addresses} <= proven  # the seal closes them …
    assert {f"door: {one.item}" for one in free.addresses} <= proven  # … and so does the policy


def test_a_controller_without_memory_finds_every_run(free: Pods) -> None:
    plan = free.plan("found")
    before = free.start(plan)
    other = free.new_runtime()
    other.watcher.step()
    after = next(run for run in other.observe() if run.identity == plan.identity)
    assert (after.phase, after.plan, after.door) == (RunPhase.Ready, plan, before.door)
    assert after.isolation == before.isolation


def test_ten_revoked_kernels_that_ignore_every_signal_are_dead_within_seconds(free: Pods) -> None:
    assert live_and_die(free, CYCLES) < 2.0 * BUSY


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_two_hundred_lives_leave_nothing_on_the_node(free: Pods) -> None:
    assert live_and_die(free, 20 * CYCLES) < 2.0 * BUSY


def live_and_die(pods: Pods, cycles: int) -> float:
    """Whole lives of one workspace: sealed, proven, JupyterLab with a kernel that ignores every signal, revoked, dead,
    forgotten; at the end the node is as it was after the first, which makes the place of its grant (the cluster's own
    certificates in a new namespace are one object more). Returns the median of the seconds that a death took."""
    empty = left_on_the_node(pods)
    one_life(pods, 1)
    await_no_more(pods, empty | {"objects": empty["objects"] + 1})
    before = left_on_the_node(pods)
    took = sorted(one_life(pods, number + 2) for number in range(cycles))
    print(f"revoked to observed dead, {cycles} runs: {' '.join(f'{one:.2f}' for one in took)} s")  # noqa: T201
    await_no_more(pods, before)
    return took[len(took) // 2]


def one_life(pods: Pods, instance: int) -> float:
    """Seconds from the revocation to the proof of death."""
    plan = pods.plan("stubborn", instance=instance)
    home = pods.directory / "srv" / "homes" / plan.workspace
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "00.py").write_text(STUBBORN)
    for path in (home / ".ipython", *(home / ".ipython").rglob("*")):
        shutil.chown(path, plan.uid, plan.uid)
    run = pods.start(plan)
    assert pods.post(run, "/api/kernels")["answer"].startswith("HTTP/1.1 201 ")
    uid = pods.uid(plan)
    wait_until(partial(has_processes, pods, uid), "the kernel should have its children", 60)
    began = time.monotonic()
    pods.runtime.end(plan.identity, Reason.GrantRevoked)
    pods.await_dead(plan)
    took = time.monotonic() - began
    assert not pods.running.processes_of(uid)
    pods.runtime.forget(plan.identity)
    pods.plans.remove(plan)
    return took


def await_no_more(pods: Pods, before: dict[str, int]) -> None:
    """Wait until nothing is left beyond what there was. The one look that finds it so counts: programs that ask after
    the health of containers come and go."""
    more: list[dict[str, int]] = []

    def none() -> bool:
        more.append({what: count for what, count in left_on_the_node(pods).items() if count > before[what]})
        return not more[-1]

    with contextlib.suppress(HarnessError):
        wait_until(none, "nothing more should be left", 60, 0.2)
    assert more[-1] == {}, f"before: {before}"


def left_on_the_node(pods: Pods) -> dict[str, int]:
    """How much of what runs leave behind is there: objects of the cluster; processes, mounts, links of the node."""
    objects = (POD, CONFIG_MAP, CLAIM, VOLUME)
    inside = pods.running.inside
    return {
        "objects": sum(len(pods.client.list(kind).items) for kind in objects),
        "processes": len(inside("sh", "-c", "echo /proc/[0-9]*").split()),
        "mounts": len(inside("cat", "/proc/mounts").splitlines()),
        "links": len(inside("ip", "-brief", "link").splitlines()),
    }


def has_processes(pods: Pods, uid: str) -> bool:
    return len(pods.running.processes_of(uid)) >= 9


def test_the_deadline_holds_with_nobody_watching(free: Pods) -> None:
    plan = free.plan("deadline", seconds=40)
    free.start(plan)
    uid = free.uid(plan)
    left = (plan.end - free.now()).total_seconds()
    assert left > 0
    wait_until(lambda: not free.running.processes_of(uid), "the run should be dead at its end", left + 10)
    assert -5 <= (free.now() - plan.end).total_seconds() < 2.0 * BUSY


def test_the_seal_holds_without_any_policy_and_nobody_is_let_in(free: Pods) -> None:
    free.running.set_engine("off")
    try:
        plan = free.plan("sealed")
        free.runtime.start(plan)
        ended = free.until_ended(plan)
        assert ended.reason is Reason.IsolationFailed
        assert "kubelet" in ended.detail
        said = evidence.read(free.kept_log)
        assert said.sealed is not None
        assert {one.item for one in free.addresses} <= set(said.sealed["provenItems"])
        assert said.network is None
    finally:
        free.running.set_engine("closed", "cut")


def test_a_policy_deleted_by_hand_is_noticed_within_seconds(free: Pods) -> None:
    plan = free.plan("opened")
    run = free.start(plan)
    assert free.get(run)["answer"].startswith("HTTP/1.1 200 ")
    began = time.monotonic()
    for name in ("deny-all", "door-from-gateway"):
        free.delete_policy(name)
    wait_until(lambda: not free.get(run).get("answer"), "the door should relay nothing", 20, 0.2)
    closed = time.monotonic() - began
    ended = free.await_phase(plan, RunPhase.Ended)
    print(f"policy deleted: door closed after {closed:.1f} s, run ended after {time.monotonic() - began:.1f} s")  # noqa: T201
    assert ended.reason is Reason.IsolationFailed
    assert closed < 12 * BUSY


def test_deleting_by_force_does_not_count_as_dead(free: Pods) -> None:
    """The node's agent is stopped, as on a machine that lost its network."""
    plan = free.plan("forced")
    free.start(plan)
    uid = free.uid(plan)
    key = Key(names.grant_namespace(free.grant), plan.identity)
    free.running.command("stop", "kubelet", 9)
    try:
        free.runtime.end(plan.identity, Reason.GrantRevoked)
        assert not free.runtime.verify_dead(plan).dead
        free.client.delete(POD, key, Deletion(grace_seconds=0))
        proof = free.runtime.verify_dead(plan)
        assert not proof.dead
        assert "workspace on node node1" in proof.unproven
        assert free.running.processes_of(uid)  # and it was right not to be believed
        with pytest.raises(TREError) as caught:
            free.runtime.forget(plan.identity)
        assert caught.value.reason is Reason.Conflict
        wait_until(lambda: "report" in " ".join(free.runtime.verify_dead(plan).unproven), "the node is missed", 90, 0.5)
    finally:
        free.running.command("start", "kubelet")
    free.await_reachable()
    free.await_dead(plan, 60)
    assert not free.running.processes_of(uid)


def test_a_pod_that_vanished_is_not_dead(free: Pods) -> None:
    """Somebody took the finalizer off, which the admission policies forbid, and deleted the pod by force."""
    plan = free.plan("vanished")
    free.start(plan)
    key = Key(names.grant_namespace(free.grant), plan.identity)
    free.client.patch(POD, key, {"metadata": {"finalizers": None}})
    free.client.delete(POD, key, Deletion(grace_seconds=0))
    wait_until(lambda: free.pod(plan) is None, "the pod should be gone")
    wait_until(lambda: free.observation(plan) is None, "the pod should be seen to be gone")
    proof = free.runtime.verify_dead(plan)
    assert proof.unproven == ("the pod is gone and nobody said that it was dead: look at node node1",)
    without_memory = free.new_runtime().verify_dead(plan)
    assert without_memory.unproven == ("the pod is gone and nobody said that it was dead: look at every node",)
    with pytest.raises(TREError, match="vanished"):
        free.runtime.forget(plan.identity)
    Clearer(free.client, free.clock).clear(plan.identity, None)
    free.runtime = free.new_runtime()
    free.runtime.watch(free.stop, lambda: None)
    free.plans.remove(plan)


def test_a_pod_that_comes_after_it_was_withdrawn_never_begins(free: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller ended between asking for the pod and hearing of it; its request is carried out when all is over."""
    plan, asked = free.plan("late"), []
    create = free.client.create

    def unheard(kind: Kind, item: Object) -> Object:
        if kind == POD:
            asked.append(item)
            raise ClusterError(Reason.ServiceUnavailable, "The API server did not answer.")
        return create(kind, item)

    def begins() -> bool:
        with contextlib.suppress(ClusterError):
            free.runtime.start(plan)
        return bool(asked)

    with monkeypatch.context() as patched:
        patched.setattr(free.client, "create", unheard)
        wait_until(begins, "the pod should be asked for", 30)
    assert not free.runtime.verify_dead(plan).dead
    free.runtime.end(plan.identity, Reason.Requested)
    assert free.runtime.verify_dead(plan).dead
    free.client.create(POD, asked[-1])
    namespace = names.grant_namespace(free.grant)
    events = Kind("", "v1", "Event", "events")

    def refused() -> bool:
        said = [one for one in free.client.list(events, namespace).items if one["reason"] == "FailedMount"]
        return any(f"{plan.identity}-door" in one["message"] for one in said)

    wait_until(refused, "the node should lack the keys", 30, 0.1)

    def states() -> list[Object]:
        pod = free.client.get(POD, Key(namespace, plan.identity))
        assert pod is not None
        kinds = ("initContainerStatuses", "containerStatuses")  # the node tells of them a moment after its event
        return [one["state"] for kind in kinds for one in pod["status"].get(kind, ())]

    wait_until(lambda: len(states()) > 1, "the node should tell of the containers", 30, 0.1)
    assert all("waiting" in state for state in states())
    assert not free.runtime.verify_dead(plan).dead  # it is there: it is asked of its node, like any other
    free.finish(plan)
    free.plans.remove(plan)


def test_nothing_is_left_of_a_run_that_was_forgotten(free: Pods) -> None:
    plan = free.plan("traces")
    free.start(plan)
    free.finish(plan)
    namespace = names.grant_namespace(free.grant)

    def left() -> list[str]:
        found = [one for kind in (POD, CONFIG_MAP, CLAIM) for one in free.client.list(kind, namespace).items]
        found += free.client.list(VOLUME).items
        return [one["metadata"]["name"] for one in found if plan.identity in one["metadata"]["name"]]

    wait_until(lambda: not left(), "every object should go", 20)
    assert (free.directory / "srv" / "slices" / "s-1" / "scan.txt").exists()


def test_a_renewed_grant_gets_a_new_namespace_once_nothing_runs(free: Pods) -> None:
    plan = free.plan("renewed")
    key = of_cluster(names.grant_namespace(free.grant))
    for one in objects_for_grant(free.place(free.grant), free.facts()):
        free.client.apply(kind_of(one), one)
    before = free.client.get(NAMESPACE, key)
    assert before is not None
    later = plan.model_copy(update={"end": free.end + timedelta(minutes=30)})
    free.plans[:] = [later]
    free.end += timedelta(hours=1)
    free.start(later)
    after = free.client.get(NAMESPACE, key)
    assert after is not None
    assert after["metadata"]["uid"] != before["metadata"]["uid"]


def test_a_run_beyond_the_quota_is_told_so(free: Pods, tmp_path: Path) -> None:
    first, second = free.plan("first"), free.plan("second")
    free.members = 1
    try:
        free.start(first)
        with pytest.raises(TREError) as caught:
            wait_until(lambda: free.runtime.start(second), "the quota should refuse", 10)
        assert caught.value.reason is Reason.Conflict
        assert "places" in caught.value.what
        free.finish(first)
        free.plans.remove(first)
        free.start(second)
    finally:
        free.members = 8
