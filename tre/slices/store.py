"""The write-once store: taking files in, each once, under the digest of what was really written.

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

from tre.slices.files import FILE_MODE, Ownership, make_owned, open_beneath
from tre.slices.headers import UnfitError
from tre.slices.places import patient_directory

_CHUNK = 2**20
T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """One tier of a dataset's store, and a directory on the same file system for what is on its way in."""

    tier: Path
    incoming: Path
    owner: Ownership


@dataclass(frozen=True)
class Taken(Generic[T]):
    """A file that is in the store: its digest, its size, and what was read from it."""

    sha256: bytes
    size: int
    content: T


def stored_path(tier: Path, pseudonym: str, sha256: bytes, suffix: str) -> Path:
    """Where a patient's file of this content lies."""
    return tier / patient_directory(pseudonym) / f"{sha256.hex()}{suffix}"


@dataclass(frozen=True)
class Intake(Generic[T]):
    """How a kind of file is taken: what is read from the copy, whose it is, and how its name ends."""

    read: Callable[[BinaryIO], T]
    owner_of: Callable[[T], str]
    suffix: str


def take(store: Store, root: int, parts: tuple[str, ...], intake: Intake[T]) -> Taken[T]:
    """Copy one file of the delivery into the store.

    Raises `UnfitError` for a file that cannot be taken (nothing of it stays), `OSError` when the disk refuses.
    """
    temporary = store.incoming / secrets.token_hex(16)
    try:
        with _create(temporary, store.owner) as file:
            sha256, size = _copy(root, parts, file)
            file.seek(0)
            content = intake.read(file)
        target = stored_path(store.tier, intake.owner_of(content), sha256, intake.suffix)
        _place(temporary, target, sha256, store.owner)
    finally:
        temporary.unlink(missing_ok=True)
    return Taken(sha256, size, content)


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
