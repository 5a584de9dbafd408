"""A patient's new files on their way into the store: all of a directory's files get their names in one step.

Guarantees: what is put down is complete before its name is in a tier: the files of somebody who has none yet are
written under `incoming` and their directory is moved, those of others are moved one by one, and no name is ever
replaced by another content. A file that is there already is not written again; it is read before it is trusted, and a
broken one (a power cut before the disk had it) is replaced unless a slice holds it.

Does not guarantee: that anything is in its tier before `publish`, or on the disk before `sync_filesystem`.
"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from tre.slices.files import FILE_MODE, Ownership, directory, make_owned, names_in, rename_new
from tre.slices.places import patient_directory
from tre.slices.store import Store, hash_file
from tre.slices.unfit import UnfitError

_MOST = 32
"""Directories that are open at once."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Shelf:
    """One patient's directory in one tier."""

    def __init__(self, root: Path, incoming: Path, owner: Ownership, pseudonym: str) -> None:
        self._target = root / patient_directory(pseudonym)
        self._staged = incoming / secrets.token_hex(16)
        self._owner = owner
        self._descriptor = -1
        self._put: set[str] = set()
        self._broken: set[str] = set()
        self._there = _names(self._target)

    def put(self, name: str, sha256: bytes, data: bytes) -> None:
        """Put down a file of this content. Raises `UnfitError` where a slice holds a broken one."""
        if name in self._put:
            return
        if self._there is not None and name in self._there and not self._must_mend(name, sha256):
            return
        if self._descriptor < 0:
            make_owned(self._staged, self._owner)
            self._descriptor = os.open(self._staged, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        _write(self._descriptor, name, data, self._owner)
        self._put.add(name)

    def _must_mend(self, name: str, sha256: bytes) -> bool:
        path = self._target / name
        if hash_file(path) == sha256:
            return False
        if path.lstat().st_nlink > 1:
            raise UnfitError("store-damaged", "the stored copy is damaged and a slice holds it")
        self._broken.add(name)
        return True

    def publish(self) -> None:
        """Give the files their names in the tier."""
        if self._descriptor < 0:
            return
        self.leave()
        if self._there is None:
            if not self._target.parent.is_dir():
                make_owned(self._target.parent, self._owner)
            try:
                rename_new(self._staged, self._target)
            except FileExistsError:  # another process had files of the same person
                pass
            else:
                return
        for name in sorted(self._put):
            self._move(name)
        self._staged.rmdir()

    def _move(self, name: str) -> None:
        source, target = self._staged / name, self._target / name
        if name in self._broken:
            source.replace(target)
            return
        try:
            rename_new(source, target)
        except FileExistsError as error:
            if hash_file(target) != hash_file(source):
                raise OSError(errno.EIO, "A file of the store is damaged", str(target)) from error
            source.unlink()

    def leave(self) -> None:
        """Let go of the directory."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _names(path: Path) -> frozenset[str] | None:
    try:
        with directory(path) as descriptor:
            return frozenset(names_in(descriptor))
    except FileNotFoundError:
        return None


def _write(parent: int, name: str, data: bytes, owner: Ownership) -> None:
    descriptor = os.open(name, _NEW, FILE_MODE, dir_fd=parent)
    try:
        if os.fstat(descriptor).st_mode & 0o777 != FILE_MODE:  # what the process masks
            os.fchmod(descriptor, FILE_MODE)
        owner.give(descriptor)
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


class Shelves:
    """The directories that files are put down in, a few at a time."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, str], Shelf] = {}

    def of(self, store: Store, pseudonym: str, *, waiting: bool = False) -> Shelf:
        """A patient's directory in a tier, or among the files that wait for a person."""
        root = store.waiting if waiting else store.tier
        if (shelf := self._open.get((root, pseudonym))) is None:
            if len(self._open) >= _MOST:
                self.publish()
            shelf = self._open[root, pseudonym] = Shelf(root, store.incoming, store.owner, pseudonym)
        return shelf

    def publish(self) -> None:
        """Give all files their names."""
        while self._open:
            _, shelf = self._open.popitem()
            shelf.publish()

    def abandon(self) -> None:
        """Let go of everything; what was put down and has no name yet is swept with `incoming`."""
        for shelf in self._open.values():
            shelf.leave()
        self._open.clear()
