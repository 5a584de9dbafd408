"""Jobs that run in a workspace without a browser: what is believed of them, and how many a day are told of.

Guarantees: a job counts as running only while a living process was seen to hold its note; once its run is over it is
over, whatever a note says later; an end is told once. What a workspace says of itself is one word out of three.

Does not guarantee: that a job does what its person meant, nor that "finished" is more than the job's own word.

Threat: a workspace that writes letters by writing notes, or stays open for ever by a file that says it is busy.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.model import Line, Record, UtcTime
from tre.domain.transitions import Edge, TransitionTable

DAY = timedelta(days=1)
MOST_A_DAY = 20
"""Jobs of one workspace that are noticed within a day; the others run, and nobody is written to."""

GRACE = timedelta(seconds=10)
"""How long a job without process and without word may still turn out to have ended with its whole run."""


class BatchState(StrEnum):
    """Where a job is; `Ended` is one that its run's end took along."""

    Running = "Running"
    Finished = "Finished"
    Failed = "Failed"
    Cancelled = "Cancelled"
    Ended = "Ended"


_S = BatchState

BATCH_TRANSITIONS = TransitionTable(
    kind="job without a browser",
    initial=_S.Running,
    edges=(
        Edge(_S.Running, _S.Finished, "workspace", "its program came to its end"),
        Edge(_S.Running, _S.Failed, "workspace", "its program failed, or its process was gone without a word"),
        Edge(_S.Running, _S.Cancelled, "workspace", "its person ended it"),
        Edge(_S.Running, _S.Ended, "controller", "the run of its workspace came to its end"),
    ),
)

WORDS = {"finished": _S.Finished, "failed": _S.Failed, "cancelled": _S.Cancelled}
"""What a note may say at its end."""

SHOWN = {
    _S.Running: "Running",
    _S.Finished: "Finished",
    _S.Failed: "Failed",
    _S.Cancelled: "Ended by you",
    _S.Ended: "Ended with the workspace",
}
"""The same for people."""


class BatchJob(Record):
    """One job: of which run, since when, and where it is. `number` is the workspace's own."""

    workspace: Line
    id: Annotated[Line, Field(pattern=r"^[0-9a-f]{16}$")]
    number: Annotated[int, Field(ge=1, le=9999)]
    instance: Annotated[int, Field(ge=1)]
    state: BatchState = BatchState.Running
    begun_at: UtcTime
    changed_at: UtcTime

    @property
    def name(self) -> str:
        """What events call it."""
        return f"{self.workspace}.{self.id}"


def judged(word: str, *, alive: bool, runs_on: bool, quiet: timedelta) -> BatchState:
    """Where a job is, from its note's word, whether a process holds it, whether its run goes on, and since when the
    note was seen without a process."""
    if runs_on and alive:
        return _S.Running
    if word in WORDS:
        return WORDS[word]
    if not runs_on:
        return _S.Ended
    return _S.Running if quiet < GRACE else _S.Failed


def is_noticed(begun: Sequence[datetime], now: datetime) -> bool:
    """Whether one more job of a workspace is noticed, after those that began at these moments."""
    return sum(moment > now - DAY for moment in begun) < MOST_A_DAY
