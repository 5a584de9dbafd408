"""Letting services of other users walk to the program and its data, where a directory above is closed to them.

Guarantees: where root starts the launcher from below a private directory (a clone in root's home), the services see
that directory as an empty one that holds nothing but the way to what they need; the machine's own permissions are not
touched, and whoever is outside the keeper's mount namespace sees nothing of it.

Does not guarantee: that what they reach is readable. Modes and owners below the way are as they were.

Threat: somebody widens the permissions of a home directory to make a program run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tre.system.process import MS_BIND, MS_NODEV, MS_NOSUID, MS_REC, mount, unshare_mounts

_TRAVERSE = 0o001


def closed_ancestor(path: Path) -> Path | None:
    """The uppermost directory on the way to a path that other users may not walk through."""
    for directory in reversed([path, *path.parents]):
        if not directory.stat().st_mode & _TRAVERSE:
            return directory
    return None


def open_the_way(paths: Iterable[Path]) -> list[Path]:
    """In a mount namespace of our own, make these existing directories reachable; return the ancestors replaced.

    Needs root. Does nothing where every path is reachable already.
    """
    wanted = [path.resolve() for path in paths]
    closed = sorted({found for path in wanted if (found := closed_ancestor(path.parent)) is not None})
    if not closed:
        return []
    unshare_mounts()
    opened = {path: os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in wanted}
    for ancestor in closed:
        mount(None, ancestor, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=1m")
    for path, descriptor in opened.items():
        if any(path.is_relative_to(ancestor) for ancestor in closed):
            path.mkdir(parents=True, exist_ok=True, mode=0o711)
            mount(Path(f"/proc/self/fd/{descriptor}"), path, None, MS_BIND | MS_REC)
        os.close(descriptor)
    return closed
