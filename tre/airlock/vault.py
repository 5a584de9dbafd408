"""The airlock's store of bytes, each under the SHA-256 of what it holds.

Guarantees: an object appears under its name only when all its bytes are on the disk; it is read-only from then on;
the name says what the bytes must be, and `verify` says whether they are.

Does not guarantee: that nobody with the checker's rights changes an object. That is why a release hashes it again.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.system.files import flush_directory

_NAME = re.compile(r"[0-9a-f]{64}")
_PIECE = 1 << 20
_TEMPORARY = ".incoming-"


@dataclass(frozen=True)
class Stored:
    """Bytes that were taken in."""

    sha256: str
    size: int


class TooLargeError(Exception):
    """The source held more bytes than it may."""


def hash_descriptor(descriptor: int) -> Stored:
    """SHA-256 and size of an open file from its beginning to its end."""
    hasher, offset = hashlib.sha256(), 0
    while piece := os.pread(descriptor, _PIECE, offset):
        hasher.update(piece)
        offset += len(piece)
    return Stored(hasher.hexdigest(), offset)


class Vault:
    """The directory of objects: `ab/cdef…`, mode 0400."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str) -> Path:
        """Where an object lies. Raises `TREError(BadInput)` for anything but 64 hexadecimal digits."""
        if _NAME.fullmatch(sha256) is None:
            raise TREError(Reason.BadInput, "That is no SHA-256.")
        return self.root / sha256[:2] / sha256[2:]

    def take_in(self, source: int, most: int) -> Stored:
        """Copy an open file from its beginning, hashing what is copied, and keep the copy.

        Raises `TooLargeError` as soon as more than `most` bytes came; nothing is kept then.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f"{_TEMPORARY}{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(temporary, flags, 0o400)
        try:
            try:
                stored = copy_hashed(source, target, most)
                os.fsync(target)
            finally:
                os.close(target)
            final = self.path(stored.sha256)
            final.parent.mkdir(exist_ok=True)
            temporary.replace(final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        flush_directory(final.parent)
        flush_directory(self.root)
        return stored

    @contextmanager
    def opened(self, sha256: str) -> Iterator[int]:
        """An object, open for reading. Raises `TREError(ContentChanged)` where it is gone."""
        try:
            descriptor = os.open(self.path(sha256), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise TREError(Reason.ContentChanged, "A file that was taken in is no longer in the vault.") from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def verify(self, descriptor: int, sha256: str) -> int:
        """The size of an open object whose bytes are what its name says.

        Raises `TREError(ContentChanged)` where they are not.
        """
        found = hash_descriptor(descriptor)
        if found.sha256 != sha256:
            raise TREError(
                Reason.ContentChanged,
                "A file in the vault does not hold the bytes that were decided on.",
                remedy="Tell the operator: the disk or somebody changed it. Nothing was released.",
            )
        return found.size

    def forget(self, sha256: str) -> bool:
        """Remove an object; false where there was none."""
        path = self.path(sha256)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        flush_directory(path.parent)
        return True

    def sweep(self) -> int:
        """Remove what a crash left half taken in; how many."""
        left = list(self.root.glob(f"{_TEMPORARY}*")) if self.root.is_dir() else []
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)


def copy_hashed(source: int, target: int, most: int) -> Stored:
    """Copy an open file from its beginning, hashing what is copied. Raises `TooLargeError` beyond `most` bytes."""
    hasher, size = hashlib.sha256(), 0
    while piece := os.pread(source, _PIECE, size):
        size += len(piece)
        if size > most:
            raise TooLargeError
        hasher.update(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(target, rest) :]
    return Stored(hasher.hexdigest(), size)
