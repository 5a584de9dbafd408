"""Looking for life, sharing nothing with whoever killed.

Guarantees: the answer comes from the kernel alone (`/proc`, a connection attempt): processes in the run's process
namespace, processes of a user that only this workspace has, the run's first process, mounts of its staging
directory in any mount namespace this process may look into, and whether its socket still answers. Nothing that a
supervisor wrote about itself counts, except the numbers that say what to look for.

Does not guarantee: anything about a namespace that the kernel hides from this user; run it as root on a machine
whose workspaces have users of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap.sandbox import SOCKET_NAME
from tre.runtimes.bubblewrap.state import DOOR, RunState, boot_id
from tre.runtimes.protocol import DeathProof
from tre.system.process import ProcessHandle, process_state
from tre.system.sockets import connect_untrusted


@dataclass(frozen=True)
class Target:
    """What to look for: a user, and (if they were noted) a process namespace, supervisor and first process.

    A supervisor counts as alive, since it holds the mounts.
    """

    identity: str
    uid: int
    noted: tuple[ProcessHandle, ...]
    namespace: int | None

    @classmethod
    def of(cls, plan: WorkspacePlan, state: RunState | None, holder: ProcessHandle | None = None) -> Target:
        """From a plan, what its run noted, and who holds its lock, which is so before anything was noted.

        Numbers noted before the machine's last start mean nothing.
        """
        held = (holder,) if holder else ()
        if state is None or state.boot_id != boot_id():
            return cls(plan.identity, plan.uid, held, None)
        noted = [state.supervisor, *([state.init] if state.init else [])]
        return cls(plan.identity, plan.uid, (*held, *(item.handle() for item in noted)), state.pid_namespace)


class Seen(NamedTuple):
    """A process: its number, its user and its process namespace, where the kernel shows them."""

    pid: int
    uid: int | None
    namespace: int | None


class Sight:
    """What the kernel shows at one moment, read once, however many runs are looked for in it."""

    @cached_property
    def processes(self) -> tuple[Seen, ...]:
        """Every process."""
        return tuple(Seen(pid, _uid(pid), _namespace(pid, "pid")) for pid in _pids())

    @cached_property
    def mount_points(self) -> frozenset[str]:
        """Those of every mount namespace that can be read, ours included."""
        found: set[str] = set()
        seen: set[int] = set()
        for pid in _pids():
            namespace = _namespace(pid, "mnt")
            if namespace is None or namespace in seen:
                continue
            try:
                with Path(f"/proc/{pid}/mountinfo").open(encoding="utf-8", errors="replace") as mountinfo:
                    found.update(line.split()[4] for line in mountinfo)
            except OSError:
                continue  # ended, or hidden from this user
            seen.add(namespace)
        return frozenset(found)


def look(target: Target, run_directory: Path, now: datetime, sight: Sight | None = None) -> DeathProof:
    """What of this run still lives; `sight` was begun at that moment or later."""
    sight, below = sight or Sight(), f"{run_directory}/"
    return DeathProof(
        identity=target.identity,
        at=now,
        processes=tuple(sorted(processes(target, sight))),
        mounts=tuple(sorted(point for point in sight.mount_points if point.startswith(below))),
        answers=_answers(run_directory, target.uid),
    )


def stale_readers(target: Target, mounted: Sequence[str]) -> set[int]:
    """Processes of a run that have a file open or mapped whose name is gone from one of these mounts.

    The kernel says so itself: what it shows of such a file begins with where it was and ends with `(deleted)`, whether
    the file lives on under another name, as in the store, or not, as the table of an earlier version. A descriptor on
    its way in a socket from one process to another is not seen.
    """
    prefixes = tuple(f"{path}/" for path in mounted)
    return {pid for pid in processes(target) if any(_is_stale(path, prefixes) for path in _open_files(pid))}


_GONE = " (deleted)"


def _is_stale(path: str, prefixes: tuple[str, ...]) -> bool:
    return path.endswith(_GONE) and path.startswith(prefixes)


def _open_files(pid: int) -> Iterator[str]:
    """Everything that a process has open or mapped, as the kernel writes it; nothing of one that ended."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            names = [entry.name for entry in entries]
        with Path(f"/proc/{pid}/maps").open(encoding="utf-8", errors="replace") as maps:
            mapped = {parts[5].rstrip("\n") for line in maps if len(parts := line.split(maxsplit=5)) == 6}
    except OSError:
        return  # it ended between the listing and the look
    for name in names:
        try:
            yield str(Path(f"/proc/{pid}/fd/{name}").readlink())
        except OSError:
            continue  # closed meanwhile
    yield from mapped


def _pids() -> Iterator[int]:
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            yield int(path.name)


def processes(target: Target, sight: Sight | None = None) -> set[int]:
    """Living processes of a run, by its user, its process namespace and what it noted."""
    found = {one.pid for one in (sight or Sight()).processes if _is_of(target, one)}
    found |= {handle.pid for handle in target.noted if handle.alive()}
    return {pid for pid in found if process_state(pid) not in {"Z", "X", None}}


def _is_of(target: Target, one: Seen) -> bool:
    own_user = target.uid not in {0, os.geteuid()}
    return (own_user and one.uid == target.uid) or (target.namespace is not None and one.namespace == target.namespace)


def _uid(pid: int) -> int | None:
    """From `status`, not from the owner of /proc/PID: a process that is not dumpable shows root there."""
    try:
        with Path(f"/proc/{pid}/status").open(encoding="utf-8", errors="replace") as status:
            line = next((line for line in status if line.startswith("Uid:")), None)
    except OSError:
        return None  # it ended between the listing and the look
    return int(line.split()[1]) if line else None


def _namespace(pid: int, kind: str) -> int | None:
    try:
        return os.stat(f"/proc/{pid}/ns/{kind}").st_ino  # noqa: PTH116 - of each process, again and again
    except OSError:
        return None  # ended, or hidden from this user


def _answers(run_directory: Path, uid: int) -> bool:
    try:
        directory = os.open(run_directory / DOOR, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        connect_untrusted(directory, SOCKET_NAME, uid, timeout=1.0).close()
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(directory)
