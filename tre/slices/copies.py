"""Where a slice cannot be a further name of a file: a copy in its place, and a record that says so.

Guarantees: a copy is made only where the file system refuses another name: the slices lie on another file system
(EXDEV), or the file has as many names as it may (EMLINK: 65,000 on ext4). It shares the stored blocks where the file
system can (reflink); otherwise its bytes are read once and must have the SHA-256 under which they are stored. It is
its owner's like everything in the store, and `COPIES.txt` in the slice lists what is copied; the slice's content
digest covers that list.

Does not guarantee: what links give. A copy costs space, and that a stored file has one name left says nothing about
copies of it: after an opt-out the slice itself has to be looked at.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.slices.files import FILE_MODE, Ownership

RECORD = "COPIES.txt"
"""Lies beside the payload of a slice that holds copies; it is not there where everything is linked."""

EVERYTHING = "*"
"""Stands for the whole payload where slices and store lie on different file systems."""

_FICLONE = 0x40049409
_CHUNK = 2**20
_HEADING = """\
# These files are copies and no links: the file system refused another name.
# linked {linked} reflinked {reflinked} copied {copied}
"""


@dataclass
class Copies:
    """How the files of a slice came about, and the paths of those that are no links."""

    linked: int = 0
    reflinked: int = 0
    copied: int = 0
    paths: set[str] = field(default_factory=set)

    def __contains__(self, path: object) -> bool:
        """Whether a path of the payload may be a copy."""
        return path in self.paths or EVERYTHING in self.paths

    def as_plain(self) -> dict[str, int]:
        """As an event and `--json` have it."""
        return {"linked": self.linked, "reflinked": self.reflinked, "copied": self.copied}

    def of_rest(self, paths: Set[str]) -> Copies:
        """What the record has to say once the slice holds these files only."""
        if not self.paths:
            return Copies()
        left = self.paths if EVERYTHING in self.paths else self.paths & paths
        copied = (len(paths) if EVERYTHING in left else len(left)) if paths else 0
        shared = min(self.reflinked, copied) if self.copied else copied
        return Copies(len(paths) - copied, shared, copied - shared, set(left) if copied else set())

    def write(self, directory: Path) -> str | None:
        """Write the record if there is anything to record; its digest."""
        if not self.paths:
            return None
        text = _HEADING.format(**self.as_plain()) + "".join(f"{path}\n" for path in sorted(self.paths))
        (directory / RECORD).write_text(text, encoding="utf-8")
        return record_digest(directory)


def copies_of(directory: Path) -> Copies:
    """What the record of a slice says; of a slice without one, that nothing is copied."""
    path = directory / RECORD
    if path.is_symlink() or not path.is_file():
        return Copies()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    found = Copies(paths={line for line in lines if line and not line.startswith("#")})
    for line in lines[1:2]:
        words = line.split()[1:]
        for name, number in zip(words[::2], words[1::2], strict=False):
            if name in found.as_plain() and number.isdecimal():
                setattr(found, name, int(number))
    return found


def record_digest(directory: Path) -> str | None:
    """The digest of the record's bytes, as the content digest of a slice covers it; `None` where there is none."""
    path = directory / RECORD
    if path.is_symlink() or not path.is_file():
        return None
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def place_copy(source: tuple[int, str], target: tuple[int, str], owner: Ownership) -> bool:
    """Put a copy of a stored file there; both are an open directory and a name. Returns whether it shares blocks.

    Raises `OSError`, and `TREError(ContentChanged)` where the stored bytes are not those of the name.
    """
    reading = os.open(source[1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source[0])
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.open(target[1], flags, 0o600, dir_fd=target[0])
        try:
            shared = _reflink(reading, writing)
            if not shared:
                _copy(reading, writing, source[1])
            os.fchmod(writing, FILE_MODE)
            owner.give(writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return shared


def _reflink(reading: int, writing: int) -> bool:
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:  # another file system, or one that cannot share blocks
        return False
    return True


def _copy(reading: int, writing: int, name: str) -> None:
    hasher = hashlib.sha256()
    while chunk := os.read(reading, _CHUNK):
        hasher.update(chunk)
        _write_all(writing, chunk)
    if hasher.hexdigest() != name.partition(".")[0]:
        raise TREError(
            Reason.ContentChanged,
            "A file of the store does not hold the bytes that came in.",
            why="Its SHA-256 is not the one in its name.",
            remedy="Find out what changed it; add the delivery again; then build the slice.",
        )


def _write_all(writing: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(writing, left) :]


def differing(directory: int, names: Iterable[tuple[str, str]]) -> set[str]:
    """Which of these copies in an open directory hold other bytes than stored: pairs of name and stored name."""
    return {name for name, stored in names if _digest_at(directory, name) != stored.partition(".")[0]}


def _digest_at(directory: int, name: str) -> str:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
