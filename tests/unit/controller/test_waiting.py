"""What a grant waits for, and how it goes on: people yet to sign in, failed slices, receipts, directories."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, END, NOON, access_grant, slice_plain, spec_plain
from tests.unit.controller.conftest import DIGEST, World
from tre.controller.receipts import AGAIN, SOONER
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Subject
from tre.domain.workspaces.states import Wanted
from tre.runtimes.protocol import RunPhase
from tre.store import grant_slices, grants, jobs, people
from tre.store.grant_slices import SliceState
from tre.system.settings import Settings

OTHER = "sha256:" + "cd" * 32
FULL = TREError(Reason.StorageFull, "Building failed.", why="No space left on device.")


def meet(world: World, subject: Subject) -> None:
    """Somebody signs in for the first time."""
    person = Person(subject=subject, display_name=subject.id)
    with world.database.change(world.event("login.succeeded", f"person/{subject}")) as change:
        people.keep_person(change, person, world.clock.now())


def conditions(world: World) -> dict[str, dict[str, Any]]:
    with world.database.read() as connection:
        return {item["type"]: item for item in grants.conditions(connection, "nccid-00123")}


def asked(world: World, kind: str) -> list[jobs.Job]:
    with world.database.read() as connection:
        return [job for job in jobs.waiting(connection, "storekeeper", world.clock.now()) if job.kind == kind]


def fail(world: World, job: jobs.Job, error: TREError = FULL) -> None:
    with world.database.change(world.event("job.failed", f"job/{job.id}")) as change:
        jobs.take(change, job.id, world.clock.now())
        jobs.fail(change, job.id, error, world.clock.now())


def test_whom_nobody_has_met_is_told_and_nothing_waits_for_it(world: World) -> None:
    world.apply()
    world.settle()
    found = conditions(world)["MembersSeen"]
    assert (found["status"], found["reason"]) == ("False", Reason.MemberNotSeen)
    assert "local:alice, local:bob" in found["message"]
    assert world.grant().phase == "Active"
    meet(world, ALICE)
    world.settle(2)
    assert conditions(world)["MembersSeen"]["message"].startswith("local:bob ")
    meet(world, BOB)
    world.settle(2)
    found = conditions(world)["MembersSeen"]
    assert (found["status"], found["reason"], found["message"]) == ("True", Reason.Entitled, "")


def test_with_a_provider_the_issuer_may_hold_colons(world: World) -> None:
    carol = Subject(issuer="https://login.example.org:8443/realm", id="carol")
    world.apply(access_grant(members=[{"subject": carol.as_plain()}]))
    world.settle()
    assert conditions(world)["MembersSeen"]["status"] == "False"
    meet(world, carol)
    world.settle(2)
    assert conditions(world)["MembersSeen"]["status"] == "True"


def test_a_failed_build_is_told_at_once_and_tried_again_after_a_while(world: World) -> None:
    world.storekeeper_answers = False
    world.apply()
    world.settle()
    fail(world, asked(world, "slice.build")[0])
    world.settle()
    found = conditions(world)["SlicesReady"]
    assert (found["status"], found["reason"]) == ("False", Reason.StorageFull)
    assert "No space left" in found["message"]
    for pause in (*SOONER, AGAIN, AGAIN):  # a disk that has room again keeps nobody waiting, one that stays full rests
        assert asked(world, "slice.build") == []
        world.clock.advance(pause.total_seconds() - 1)
        world.settle(3)
        assert asked(world, "slice.build") == []
        world.clock.advance(1)
        world.settle(3)
        again = asked(world, "slice.build")
        assert len(again) == 1
        fail(world, again[0])
        world.settle(3)
    world.clock.advance(AGAIN.total_seconds())
    world.settle(3)
    world.do_jobs()
    world.settle()
    assert world.grant().phase == "Active"


def test_a_build_whose_turn_at_the_record_never_came_is_tried_again_soon(world: World) -> None:
    world.storekeeper_answers = False
    world.apply()
    world.settle()
    fail(world, asked(world, "slice.build")[0], TREError(Reason.Conflict, "Another program has held the record."))
    world.settle()
    world.clock.advance(SOONER[0].total_seconds())
    world.settle()
    assert len(asked(world, "slice.build")) == 1


def test_a_build_that_the_plan_forbids_is_tried_again_only_after_a_long_while(world: World) -> None:
    world.storekeeper_answers = False
    world.apply()
    world.settle()
    fail(world, asked(world, "slice.build")[0], TREError(Reason.PlanNotCovered, "Two files too many."))
    world.settle()
    world.clock.advance(AGAIN.total_seconds() - 1)
    world.settle()
    assert asked(world, "slice.build") == []
    world.clock.advance(1)
    world.settle()
    assert len(asked(world, "slice.build")) == 1


def test_a_removal_that_failed_is_tried_again_soon(world: World) -> None:
    both = digest({"cxr": DIGEST, "ct": OTHER})
    two = [slice_plain("cxr", planDigest=DIGEST), slice_plain("ct", planDigest=OTHER)]
    world.apply(access_grant(slices=two, approval=spec_plain()["approval"] | {"planDigest": both}))
    world.advance(1)
    world.storekeeper_answers = False
    world.apply(access_grant())
    world.advance(1)
    fail(world, asked(world, "slice.remove")[0])
    world.settle()
    assert asked(world, "slice.remove") == []
    world.clock.advance(SOONER[0].total_seconds())
    world.settle()
    assert len(asked(world, "slice.remove")) == 1


def test_a_slice_that_came_back_has_to_be_removed_again(world: World) -> None:
    both = digest({"cxr": DIGEST, "ct": OTHER})
    two = {
        "slices": [slice_plain("cxr", planDigest=DIGEST), slice_plain("ct", planDigest=OTHER)],
        "approval": spec_plain()["approval"] | {"planDigest": both},
    }
    removals = []
    for _ in range(2):
        world.apply(access_grant(**two))
        world.advance(1)
        world.apply(access_grant())
        world.storekeeper_answers = False
        world.advance(1)
        removals += asked(world, "slice.remove")
        world.storekeeper_answers = True
        world.advance(1)
        with world.database.read() as connection:
            states = {item.name: item.state for item in grant_slices.of_grant(connection, "nccid-00123")}
        assert states == {"cxr": SliceState.Ready, "ct": SliceState.Gone}
    assert len({job.id for job in removals}) == 2


def test_a_grant_that_ends_removes_a_slice_that_was_removed_and_came_back(world: World) -> None:
    both = digest({"cxr": DIGEST, "ct": OTHER})
    two = {
        "slices": [slice_plain("cxr", planDigest=DIGEST), slice_plain("ct", planDigest=OTHER)],
        "approval": spec_plain()["approval"] | {"planDigest": both},
    }
    for terms in (two, {}, two):
        world.apply(access_grant(**terms))
        world.advance(1)
    with world.database.change(world.event("grant.revoked", "grant/nccid-00123")) as change:
        grants.revoke(change, "nccid-00123", "breach", world.clock.now())
    world.storekeeper_answers = False
    world.advance(1)
    assert len(asked(world, "slice.remove")) == 2


def test_failed_directories_are_made_again_at_the_next_click(world: World) -> None:
    world.apply()
    world.settle()
    world.storekeeper_answers = False
    name = world.want()
    world.settle()
    fail(world, asked(world, "workspace.provision")[0])
    world.settle()
    assert (world.workspace(name).phase, world.workspace(name).reason) == ("Refused", Reason.StorageFull)
    assert asked(world, "workspace.provision") == []
    world.clock.advance(30)
    world.want()
    world.settle()
    assert len(asked(world, "workspace.provision")) == 1
    world.storekeeper_answers = True
    world.advance(6)
    assert world.workspace(name).phase == "Starting"


def test_an_empty_slice_keeps_the_grant_waiting_with_its_reason(world: World) -> None:
    world.storekeeper_answers = False
    world.apply()
    world.settle()
    job = asked(world, "slice.build")[0]
    with world.database.change(world.event("job.failed", f"job/{job.id}")) as change:
        jobs.take(change, job.id, world.clock.now())
        jobs.fail(change, job.id, TREError(Reason.EmptySlice, "The plan holds no image."), world.clock.now())
    world.settle()
    assert conditions(world)["SlicesReady"]["reason"] == Reason.EmptySlice
    assert world.grant().phase == "Pending"


def test_a_new_end_is_announced_anew(world: World) -> None:
    world.apply(access_grant(expires=(NOON + timedelta(hours=2)).isoformat()))
    world.settle()
    world.advance(3700)
    assert world.kinds().count("grant.end-announced") == 2  # within a day, and within the hour
    world.apply(access_grant(expires=(NOON + timedelta(days=3)).isoformat()))
    world.settle()
    assert world.kinds().count("grant.end-announced") == 3


@pytest.mark.parametrize("message", ["two\nlines", " blanks ", "x" * 800, "\u202ereversed"])
def test_whatever_a_program_says_a_workspace_can_be_read_again(world: World, message: str) -> None:
    world.apply(access_grant(expires=END.isoformat()))
    name = world.run()
    run = world.runtime.runs[f"{name}-1"]
    world.runtime.runs[f"{name}-1"] = run.model_copy(update={"phase": RunPhase.Ended, "detail": message})
    world.advance(2)
    assert world.workspace(name).phase == "Stopped"
    assert len(world.workspace(name).message) <= 500


def test_a_restart_ends_one_run_and_begins_another_with_the_new_end(world: World) -> None:
    world.apply(access_grant(expires=(NOON + timedelta(days=2)).isoformat()))
    name = world.run()
    world.apply(access_grant(expires=(NOON + timedelta(days=5)).isoformat()))
    world.settle()
    before = world.workspace(name)
    assert before.plan is not None
    assert before.plan.end == NOON + timedelta(days=2)
    world.want(Wanted.Restart)
    world.advance(1)
    assert (f"{name}-1", Reason.Requested) in world.runtime.ended
    kinds = world.kinds()
    assert kinds.index("workspace.stopped") < len(kinds) - 1 - kinds[::-1].index("workspace.starting")
    after = world.workspace(name)
    assert after.plan is not None
    assert (after.phase, after.wanted, after.instance) == ("Starting", Wanted.Running, 2)
    assert after.plan.end == NOON + timedelta(days=5)


def restarting(world: World) -> str:
    """A workspace that is to run again and whose first run is not dead yet; its name."""
    world.apply()
    name = world.run()
    world.runtime.lingering.add(f"{name}-1")
    world.want(Wanted.Restart)
    world.settle()
    return name


def test_a_restart_waits_for_the_proof_of_death(world: World) -> None:
    name = restarting(world)
    assert (world.workspace(name).phase, world.workspace(name).wanted) == ("Stopping", Wanted.Restart)
    world.runtime.lingering.clear()
    world.advance(1)
    world.advance(1)
    assert (world.workspace(name).phase, world.workspace(name).instance) == ("Starting", 2)


def test_a_stop_during_a_restart_stops(world: World) -> None:
    name = restarting(world)
    world.want(Wanted.Stopped)
    world.runtime.lingering.clear()
    world.advance(1)
    world.advance(1)
    assert (world.workspace(name).phase, world.workspace(name).instance) == ("Stopped", 1)


def test_a_restart_begins_nothing_once_the_approval_is_gone(world: World) -> None:
    name = restarting(world)
    with world.database.change(world.event("grant.revoked", "grant/nccid-00123")) as change:
        grants.revoke(change, "nccid-00123", "breach", world.clock.now())
    world.runtime.lingering.clear()
    world.advance(1)
    world.advance(1)
    found = world.workspace(name)
    assert (found.phase, found.reason, found.wanted) == ("Refused", Reason.GrantRevoked, Wanted.Stopped)
    assert found.instance == 1


def test_a_run_that_fails_while_a_restart_is_asked_for_does_not_start_by_itself(world: World) -> None:
    world.apply()
    name = world.run()
    world.runtime.becomes(f"{name}-1", RunPhase.Ended, Reason.HomeFull)
    world.want(Wanted.Restart)
    world.advance(2)
    assert (world.workspace(name).phase, world.workspace(name).wanted) == ("Stopped", Wanted.Stopped)


def test_a_click_in_the_moment_of_an_ending_is_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apply()
    name = world.run()
    end = world.runtime.end

    def end_and_click(identity: str, reason: Reason) -> None:
        monkeypatch.undo()
        end(identity, reason)
        world.want(Wanted.Running)

    monkeypatch.setattr(world.runtime, "end", end_and_click)
    world.want(Wanted.Stopped)
    world.settle()
    assert (world.workspace(name).wanted, world.workspace(name).instance) == (Wanted.Running, 2)


FULL_CLUSTER = "No machine of the cluster has room for the workspace."


def held_up(world: World, detail: str) -> str:
    """A workspace whose start is held up, and says by what; its name."""
    world.apply()
    world.settle()
    name = world.want()
    world.settle()
    says(world, name, detail)
    return name


def says(world: World, name: str, detail: str) -> None:
    run = world.runtime.runs[f"{name}-1"]
    world.runtime.runs[f"{name}-1"] = run.model_copy(update={"detail": detail})
    world.advance(1)


def test_what_holds_a_start_up_is_told_while_it_waits_and_when_it_is_given_up(world: World) -> None:
    name = held_up(world, f"{FULL_CLUSTER} [0/3 nodes]")
    found = world.workspace(name)
    assert (found.phase, found.message) == ("Starting", f"{FULL_CLUSTER} [0/3 nodes]")
    for nodes in (4, 5):  # the cluster's own words change with each look: no event for each of them
        says(world, name, f"{FULL_CLUSTER} [0/{nodes} nodes]")
    assert world.kinds().count("workspace.waiting") == 1
    world.advance(60)
    found = world.workspace(name)
    assert (found.phase, found.reason) == ("Stopped", Reason.StartTimeout)
    assert found.message == f"The server did not answer in time. {FULL_CLUSTER} [0/5 nodes]"


def test_what_no_longer_holds_a_start_up_is_not_told(world: World) -> None:
    name = held_up(world, FULL_CLUSTER)
    says(world, name, "")
    assert (world.workspace(name).phase, world.workspace(name).message) == ("Starting", "")


def test_a_start_that_cannot_even_begin_says_why(world: World) -> None:
    world.apply()
    world.settle()
    world.runtime.broken = TREError(Reason.Conflict, "All places of this project are taken.", why="exceeded quota")
    name = world.want()
    world.settle()
    world.advance(1)
    assert world.workspace(name).message == "All places of this project are taken. [exceeded quota]"
    world.advance(31)
    world.advance(31)
    found = world.workspace(name)
    assert found.reason is Reason.StartTimeout
    assert "All places of this project are taken." in found.message
    assert world.runtime.started == []


def test_an_approval_that_is_edited_while_the_run_starts_holds_for_that_run(world: World) -> None:
    """Cut short: the run is told its earlier end at once, not when it is ready. Without a member: it ends."""
    world.apply(access_grant(expires=(NOON + timedelta(days=2)).isoformat()))
    world.settle()
    name = world.want()
    world.settle()
    assert world.workspace(name).phase == "Starting"
    earlier = NOON + timedelta(days=1)
    world.apply(access_grant(expires=earlier.isoformat()))
    world.advance(1)
    assert world.runtime.runs[f"{name}-1"].end == earlier
    assert world.workspace(name).phase == "Starting"
    world.apply(access_grant(expires=earlier.isoformat(), members=[{"subject": BOB.as_plain()}]))
    world.advance(1)
    assert (world.workspace(name).phase, world.workspace(name).reason) == ("Stopped", Reason.NotAMember)


def test_a_cluster_has_longer_to_start_than_one_machine() -> None:
    on_a_cluster = {"runtime": "kubernetes", "database_url": "postgresql://db/tre"}
    assert Settings().start_seconds == 60
    assert Settings.model_validate(on_a_cluster).start_seconds == 900
    assert Settings.model_validate(on_a_cluster | {"start_timeout_seconds": 30}).start_seconds == 30
