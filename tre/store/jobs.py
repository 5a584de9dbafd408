"""Work that one program asks of another, as rows.

Guarantees: a job is done at least once and its result is kept; whoever takes it leaves a deadline, after which it
may be taken again; a job that failed `MAX_ATTEMPTS` times stays failed, with its reason, for a person to see. Two
open jobs for one subject and kind are one job.

Does not guarantee: exactly once. What a job does must be repeatable.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, UtcTime
from tre.store.database import Change, new_id
from tre.store.tables.jobs import jobs

MAX_ATTEMPTS = 3
"""A third failure is no accident any more."""


class JobState(StrEnum):
    """Where a job is."""

    open = "open"
    taken = "taken"
    done = "done"
    failed = "failed"


UNDER_WAY = frozenset({JobState.open, JobState.taken})
"""States in which an answer is awaited."""


class Job(Record):
    """One piece of work for `program` (storekeeper or checker) about `subject`."""

    id: str
    program: Line
    kind: Line
    subject: Line
    payload: dict[str, Any]
    state: JobState
    attempts: int
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    created_at: UtcTime
    deadline: UtcTime
    finished_at: UtcTime | None = None


class JobRequest(Record):
    """What is asked, of whom, and by when an answer is due."""

    program: Line
    kind: Line
    subject: Line
    payload: dict[str, Any]
    patience_seconds: int = 600


def ask(change: Change, request: JobRequest, now: datetime) -> str:
    """Ask for work; return the job's id. An open or taken job of the same kind and subject is returned instead."""
    same = select(jobs.c.id).where(
        jobs.c.program == request.program,
        jobs.c.kind == request.kind,
        jobs.c.subject == request.subject,
        jobs.c.state.in_([JobState.open, JobState.taken]),
    )
    if (found := change.connection.execute(same).scalar()) is not None:
        return str(found)
    job_id = new_id()
    values = request.model_dump(exclude={"patience_seconds"}) | {
        "id": job_id,
        "state": JobState.open,
        "attempts": 0,
        "created_at": now,
        "deadline": now + timedelta(seconds=request.patience_seconds),
    }
    change.connection.execute(insert(jobs).values(values))
    return job_id


def take(change: Change, job_id: str, now: datetime, patience_seconds: int = 600) -> bool:
    """Take an open job, or one whose taker's deadline has passed; false if somebody else was first.

    A job whose takers all fell silent is failed at the taking that would be one too many.
    """
    _give_up_silent(change, job_id, now)
    done = change.connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id)
        .where((jobs.c.state == JobState.open) | ((jobs.c.state == JobState.taken) & (jobs.c.deadline < now)))
        .values(
            state=JobState.taken,
            attempts=jobs.c.attempts + 1,
            started_at=now,
            deadline=now + timedelta(seconds=patience_seconds),
        )
    )
    return done.rowcount == 1


def _give_up_silent(change: Change, job_id: str, now: datetime) -> None:
    error = TREError(
        Reason.DeadlineReached,
        f"The job was taken {MAX_ATTEMPTS} times and no answer came.",
        remedy="See the log of the program that takes such jobs, then ask again.",
    )
    change.connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == JobState.taken)
        .where(jobs.c.deadline < now, jobs.c.attempts >= MAX_ATTEMPTS)
        .values(state=JobState.failed, error=error.as_dict(), finished_at=now)
    )


def finish(change: Change, job_id: str, result: dict[str, Any], now: datetime) -> None:
    """Keep the result of a taken job; one that is finished already keeps its first result."""
    change.connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == JobState.taken)
        .values(state=JobState.done, result=result, error=None, finished_at=now)
    )


def fail(change: Change, job_id: str, error: TREError, now: datetime) -> None:
    """Keep why a taken job failed.

    It is open again until it has failed `MAX_ATTEMPTS` times or the error is one that time does not mend. A job
    that another taker has finished meanwhile stays finished.
    """
    attempts = change.connection.execute(select(jobs.c.attempts).where(jobs.c.id == job_id)).scalar_one()
    final = attempts >= MAX_ATTEMPTS or error.reason not in _WORTH_ANOTHER_TRY
    change.connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state == JobState.taken)
        .values(
            state=JobState.failed if final else JobState.open,
            error=error.as_dict(),
            finished_at=now if final else None,
        )
    )


_WORTH_ANOTHER_TRY = frozenset({Reason.RuntimeFailed, Reason.CheckerFailed, Reason.ServiceUnavailable})


def is_open(job: Job | None) -> bool:
    """Whether a job waits for its answer."""
    return job is not None and job.state in UNDER_WAY


_WAITING = (
    select(jobs)
    .where(jobs.c.program == bindparam("program"))
    .where((jobs.c.state == JobState.open) | ((jobs.c.state == JobState.taken) & (jobs.c.deadline < bindparam("now"))))
    .order_by(jobs.c.created_at)
    .limit(bindparam("limit"))
)
_LATEST = (
    select(jobs)
    .where(
        jobs.c.program == bindparam("program"),
        jobs.c.kind == bindparam("kind"),
        jobs.c.subject == bindparam("subject"),
    )
    .order_by(jobs.c.created_at.desc())
    .limit(1)
)
"""Put together once: programs ask them again and again."""


def waiting(connection: Connection, program: str, now: datetime, limit: int = 100) -> Sequence[Job]:
    """Jobs a program may take now, oldest first."""
    rows = connection.execute(_WAITING, {"program": program, "now": now, "limit": limit})
    return [_job(row._mapping) for row in rows]


def get(connection: Connection, job_id: str) -> Job | None:
    """One job by its id."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    return None if row is None else _job(row._mapping)


def latest(connection: Connection, program: str, kind: str, subject: str) -> Job | None:
    """The newest job of a kind about a subject."""
    row = connection.execute(_LATEST, {"program": program, "kind": kind, "subject": subject}).one_or_none()
    return None if row is None else _job(row._mapping)


def of_subject(connection: Connection, program: str, kind: str, subject: str, limit: int = 20) -> list[Job]:
    """The newest jobs of a kind about a subject, newest first."""
    rows = connection.execute(
        select(jobs)
        .where(jobs.c.program == program, jobs.c.kind == kind, jobs.c.subject == subject)
        .order_by(jobs.c.created_at.desc(), jobs.c.id)
        .limit(limit)
    )
    return [_job(row._mapping) for row in rows]


def asked_since(connection: Connection, program: str, kind: str, subject: str, since: datetime) -> list[datetime]:
    """When jobs of a kind about a subject were asked for after a moment, earliest first."""
    query = (
        select(jobs.c.created_at)
        .where(jobs.c.program == program, jobs.c.kind == kind, jobs.c.subject == subject, jobs.c.created_at > since)
        .order_by(jobs.c.created_at)
    )
    return list(connection.execute(query).scalars())


def _job(row: Any) -> Job:
    return Job.model_validate({name: row[name] for name in Job.model_fields})


def overdue(connection: Connection, program: str, now: datetime) -> Sequence[Job]:
    """Jobs whose deadline has passed while nobody took them, or whose taker did not finish them in time."""
    rows = connection.execute(
        select(jobs)
        .where(jobs.c.program == program, jobs.c.deadline < now)
        .where(jobs.c.state.in_([JobState.open, JobState.taken]))
        .order_by(jobs.c.created_at)
    )
    return [_job(row._mapping) for row in rows]


def replace(change: Change, request: JobRequest, now: datetime) -> str:
    """Ask for work in place of any open job of the same kind and subject, whose answer is wanted no more."""
    call_off(change, request.program, request.kind, request.subject, now)
    return ask(change, request, now)


def call_off(change: Change, program: str, kind: str, subject: str, now: datetime) -> None:
    """The answer of any open job of a kind about a subject is wanted no more."""
    change.connection.execute(
        update(jobs)
        .where(jobs.c.program == program, jobs.c.kind == kind, jobs.c.subject == subject)
        .where(jobs.c.state.in_([JobState.open, JobState.taken]))
        .values(state=JobState.failed, error=_replaced().as_dict(), finished_at=now)
    )


def _replaced() -> TREError:
    return TREError(Reason.Conflict, "A later one took its place.")
