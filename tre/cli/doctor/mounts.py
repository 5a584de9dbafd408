"""Which file system a directory lies on, as the kernel's table of mounts has it.

Guarantees: the file system is the one of the directory itself (its device), also where several are mounted at one
point or a directory is bound from elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "afs", "beegfs", "virtiofs"})
"""File systems of another machine; `fuse.…` are judged by `is_network`."""

MEMORY = frozenset({"tmpfs", "ramfs"})

LINKS = {"ext2": 32_000, "ext3": 32_000, "ext4": 65_000, "xfs": 2**31 - 1, "btrfs": 65_535, "f2fs": 2**31 - 1}
"""The most names that one file may have, by file system (the kernel's EXT2_LINK_MAX, EXT4_LINK_MAX, XFS_MAXLINK,
BTRFS_LINK_MAX, F2FS_LINK_MAX)."""


class Mount(NamedTuple):
    """One line of the table: where, of what kind, with which options."""

    point: str
    kind: str
    options: frozenset[str]

    @property
    def is_network(self) -> bool:
        """Whether it is another machine's."""
        return self.kind in NETWORK or self.kind.startswith(("fuse.sshfs", "fuse.s3", "fuse.gluster", "fuse.ceph"))

    @property
    def most_links(self) -> int | None:
        """The most names of one file; `None` where nobody knows."""
        return LINKS.get(self.kind)


def parse(text: str) -> list[tuple[str, Mount]]:
    """The lines of /proc/self/mountinfo, each with its device as `major:minor`, in the kernel's order."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, more = before.split(), after.split()
        if len(fields) < 6 or len(more) < 3:
            continue
        options = frozenset({*fields[5].split(","), *more[2].split(",")})
        found.append((fields[2], Mount(_plain(fields[4]), more[0], options)))
    return found


def _plain(point: str) -> str:
    for octal, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(octal, letter)
    return point


def mount_of(path: Path, processes: Path = Path("/proc")) -> Mount | None:
    """The mount that a path lies on; `None` where the table does not have it. Raises `OSError`."""
    device = path.stat().st_dev
    named = f"{os.major(device)}:{os.minor(device)}"
    table = parse((processes / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    resolved = path.resolve()
    above = [(known, one) for known, one in table if resolved.is_relative_to(one.point)]
    last = max(above, key=lambda item: len(item[1].point), default=None)
    exact = [one for known, one in above if known == named]
    if exact:
        return exact[-1]
    return None if last is None else last[1]  # btrfs shows another device than its files have
