"""Which processes belong to a cluster: told by its token in their environment and by start times, never by names.

Guarantees: a signal reaches exactly the process that was looked at: it is sent through a pidfd that was opened
before the look. Every process that the harness starts carries the token of its cluster; what runs inside a pod
does not, but is found in the cluster's control groups.

Does not guarantee: that another user's processes can be seen without root.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

TOKEN_VARIABLE = "TRE_TEST_CLUSTER"
PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessId:
    """A process number together with the clock tick at which it started: no later process is mistaken for it."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int | str) -> ProcessId:
        """The process that has this number now; ProcessLookupError where there is none."""
        try:
            text = (PROC / str(pid) / "stat").read_text()
        except FileNotFoundError as error:
            raise ProcessLookupError(pid) from error
        number, rest = text.split(" ", 1)
        # The program's name stands in brackets and may hold anything; the start is field 22.
        return cls(int(number), int(rest.rsplit(")", 1)[1].split()[19]))

    def is_alive(self) -> bool:
        """Whether just this process is there and is no zombie."""
        try:
            return ProcessId.of(self.pid) == self and state_of(self.pid) not in "ZX"
        except ProcessLookupError:
            return False

    def kill(self, number: int = signal.SIGKILL) -> bool:
        """Send a signal if just this process is still there; returns whether it was."""
        return send(self.pid, number, lambda: ProcessId.of(self.pid) == self)


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does, such as R, S, T or Z."""
    try:
        return (PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error


def send(pid: int, number: int, is_meant: Callable[[], bool]) -> bool:
    """Send a signal to the process of this number, if it is the one that is meant; returns whether it was sent."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if is_meant():
                signal.pidfd_send_signal(handle, number)
                return True
        finally:
            os.close(handle)
    return False


def carries(pid: int, token: str) -> bool:
    """Whether a process was started for the cluster of this token."""
    try:
        environment = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{TOKEN_VARIABLE}={token}".encode() in environment.split(b"\0")


def with_token(token: str) -> Iterator[int]:
    """All processes of a cluster, but not the one that asks; zombies hold nothing and do not count."""
    for path in PROC.iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid() and carries(int(path.name), token):
            yield int(path.name)


@dataclass(frozen=True)
class Record:
    """What the keeper writes down of itself: the process whose end is the end of everything."""

    keeper: ProcessId
    root: ProcessId
    boot: str

    def write(self, path: Path) -> None:
        """Write it in one step: there is no half record."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Record | None:
        """The record, if there is one of this boot."""
        try:
            found = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        record = cls(ProcessId(**found["keeper"]), ProcessId(**found["root"]), found["boot"])
        return record if record.boot == boot_id() else None


def boot_id() -> str:
    """Start times count from the start of the machine, so a record is worth nothing after the next."""
    return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text().strip()
