"""How much room projects take on disk, for what they cost.

Guarantees: blocks on disk are counted, as the file system says; no link is followed; a file under several names counts
once in homes and folders, and not at all in slices, whose images are names of what the store holds once for everybody.
Slices never change within a version and are measured once for each. Folders below the sixty-fourth level are not looked
into: whoever nests them deeper ends at the workspace's own watch.

Does not guarantee: one moment for all. What is written while it is measured may count or not.

Threat: a home full of links that point elsewhere, or of folders nested until descriptors run out.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tre.domain.costs.meters import Kept
from tre.slices.watch import Watcher
from tre.store.tables.grants import grant_slices
from tre.store.tables.workspaces import workspaces
from tre.storekeeper.office import Office

DEEPEST = 64
_KIB = 2**10
_SECTOR = 512
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_measured: dict[Path, tuple[int, int]] = {}
"""What slices take: the version of the manifest that was measured, and what that came to."""


def measure(office: Office, watcher: Watcher) -> dict[str, Any]:
    """KiB by project and place, and when it was measured."""
    at = office.clock.now()
    found: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    with office.database.read() as connection:
        of_grant = {row.name: row.grant for row in connection.execute(select(workspaces.c.name, workspaces.c.grant))}
        slices = connection.execute(
            select(grant_slices.c.grant, grant_slices.c.slice_id, grant_slices.c.manifest_version)
        ).all()
    for name, grant in of_grant.items():
        watcher.step("measure")
        found[grant][Kept.homes] += taken(office.layout.homes / name)
        found[grant][Kept.outboxes] += taken(office.layout.outboxes / name)
    for grant in set(of_grant.values()):
        watcher.step("measure")
        found[grant][Kept.shared] += taken(office.layout.shared / grant)
    for row in slices:
        watcher.step("measure")
        found[row.grant][Kept.slices] += _of_slice(office.layout.slices / row.slice_id, row.manifest_version)
    return {"at": at.isoformat(), "kib": {grant: dict(places) for grant, places in sorted(found.items())}}


def _of_slice(path: Path, version: int) -> int:
    if not path.is_dir():
        _measured.pop(path, None)
        return 0
    if (known := _measured.get(path)) is None or known[0] != version:
        _measured[path] = known = (version, taken(path, shared_names=False))
    return known[1]


def taken(path: Path, *, shared_names: bool = True) -> int:
    """KiB that a directory takes; nothing where there is none. `shared_names`: files with several names count, once."""
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:  # not made yet, destroyed meanwhile, or no directory
        return 0
    seen: set[tuple[int, int]] | None = set() if shared_names else None
    try:
        return -(-(os.fstat(descriptor).st_blocks + _sectors(descriptor, 1, seen)) * _SECTOR // _KIB)
    finally:
        os.close(descriptor)


def _sectors(descriptor: int, depth: int, seen: set[tuple[int, int]] | None) -> int:
    total = 0
    with os.scandir(descriptor) as entries:
        for entry in entries:
            try:
                about = entry.stat(follow_symlinks=False)
            except OSError:  # removed while it was looked at
                continue
            if stat.S_ISDIR(about.st_mode):
                total += about.st_blocks + _below(descriptor, entry.name, depth, seen)
            elif about.st_nlink == 1:
                total += about.st_blocks
            elif seen is not None and (about.st_dev, about.st_ino) not in seen:
                seen.add((about.st_dev, about.st_ino))
                total += about.st_blocks
    return total


def _below(parent: int, name: str, depth: int, seen: set[tuple[int, int]] | None) -> int:
    if depth >= DEEPEST:
        return 0
    try:
        descriptor = os.open(name, _OPEN, dir_fd=parent)
    except OSError:  # removed meanwhile, or closed to this user
        return 0
    try:
        return _sectors(descriptor, depth + 1, seen)
    finally:
        os.close(descriptor)
