"""Workspaces in the record: one for a grant and a member, and a user identity that nobody gets twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import spec_plain
from tests.unit.store.conftest import NOW, an_event
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Subject
from tre.domain.workspaces.admission import Amounts, Live, Room, Waiting
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import WORKSPACE_TRANSITIONS, StartStep, Wanted, WorkspacePhase
from tre.store import grants, queue, workspaces
from tre.store.database import Database

GRANT = "nccid-00123"
ALICE, BOB = (Subject(issuer="local", id=name) for name in ("alice", "bob"))
P = WorkspacePhase


def do(database: Database, action: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    with database.change(an_event()) as change:
        return action(change, *arguments, **named)


@pytest.fixture
def name(database: Database) -> str:
    do(database, grants.apply, GRANT, AccessGrantSpec.model_validate(spec_plain()), "file", NOW)
    made: str = do(database, workspaces.ensure, GRANT, ALICE, NOW)
    return made


def read(database: Database, name: str) -> Workspace:
    with database.read() as connection:
        return workspaces.require(connection, name)


def plan(name: str, instance: int = 1) -> WorkspacePlan:
    return WorkspacePlan(
        workspace=name,
        instance=instance,
        grant=GRANT,
        subject=ALICE,
        uid=20001,
        mounts=(),
        end=NOW + timedelta(days=1),
        cap_seconds=3600,
    )


def move(database: Database, name: str, *phases: WorkspacePhase) -> None:
    for number, phase in enumerate(phases):
        do(database, workspaces.set_phase, name, phase, Reason.Requested, NOW + timedelta(minutes=number))


def test_one_workspace_for_a_grant_and_a_member(database: Database, name: str) -> None:
    assert name == Workspace.name_for(GRANT, ALICE)
    assert do(database, workspaces.ensure, GRANT, ALICE, NOW + timedelta(days=1)) == name
    other = do(database, workspaces.ensure, GRANT, BOB, NOW)
    found = read(database, name)
    assert (found.phase, found.wanted, found.instance, found.changed_at) == (P.Stopped, Wanted.Stopped, 0, NOW)
    with database.read() as connection:
        assert {item.name for item in workspaces.of_grant(connection, GRANT)} == {name, other}
        assert [item.name for item in workspaces.of_subject(connection, BOB)] == [other]
        assert {item.name for item in workspaces.everything(connection)} == {name, other}
        assert workspaces.alive(connection) == []
        assert workspaces.get(connection, "w-none") is None


def test_an_unknown_workspace_is_named(database: Database) -> None:
    with pytest.raises(TREError, match="no workspace") as caught:
        read(database, "w-none")
    assert caught.value.reason is Reason.BadInput


WAYS: dict[WorkspacePhase, list[WorkspacePhase]] = {
    P.Stopped: [],
    P.Queued: [P.Queued],
    P.Refused: [P.Refused],
    P.Starting: [P.Starting],
    P.Running: [P.Starting, P.Running],
    P.Stopping: [P.Starting, P.Stopping],
}


@pytest.mark.parametrize("source", WorkspacePhase)
@pytest.mark.parametrize("target", WorkspacePhase)
def test_phases_move_along_their_table_only(
    database: Database, name: str, source: WorkspacePhase, target: WorkspacePhase
) -> None:
    move(database, name, *WAYS[source])
    if source is target or WORKSPACE_TRANSITIONS.can(source, target):
        move(database, name, target)
        assert read(database, name).phase is target
        return
    with pytest.raises(TREError, match="cannot go from"):
        move(database, name, target)
    assert read(database, name).phase is source


def test_a_run_keeps_its_instruction_and_its_times(database: Database, name: str) -> None:
    do(database, workspaces.want, name, Wanted.Running)
    do(database, workspaces.begin_start, plan(name), NOW)
    started = read(database, name)
    assert (started.phase, started.wanted, started.plan) == (P.Starting, Wanted.Running, plan(name))
    assert [item.step for item in started.progress] == [StartStep.GrantChecked]
    with database.read() as connection:
        assert [item.name for item in workspaces.alive(connection)] == [name]
    move(database, name, P.Running)
    assert read(database, name).ready_at == NOW
    move(database, name, P.Stopping, P.Stopped)
    stopped = read(database, name)
    assert (stopped.started_at, stopped.stopped_at) == (NOW, NOW + timedelta(minutes=1))
    do(database, workspaces.begin_start, plan(name, 2), NOW + timedelta(hours=1))
    again = read(database, name)
    assert (again.instance, again.ready_at, again.stopped_at) == (2, None, None)


def test_a_start_refused_by_the_table_keeps_nothing(database: Database, name: str) -> None:
    do(database, workspaces.begin_start, plan(name), NOW)
    move(database, name, P.Running)
    with pytest.raises(TREError):
        do(database, workspaces.begin_start, plan(name, 2), NOW)
    assert read(database, name).instance == 1


def test_a_step_is_reached_once(database: Database, name: str) -> None:
    do(database, workspaces.begin_start, plan(name), NOW)
    do(database, workspaces.add_progress, name, StartStep.SlicesMounted, NOW, "3 slices")
    do(database, workspaces.add_progress, name, StartStep.SlicesMounted, NOW + timedelta(hours=1), "later")
    assert [(item.step, item.at, item.message) for item in read(database, name).progress][1:] == [
        (StartStep.SlicesMounted, NOW, "3 slices")
    ]


def test_a_long_message_is_cut_not_refused(database: Database, name: str) -> None:
    do(database, workspaces.set_phase, name, P.Refused, Reason.RuntimeFailed, NOW, message="x" * 600)
    assert len(read(database, name).message) == 500


def test_a_user_identity_is_given_to_one_workspace_for_good(database: Database) -> None:
    def allocate(name: str, last: int = 20002) -> int:
        return int(do(database, workspaces.allocate_uid, name, 20001, last, NOW))

    assert [allocate("w-a"), allocate("w-b"), allocate("w-a")] == [20001, 20002, 20001]
    do(database, workspaces.certify_uid, "w-a", NOW)
    with pytest.raises(TREError, match="No numeric user identity") as caught:
        allocate("w-c")
    assert caught.value.reason is Reason.RuntimeFailed
    assert allocate("w-c", 20003) == 20003


def test_an_ended_grants_workspaces_are_found_by_what_changed(database: Database, name: str) -> None:
    with database.read() as connection:
        assert workspaces.ended_grants_of(connection, [f"workspace/{name}"]) == []
    do(database, grants.set_phase, GRANT, GrantPhase.Revoked, NOW)
    with database.read() as connection:
        assert workspaces.ended_grants_of(connection, [f"workspace/{name}", "grant/x"]) == [f"grant/{GRANT}"]
        assert workspaces.ended_grants_of(connection, ["grant/x"]) == []


def test_the_queue_is_read_from_the_rows(database: Database, name: str) -> None:
    """What lives holds what its plan says; who waits needs what the grant's profile says; who rests is not there."""
    needs, room = {"small": Amounts(memory=2**30)}, Room(memory=2**31)
    other = do(database, workspaces.ensure, GRANT, BOB, NOW)

    def scene(known: dict[str, Amounts] = needs) -> tuple[list[Live], list[Waiting], bool, tuple[int, Any]]:
        with database.read() as connection:
            found = queue.scene(connection, room, known, NOW)
            waits, length = queue.is_anybody_waiting(connection), queue.length(connection)
        return list(found.live), list(found.waiting), waits, length

    assert scene() == ([], [], False, (0, None))
    do(database, workspaces.begin_start, plan(name), NOW)
    do(database, workspaces.set_phase, other, P.Queued, Reason.WaitingForRoom, NOW)
    held = Amounts.of(plan(name).limits)
    waiting = Waiting(other, GRANT, Amounts(memory=2**30), NOW)
    assert scene() == ([Live(name, GRANT, held, NOW + timedelta(days=1))], [waiting], True, (1, NOW))
    assert scene({}) == ([Live(name, GRANT, held, NOW + timedelta(days=1))], [], True, (1, NOW))
    move(database, name, P.Stopping, P.Stopped)
    do(database, workspaces.want, name, Wanted.Restart)  # between two runs it is before everybody
    again = Waiting(name, GRANT, Amounts(memory=2**30), NOW + timedelta(minutes=1), True)
    assert scene()[:2] == ([], sorted([again, waiting]))
