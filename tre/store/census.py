"""How many there are of what: for the metrics, and for whoever wants one look at the whole record.

Guarantees: one read of the record; numbers by state only, no name of a person, project, workspace or file.

Does not guarantee: that states without anything in them are named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, Connection, func, select

from tre.store.jobs import JobState
from tre.store.tables.airlock import export_requests
from tre.store.tables.audit import audit_waiting
from tre.store.tables.grants import grants
from tre.store.tables.jobs import jobs
from tre.store.tables.workspaces import workspaces


@dataclass(frozen=True)
class Census:
    """Counts by state; `jobs` are those not done yet, by program; `events_waiting` have no place in the log yet."""

    grants: Mapping[str, int]
    workspaces: Mapping[str, int]
    exports: Mapping[str, int]
    jobs: Mapping[str, int]
    events_waiting: int


def take(connection: Connection) -> Census:
    """Count everything, now."""
    unfinished = jobs.c.state.in_([JobState.open, JobState.taken])
    return Census(
        grants=_by(connection, grants.c.phase),
        workspaces=_by(connection, workspaces.c.phase),
        exports=_by(connection, export_requests.c.state),
        jobs=_by(connection, jobs.c.program, unfinished),
        events_waiting=connection.execute(select(func.count()).select_from(audit_waiting)).scalar_one(),
    )


def _by(connection: Connection, column: Column[str], *among: ColumnElement[bool]) -> dict[str, int]:
    query = select(column, func.count()).where(*among).group_by(column)
    return dict(connection.execute(query).all())
