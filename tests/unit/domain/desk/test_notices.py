"""What members are told before an end: when it is due, and when it is not."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.factories import ALICE, END, LEGAL_END, NOON, grant_record, suspension
from tre.domain.desk.notices import CHANGE_SHOWN, NoticeKind, data_changes, notices
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import WorkspacePhase

CAP = timedelta(days=7)
GRANT = grant_record()


def workspace(end: datetime, started: datetime = NOON, phase: WorkspacePhase = WorkspacePhase.Running) -> Workspace:
    plan = WorkspacePlan.model_validate(
        {"workspace": "w-aaaaaaaaaaaa", "instance": 1, "grant": GRANT.name, "subject": ALICE, "uid": 1, "mounts": (),
         "end": end, "cap_seconds": 10}
    )  # fmt: skip
    values: dict[str, Any] = {"name": "w-aaaaaaaaaaaa", "grant": GRANT.name, "subject": ALICE, "changed_at": NOON}
    return Workspace.model_validate(values | {"plan": plan, "started_at": started, "phase": phase})


def kinds(found: list[Any]) -> list[NoticeKind]:
    return [notice.kind for notice in found]


@pytest.mark.parametrize(("before", "due"), [(timedelta(days=8), 0), (timedelta(days=7), 1), (timedelta(minutes=1), 1)])
def test_the_end_of_the_approval(before: timedelta, due: int) -> None:
    found = notices(GRANT, None, END - before, CAP)
    assert kinds(found) == [NoticeKind.GrantEndsSoon] * due
    assert all(notice.at == END for notice in found)


def test_the_legal_basis_is_the_end_where_it_is_earlier() -> None:
    grant = grant_record({"legalBasis": {"name": "COPI", "ends": LEGAL_END.isoformat()}})
    assert notices(grant, None, LEGAL_END - timedelta(days=1), CAP)[0].at == LEGAL_END


@pytest.mark.parametrize("phase", [GrantPhase.Expired, GrantPhase.Revoked, GrantPhase.Closed])
def test_nothing_more_once_it_ended(phase: GrantPhase) -> None:
    assert notices(grant_record(phase=phase), workspace(NOON), END - timedelta(days=1), CAP) == []


def test_suspensions_say_why_and_until_when() -> None:
    until = NOON + timedelta(days=2)
    grant = grant_record(suspensions=(suspension(until=until), suspension(since=NOON + timedelta(days=1))))
    found = notices(grant, None, NOON, CAP)
    assert [(notice.kind, notice.at, notice.words) for notice in found] == [(NoticeKind.SuspendedUntil, until, "audit")]


def test_a_run_that_the_longest_run_bounds_is_announced_on_its_last_day() -> None:
    run = workspace(NOON + CAP)
    assert notices(GRANT, run, NOON, CAP) == []
    assert notices(GRANT, run, NOON + CAP - timedelta(days=1, microseconds=1), CAP) == []
    assert kinds(notices(GRANT, run, NOON + CAP - timedelta(days=1), CAP)) == [NoticeKind.RunEndsSoon]


def test_a_run_that_an_earlier_end_of_the_grant_bounds_is_worth_a_restart() -> None:
    assert kinds(notices(GRANT, workspace(NOON + timedelta(days=2)), NOON, CAP)) == [NoticeKind.RestartForNewEnd]


@pytest.mark.parametrize("phase", [WorkspacePhase.Stopped, WorkspacePhase.Refused])
def test_what_does_not_run_needs_no_restart(phase: WorkspacePhase) -> None:
    assert notices(GRANT, workspace(NOON + timedelta(days=2), phase=phase), NOON, CAP) == []


def test_a_run_that_ends_with_the_grant_needs_no_notice_of_its_own() -> None:
    assert notices(GRANT, workspace(END, started=END - timedelta(days=8)), END - timedelta(days=8), CAP) == []


def test_a_workspace_that_never_ran() -> None:
    bare = Workspace(name="w-aaaaaaaaaaaa", grant=GRANT.name, subject=ALICE, changed_at=NOON)
    assert notices(GRANT, bare, NOON, CAP) == []
    assert notices(GRANT, workspace(NOON + CAP).model_copy(update={"started_at": None}), NOON, CAP) == []


def test_a_change_of_the_data_is_told_for_a_while() -> None:
    long_ago, lately = NOON - CHANGE_SHOWN, NOON - timedelta(days=2)
    assert data_changes(GRANT, [], NOON) == []
    assert data_changes(GRANT, [long_ago], NOON) == []
    (found,) = data_changes(GRANT, [lately, long_ago, lately - timedelta(days=1)], NOON)
    assert (found.kind, found.at) == (NoticeKind.DataChanged, lately)
    assert data_changes(grant_record(phase=GrantPhase.Closed), [lately], NOON) == []
