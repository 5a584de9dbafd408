"""One grant and its workspaces under the controller: what starts, what ends, why, and in which order."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from tests.support.factories import BOB, END, EVE, NOON, access_grant, slice_plain, spec_plain, suspension
from tests.unit.controller.conftest import World
from tre.controller.reconciler import KEEPING_UP_SECONDS
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import SuspensionScope
from tre.domain.workspaces.states import StartStep, Wanted, WorkspacePhase
from tre.runtimes.protocol import RunPhase
from tre.store import grants, jobs, workspaces
from tre.store.tables.grants import grants as grants_table

DIGEST = "sha256:" + "ab" * 32


def test_a_signed_grant_becomes_active_and_its_workspace_runs(world: World) -> None:
    world.apply()
    world.settle()
    assert world.grant().phase == "Active"
    name = world.run()
    workspace = world.workspace(name)
    assert [step.step for step in workspace.progress] == list(StartStep)
    assert workspace.plan is not None
    assert workspace.plan.data_groups == (60100,)
    assert workspace.plan.end == min(END, NOON + timedelta(hours=24 * 7))
    routes = [item["record"] for item in world.published if item["type"] == "route"]
    assert routes[-1]["phase"] == "Running"
    assert routes[-1]["socket"] == "/run/x/lab.sock"


def test_a_place_is_made_when_a_grant_comes_into_force_and_again_when_isolation_was_lost(world: World) -> None:
    """So that no click waits for it, and that what kept a workspace closed is put back."""
    world.apply()
    assert world.prepared == []
    name = world.run()
    assert world.prepared == ["nccid-00123"]
    plan = world.workspace(name).plan
    assert plan is not None
    world.runtime.becomes(plan.identity, RunPhase.Ended, Reason.IsolationFailed)
    world.advance(1)
    assert world.workspace(name).reason is Reason.IsolationFailed
    assert world.prepared == ["nccid-00123"] * 2


def test_without_verified_evidence_nothing_starts(world: World) -> None:
    world.apply(signed=False)
    world.settle()
    assert world.grant().phase == "Pending"
    with world.database.read() as connection:
        conditions = grants.conditions(connection, "nccid-00123")
    assert conditions[0]["reason"] == Reason.EvidenceUnverified
    name = world.want()
    world.settle()
    assert world.workspace(name).phase == "Refused"
    assert world.workspace(name).reason is Reason.EvidenceUnverified
    assert world.runtime.started == []


def test_granting_waits_for_the_log_and_ending_does_not(world: World) -> None:
    world.apply()
    name = world.run()
    world.log_trouble = "the log was shortened"
    world.want(Wanted.Stopped)
    world.settle()
    assert world.workspace(name).phase == "Stopped"  # ending does not wait
    world.want()
    world.settle()
    assert world.workspace(name).phase == "Refused"
    assert world.workspace(name).reason is Reason.AuditBroken
    assert "the log was shortened" in world.workspace(name).message
    world.log_trouble = None
    world.run()
    assert world.workspace(name).phase == "Running"


def test_while_the_log_is_broken_no_grant_comes_into_force_and_no_suspension_is_lifted(world: World) -> None:
    world.log_trouble = "the log was shortened"
    world.apply()
    world.settle()
    assert world.grant().phase == "Pending"
    with world.database.read() as connection:
        conditions = grants.conditions(connection, "nccid-00123")
    assert [item["reason"] for item in conditions if item["type"] == "LogWhole"] == [Reason.AuditBroken]
    world.log_trouble = None
    world.advance(61)
    assert world.grant().phase == "Active"
    suspend(world, SuspensionScope.grant, "")
    world.settle()
    world.log_trouble = "the log was shortened"
    with world.database.read() as connection:
        stored = grants.stored_suspensions(connection, world.grant())
    with world.database.change(world.event("suspension.lifted", "grant/nccid-00123")) as change:
        grants.resume(change, [item.id for item in stored], world.clock.now())
    world.settle()
    assert world.grant().phase == "Suspended"
    world.log_trouble = None
    world.advance(61)
    assert world.grant().phase == "Active"


def test_a_grant_waits_for_its_start(world: World) -> None:
    world.apply(access_grant(notBefore=(NOON + timedelta(hours=1)).isoformat()))
    world.settle()
    assert world.grant().phase == "Pending"
    world.advance(3601)
    assert world.grant().phase == "Active"


def test_a_plan_that_the_approval_does_not_cover_keeps_the_grant_waiting(world: World) -> None:
    world.storekeeper_answers = False
    world.apply()
    world.settle()
    now = world.clock.now()
    with world.database.read() as connection:
        waiting = jobs.waiting(connection, "storekeeper", now)
    assert [item.payload["signedPlanDigest"] for item in waiting] == [DIGEST]
    with world.database.change(world.event("job.failed", waiting[0].subject)) as change:
        jobs.take(change, waiting[0].id, now)
        jobs.fail(change, waiting[0].id, TREError(Reason.PlanNotCovered, "Two files too many."), now)
    world.settle()
    with world.database.read() as connection:
        conditions = {item["type"]: item for item in grants.conditions(connection, "nccid-00123")}
    assert conditions["PlanCovered"]["status"] == "False"
    assert conditions["PlanCovered"]["reason"] == Reason.PlanNotCovered
    assert world.grant().phase == "Pending"


def test_an_approval_that_is_cut_short_is_told_to_whoever_holds_the_run(world: World) -> None:
    world.apply()
    name = world.run()
    plan = world.workspace(name).plan
    assert plan is not None
    sooner = NOON + timedelta(hours=1)
    world.apply(access_grant(legalBasis={"name": "COPI", "ends": sooner.isoformat()}))
    world.settle()
    assert world.runtime.runs[plan.identity].end == sooner
    routes = [item["record"] for item in world.published if item["type"] == "route"]
    assert datetime.fromisoformat(routes[-1]["end"]) == sooner
    world.apply(access_grant())  # given back: this run keeps the end it was told
    world.advance(2)
    assert world.workspace(name).phase == "Running"
    assert world.runtime.runs[plan.identity].end == sooner
    routes = [item["record"] for item in world.published if item["type"] == "route"]
    assert datetime.fromisoformat(routes[-1]["end"]) == sooner
    assert datetime.fromisoformat(routes[-1]["grantEnd"]) > sooner


def revoke(world: World) -> None:
    with world.database.change(world.event("grant.revoked", "grant/nccid-00123")) as change:
        grants.revoke(change, "nccid-00123", "breach", world.clock.now())


def suspend(world: World, scope: SuspensionScope, ref: str) -> None:
    of_organisation = scope is SuspensionScope.organisation
    subject = f"organisation/{ref}" if of_organisation else "grant/nccid-00123"
    with world.database.change(world.event("suspension.added", subject)) as change:
        found = suspension(scope, ref, since=world.clock.now())
        grants.suspend(change, None if of_organisation else "nccid-00123", found)


def remove_alice(world: World) -> None:
    world.apply(access_grant(members=[{"subject": {"issuer": "local", "id": "bob"}}]))


END_CAUSES = {
    "expiry": (Reason.GrantExpired, lambda world: world.clock.jump(END)),
    "revocation": (Reason.GrantRevoked, revoke),
    "suspension": (Reason.GrantSuspended, lambda world: suspend(world, SuspensionScope.grant, "")),
    "member": (Reason.MemberSuspended, lambda world: suspend(world, SuspensionScope.member, "local:alice")),
    "slice": (Reason.SliceSuspended, lambda world: suspend(world, SuspensionScope.slice, "cxr")),
    "organisation": (Reason.OrganisationSuspended, lambda world: suspend(world, SuspensionScope.organisation, "org-1")),
    "removal": (Reason.NotAMember, remove_alice),
    "request": (Reason.Requested, lambda world: world.want(Wanted.Stopped)),
}


@pytest.mark.parametrize("cause", END_CAUSES)
def test_each_cause_ends_a_running_workspace(world: World, cause: str) -> None:
    reason, bring_about = END_CAUSES[cause]
    world.apply()
    name = world.run()
    before = len(world.published)
    bring_about(world)
    world.settle()
    workspace = world.workspace(name)
    assert workspace.phase == "Stopped"
    assert workspace.reason is reason
    assert workspace.wanted is Wanted.Stopped
    assert world.runtime.ended[0] == (f"{name}-1", reason)
    assert world.runtime.runs == {}
    told = [item["type"] for item in world.published[before:]]
    assert "ending" in told
    kinds = world.kinds()
    assert kinds.index("workspace.stopping") < kinds.index("workspace.stopped")


def test_the_gateways_are_told_before_anything_is_killed(world: World) -> None:
    world.apply()
    world.run()
    order: list[str] = []
    publish, end = world.context.publish, world.runtime.end
    object.__setattr__(world.context, "publish", lambda item: (order.append(item["type"]), publish(item)))
    world.runtime.end = lambda identity, reason: (order.append("kill"), end(identity, reason))[1]  # type: ignore[method-assign]
    revoke(world)
    world.settle()
    assert order.index("grant") < order.index("kill")
    assert order.index("ending") < order.index("kill")


def test_stopped_is_written_only_with_a_proof_of_death(world: World) -> None:
    world.apply()
    name = world.run()
    world.runtime.lingering.add(f"{name}-1")
    revoke(world)
    world.settle()
    assert world.workspace(name).phase == "Stopping"
    assert "workspace.stopped" not in world.kinds()
    world.advance(5)
    assert world.workspace(name).phase == "Stopping"
    world.runtime.lingering.clear()
    world.advance(1)  # this look kills
    world.advance(1)  # this one sees the death
    assert world.workspace(name).phase == "Stopped"


def test_other_members_go_on_when_one_is_suspended(world: World) -> None:
    world.apply()
    alice, bob = world.run(), world.run(BOB)
    suspend(world, SuspensionScope.member, "local:alice")
    world.settle()
    assert world.workspace(alice).phase == "Stopped"
    assert world.workspace(bob).phase == "Running"


def test_after_a_suspension_nothing_starts_by_itself_and_a_click_suffices(world: World) -> None:
    world.apply()
    name = world.run()
    with world.database.change(world.event("suspension.added", "grant/nccid-00123")) as change:
        until = world.clock.now() + timedelta(minutes=5)
        grants.suspend(change, "nccid-00123", suspension(since=world.clock.now(), until=until))
    world.settle()
    assert world.grant().phase == "Suspended"
    world.advance(301)
    assert world.grant().phase == "Active"
    assert world.workspace(name).phase == "Stopped"
    world.want()
    world.settle()
    assert world.workspace(name).phase == "Starting"
    assert world.workspace(name).instance == 2


def test_a_suspended_slice_is_left_out_of_the_next_run(world: World) -> None:
    other = "sha256:" + "cd" * 32
    slices = [slice_plain("cxr", planDigest=DIGEST), slice_plain("ct", planDigest=other)]
    both = digest({"cxr": DIGEST, "ct": other})
    world.apply(access_grant(slices=slices, approval=spec_plain()["approval"] | {"planDigest": both}))
    name = world.run()
    suspend(world, SuspensionScope.slice, "ct")
    world.settle()
    assert world.workspace(name).reason is Reason.SliceSuspended
    world.want()
    world.settle()
    plan = world.workspace(name).plan
    assert plan is not None
    assert plan.slices == {"cxr"}


def test_a_run_that_ends_by_itself_is_recorded_with_its_reason(world: World) -> None:
    world.apply()
    name = world.run()
    world.runtime.becomes(f"{name}-1", RunPhase.Ended, Reason.HomeFull)
    world.advance(2)
    assert world.workspace(name).phase == "Stopped"
    assert world.workspace(name).reason is Reason.HomeFull


def test_a_run_that_vanished_is_recorded(world: World) -> None:
    world.apply()
    name = world.run()
    world.runtime.runs.clear()
    world.advance(2)
    assert world.workspace(name).phase == "Stopped"
    assert world.workspace(name).reason is Reason.RuntimeFailed


def test_a_start_that_takes_too_long_is_ended(world: World) -> None:
    world.apply()
    world.settle()
    name = world.want()
    world.settle()
    assert world.workspace(name).phase == "Starting"
    world.advance(61)
    assert world.workspace(name).phase == "Stopped"
    assert world.workspace(name).reason is Reason.StartTimeout


def test_a_crash_between_record_and_runtime_is_made_good(world: World) -> None:
    world.apply()
    world.settle()
    world.runtime.broken = TREError(Reason.ServiceUnavailable, "Nobody answers.")
    name = world.want()
    world.settle()
    assert world.workspace(name).phase == "Starting"
    assert world.runtime.started == []
    world.runtime.broken = None
    world.advance(1)
    assert world.runtime.started == [f"{name}-1"]


def test_a_run_that_nobody_asked_for_is_ended(world: World) -> None:
    world.apply()
    name = world.run()
    run = world.runtime.runs[f"{name}-1"]
    stranger = run.plan.model_copy(update={"instance": 9})
    world.runtime.start(stranger)
    world.advance(2)
    world.advance(2)
    assert (stranger.identity, Reason.RuntimeFailed) in world.runtime.ended
    assert stranger.identity not in world.runtime.runs
    assert world.workspace(name).phase == "Running"


def test_a_stranger_gets_nothing(world: World) -> None:
    world.apply()
    with world.database.change(world.event("workspace.wanted", "workspace/x")) as change:
        name = workspaces.ensure(change, "nccid-00123", EVE, world.clock.now())
        workspaces.want(change, name, Wanted.Running)
    with world.database.change(world.event("workspace.wanted", f"workspace/{name}")):
        pass
    world.settle()
    assert world.workspace(name).phase == WorkspacePhase.Refused
    assert world.workspace(name).reason is Reason.NotAMember


def test_a_closed_grant_leaves_nothing_and_says_so(world: World) -> None:
    world.apply()
    name = world.run()
    revoke(world)
    world.settle()
    assert world.grant().phase == "Revoked"
    with world.database.change(world.event("grant.close-asked", "grant/nccid-00123")) as change:
        grants.ask_close(change, "nccid-00123", world.clock.now())
    world.settle()
    assert world.grant().phase == "Closed"
    kinds = world.kinds()
    assert kinds.index("workspace.stopped") < kinds.index("slice.removed") < kinds.index("grant.closed")
    world.want()
    world.settle()
    assert world.workspace(name).reason is Reason.GrantClosed


def test_homes_are_kept_for_the_retention_time(world: World) -> None:
    world.apply()
    world.run()
    revoke(world)
    world.settle()
    world.advance(27 * 86400)
    assert world.grant().phase == "Revoked"
    world.advance(86400 + 3700)
    assert world.grant().phase == "Closed"


def test_the_end_is_announced_once_for_each_warning(world: World) -> None:
    world.apply(access_grant(expires=(NOON + timedelta(days=6)).isoformat()))
    world.settle()
    world.advance(60)
    assert world.kinds().count("grant.end-announced") == 1
    world.advance(5 * 86400 + 1)
    assert world.kinds().count("grant.end-announced") == 2


def test_nothing_happens_when_nothing_happened(world: World) -> None:
    world.apply()
    world.run()
    world.settle()
    before = world.kinds()
    for _ in range(5):
        world.advance(61)
    assert world.kinds() == before


def test_what_is_asked_of_an_ended_grant_is_refused(world: World) -> None:
    world.apply()
    world.settle()
    revoke(world)
    with pytest.raises(TREError) as caught:
        world.apply()
    assert caught.value.reason is Reason.StateForbids


def test_a_tap_makes_the_next_look_see_what_a_run_did_without_waiting(world: World) -> None:
    world.apply()
    world.settle()
    name = world.want()
    world.settle()
    world.runtime.becomes(f"{name}-1", RunPhase.Ready)
    world.reconciler.step()
    assert world.workspace(name).phase == "Starting"  # the clock stands still: no look at the runs is due
    world.reconciler._tapped.set()
    world.reconciler.step()
    assert world.workspace(name).phase == "Running"


def test_what_waits_for_a_moment_is_done_when_the_clock_is_set_back(world: World) -> None:
    world.apply()
    name = world.run()
    world.runtime.broken_end = TREError(Reason.ServiceUnavailable, "The supervisor does not answer.")
    revoke(world)
    world.settle()
    assert world.workspace(name).phase == "Running"  # tried, failed, to be tried again a moment later
    world.runtime.broken_end = None
    world.clock.jump(world.clock.now() - timedelta(hours=3))
    world.advance(0.01)
    assert world.workspace(name).phase == "Stopped"


def test_a_controller_that_does_not_look_says_so(world: World) -> None:
    assert not world.reconciler.keeps_up()
    world.reconciler.step()
    assert world.reconciler.keeps_up()
    world.clock.advance(KEEPING_UP_SECONDS - 0.1)
    assert world.reconciler.keeps_up()
    world.clock.advance(0.1)
    assert not world.reconciler.keeps_up()
    world.reconciler.step()
    assert world.reconciler.keeps_up()


def test_a_grant_that_cannot_be_read_is_taken_from_the_gateways(world: World) -> None:
    name = world.apply()
    world.settle()
    assert world.published[-1]["type"] != "grant-gone"
    with world.database.change(world.event("grant.damaged", f"grant/{name}")) as change:
        change.connection.execute(update(grants_table).values(spec={"broken": True}))
    world.settle()
    assert {"type": "grant-gone", "name": name} in world.published


def test_waiting_for_the_storekeeper_writes_no_event_for_each_look(world: World) -> None:
    world.apply()
    world.settle()
    world.storekeeper_answers = False
    world.want()
    world.settle()
    before = world.kinds()
    world.settle(50)
    assert world.kinds() == before
    assert before.count("workspace.identity-given") == 1
