"""Processes: giving up privileges, dying with a parent, and naming a process so that it cannot be mistaken.

Guarantees: a `ProcessHandle` names one process for good (number and start time), whatever the kernel reuses.
"""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def die_with_parent(expected_parent: int) -> None:
    """Ask the kernel to kill this process when its parent's thread dies; exit if it died already."""
    _check(_libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != expected_parent:
        os._exit(1)


def set_name(name: str) -> None:
    """The short name that `ps -o comm` shows, at most 15 bytes."""
    _check(_libc.prctl(PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0), "prctl(PR_SET_NAME)")


def become(uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
    """Give up root for good: groups first, then group, then user."""
    os.setgroups(list(groups))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def unshare_mounts() -> None:
    """A mount namespace of our own: what is mounted from here on is seen by our children alone."""
    _check(_libc.unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    mount(None, Path("/"), None, MS_REC | MS_PRIVATE)


def mount(source: Path | None, target: Path, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2). Raises `OSError`."""
    result = _libc.mount(
        None if source is None else os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        data.encode() or None,
    )
    _check(result, f"mount {target}")


def unmount(target: Path) -> None:
    """umount2(2), detached. Raises `OSError`."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def bind(source: Path, target: Path, *, read_only: bool, programs: bool = True) -> None:
    """Bind-mount a directory, without set-id programs and devices; read-only or without `programs` where asked."""
    mount(source, target, None, MS_BIND)
    flags = MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV
    flags |= (MS_RDONLY if read_only else 0) | (0 if programs else MS_NOEXEC)
    mount(None, target, None, flags)


@dataclass(frozen=True)
class ProcessHandle:
    """One process, named by its number and its start in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessHandle | None:
        """The process that has this number now; `None` if there is none."""
        started = start_ticks(pid)
        return None if started is None else cls(pid, started)

    def alive(self) -> bool:
        """Whether exactly this process still runs; a zombie does not."""
        return start_ticks(self.pid) == self.started and process_state(self.pid) not in {
            "Z",
            "X",
            None,
        }


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # it ended, or never was
    return text.rpartition(")")[2].split()


def start_ticks(pid: int) -> int | None:
    """Start of a process in clock ticks since boot (field 22 of /proc/PID/stat)."""
    fields = _stat_fields(pid)
    return int(fields[19]) if fields else None


def process_state(pid: int) -> str | None:
    """The state letter of a process, or `None` when it is gone."""
    fields = _stat_fields(pid)
    return fields[0] if fields else None
