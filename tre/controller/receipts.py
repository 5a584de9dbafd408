"""Whether an answer of the storekeeper still counts, and when a failure is worth asking again.

Guarantees: a receipt of a removal counts only for what had been asked to be built before it: a slice that came back
later has to be removed again. A failure is asked again after a while by itself, since disks are emptied and plans
made known; what a person waits for is asked again with the person's next click.
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
    subject = f"slice/{slice_id}"
    asked = jobs.latest(connection, PROGRAM, REMOVE, subject)
    built = jobs.latest(connection, PROGRAM, BUILD, subject)
    if asked is None or (built is not None and asked.created_at < built.created_at):
        return None
    return asked


def worth_asking_again(job: jobs.Job, now: datetime, pause: timedelta) -> bool:
    """Whether a failed job ended long enough ago."""
    return job.state is jobs.JobState.failed and (job.finished_at is None or now >= job.finished_at + pause)
