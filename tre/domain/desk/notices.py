"""What a member is told beside their project: that an end comes near, that a restart is worth while.

Guarantees: every notice says when; a notice is due by the clock it is asked with and by nothing else.

Does not guarantee: that anybody reads it. The shell counts down beside the Lab, and the controller writes the
announcements into the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import due_warnings, effective_end, suspensions_in_force
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import ALIVE_PHASES

_SLACK = timedelta(minutes=1)
_RUN_WARNING = timedelta(days=1)
CHANGE_SHOWN = timedelta(days=28)
"""How long it is said that data changed: as long as people are given to remove what they made of it."""


class NoticeKind(StrEnum):
    """What a notice is about."""

    GrantEndsSoon = "GrantEndsSoon"
    RunEndsSoon = "RunEndsSoon"
    RestartForNewEnd = "RestartForNewEnd"
    SuspendedUntil = "SuspendedUntil"
    DataChanged = "DataChanged"


@dataclass(frozen=True)
class Notice:
    """One thing to know: its kind, the moment it is about (none: open), and words somebody gave for it."""

    kind: NoticeKind
    at: datetime | None
    words: str = ""


def data_changes(grant: GrantRecord, changed: Iterable[datetime], now: datetime) -> list[Notice]:
    """That a slice of the grant was changed lately, as it is when people opt out; `changed` says when each was."""
    late = [moment for moment in changed if now - moment < CHANGE_SHOWN]
    return [Notice(NoticeKind.DataChanged, max(late))] if late and grant.phase not in ENDED_PHASES else []


def notices(grant: GrantRecord, workspace: Workspace | None, now: datetime, cap: timedelta) -> list[Notice]:
    """What is due now. `cap` is the longest run that the installation allows."""
    if grant.phase in ENDED_PHASES:
        return []
    end = effective_end(grant.spec).at
    found = [Notice(NoticeKind.GrantEndsSoon, end)] if due_warnings(end, now) else []
    found += [
        Notice(NoticeKind.SuspendedUntil, suspension.until, suspension.reason)
        for suspension in suspensions_in_force(grant, now)
    ]
    return found + ([] if workspace is None else _of_run(workspace, end, now, cap))


def _of_run(workspace: Workspace, end: datetime, now: datetime, cap: timedelta) -> list[Notice]:
    plan, started = workspace.plan, workspace.started_at
    if plan is None or started is None or workspace.phase not in ALIVE_PHASES or plan.end >= end:
        return []
    if plan.end < started + cap - _SLACK:  # the run was bounded by an end of the grant that was moved since
        return [Notice(NoticeKind.RestartForNewEnd, plan.end)]
    return [Notice(NoticeKind.RunEndsSoon, plan.end)] if now >= plan.end - _RUN_WARNING else []
