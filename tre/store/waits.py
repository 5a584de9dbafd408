"""How long what waits has waited: for the numbers that somebody is woken by.

Guarantees: few short queries, whose cost does not grow with what is done already; moments and numbers only, no name of
a person, project, workspace or file.

Does not guarantee: to see a run that the record does not know. The controller's sweep does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select

from tre.domain.exports.states import WAITING, Owner
from tre.domain.workspaces.states import ALIVE_PHASES, WorkspacePhase
from tre.store import queue
from tre.store.jobs import JobState
from tre.store.tables.airlock import export_requests
from tre.store.tables.audit import audit_events, audit_waiting
from tre.store.tables.grants import grants
from tre.store.tables.jobs import jobs
from tre.store.tables.workspaces import workspaces

GRACE = timedelta(minutes=1)
"""How long an ending may take before a workspace counts as overdue; half a second is usual."""

_FOR_CHECKERS = [state.value for state, waiting in WAITING.items() if waiting.owner is Owner.checker]


@dataclass(frozen=True)
class Waits:
    """Since when the oldest of each kind waits, `None` where nothing does; how many workspaces live too long."""

    event: datetime | None
    export: datetime | None
    job: datetime | None
    queued: datetime | None
    overdue: int


def look(connection: Connection, now: datetime) -> Waits:
    """Everything that waits, now."""
    oldest = select(func.min(audit_waiting.c.number)).scalar_subquery()
    with_checkers = export_requests.c.state.in_(_FOR_CHECKERS)
    return Waits(
        event=connection.execute(select(audit_events.c.at).where(audit_events.c.number == oldest)).scalar(),
        export=connection.execute(select(func.min(export_requests.c.changed_at)).where(with_checkers)).scalar(),
        job=connection.execute(select(func.min(jobs.c.created_at)).where(jobs.c.state == JobState.open)).scalar(),
        queued=queue.length(connection)[1],
        overdue=_overdue(connection, now - GRACE),
    )


def _overdue(connection: Connection, before: datetime) -> int:
    """Workspaces that may be alive although their time ended, their grant was revoked, or their ending began before."""
    alive = (
        select(workspaces.c.phase, workspaces.c.changed_at, workspaces.c.plan, grants.c.revoked_at)
        .join(grants, grants.c.name == workspaces.c.grant)
        .where(workspaces.c.phase.in_([phase.value for phase in ALIVE_PHASES]))
    )
    late = 0
    for row in connection.execute(alive):
        stopping = row.phase == WorkspacePhase.Stopping and row.changed_at < before
        revoked = row.revoked_at is not None and row.revoked_at < before
        ended = row.plan is not None and datetime.fromisoformat(row.plan["end"]) < before
        late += stopping or revoked or ended
    return late
