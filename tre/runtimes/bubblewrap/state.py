"""What a run leaves where others can see it: one small file, replaced in one step.

Guarantees: whoever finds a run's directory can tell what it is, whom to ask, and how to look for it without
trusting it: the numbers by which its processes are recognised are in the file. Written by the supervisor alone. The
lock beside it is held exactly as long as that supervisor lives, from before its first word.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tre.domain.costs.meters import Used
from tre.domain.model import Line, Record, UtcTime
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.protocol import Observation, RunPhase
from tre.system.files import write_json
from tre.system.locks import try_lock
from tre.system.process import ProcessHandle

STATE_FILE = "state.json"
CONTROL = "control/sock"
DOOR = "way/door"
"""The directory that a workspace's user owns and may open to everybody: behind one that only the gateway may enter."""
_LOCK = "lock"


class ProcessId(Record):
    """A process that cannot be mistaken: its number and its start in clock ticks since boot."""

    pid: int
    started: int

    def handle(self) -> ProcessHandle:
        """As something that can be asked whether it lives."""
        return ProcessHandle(self.pid, self.started)


class RunState(Record):
    """One run: its instruction, its processes, and what became of it."""

    identity: Line
    plan: WorkspacePlan
    supervisor: ProcessId
    init: ProcessId | None = None
    pid_namespace: int | None = None
    boot_id: Line
    end: UtcTime | None = None
    boottime_end_ms: int
    phase: RunPhase = RunPhase.Starting
    at: UtcTime
    reason: Line = ""
    detail: Line = ""
    means: dict[str, str] = {}
    isolation: dict[str, Any] | None = None
    began_at: UtcTime | None = None
    used: Used | None = None
    """All that it used, once it has ended."""

    def write(self, directory: Path, *, group: int = -1) -> None:
        """Replace the state file; readers see the old or the new."""
        path = directory / STATE_FILE
        write_json(path, self.as_plain(), mode=0o640, durable=False, group=group)

    @classmethod
    def read(cls, directory: Path) -> RunState | None:
        """The state in a run's directory; `None` before it was first written or after it was removed."""
        try:
            text = (directory / STATE_FILE).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return cls.model_validate(json.loads(text))

    def observation(self, run_directory: Path) -> Observation:
        """The same in the words of the runtime protocol."""
        alive = self.phase in {RunPhase.Proven, RunPhase.Ready}
        return Observation(
            identity=self.identity,
            plan=self.plan,
            phase=self.phase,
            at=self.at,
            reason=self.reason or None,
            detail=self.detail,
            socket=str(run_directory / DOOR / "lab.sock") if alive else None,
            end=self.end or self.plan.end,
            boottime_end_ms=self.boottime_end_ms,
            means=self.means,
            isolation=self.isolation,
            began_at=self.began_at,
            ended_at=self.at if self.phase is RunPhase.Ended else None,
            used=self.used,
        )


def take_hold(directory: Path) -> int | None:
    """The lock of a run's directory as a descriptor, which a forked child holds on to; `None` where it is held."""
    return try_lock(directory / _LOCK)


def note_holder(hold: int, pid: int) -> None:
    """Write down who holds the lock, so that a supervisor is seen before it has said a word."""
    handle = ProcessHandle.of(pid)
    if handle is not None:
        os.pwrite(hold, f"{handle.pid} {handle.started}".encode(), 0)


def holder(directory: Path) -> ProcessHandle | None:
    """Who was noted as the holder of a run's lock; alive or not."""
    try:
        pid, started = (directory / _LOCK).read_text(encoding="ascii").split()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # never begun
        return None
    return ProcessHandle(int(pid), int(started))


def boot_id() -> str:
    """This start of the machine: process numbers of another start mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
