"""Starts under the controller where there is room for few: who waits, who leaves the queue, what outlives a crash."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import pytest

from tests.support.databases import Sqlite
from tests.support.factories import ALICE, BOB, EVE, access_grant, suspension
from tests.unit.controller.conftest import World
from tre.controller.reconciler import Reconciler
from tre.domain.errors import Reason
from tre.domain.people import Subject
from tre.domain.workspaces.admission import Room
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.runtimes.protocol import RunPhase
from tre.store import grants, workspaces
from tre.system.profile_settings import ProfileSettings, QuotaSettings
from tre.system.settings import Settings

GIB = 2**30
OTHER = "nccid-00777"
CAROL = Subject(issuer="local", id="carol")


@pytest.fixture
def backend() -> Iterator[Sqlite]:
    """One database: what differs between the two is tried in tests/unit/store."""
    made = Sqlite()
    yield made
    made.close()


def narrow(world: World, gib: int | None = 4, **settings: object) -> None:
    """A controller with room for so much, and these settings: as after a new start of it."""
    room = Room() if gib is None else Room(memory=gib * GIB)
    world.reconciler._feed.close()
    world.context = dataclasses.replace(world.context, room=room, settings=Settings.model_validate(settings))
    world.reconciler = Reconciler(world.context, threading.Event())


@pytest.fixture
def one(world: World) -> World:
    """Room for one workspace; a grant with two members, another with two."""
    narrow(world)
    world.apply()
    members = [{"subject": one.as_plain(), "role": "researcher"} for one in (CAROL, EVE)]
    world.apply(access_grant(OTHER, members=members))
    world.settle()
    return world


def ask(world: World, grant: str, subject: Subject, wanted: Wanted = Wanted.Running) -> str:
    name = Workspace.name_for(grant, subject)
    world.clock.advance(1)
    with world.database.change(world.event("workspace.wanted", f"workspace/{name}")) as change:
        workspaces.want(change, name, wanted)
    world.settle()
    return name


def phases(world: World, *names: str) -> list[str]:
    return [world.workspace(name).phase.value for name in names]


def test_who_does_not_fit_waits_and_starts_by_itself_when_there_is_room(one: World) -> None:
    first = one.run()
    second = ask(one, "nccid-00123", BOB)
    workspace = one.workspace(second)
    assert (workspace.phase, workspace.reason, workspace.wanted) == ("Queued", "WaitingForRoom", "Running")
    one.advance(3600)
    assert phases(one, first, second) == ["Running", "Queued"]
    assert "workspace.queued" in one.kinds()
    one.want(Wanted.Stopped)
    one.settle()
    assert phases(one, first, second) == ["Stopped", "Starting"]
    assert one.kinds().count("workspace.queued") == 1  # waiting writes nothing more


def test_without_a_bound_nobody_waits(one: World) -> None:
    narrow(one, None)
    one.run()
    assert phases(one, ask(one, "nccid-00123", BOB)) == ["Starting"]


def test_the_project_that_holds_less_comes_first_and_then_the_one_that_waited(one: World) -> None:
    first = one.run()
    colleague = ask(one, "nccid-00123", BOB)
    one.advance(60)
    other = ask(one, OTHER, CAROL)
    assert phases(one, first, colleague, other) == ["Running", "Queued", "Queued"]
    one.want(Wanted.Stopped)  # now neither project holds anything: who came first is first
    one.settle()
    assert phases(one, colleague, other) == ["Starting", "Queued"]


def test_the_queue_is_the_same_after_the_controller_was_started_again(one: World) -> None:
    first, second, third = one.run(), ask(one, "nccid-00123", BOB), ask(one, OTHER, CAROL)
    since = one.workspace(second).changed_at
    narrow(one)
    one.settle()
    assert one.workspace(second).changed_at == since
    ask(one, "nccid-00123", ALICE, Wanted.Stopped)
    assert phases(one, first, second, third) == ["Stopped", "Starting", "Queued"]


def test_a_larger_machine_lets_the_queue_in(one: World) -> None:
    second = [one.run(), ask(one, "nccid-00123", BOB)][1]
    narrow(one, 8)
    one.settle()
    assert phases(one, second) == ["Starting"]


def test_whoever_wants_no_more_leaves_the_queue_without_a_run(one: World) -> None:
    first, second, third = one.run(), ask(one, "nccid-00123", BOB), ask(one, OTHER, CAROL)
    ask(one, "nccid-00123", BOB, Wanted.Stopped)
    assert phases(one, first, second, third) == ["Running", "Stopped", "Queued"]
    assert one.workspace(second).instance == 0
    assert "workspace.left-queue" in one.kinds()
    ask(one, "nccid-00123", ALICE, Wanted.Stopped)
    assert phases(one, second, third) == ["Stopped", "Starting"]


def test_who_may_not_be_in_any_more_leaves_the_queue(one: World) -> None:
    second = [one.run(), ask(one, OTHER, CAROL)][1]
    with one.database.change(one.event("grant.suspended", f"grant/{OTHER}")) as change:
        grants.suspend(change, OTHER, suspension())
    one.settle()
    workspace = one.workspace(second)
    assert (workspace.phase, workspace.reason, workspace.wanted) == ("Refused", "GrantSuspended", "Stopped")
    third = ask(one, "nccid-00123", BOB)
    with one.database.change(one.event("grant.revoked", "grant/nccid-00123")) as change:
        grants.revoke(change, "nccid-00123", "over", one.clock.now())
    one.settle()
    assert (one.workspace(third).phase, one.workspace(third).reason) == ("Refused", "GrantRevoked")


def test_a_restart_keeps_its_place_before_everybody_who_waits(one: World) -> None:
    first, second = one.run(), ask(one, OTHER, CAROL)
    one.advance(3600)
    ask(one, "nccid-00123", ALICE, Wanted.Restart)
    assert phases(one, first, second) == ["Starting", "Queued"]
    assert one.workspace(first).instance == 2


def test_what_never_fits_is_refused_and_does_not_wait(one: World) -> None:
    narrow(one, 3)
    name = one.want()
    one.settle()
    workspace = one.workspace(name)
    assert (workspace.phase, workspace.reason) == ("Refused", "LargerThanMachine")
    assert "4Gi of memory; there is 3Gi of memory" in workspace.message


def test_a_quota_refuses_with_what_why_and_what_to_do(one: World) -> None:
    narrow(one, None, quota=QuotaSettings(workspaces=1).as_plain())
    one.run()
    refused, other = ask(one, "nccid-00123", BOB), ask(one, OTHER, CAROL)
    workspace = one.workspace(refused)
    assert (workspace.phase, workspace.reason, workspace.wanted) == ("Refused", "QuotaReached", "Stopped")
    assert "1 workspace open at once" in workspace.message
    assert "stopped theirs" in workspace.message
    assert phases(one, other) == ["Starting"]  # another project is not concerned
    ask(one, "nccid-00123", ALICE, Wanted.Stopped)
    assert phases(one, ask(one, "nccid-00123", BOB)) == ["Starting"]


def test_a_grant_asks_for_less_than_the_operator_allows(world: World) -> None:
    world.apply(access_grant(workspace={"atOnce": 1}))
    world.run()
    assert phases(world, ask(world, "nccid-00123", BOB)) == ["Refused"]


def test_who_waits_counts_for_the_quota_of_whoever_comes_later(one: World) -> None:
    """Nobody waits for hours to be refused: the second of a project that may have one is refused at once."""
    narrow(one, 4, quota=QuotaSettings(workspaces=1).as_plain())
    first, second = one.run(), ask(one, OTHER, CAROL)
    third = ask(one, OTHER, EVE)
    assert phases(one, first, second, third) == ["Running", "Queued", "Refused"]
    ask(one, "nccid-00123", ALICE, Wanted.Stopped)
    assert phases(one, second) == ["Starting"]


def test_a_profile_that_was_taken_away_is_refused_out_of_the_queue(one: World) -> None:
    second = [one.run(), ask(one, OTHER, CAROL)][1]
    narrow(one, 4, profiles={"large": ProfileSettings().as_plain()})
    one.settle()
    assert (one.workspace(second).phase, one.workspace(second).reason) == ("Refused", "PolicyMissing")


def test_whoever_has_no_directories_yet_stands_in_nobodys_way(one: World) -> None:
    """While the storekeeper is away, those who were here before go on."""
    first, known = one.run(), ask(one, OTHER, CAROL)
    one.storekeeper_answers = False
    new = ask(one, "nccid-00123", BOB)
    assert (phases(one, known, new), one.workspace(new).wanted) == (["Queued", "Stopped"], "Running")
    ask(one, OTHER, CAROL, Wanted.Stopped)
    ask(one, "nccid-00123", ALICE, Wanted.Stopped)
    assert phases(one, ask(one, OTHER, CAROL), new) == ["Starting", "Stopped"]
    one.storekeeper_answers = True
    one.advance(6)
    assert phases(one, first, new) == ["Stopped", "Queued"]


def test_a_run_that_ends_by_itself_makes_room(one: World) -> None:
    first, second = one.run(), ask(one, OTHER, CAROL)
    plan = one.workspace(first).plan
    assert plan is not None
    one.runtime.becomes(plan.identity, RunPhase.Ended, Reason.RuntimeFailed)
    one.advance(2)
    assert phases(one, first, second) == ["Stopped", "Starting"]


def test_where_the_death_of_a_run_is_not_proven_its_room_is_not_given_away(one: World) -> None:
    first, second = one.run(), ask(one, OTHER, CAROL)
    plan = one.workspace(first).plan
    assert plan is not None
    one.runtime.lingering.add(plan.identity)
    ask(one, "nccid-00123", ALICE, Wanted.Stopped)
    assert phases(one, first, second) == ["Stopping", "Queued"]
    one.runtime.lingering.clear()
    one.advance(2)
    one.advance(2)
    assert phases(one, first, second) == ["Stopped", "Starting"]


def test_a_size_with_a_gpu_is_refused_where_the_machine_has_none(one: World) -> None:
    narrow(one, None, profiles={"small": ProfileSettings(gpus=1).as_plain()})
    one.context = dataclasses.replace(one.context, room=Room(gpus=0))
    one.reconciler._feed.close()
    one.reconciler = Reconciler(one.context, threading.Event())
    name = one.want()
    one.settle()
    assert (one.workspace(name).phase, one.workspace(name).reason) == ("Refused", "GpuMissing")


def test_each_run_has_a_gpu_of_its_own(one: World) -> None:
    """Any character device stands in for a GPU: what is tested is who is given which."""
    gpu = {"devices": ["/dev/null", "/dev/zero", "/dev/not-there"], "common": ["/dev/full"]}
    narrow(one, None, profiles={"small": ProfileSettings(gpus=1).as_plain()}, gpu=gpu)
    first, second, third = one.run(), ask(one, "nccid-00123", BOB), ask(one, OTHER, CAROL)
    given = [one.workspace(name).plan for name in (first, second)]
    assert [plan.devices for plan in given if plan] == [("/dev/null", "/dev/full"), ("/dev/zero", "/dev/full")]
    assert (one.workspace(third).phase, one.workspace(third).reason) == ("Refused", "GpuMissing")
