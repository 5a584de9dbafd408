"""What the first process tells the outside, and the one thing it is told: an earlier end.

One JSON object a line, on a descriptor that no child inherits.

Guarantees: telling never delays ending. A line that cannot be written within `_PATIENCE` is dropped and counted,
and the next line says how many were lost. Every line carries the wall clock and the boot-time clock. Listening never
waits, and what is not understood changes nothing; where the descriptor cannot be read, nothing is heard.

Does not guarantee: delivery. What the supervisor must know for certain (that everything is dead) it observes
itself; these lines say why.

Events: `sealed`, `started`, `probe`, then exactly one of `child_exited`, `start_failed`, `deadline`,
`terminated`, `failed` (with the time at which it was noticed), then `ended` when everything was killed (`empty`:
whether the namespace was seen empty); or only `refused`, where nothing was started.
"""

from __future__ import annotations

import enum
import json
import math
import os
import select
import time

from .kernel import boottime

_PATIENCE = 0.2
_LONGEST_ORDER = 4096


class ExitCode(enum.IntEnum):
    """With what the first process exits. From 64 on in the spirit of sysexits.h; 0 and 1 are the child's."""

    CHILD_SUCCEEDED = 0
    CHILD_FAILED = 1
    INSTRUCTION_REFUSED = 64
    NOT_SEALED = 65
    NOT_FIRST_PROCESS = 66
    CHILD_NOT_STARTED = 67
    INTERNAL = 70
    DEADLINE = 75
    TERMINATED = 76


class Ending:
    """Why a workspace ended: the event to report, its details (with the time it was noticed), the exit code."""

    __slots__ = ("code", "details", "event")

    def __init__(self, event: str, code: ExitCode, **details: object) -> None:
        self.event = event
        self.code = code
        self.details = {"at": time.time(), "boottime": boottime(), **details}


class Report:
    """Writes events to a descriptor that it makes non-blocking and keeps from children."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self.lost = 0
        self._broken_line = False
        self._heard = b""

    def orders(self) -> list[tuple[float, float]]:
        """Earlier ends that arrived since the last look: (wall-clock Unix seconds, seconds from now)."""
        try:
            self._heard += os.read(self.descriptor, _LONGEST_ORDER)
        except OSError:  # nothing there, nobody left to speak, or a descriptor for writing only
            return []
        *lines, rest = self._heard.split(b"\n")
        self._heard = rest[:_LONGEST_ORDER]
        return [found for line in lines if (found := _order(line)) is not None]

    def send(self, event: str, **details: object) -> None:
        """Tell one event; a reader that is gone or does not read costs at most `_PATIENCE` seconds."""
        line: dict[str, object] = {"event": event, "at": time.time(), "boottime": boottime()}
        line.update(details)
        if self.lost:
            line["lost"] = self.lost
        text = ("\n" if self._broken_line else "") + json.dumps(line) + "\n"
        unwritten = self._write(text.encode())
        if unwritten:
            self.lost += 1
            self._broken_line = unwritten != len(text)
        else:
            self.lost = 0
            self._broken_line = False

    def _write(self, data: bytes) -> int:
        """Write what the reader takes in time; returns how many bytes were not written."""
        until = time.monotonic() + _PATIENCE
        while data and time.monotonic() < until:
            try:
                data = data[os.write(self.descriptor, data) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(self.descriptor, select.POLLOUT)
                poll.poll(50)
            except OSError:
                return len(data)
        return len(data)


def _order(line: bytes) -> tuple[float, float] | None:
    """`{"end": …, "within": …}` as two finite numbers; None for anything else."""
    try:
        asked = json.loads(line)
        end, within = float(asked["end"]), float(asked["within"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return (end, within) if math.isfinite(end) and math.isfinite(within) else None
