"""The runtime over a cluster in memory: order, repetition, proof, reasons, death."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support import kubernetes as given
from tests.support.kubelet import HOUR, NODE_NAME, Site
from tre.cluster.protocol import ClusterError, Deletion, Key, Kind, Listing, Object, refusal_of
from tre.domain.errors import Reason, TREError
from tre.runtimes.kubernetes.control import FRESH, SAME_MINUTE
from tre.runtimes.kubernetes.kinds import CLAIM, CONFIG_MAP, NAMESPACE, POD, QUOTA, SECRET, VOLUME
from tre.runtimes.kubernetes.render.vocabulary import (
    ASKED_ANNOTATION,
    CERTIFICATE_ANNOTATION,
    END_ANNOTATION,
    ISOLATION_ANNOTATION,
    PROOF_FINALIZER,
)
from tre.runtimes.protocol import RunPhase

PLAN = given.plan()


@pytest.fixture
def site() -> Site:
    return Site()


def pod_of(site: Site) -> Object:
    found = site.cluster.get(POD, site.key(PLAN))
    assert found is not None
    return found


# --- starting


def test_no_pod_before_the_quotas_count(site: Site) -> None:
    site.controls.try_now()
    site.runtime.start(PLAN)
    assert site.cluster.get(POD, site.key(PLAN)) is None
    assert len(site.cluster.list(QUOTA).items) == 3
    site.count_quotas()
    site.runtime.start(PLAN)
    assert PROOF_FINALIZER in pod_of(site)["metadata"]["finalizers"]


def test_no_pod_before_the_controller_has_tried_the_addresses_itself(site: Site) -> None:
    """What it found stands in the door's instruction, and an old attempt is not gone by."""
    begun: list[int] = []
    site.controls.begin = lambda: begun.append(1)  # type: ignore[method-assign]
    site.controls.try_now()
    site.later(FRESH.total_seconds() + 1)
    site.runtime.start(PLAN)
    site.count_quotas()
    site.runtime.start(PLAN)
    assert site.cluster.get(POD, site.key(PLAN)) is None
    assert len(begun) == 2
    site.controls.try_now()
    site.runtime.start(PLAN)
    told = json.loads(site.cluster.list(CONFIG_MAP).items[0]["data"]["door.json"])
    assert set(told["answered"]) == site.answering
    assert pod_of(site)


def test_addresses_that_do_not_answer_the_controller_prove_nothing_so_nothing_is_started(site: Site) -> None:
    site.answering.clear()
    site.runtime.start(PLAN)
    site.count_quotas()
    site.controls.try_now()
    with pytest.raises(TREError) as caught:
        site.runtime.start(PLAN)
    assert caught.value.reason is Reason.IsolationUnavailable
    assert "API server" in caught.value.why
    run = site.observation(PLAN)
    assert (run.phase, run.reason) == (RunPhase.Ended, Reason.IsolationUnavailable)
    assert site.runtime.verify_dead(PLAN).dead


def test_starting_again_changes_nothing(site: Site) -> None:
    site.start(PLAN)
    before = pod_of(site)
    secret = site.cluster.list(SECRET).items
    site.runtime.start(PLAN)
    assert pod_of(site) == before
    assert site.cluster.list(SECRET).items == secret


@pytest.mark.parametrize("kind", [CLAIM, SECRET, CONFIG_MAP, POD], ids=lambda kind: kind.kind)
def test_a_start_that_broke_off_anywhere_is_completed(site: Site, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    site.controls.try_now()
    site.runtime.start(PLAN)
    site.count_quotas()

    def broken(name: str) -> Any:
        real = getattr(site.cluster, name)

        def call(its_kind: Kind, *rest: Any, **more: Any) -> Any:
            if its_kind == kind:
                raise ClusterError(Reason.ServiceUnavailable, "The API server did not answer.")
            return real(its_kind, *rest, **more)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(site.cluster, "apply", broken("apply"))
        patched.setattr(site.cluster, "create", broken("create"))
        with pytest.raises(TREError):
            site.runtime.start(PLAN)
    assert site.cluster.get(POD, site.key(PLAN)) is None
    site.runtime.start(PLAN)
    secret = site.cluster.list(SECRET).items[0]
    assert secret["stringData"]["tls.crt"] == pod_of(site)["metadata"]["annotations"][CERTIFICATE_ANNOTATION]
    assert secret["stringData"]["gateway.crt"] == given.KEYS.gateway


def test_an_end_of_the_namespace_only_falls(site: Site) -> None:
    site.start(PLAN)
    site.grant_end -= HOUR
    site.runtime.start(given.plan(instance=4))
    assert site.namespace(PLAN)["metadata"]["annotations"][END_ANNOTATION] == "2027-06-30T22:59:59Z"
    site.grant_end += 2 * HOUR
    site.runtime.start(given.plan(instance=5))
    assert site.namespace(PLAN)["metadata"]["annotations"][END_ANNOTATION] == "2027-06-30T22:59:59Z"


def test_a_namespace_whose_end_lies_before_the_plans_is_made_anew_when_nothing_runs(site: Site) -> None:
    site.grant_end = given.END - HOUR
    site.start(given.plan(end=given.END - 2 * HOUR))
    site.grant_end = given.END + HOUR
    later = given.plan(instance=9)
    with pytest.raises(TREError) as caught:
        site.runtime.start(later)
    assert caught.value.reason is Reason.Conflict
    earlier = given.plan(end=given.END - 2 * HOUR)
    site.runtime.end(earlier.identity, Reason.Requested)
    site.look()
    site.runtime.forget(earlier.identity)
    before = site.namespace(PLAN)["metadata"]["uid"]
    site.runtime.start(later)
    site.runtime.start(later)
    assert site.namespace(PLAN)["metadata"]["uid"] != before


def test_a_namespace_that_is_going_is_waited_for(site: Site) -> None:
    name = site.place(PLAN.grant).namespace
    site.controls.try_now()
    content = {"metadata": {"name": name, "finalizers": ["x"], "annotations": {END_ANNOTATION: "2027-01-01T00:00:00Z"}}}
    site.cluster.create(NAMESPACE, content)
    site.cluster.delete(NAMESPACE, Key("", name))
    site.runtime.start(PLAN)
    assert not site.cluster.list(QUOTA).items


def test_a_plan_without_time_left_makes_nothing(site: Site) -> None:
    with pytest.raises(TREError) as caught:
        site.runtime.start(given.plan(end=given.NOW + timedelta(seconds=2)))
    assert caught.value.reason is Reason.DeadlineReached
    assert site.cluster.get(NAMESPACE, Key("", site.place(PLAN.grant).namespace)) is None


@pytest.mark.parametrize(
    ("code", "why", "reason", "lasting"),
    [
        (403, "pods is forbidden: exceeded quota: one-pod-for-each-member", Reason.Conflict, False),
        (403, "ValidatingAdmissionPolicy denied: only the controller", Reason.NotPermitted, True),
        (422, "spec: Invalid value", Reason.NotPermitted, True),
        (500, "etcd is not there", Reason.ServiceUnavailable, False),
    ],
)
def test_a_pod_that_is_refused_is_told_in_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, code: int, why: str, reason: Reason, lasting: bool
) -> None:
    site.controls.try_now()
    site.runtime.start(PLAN)
    site.count_quotas()
    create = site.cluster.create

    def refusing(kind: Kind, item: Object) -> Object:
        if kind == POD:
            raise refusal_of(code, {"message": why}, "The API server refused.")
        return create(kind, item)

    monkeypatch.setattr(site.cluster, "create", refusing)
    with pytest.raises(TREError) as caught:
        site.runtime.start(PLAN)
    assert caught.value.reason is reason
    found = [run for run in site.runtime.observe() if run.identity == PLAN.identity]
    assert [run.reason for run in found] == ([reason] if lasting else [])
    assert site.runtime.verify_dead(PLAN).dead is (code < 500)  # no pod was made, and none is missed
    site.runtime.end(PLAN.identity, Reason.Requested)
    assert site.runtime.verify_dead(PLAN).dead
    site.runtime.forget(PLAN.identity)
    assert not site.runtime.observe()
    assert not site.cluster.list(CONFIG_MAP).items


# --- proof


def test_a_run_is_ready_with_the_doors_word_and_the_controllers(site: Site) -> None:
    run = site.ready(PLAN)
    assert run.phase is RunPhase.Ready
    assert run.door is not None
    assert (run.door.address, run.door.port) == ("10.244.0.7", 8443)
    assert run.door.certificate == pod_of(site)["metadata"]["annotations"][CERTIFICATE_ANNOTATION]
    assert run.isolation is not None
    assert "door: tcp API server 10.96.0.1 443" in run.isolation["provenItems"]  # type: ignore[operator]


@pytest.mark.parametrize("lacking", [0, 1])
def test_one_probe_is_no_proof(site: Site, lacking: int) -> None:
    site.start(PLAN)
    site.place_pod(PLAN)
    site.door_says(PLAN, site.proof()[1 - lacking], {"event": "server-answers"})
    site.runs(PLAN, ready=True)
    run = site.observation(PLAN)
    assert run.phase is RunPhase.Starting
    assert run.door is None


def test_the_controllers_attempt_must_be_of_the_same_minute(site: Site) -> None:
    site.start(PLAN)
    site.place_pod(PLAN)
    site.later(SAME_MINUTE.total_seconds() + 1)
    site.door_says(PLAN, *site.proof())
    site.controls.begin = lambda: None  # type: ignore[method-assign]
    site.runs(PLAN, ready=True)
    assert site.observation(PLAN).phase is RunPhase.Starting
    site.controls.try_now()
    site.later(1)
    assert site.observation(PLAN).phase is RunPhase.Ready


def test_what_answered_the_controller_no_more_proves_nothing(site: Site) -> None:
    site.start(PLAN)
    site.place_pod(PLAN)
    site.door_says(PLAN, *site.proof())
    site.answering.clear()
    site.controls.try_now()
    site.runs(PLAN, ready=True)
    assert site.observation(PLAN).phase is RunPhase.Starting


def test_a_run_that_is_served_costs_no_more_looks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ready(PLAN)
    monkeypatch.setattr(site.cluster, "log", lambda *_: pytest.fail("a log was read"))
    site.later(60)
    assert site.observation(PLAN).phase is RunPhase.Ready
    other = site.new_runtime()
    other.watcher.step()
    assert [run.phase for run in other.observe()] == [RunPhase.Ready]


def test_what_is_settled_is_not_read_again_until_it_changes(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ready(PLAN)
    site.look()  # its proof, which was written onto the pod, comes back
    before = site.runtime.observe()
    read: list[object] = []
    real = site.runtime.watcher.cache.get

    def get(key: Key) -> Object | None:
        read.append(key)
        return real(key)

    monkeypatch.setattr(site.runtime.watcher.cache, "get", get)
    site.clock.advance(5)
    after = site.runtime.observe()
    assert read == []
    assert after[0] is before[0]  # nothing that a reconciler would have to look at again
    site.runtime.end(PLAN.identity, Reason.Requested)
    site.ended(PLAN)
    assert site.observation(PLAN).phase is RunPhase.Ended
    assert read


@pytest.mark.parametrize(
    "failure",
    [
        {"probe": "sealed", "failed": ["create /usr"]},
        {"probe": "sealed", "failed": [], "unproven": ["socket inet stream"]},
        {"probe": "sealed", "error": "the door was started a second time"},
        {"probe": "network", "failed": ["tcp API server 10.96.0.1 443"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("was_ready", [False, True])
def test_a_run_whose_isolation_failed_is_ended(site: Site, failure: Object, was_ready: bool) -> None:
    if was_ready:
        site.ready(PLAN)
    else:
        site.start(PLAN)
        site.place_pod(PLAN)
    site.door_says(PLAN, *site.proof(), {"event": "isolation", "proven": False} | failure)
    site.later(5)
    site.runs(PLAN)
    run = site.observation(PLAN)
    assert run.phase in {RunPhase.Starting, RunPhase.Ready}
    assert "deletionTimestamp" in pod_of(site)["metadata"]
    site.ended(PLAN)
    run = site.observation(PLAN)
    assert (run.phase, run.reason) == (RunPhase.Ended, Reason.IsolationFailed)
    item = (failure.get("failed") or failure.get("unproven") or [failure.get("error")])[0]
    assert str(item) in run.detail


def test_nothing_is_said_before_the_cluster_was_seen(site: Site) -> None:
    with pytest.raises(TREError, match="not known yet"):
        site.new_runtime().observe()


# --- the end


def test_an_end_is_asked_for_once_and_keeps_its_first_reason(site: Site) -> None:
    site.ready(PLAN)
    site.runtime.end(PLAN.identity, Reason.GrantRevoked)
    version = pod_of(site)["metadata"]["resourceVersion"]
    site.runtime.end(PLAN.identity, Reason.Requested)
    assert pod_of(site)["metadata"]["resourceVersion"] == version
    site.ended(PLAN)
    assert site.observation(PLAN).reason is Reason.GrantRevoked


def test_an_end_is_not_held_up_by_a_reason_that_cannot_be_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ready(PLAN)

    def broken(*_: object) -> Object:
        raise ClusterError(Reason.ServiceUnavailable, "The API server did not answer.")

    monkeypatch.setattr(site.cluster, "patch", broken)
    site.runtime.end(PLAN.identity, Reason.GrantRevoked)
    assert "deletionTimestamp" in pod_of(site)["metadata"]


def test_an_earlier_end_lowers_the_deadline_and_a_later_one_does_nothing(site: Site) -> None:
    site.ready(PLAN)
    sooner = given.NOW + timedelta(minutes=30)
    for end in (sooner, sooner + HOUR):
        site.runtime.shorten(PLAN.identity, end)
        site.look()
    assert pod_of(site)["spec"]["activeDeadlineSeconds"] == 1800
    assert site.observation(PLAN).end == sooner
    assert site.namespace(PLAN)["metadata"]["annotations"][END_ANNOTATION] == "2026-11-24T12:30:00Z"


def test_an_end_that_has_passed_ends_at_once(site: Site) -> None:
    site.ready(PLAN)
    site.runtime.shorten(PLAN.identity, given.NOW - timedelta(seconds=1))
    site.ended(PLAN)
    assert site.observation(PLAN).reason is Reason.DeadlineReached


@pytest.mark.parametrize(
    ("code", "over", "status", "reason", "word"),
    [
        (75, {}, {}, Reason.DeadlineReached, "end"),
        (65, {}, {}, Reason.IsolationFailed, "sealed"),
        (64, {}, {}, Reason.RuntimeFailed, "instruction"),
        (67, {}, {}, Reason.RuntimeFailed, "started"),
        (0, {}, {}, Reason.RuntimeFailed, "exit code 0"),
        (137, {"reason": "OOMKilled"}, {}, Reason.RuntimeFailed, "memory"),
        (76, {}, {"reason": "DeadlineExceeded"}, Reason.DeadlineReached, "end"),
        (
            76,
            {},
            {"reason": "Evicted", "message": "The node was low on memory."},
            Reason.RuntimeFailed,
            "low on memory",
        ),
        (76, {}, {}, Reason.RuntimeFailed, "node ended the pod"),
        (76, {"finishedAt": "2026-11-24T19:59:59Z"}, {}, Reason.DeadlineReached, "end"),
    ],
)
def test_every_end_has_a_reason_in_words(
    site: Site, code: int, over: Object, status: Object, reason: Reason, word: str
) -> None:
    site.ready(PLAN)
    site.ended(PLAN, code, over=over, **status)
    run = site.observation(PLAN)
    assert (run.phase, run.reason) == (RunPhase.Ended, reason)
    assert word in run.detail


@pytest.mark.parametrize(
    ("waiting", "conditions", "patience", "reason", "word"),
    [
        ("ImagePullBackOff", [], 61, Reason.SetupIncomplete, "fetched"),
        ("CreateContainerConfigError", [], 61, Reason.SetupIncomplete, "make"),
        ("", [("PodScheduled", "0/1 nodes are available: insufficient memory")], 3601, Reason.StartTimeout, "room"),
        ("", [("PodScheduled", 'persistentvolumeclaim "x" not found')], 3601, Reason.SetupIncomplete, "volume"),
        ("", [], 3601, Reason.StartTimeout, "an hour"),
    ],
)
def test_a_start_that_cannot_succeed_is_given_up_with_a_reason(
    site: Site, waiting: str, conditions: list[tuple[str, str]], patience: float, reason: Reason, word: str
) -> None:
    site.start(PLAN)
    state = {"waiting": {"reason": waiting, "message": "said by the node"}} if waiting else {"waiting": {}}
    told = [{"type": kind, "status": "False", "message": message} for kind, message in conditions]
    site.says(PLAN, {"waiting": {}}, state, phase="Pending", conditions=told)
    run = site.observation(PLAN)
    assert run.phase is RunPhase.Starting
    assert "deletionTimestamp" not in pod_of(site)["metadata"]
    site.later(patience)
    site.observation(PLAN)
    run = site.observation(PLAN)
    assert (run.phase, run.reason) == (RunPhase.Ended, reason)
    assert word in run.detail
    assert site.runtime.verify_dead(PLAN).dead  # no node ever had it


def test_a_claim_that_is_just_being_bound_is_no_trouble_and_a_volume_that_stays_away_is(site: Site) -> None:
    site.start(PLAN)
    message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    told = [{"type": "PodScheduled", "status": "False", "message": message}]
    site.says(PLAN, {"waiting": {}}, {"waiting": {}}, phase="Pending", conditions=told)
    assert site.observation(PLAN).detail == ""
    site.later(11)
    assert site.observation(PLAN).detail.startswith("A volume of the workspace is missing. [")


def test_a_namespace_that_another_start_has_just_renewed_is_not_deleted(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.start(PLAN)
    namespace = site.key(PLAN).namespace
    site.cluster.delete(POD, site.key(PLAN))
    listed = site.cluster.list

    def meanwhile(kind: Kind, *rest: Any) -> Any:
        if kind == POD:  # between the look and the deletion
            site.cluster.patch(NAMESPACE, Key("", namespace), {"metadata": {"finalizers": None}})
            site.cluster.delete(NAMESPACE, Key("", namespace))
            site.cluster.create(NAMESPACE, {"metadata": {"name": namespace}})
            return Listing([], 1)
        return listed(kind, *rest)

    monkeypatch.setattr(site.cluster, "list", meanwhile)
    later = given.plan(instance=PLAN.instance + 1, end=given.GRANT_END + timedelta(minutes=30))
    site.grant_end += timedelta(hours=1)
    site.controls.try_now()
    with pytest.raises(ClusterError) as caught:
        site.runtime.start(later)
    assert caught.value.reason is Reason.Conflict
    assert "deletionTimestamp" not in site.namespace(PLAN)["metadata"]


# --- death


def test_a_run_is_dead_when_its_node_says_so_of_both_containers(site: Site) -> None:
    site.ready(PLAN)
    site.runtime.end(PLAN.identity, Reason.Requested)
    assert site.runtime.verify_dead(PLAN).unproven == ("workspace on node node1", "door on node node1")
    site.ended(PLAN, door={"running": {}})
    assert site.observation(PLAN).phase is RunPhase.Ended
    assert site.runtime.verify_dead(PLAN).unproven == ("door on node node1",)
    with pytest.raises(TREError) as caught:
        site.runtime.forget(PLAN.identity)
    assert caught.value.reason is Reason.Conflict
    site.ended(PLAN)
    assert site.runtime.verify_dead(PLAN).dead
    site.runtime.forget(PLAN.identity)
    for kind in (POD, CLAIM, VOLUME, SECRET, CONFIG_MAP):
        assert not site.cluster.list(kind).items, kind
    site.look()
    assert not site.runtime.observe()
    assert site.runtime.verify_dead(PLAN).dead


def test_what_the_watch_still_shows_of_a_forgotten_run_is_not_observed(site: Site) -> None:
    site.ready(PLAN)
    site.runtime.end(PLAN.identity, Reason.Requested)
    site.ended(PLAN)
    site.runtime.forget(PLAN.identity)
    assert site.runtime.watcher.cache.get(site.key(PLAN)) is not None
    assert not site.runtime.observe()
    site.look()
    assert not site.runtime.observe()
    assert site.runtime.verify_dead(PLAN).dead


def test_a_look_goes_on_where_an_end_fails(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.ready(PLAN)
    site.door_says(PLAN, {"event": "isolation", "probe": "network", "proven": False, "failed": ["tcp x"]})
    site.later(5)
    site.says(PLAN, {"running": {}}, {"running": {}})

    def broken(*_: object) -> bool:
        raise TREError(Reason.LeadershipLost, "Another controller leads.")

    with monkeypatch.context() as patched:
        patched.setattr(site.cluster, "delete", broken)
        assert len(site.runtime.observe()) == 1
    assert "deletionTimestamp" not in pod_of(site)["metadata"]
    site.later(5)
    site.observation(PLAN)
    assert "deletionTimestamp" in pod_of(site)["metadata"]


def test_other_runs_keep_what_is_theirs(site: Site) -> None:
    other = given.plan(instance=33)  # begins like the run that is forgotten
    site.start(other)
    site.ready(PLAN)
    site.runtime.end(PLAN.identity, Reason.Requested)
    site.ended(PLAN)
    site.runtime.forget(PLAN.identity)
    assert len(site.cluster.list(CLAIM).items) == len(other.mounts)
    assert len(site.cluster.list(VOLUME).items) == len(other.mounts)
    assert len(site.cluster.list(SECRET).items) == 1


@pytest.mark.parametrize("gone", [False, True])
def test_a_node_that_does_not_report_is_named(site: Site, gone: bool) -> None:
    site.ready(PLAN)
    site.node(ready=False)
    if gone:
        site.cluster.remove_by_force(Kind("", "v1", "Node", "nodes", namespaced=False), Key("", NODE_NAME))
    site.runtime.end(PLAN.identity, Reason.Requested)
    site.cluster.delete(POD, site.key(PLAN), Deletion(grace_seconds=0))
    proof = site.runtime.verify_dead(PLAN)
    assert not proof.dead
    assert any("no longer part" in one if gone else "does not report" in one for one in proof.unproven)


def test_a_pod_that_vanished_is_missed(site: Site) -> None:
    site.ready(PLAN)
    site.observation(PLAN)
    site.cluster.remove_by_force(POD, site.key(PLAN))
    assert "node1" in site.runtime.verify_dead(PLAN).unproven[0]
    assert "every node" in site.new_runtime().verify_dead(PLAN).unproven[0]
    site.look()
    with pytest.raises(TREError, match="vanished"):
        site.runtime.forget(PLAN.identity)


def test_another_pod_of_the_name_is_no_proof(site: Site) -> None:
    site.ready(PLAN)
    site.ended(PLAN)
    assert not site.runtime.verify_dead(given.plan(uid=20002)).dead


def test_a_run_that_never_got_its_pod_is_dead(site: Site) -> None:
    site.controls.try_now()
    site.runtime.start(PLAN)
    assert site.runtime.verify_dead(PLAN).dead


def test_a_grants_namespace_goes_when_nothing_is_left_in_it(site: Site) -> None:
    site.ready(PLAN)
    assert not site.runtime.clear_grant(PLAN.grant)
    site.runtime.end(PLAN.identity, Reason.Requested)
    site.ended(PLAN)
    site.runtime.forget(PLAN.identity)
    assert site.runtime.clear_grant(PLAN.grant)
    assert site.cluster.get(NAMESPACE, Key("", site.place(PLAN.grant).namespace)) is None


def test_a_pod_that_is_none_of_ours_is_not_taken_for_a_run(site: Site) -> None:
    site.start(PLAN)
    site.cluster.patch(POD, site.key(PLAN), {"metadata": {"annotations": {"tre.research/plan": "{}"}}})
    site.look()
    assert not site.runtime.observe()


def test_what_was_asked_for_is_marked_and_the_proof_written_down(site: Site) -> None:
    site.ready(PLAN)
    instruction = site.cluster.list(CONFIG_MAP).items[0]
    assert instruction["metadata"]["annotations"][ASKED_ANNOTATION] == pod_of(site)["metadata"]["uid"]
    site.observation(PLAN)
    assert json.loads(pod_of(site)["metadata"]["annotations"][ISOLATION_ANNOTATION])["proven"] is True


# --- between two writes


def broken_off(site: Site, monkeypatch: pytest.MonkeyPatch, *, made: bool) -> None:
    """A controller that ended with the request for the pod: the API server carried it out, or never saw it."""
    site.controls.try_now()
    site.runtime.start(PLAN)
    site.count_quotas()
    create = site.cluster.create

    def gone(kind: Kind, item: Object) -> Object:
        if kind != POD:
            return create(kind, item)
        if made:
            create(kind, item)
        raise ClusterError(Reason.ServiceUnavailable, "The API server did not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(site.cluster, "create", gone)
        with pytest.raises(ClusterError):
            site.runtime.start(PLAN)
    site.runtime = site.new_runtime()
    site.look()


def test_a_pod_that_was_asked_for_and_never_made_is_withdrawn_and_dead(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(site, monkeypatch, made=False)
    assert not site.runtime.verify_dead(PLAN).dead  # it may yet come
    site.runtime.end(PLAN.identity, Reason.Requested)
    assert not site.cluster.list(SECRET).items  # without its keys a pod that comes late cannot begin
    assert site.runtime.verify_dead(PLAN).dead
    assert site.new_runtime().verify_dead(PLAN).dead  # also for the next controller
    site.runtime.forget(PLAN.identity)
    assert not site.cluster.list(CONFIG_MAP).items


def test_a_pod_that_was_made_although_nobody_heard_of_it_is_no_ghost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(site, monkeypatch, made=True)
    site.runtime.end(PLAN.identity, Reason.Requested)
    assert "deletionTimestamp" in pod_of(site)["metadata"]
    assert len(site.cluster.list(SECRET).items) == 1  # nothing was withdrawn: the pod is there to be asked


def test_a_pod_that_comes_after_it_was_withdrawn_is_not_called_dead_while_it_is_there(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_off(site, monkeypatch, made=False)
    site.runtime.end(PLAN.identity, Reason.Requested)
    late = {"metadata": {"name": PLAN.identity, "namespace": site.key(PLAN).namespace}, "spec": {}}
    site.cluster.create(POD, late)
    assert not site.runtime.verify_dead(PLAN).dead


def test_a_pod_that_vanished_is_missed_however_little_was_heard_of_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark says that it was made: by the answer to the request, or by the first look of the next controller."""
    broken_off(site, monkeypatch, made=True)
    site.place_pod(PLAN)
    site.look()
    site.runtime.observe()
    site.cluster.remove_by_force(POD, site.key(PLAN))
    third = site.new_runtime()
    third.watcher.step()
    third.end(PLAN.identity, Reason.Requested)
    proof = third.verify_dead(PLAN)
    assert "every node" in proof.unproven[0]
    assert proof.beyond_reach


def test_a_refusal_after_which_there_may_be_a_pod_is_not_taken_for_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server that gave up waiting for its own storage answers 500, and the pod may be there."""
    site.controls.try_now()
    site.runtime.start(PLAN)
    site.count_quotas()
    create = site.cluster.create

    def unsure(kind: Kind, item: Object) -> Object:
        if kind == POD:
            raise refusal_of(500, {"message": "etcdserver: request timed out"}, "The API server refused.")
        return create(kind, item)

    monkeypatch.setattr(site.cluster, "create", unsure)
    with pytest.raises(TREError):
        site.runtime.start(PLAN)
    assert not site.runtime.verify_dead(PLAN).dead


# --- a person's word


def test_nobodys_word_is_needed_or_taken_while_the_node_reports(site: Site) -> None:
    site.ready(PLAN)
    site.runtime.end(PLAN.identity, Reason.Requested)
    proof = site.runtime.verify_dead(PLAN)
    assert not proof.dead
    assert not proof.beyond_reach
    with pytest.raises(TREError, match="not dead"):
        site.runtime.forget(PLAN.identity, vouched=True)


def test_a_pod_whose_node_is_silent_is_beyond_reach_once_its_end_was_asked_for(site: Site) -> None:
    site.ready(PLAN)
    site.node(ready=False)
    assert not site.runtime.verify_dead(PLAN).beyond_reach
    site.runtime.end(PLAN.identity, Reason.Requested)
    assert site.runtime.verify_dead(PLAN).beyond_reach
    with pytest.raises(TREError, match="not dead"):
        site.runtime.forget(PLAN.identity)
    site.runtime.forget(PLAN.identity, vouched=True)
    assert not site.cluster.list(POD).items


def test_a_pod_that_vanished_from_a_node_that_reports_is_not_beyond_reach(site: Site) -> None:
    site.ready(PLAN)
    site.cluster.remove_by_force(POD, site.key(PLAN))
    assert not site.runtime.verify_dead(PLAN).beyond_reach
    site.node(ready=False)
    assert site.runtime.verify_dead(PLAN).beyond_reach
    site.look()
    site.runtime.forget(PLAN.identity, vouched=True)
    assert site.runtime.verify_dead(PLAN).dead  # nothing is left that remembers it
