"""How much a workspace has written where no file system limits it.

Guarantees: the door, which lies in the machine's memory and needs to hold one socket, is looked at on every turn;
directories that are only watched (an ordinary user's home, the outbox) are measured in the background,
the outbox always, and a workspace that outgrows its limit is reported.

Does not guarantee: a hard limit. Between two looks a workspace can write as much as the disk takes.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from tre.domain.quantities import format_bytes
from tre.domain.workspaces.models import MountKind, WorkspacePlan
from tre.runtimes.bubblewrap.staging import HOME_IMAGE

_LOOK_EVERY = 20.0
_MOST_ENTRIES = 500_000
_MOST_AT_DOOR = 16
_MOST_BYTES_AT_DOOR = 2**20


class UsageWatch:
    """Measures in a thread of its own, so that a deep tree never delays an ending."""

    def __init__(self, plan: WorkspacePlan, door: Path) -> None:
        self._door = door
        watched = [mount for mount in plan.mounts if mount.kind in {MountKind.home, MountKind.outbox}]
        self._paths = [Path(mount.source) for mount in watched]
        self._limit = plan.limits.home_bytes
        self._next = time.monotonic() + _LOOK_EVERY
        self._found: str | None = None
        self._thread: threading.Thread | None = None

    def overuse(self) -> str | None:
        """What is too large, if anything was found to be."""
        if time.monotonic() >= self._next and (self._thread is None or not self._thread.is_alive()):
            self._next = time.monotonic() + _LOOK_EVERY
            self._thread = threading.Thread(target=self._measure, daemon=True)
            self._thread.start()
        return self._found or _door_misuse(self._door)

    def _measure(self) -> None:
        for path in self._paths:
            used = used_bytes(path)
            if used > self._limit:
                self._found = f"{path.parent.name} holds more than {format_bytes(self._limit)}"


def _door_misuse(door: Path) -> str | None:
    entries = list(os.scandir(door)) if door.is_dir() else []
    if len(entries) > _MOST_AT_DOOR or any(entry.is_dir(follow_symlinks=False) for entry in entries):
        return "the directory of the workspace's socket was used for something else"
    if sum(_on_disk(entry) for entry in entries) > _MOST_BYTES_AT_DOOR:
        return "files were put into the directory of the workspace's socket"
    return None


def used_bytes(path: Path) -> int:
    """Bytes on disk below a directory, links not followed; a home's loop file limits itself and is left out.

    Counting stops at half a million entries: as many files are an overuse of their own and count as 4 KiB each.
    """
    total = entries = 0
    pending = [path]
    while pending and entries < _MOST_ENTRIES:
        try:
            found = list(os.scandir(pending.pop()))
        except OSError:
            continue  # removed while we looked
        for entry in found:
            entries += 1
            if entry.is_dir(follow_symlinks=False):
                pending.append(Path(entry.path))
            elif entry.name != HOME_IMAGE:
                total += _on_disk(entry)
    return total


def _on_disk(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0  # removed while we looked
