"""The write-once store: taking files in, each once, under the digest of what was really written.

Here are large files and records, one by one; `tre.slices.shelves` puts down what is in memory, many at a time.

Guarantees: a file is copied and hashed in one pass, and what is indexed is read from the copy, so a delivery that
changes meanwhile cannot differ from its digest. A name appears only when the content is complete. A file that is
there already is read again before it is trusted; a broken one (a power cut before the disk had it) is replaced unless
a slice holds it. Files are never written, moved or given another mode afterwards: slices share their inodes.

Does not guarantee: that a file survives a power cut before `sync_filesystem` was called.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from tre.domain.gate import GateReason
from tre.slices.files import FILE_MODE, Ownership, make_owned, open_beneath
from tre.slices.places import patient_directory
from tre.slices.unfit import UnfitError

_CHUNK = 2**20
T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """One tier of a dataset's store, and a directory on the same file system for what is on its way in."""

    tier: Path
    incoming: Path
    owner: Ownership
    waiting: Path
    """Where files that wait for a person are kept instead."""


@dataclass(frozen=True)
class Taken(Generic[T]):
    """A file that is in the store: its digest, its size, and what was read from it."""

    sha256: bytes
    size: int
    content: T


def stored_path(tier: Path, pseudonym: str, sha256: bytes, suffix: str) -> Path:
    """Where a patient's file of this content lies."""
    return tier / patient_directory(pseudonym) / f"{sha256.hex()}{suffix}"


class WaitsError(Exception):
    """A file that a person must look at: whose it is, and why. Its bytes are kept apart from every tier."""

    def __init__(self, pseudonym: str, reasons: tuple[GateReason, ...]) -> None:
        super().__init__("waits for a person")
        self.pseudonym = pseudonym
        self.reasons = reasons
        self.sha256 = b""
        self.size = 0


@dataclass(frozen=True)
class Intake(Generic[T]):
    """How a kind of file is taken: what is read from the copy (given its digest), whose it is, how its name ends."""

    read: Callable[[BinaryIO, bytes], T]
    owner_of: Callable[[T], str]
    suffix: str


def take(store: Store, root: int, parts: tuple[str, ...], intake: Intake[T]) -> Taken[T]:
    """Copy one file of the delivery into the store.

    Raises `UnfitError` for a file that cannot be taken (nothing of it stays), `WaitsError` for one that a person must
    look at, `OSError` when the disk refuses.
    """
    temporary = store.incoming / secrets.token_hex(16)
    try:
        with _create(temporary, store.owner) as file:
            sha256, size = _copy(root, parts, file)
            file.seek(0)
            content = intake.read(file, sha256)
        target = stored_path(store.tier, intake.owner_of(content), sha256, intake.suffix)
        _place(temporary, target, sha256, store.owner)
    except WaitsError as waits:
        waits.sha256, waits.size = sha256, size
        _place(temporary, stored_path(store.waiting, waits.pseudonym, sha256, intake.suffix), sha256, store.owner)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    return Taken(sha256, size, content)


class Hashing:
    """A file that is written and hashed in one pass."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hasher = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Write, and hash what is written."""
        self._file.write(data)
        self._hasher.update(data)
        self._size += len(data)

    def digest(self) -> tuple[bytes, int]:
        """The digest and the size of what was written."""
        return self._hasher.digest(), self._size


def derive(store: Store, pseudonym: str, suffix: str, write: Callable[[Hashing], None]) -> tuple[bytes, int]:
    """Put a file into a tier that is made of one that was taken; return its digest and size."""
    temporary = store.incoming / secrets.token_hex(16)
    try:
        with _create(temporary, store.owner) as file:
            hashing = Hashing(file)
            write(hashing)
        sha256, size = hashing.digest()
        _place(temporary, stored_path(store.tier, pseudonym, sha256, suffix), sha256, store.owner)
    finally:
        temporary.unlink(missing_ok=True)
    return sha256, size


def _create(path: Path, owner: Ownership) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, FILE_MODE)
    owner.give(descriptor)
    return os.fdopen(descriptor, "w+b")


def _copy(root: int, parts: tuple[str, ...], target: BinaryIO) -> tuple[bytes, int]:
    try:
        source = open_beneath(root, parts, os.O_RDONLY)
    except OSError as error:
        raise UnfitError("path", f"cannot be opened: {error.strerror}") from error
    with os.fdopen(source, "rb") as file:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise UnfitError("path", "not a regular file")
        hasher, size = hashlib.sha256(), 0
        while chunk := file.read(_CHUNK):
            hasher.update(chunk)
            target.write(chunk)
            size += len(chunk)
    target.flush()
    return hasher.digest(), size


def _place(temporary: Path, target: Path, sha256: bytes, owner: Ownership) -> None:
    _make_patient_directory(target.parent, owner)
    try:
        os.link(temporary, target)
    except FileExistsError:
        _keep_or_mend(temporary, target, sha256)


def _make_patient_directory(path: Path, owner: Ownership) -> None:
    for one in (path.parent, path):
        if not one.is_dir():
            make_owned(one, owner)


def _keep_or_mend(temporary: Path, target: Path, sha256: bytes) -> None:
    if hash_file(target) == sha256:
        return
    if target.lstat().st_nlink > 1:
        raise UnfitError("store-damaged", "the stored copy is damaged and a slice holds it")
    temporary.replace(target)


def hash_file(path: Path) -> bytes:
    """SHA-256 of a file that is not a link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
