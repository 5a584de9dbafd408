"""Time as an argument.

Guarantees: no rule of the domain reads a clock; whoever asks passes the time in. Two clocks matter: the wall
clock, in which approvals end, and the boot-time clock, which also counts the time a machine slept and which
nobody can set back (Linux `CLOCK_BOOTTIME`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where a service reads the time."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC."""
        ...

    def boottime(self) -> float:
        """Seconds since the machine started, sleep included."""
        ...


class ManualClock:
    """A clock that moves when it is told to: for tests and for replaying a year in seconds."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)
        self._boottime = 0.0

    def now(self) -> datetime:
        """The time last set."""
        return self._now

    def boottime(self) -> float:
        """Seconds advanced since the clock was made; `jump` does not change it."""
        return self._boottime

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._now += timedelta(seconds=seconds)
        self._boottime += seconds

    def jump(self, to: datetime) -> None:
        """Set the wall clock, as an operator or a time server would; the boot-time clock stays."""
        self._now = to.astimezone(UTC)
