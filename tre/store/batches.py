"""Jobs that run without a browser, in the record.

Guarantees: a state changes along its table only; a job is known by its workspace and id for good, so that none begins
or ends twice. Writing demands a `Change`, and with it an event.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tre.domain.workspaces.batch import BATCH_TRANSITIONS, BatchJob, BatchState
from tre.store.database import Change
from tre.store.tables.workspaces import batch_jobs

SHOWN = 10
"""Jobs of a workspace that its person is shown, the newest."""


def get(connection: Connection, workspace: str, identifier: str) -> BatchJob | None:
    """One job."""
    query = select(batch_jobs).where(batch_jobs.c.workspace == workspace, batch_jobs.c.id == identifier)
    return _one(connection.execute(query).one_or_none())


def running(connection: Connection) -> list[BatchJob]:
    """Every job that is believed to run: its workspace is busy."""
    query = select(batch_jobs).where(batch_jobs.c.state == BatchState.Running)
    return _all(connection.execute(query.order_by(batch_jobs.c.workspace, batch_jobs.c.id)))


def newest(connection: Connection, workspace: str) -> list[BatchJob]:
    """The newest jobs of a workspace, the last first."""
    mine = select(batch_jobs).where(batch_jobs.c.workspace == workspace)
    return _all(connection.execute(mine.order_by(batch_jobs.c.begun_at.desc(), batch_jobs.c.id).limit(SHOWN)))


def begun_since(connection: Connection, workspace: str, since: datetime) -> list[datetime]:
    """When jobs of a workspace began after a moment."""
    query = select(batch_jobs.c.begun_at).where(batch_jobs.c.workspace == workspace, batch_jobs.c.begun_at > since)
    return list(connection.execute(query).scalars())


def begin(change: Change, job: BatchJob) -> None:
    """Keep a job that was seen for the first time."""
    values = {**dict(job), "state": job.state.value}
    change.connection.execute(insert(batch_jobs).values(**values))


def settle(change: Change, job: BatchJob, state: BatchState, now: datetime) -> None:
    """Move a job along its table. Raises `TREError(StateForbids)`."""
    mine = (batch_jobs.c.workspace == job.workspace, batch_jobs.c.id == job.id)
    stored = change.connection.execute(select(batch_jobs.c.state).where(*mine)).scalar_one()
    BATCH_TRANSITIONS.check(BatchState(stored), state)
    change.connection.execute(update(batch_jobs).where(*mine).values(state=state.value, changed_at=now))


def _all(rows: Iterable[Any]) -> list[BatchJob]:
    return [BatchJob.model_validate(dict(row._mapping)) for row in rows]


def _one(row: Any) -> BatchJob | None:
    return None if row is None else BatchJob.model_validate(dict(row._mapping))
