"""What a runtime is: the thing that turns a plan into a running, isolated server, and proves it dead.

Guarantees asked of every implementation (one contract suite, `tests/contract/test_runtimes.py`): `start` may be
repeated and starts one run; `end` returns at once and needs nobody's cooperation inside; `observe` reports every
trace of a run, also of runs that nobody asked for; `verify_dead` looks by itself and trusts no word of whoever
killed; a run ends at its plan's end without anybody calling; `shorten` brings that end forward and nothing puts it
back, so an approval that was cut short ends in time with every service of ours dead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from tre.domain.costs.meters import Used
from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.workspaces.models import WorkspacePlan
from tre.domain.workspaces.routes import Door


class RunPhase(StrEnum):
    """How far a run has come, as its runtime sees it."""

    Starting = "Starting"
    Proven = "Proven"
    Ready = "Ready"
    Ended = "Ended"


class Observation(Record):
    """One run and what is known of it.

    `socket` or `door` is where its server listens; `end` until when it runs (the plan's end, or an earlier one it was
    given since); `boottime_end_ms` the same on the machine's boot-time clock; `means` says by what each limit is
    enforced; `isolation` is the probe's result with its control; `reason` and `detail` say how it ended.
    `began_at` and `ended_at` are when it took room on its machine and left it, `used` what it used in between, where
    anybody can tell.
    """

    identity: Line
    plan: WorkspacePlan
    phase: RunPhase
    at: UtcTime
    reason: Reason | None = None
    detail: Line = ""
    socket: str | None = None
    door: Door | None = None
    end: UtcTime
    boottime_end_ms: int = 0
    means: dict[str, str] = {}
    isolation: dict[str, object] | None = None
    began_at: UtcTime | None = None
    ended_at: UtcTime | None = None
    used: Used | None = None


class DeathProof(Record):
    """What an independent look found of a run: nothing, or what still lives.

    `unproven` says of what the end could not be observed, and where to look: a machine that does not report.
    `beyond_reach` says that nobody is left to ask: then, and only then, a person's word may stand in.
    """

    identity: Line
    at: UtcTime
    processes: tuple[int, ...] = ()
    mounts: tuple[str, ...] = ()
    answers: bool = False
    unproven: tuple[Line, ...] = ()
    beyond_reach: bool = False

    @property
    def dead(self) -> bool:
        """Whether nothing of the run was found, and everything could be seen."""
        return not (self.processes or self.mounts or self.answers or self.unproven)


class Runtime(Protocol):
    """Starts, ends and proves dead."""

    def start(self, plan: WorkspacePlan) -> None:
        """Begin a run; nothing happens where this very run exists. Raises `TREError`."""
        ...

    def end(self, identity: str, reason: Reason) -> None:
        """Kill everything of a run at once and return; unknown runs are nothing. Raises `TREError`."""
        ...

    def shorten(self, identity: str, end: datetime) -> None:
        """Bring a run's end forward; a later end than it has, and unknown runs, are nothing. Raises `TREError`."""
        ...

    def observe(self) -> tuple[Observation, ...]:
        """Every run of which there is any trace."""
        ...

    def verify_dead(self, plan: WorkspacePlan) -> DeathProof:
        """Look for processes, mounts and an answering server of a plan's run, also of one that left no trace."""
        ...

    def count_stale_readers(self, plan: WorkspacePlan) -> int | None:
        """How many programs of a plan's run have a file open or mapped that has left a slice since; `None` where that
        cannot be seen."""
        ...

    def used(self, identities: Collection[str]) -> Mapping[str, Used]:
        """What these runs have used since they began, of those where anybody can tell; never a guess.

        Raises `TREError`.
        """
        ...

    def forget(self, identity: str, *, vouched: bool = False) -> None:
        """Remove the traces of a run that was proven dead, or is beyond reach and was vouched for by a person.

        Raises `TREError(Conflict)` if it is neither.
        """
        ...
