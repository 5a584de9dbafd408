"""Whether an answer of the storekeeper still counts, and when a failure is worth asking again.

Guarantees: of a slice's buildings and removals only the last one counts: what came back has to be built again, and
removed again. A failure is asked again after a while by itself, since disks are emptied and plans made known: soon, and
later after longer pauses, where it was the machine's; what a person waits for is asked again with the person's next
click.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Connection

from tre.domain.errors import Reason
from tre.store import jobs

PROGRAM = "storekeeper"
BUILD, REMOVE = "slice.build", "slice.remove"
AGAIN = timedelta(minutes=15)
"""After so long a failed build is tried again: its cause may be gone."""

SOONER = (timedelta(seconds=15), timedelta(minutes=1), timedelta(minutes=4))
"""After so long it is tried again where the machine failed, the first times in a row: a disk that was full for a moment
shall keep nobody waiting for a quarter of an hour, and one that stays full is not written to every few seconds."""

OF_THE_MACHINE = frozenset(
    {
        Reason.Conflict,
        Reason.DeadlineReached,
        Reason.RuntimeFailed,
        Reason.ServiceUnavailable,
        Reason.StorageFailed,
        Reason.StorageFull,
    }
)
"""Failures that say nothing against what was asked."""

CLICK = timedelta(seconds=5)
"""A failure older than this was an earlier click's."""


def removal(connection: Connection, slice_id: str) -> jobs.Job | None:
    """The newest removal of a slice, unless it was asked to be built since."""
    return _newest(connection, slice_id, REMOVE, BUILD)


def building(connection: Connection, slice_id: str) -> jobs.Job | None:
    """The newest building of a slice, unless it was asked to be removed since."""
    return _newest(connection, slice_id, BUILD, REMOVE)


def _newest(connection: Connection, slice_id: str, wanted: str, other: str) -> jobs.Job | None:
    subject = f"slice/{slice_id}"
    found = jobs.latest(connection, PROGRAM, wanted, subject)
    undone = jobs.latest(connection, PROGRAM, other, subject)
    return None if found is None or (undone is not None and found.created_at < undone.created_at) else found


def worth_asking_again(job: jobs.Job, now: datetime, pause: timedelta) -> bool:
    """Whether a failed job ended long enough ago."""
    return job.state is jobs.JobState.failed and (job.finished_at is None or now >= job.finished_at + pause)


def rested_at(connection: Connection, job: jobs.Job) -> datetime | None:
    """When a failed job has rested long enough; `None` for one that did not fail."""
    if job.state is not jobs.JobState.failed:
        return None
    return (job.finished_at or job.created_at) + pause_after(connection, job)


def pause_after(connection: Connection, job: jobs.Job) -> timedelta:
    """How long a failed job rests: longer with each failure of the machine in a row, about the same."""
    if not _failed_by_the_machine(job):
        return AGAIN
    newest = jobs.of_subject(connection, job.program, job.kind, job.subject, len(SOONER) + 1)
    in_a_row = takewhile(lambda one: _failed_by_the_machine(one) and one.payload == job.payload, newest)
    return (*SOONER, AGAIN)[max(0, sum(1 for _ in in_a_row) - 1)]


def _failed_by_the_machine(job: jobs.Job) -> bool:
    reason = (job.error or {}).get("reason")
    return job.state is jobs.JobState.failed and reason in OF_THE_MACHINE
