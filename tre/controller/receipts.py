"""Whether an answer of the storekeeper still counts, and when a failure is worth asking again.

Guarantees: of a slice's buildings and removals only the last one counts: what came back has to be built again, and
removed again. A failure is asked again after a while by itself, since disks are emptied and plans made known; what a
person waits for is asked again with the person's next click.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from tre.store import jobs

PROGRAM = "storekeeper"
BUILD, REMOVE = "slice.build", "slice.remove"
AGAIN = timedelta(minutes=15)
"""After so long a failed build is tried again: its cause may be gone."""

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
