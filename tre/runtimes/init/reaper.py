"""Holding the end of time: reap everything, watch the clocks, end everything.

Guarantees: the workspace ends at the first of wall clock ≥ end and boot-time clock ≥ start + cap, looked at at
least each second and at the exact moment where it is known; setting the wall clock back does not help, and sleep
of the machine counts. Whoever holds the other side of the report can bring the end forward, never back. Ending is
SIGKILL to all at once: nothing is asked, so nothing can delay. However many processes are made or die, the clocks are
looked at after each `_REAP_AT_ONCE` of them. After `_KILL_BOUND` seconds the first process exits regardless, and the
kernel kills the rest of its process namespace.

Does not guarantee: a process in uninterruptible sleep (a hanging network file system) dies when the kernel lets
it; the supervisor observes death itself. Must run as process number 1 of its own process namespace: elsewhere
`kill(-1)` would reach every process of the user.

Threats it answers: a workspace that outlives its permission; a child that ignores TERM, daemonises, forks
without end, or attacks the first process.
"""

from __future__ import annotations

import os
import signal
import time

from .children import Child, ProbeChild
from .kernel import boottime
from .report import Ending, ExitCode, Report

WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_LOOK_EVERY = 1.0
_REAP_AT_ONCE = 256
_KILL_BOUND = 0.5


class Deadline:
    """Until when: a wall-clock moment, and a length of the boot-time clock from a start."""

    __slots__ = ("end", "last")

    def __init__(self, end: float, started: float, cap: float) -> None:
        self.end = end
        self.last = started + cap

    def lower(self, end: float, last: float) -> None:
        """Bring either bound forward; a later one changes nothing."""
        self.end = min(self.end, end)
        self.last = min(self.last, last)

    def passed(self, wall: float, boot: float) -> str | None:
        """The clock that says it is over ("boottime" where both do), or None."""
        if boot >= self.last:
            return "boottime"
        return "wall" if wall >= self.end else None

    def pause(self, wall: float, boot: float) -> float:
        """How many seconds to wait before looking again: at most one, never past the end."""
        return max(0.0, min(_LOOK_EVERY, self.end - wall, self.last - boot))


def hold(child: Child, probe: ProbeChild | None, deadline: Deadline, report: Report) -> Ending:
    """Reap and watch until something ends the workspace; kills nothing but a probe that takes too long."""
    dead: list[tuple[int, int]] = []
    while True:
        wall, boot = time.time(), boottime()
        for end, within in report.orders():
            deadline.lower(end, boot + within)
        clock = deadline.passed(wall, boot)
        if clock:
            return Ending("deadline", ExitCode.DEADLINE, clock=clock)
        pause = 0.0 if len(dead) == _REAP_AT_ONCE else deadline.pause(wall, boot)
        if probe is not None:
            probe.stop_if_due()
            pause = max(0.0, min(pause, probe.due - time.monotonic()))
        told = signal.sigtimedwait(WATCHED, pause)
        # After a sleep or a stop that outlasted the pause, Python hands back a signal that never came (any number).
        if told is not None and told.si_signo in _ENDING:
            # A sender in an outer process namespace has no number here.
            name, inside = signal.Signals(told.si_signo).name, told.si_pid != 0
            return Ending("terminated", ExitCode.TERMINATED, signal=name, inside=inside)
        dead = reap()
        for pid, status in dead:
            if probe is not None and pid == probe.pid:
                report.send("probe", **probe.answers(status))
                probe = None
            if pid == child.pid:
                return child.ending(status)


def reap() -> list[tuple[int, int]]:
    """Collect up to `_REAP_AT_ONCE` dead processes with their wait status, without waiting."""
    found: list[tuple[int, int]] = []
    while len(found) < _REAP_AT_ONCE:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid == 0:
            break
        found.append((pid, status))
    return found


def kill_all() -> bool:
    """SIGKILL every other process of this namespace until none is left; False when the bound was reached."""
    until = time.monotonic() + _KILL_BOUND
    while time.monotonic() < until:
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            return True
        reap()
        signal.sigtimedwait((signal.SIGCHLD,), 0.002)
    return False
