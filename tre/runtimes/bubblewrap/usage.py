"""How much a workspace has written where no file system limits it.

Guarantees: what a workspace keeps in directories without a limit of their own (the outbox, the project's folder, an
ordinary user's home) is measured in the background: every 20 s, and at once when the disk lost an eighth of the limit
since the last look. Every entry counts as 4 KiB at least, so files without content count too; files that were removed
and are still held open count; what cannot be measured (folders nested beyond any path, half a million entries) counts
as too much. In a folder of several people each workspace answers for its own files. When the disk itself is nearly
full, workspaces end so that the services and their record live on. The door, which needs to hold one socket, is looked
at on every turn.

Does not guarantee: a hard limit. Between two looks, half a second apart, a workspace can write what the disk takes.

Threat: a researcher who fills the disk on which the record, the log and everybody else's work lie.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tre.domain.errors import Reason
from tre.domain.quantities import format_bytes
from tre.domain.workspaces.models import MountKind, WorkspacePlan

MOST_ENTRIES = 500_000
RESERVE_BYTES = 256 * 2**20
"""Free bytes of a disk (or a hundredth of a smaller one) that belong to the services."""

_LOOK_EVERY = 20.0
_PAUSE = 1.0
_BLOCK = 4096
_MOST_AT_DOOR = 16
_MOST_BYTES_AT_DOOR = 2**20
_NOTHING = os.stat_result((0, 0, 0, 0, -1, -1, 0, 0, 0, 0))


class Overuse(NamedTuple):
    """What was found to be too much: the word for it, and for whom it may concern."""

    reason: Reason
    words: str


class UsageWatch:
    """Measures in a thread of its own, so that a deep tree never delays an ending.

    `held` gives the processes whose open files count; `home_limited` says that the home has a limit of its own.
    """

    def __init__(
        self, plan: WorkspacePlan, door: Path, held: Callable[[], Iterable[int]], *, home_limited: bool
    ) -> None:
        self._door, self._held, self._uid = door, held, plan.uid
        kinds = {MountKind.outbox, MountKind.shared} | (set() if home_limited else {MountKind.home})
        self._places = {mount.kind: Path(mount.source) for mount in plan.mounts if mount.kind in kinds}
        self._limit = plan.limits.home_bytes
        self._free = self._free_bytes()
        self._last = time.monotonic()
        self._found: Overuse | None = None
        self._thread: threading.Thread | None = None

    def overuse(self) -> Overuse | None:
        """What is too large, if anything was found to be."""
        if self._is_due() and (self._thread is None or not self._thread.is_alive()):
            self._last, self._free = time.monotonic(), self._free_bytes()
            self._thread = threading.Thread(target=self._measure, daemon=True)
            self._thread.start()
        return self._found or _door_misuse(self._door) or self._disk_full()

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._last
        if waited < _PAUSE or not self._places:
            return False
        lost = any(before - now > self._limit // 8 for before, now in zip(self._free, self._free_bytes(), strict=True))
        return waited >= _LOOK_EVERY or lost

    def _free_bytes(self) -> list[int]:
        found = [os.statvfs(path) for path in self._places.values()]
        return [one.f_bavail * one.f_frsize for one in found]

    def _disk_full(self) -> Overuse | None:
        for path in self._places.values():
            found = os.statvfs(path)
            reserve = min(RESERVE_BYTES, found.f_blocks * found.f_frsize // 100)
            if found.f_bavail * found.f_frsize < reserve or (found.f_files > 0 and found.f_favail == 0):
                return Overuse(Reason.StorageFull, "the disk is full; workspaces end so that the services live on")
        return None

    def _measure(self) -> None:
        try:
            self._found = self._measured()
        except (UnmeasurableError, OSError) as error:  # a watch that is blind is no watch
            self._found = Overuse(Reason.HomeFull, f"what is kept cannot be measured: {error}")

    def _measured(self) -> Overuse | None:
        most = format_bytes(self._limit)
        for kind, path in self._places.items():
            if used_bytes(path, self._uid, self._limit) > self._limit:
                return Overuse(Reason.HomeFull, f"{kind} holds more than {most}")
        devices = {path.stat().st_dev for path in self._places.values()}
        if removed_bytes(self._held(), devices) > self._limit:
            return Overuse(Reason.HomeFull, f"removed files that are held open take more than {most}")
        return None


class UnmeasurableError(Exception):
    """A directory that cannot be measured; the text says why."""


def _door_misuse(door: Path) -> Overuse | None:
    try:
        with os.scandir(door) as found:
            entries = list(islice(found, _MOST_AT_DOOR + 1))
    except FileNotFoundError:
        return None
    if len(entries) > _MOST_AT_DOOR or any(entry.is_dir(follow_symlinks=False) for entry in entries):
        return Overuse(Reason.HomeFull, "the directory of the workspace's socket was used for something else")
    if sum(_stat(entry).st_blocks for entry in entries) * 512 > _MOST_BYTES_AT_DOOR:
        return Overuse(Reason.HomeFull, "files were put into the directory of the workspace's socket")
    return None


def used_bytes(path: Path, owner: int, enough: int) -> int:
    """Bytes on disk of a user's entries below a directory, links not followed, each 4 KiB at least.

    Stops beyond `enough`. Raises `UnmeasurableError` for a tree that hides what it holds from whoever measures it.
    """
    total = own = looked = 0
    pending = [(os.fspath(path), True)]
    while pending and looked < 2 * MOST_ENTRIES:
        place, is_own = pending.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    looked += 1
                    found = _stat(entry)
                    if found.st_uid == owner:
                        own += 1
                        total += max(_BLOCK, found.st_blocks * 512)
                    if own > MOST_ENTRIES:
                        raise UnmeasurableError("more files than can be counted")
                    if total > enough:
                        return total
                    if stat.S_ISDIR(found.st_mode):
                        pending.append((entry.path, found.st_uid == owner))
        except OSError as error:
            if is_own:
                _check_harmless(error)
    return total


def _check_harmless(error: OSError) -> None:
    """Removed while we looked is harmless; hidden from us is not."""
    if error.errno in {errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP}:
        raise UnmeasurableError("folders that nobody can look into") from error


def removed_bytes(processes: Iterable[int], devices: set[int]) -> int:
    """Bytes of files on these devices that have no name any more and are held open by these processes, each once."""
    found: dict[tuple[int, int], int] = {}
    for process in processes:
        with contextlib.suppress(OSError):  # it ended
            for descriptor in Path(f"/proc/{process}/fd").iterdir():
                with contextlib.suppress(OSError):  # it was closed
                    file = descriptor.stat()
                    if file.st_nlink == 0 and file.st_dev in devices:
                        found[file.st_dev, file.st_ino] = file.st_blocks * 512
    return sum(found.values())


def _stat(entry: os.DirEntry[str]) -> os.stat_result:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # removed while we looked
        return _NOTHING
