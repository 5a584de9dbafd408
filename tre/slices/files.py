"""Files and directories of the store and of slices, handled so that links lead nowhere and names hold.

Guarantees: a path below a directory is opened part by part without following any link; a tree is deleted without
following links, however deep it is and whatever modes its directories have; two directories change places in one
step; what `sync_filesystem` covered survives a power cut.

Does not guarantee: anything about a directory that a hostile program changes as the same user: the store belongs to
the storekeeper alone.

Threat: a data delivery or a home with links that point out of it, or nested so deep that deletion fails.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tre.domain.errors import Reason, TREError

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2
_O_PATH = 0o10000000
_CAP_CHOWN = 0
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCK_POLL = 0.05
_MAX_DEPTH = 40
"""Directories nested deeper than this are moved up before they are deleted."""

FILE_MODE = 0o440
"""Files of the store: nobody writes, the dataset's group reads. A slice's links share it."""

DIRECTORY_MODE = 0o2750
"""Directories of slices: the dataset's group enters, and what is made inside belongs to that group."""

PRIVATE_MODE = 0o700
"""Directories of the store: the storekeeper alone."""


@dataclass(frozen=True)
class Ownership:
    """To whom new files are given; -1 leaves what the kernel chose."""

    uid: int = -1
    gid: int = -1

    def give(self, target: int | Path) -> None:
        """Hand over an open file or a path (never through a link)."""
        if (self.uid, self.gid) != (-1, -1):
            os.chown(target, self.uid, self.gid, follow_symlinks=isinstance(target, int))


def may_chown() -> bool:
    """Whether this process may give files away (root, or CAP_CHOWN in effect)."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(line.split()[1], 16) >> _CAP_CHOWN & 1)


def ownership(owner: int, group: int) -> Ownership:
    """Give files to this user and group where this process may; an ordinary user keeps its own."""
    if not may_chown():
        return NOBODY_ELSE
    return Ownership(owner if os.geteuid() == 0 else -1, group)


NOBODY_ELSE = Ownership()
"""New files stay with whoever makes them."""


@contextlib.contextmanager
def plain_umask() -> Iterator[None]:
    """Let the group's bits through while directories are made. The mask belongs to the whole process."""
    before = os.umask(0o027)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def directory(path: Path) -> Iterator[int]:
    """A descriptor of a directory, not through a link."""
    descriptor = os.open(path, _DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_beneath(root: int, parts: tuple[str, ...], flags: int) -> int:
    """Open a path below an open directory without following a link at any part. Raises `OSError`."""
    here = os.dup(root)
    try:
        for part in parts[:-1]:
            there = os.open(part, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = there
        last = parts[-1] if parts else "."
        return os.open(last, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=here)
    finally:
        os.close(here)


class Beneath:
    """Opens paths below an open directory, part by part and without following a link at any.

    The directories on the way to the last path stay open, since the next one mostly shares them.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._names: list[str] = []
        self._descriptors: list[int] = []

    def open(self, parts: tuple[str, ...], flags: int = os.O_RDONLY) -> int:
        """Open a path. Raises `OSError`."""
        shared = 0
        for known, part in zip(self._names, parts[:-1], strict=False):
            if known != part:
                break
            shared += 1
        self._leave(shared)
        for part in parts[shared:-1]:
            self._descriptors.append(os.open(part, _DIRECTORY, dir_fd=self._here))
            self._names.append(part)
        return os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=self._here)

    @property
    def _here(self) -> int:
        return self._descriptors[-1] if self._descriptors else self._root

    def _leave(self, shared: int) -> None:
        while len(self._descriptors) > shared:
            os.close(self._descriptors.pop())
            self._names.pop()

    def close(self) -> None:
        """Close the directories on the way; the root stays open."""
        self._leave(0)


def names_in(descriptor: int) -> list[str]:
    """The names in an open directory, in order."""
    with os.scandir(descriptor) as entries:
        return sorted(entry.name for entry in entries)


def make_private(path: Path, owner: Ownership) -> Path:
    """Make a directory and its missing parents for the storekeeper alone."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        make_owned(one, owner)
    return path


def make_owned(path: Path, owner: Ownership) -> None:
    """Make a private directory that is its owner's from the moment it has its name; one that is there stays."""
    if owner.uid in {-1, os.geteuid()}:
        path.mkdir(mode=PRIVATE_MODE, exist_ok=True)
        return
    begun = path.with_name(f".{path.name}.new")
    begun.mkdir(mode=PRIVATE_MODE, exist_ok=True)  # an interrupted attempt left it
    Ownership(owner.uid, -1).give(begun)
    try:
        rename_new(begun, path)
    except FileExistsError:
        begun.rmdir()
    except FileNotFoundError:  # somebody else, making the same, was faster
        if not path.is_dir():
            raise


@contextlib.contextmanager
def locked(path: Path, owner: Ownership, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock file at `path`, waiting so many seconds for another holder.

    Raises `TREError(Conflict)` when it is still held. A holder that dies lets go: the kernel sees to it.
    """
    make_private(path.parent, owner)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        Ownership(owner.uid, -1).give(descriptor)
        _lock(descriptor, path, time.monotonic() + patience)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise TREError(
                    Reason.Conflict,
                    f"Another program is at work here: {path}.",
                    remedy="Wait until it has finished, then try again.",
                ) from error
            time.sleep(_LOCK_POLL)
        else:
            return


def sync_filesystem(path: Path) -> None:
    """Bring everything written to the file system of `path` to the disk (syncfs)."""
    with directory(path) as descriptor:
        _check(_libc.syncfs(descriptor), str(path))


def exchange(one: Path, other: Path) -> None:
    """Let two directories change places in one step (renameat2)."""
    _rename(one, other, _RENAME_EXCHANGE)


def rename_new(source: Path, target: Path) -> None:
    """Rename; raise `FileExistsError` when the target is there (even as an empty directory)."""
    _rename(source, target, _RENAME_NOREPLACE)


def _rename(source: Path, target: Path, flags: int) -> None:
    names = os.fsencode(source), os.fsencode(target)
    done = _libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(flags))
    _check(done, str(target))


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def storage_error(error: OSError, doing: str) -> TREError:
    """What the operator is told when the file system refuses."""
    remedies = {
        errno.ENOSPC: "Free some space or move the root to a larger disk, then run it again.",
        errno.EDQUOT: "Raise the quota, then run it again.",
        errno.EXDEV: "Keep what is renamed here on one file system.",
    }
    reason = Reason.StorageFull if error.errno in {errno.ENOSPC, errno.EDQUOT} else Reason.StorageFailed
    remedy = remedies.get(error.errno or 0, "See to the file system, then run it again.")
    where = f" ({error.filename})" if isinstance(error.filename, str) else ""
    return TREError(reason, f"{doing} failed.", why=f"{error.strerror}{where}.", remedy=remedy)


@dataclass
class Removed:
    """What a deletion took away. Bytes are file sizes; a file with other names frees nothing."""

    files: int = 0
    directories: int = 0
    bytes: int = 0

    def as_plain(self) -> dict[str, int]:
        """As a receipt holds it."""
        return {"files": self.files, "directories": self.directories, "bytes": self.bytes}


def discard(path: Path, trash: Path) -> Removed:
    """Take a tree out of sight in one step (rename into `trash`, same file system), then delete it."""
    removed = Removed()
    if not os.path.lexists(path):
        return removed
    name = secrets.token_hex(8)
    with directory(path.parent) as parent, directory(trash) as target:
        if stat.S_ISDIR(path.lstat().st_mode):
            os.close(_enter(parent, path.name))  # a locked directory could not be moved to another parent
        os.rename(path.name, name, src_dir_fd=parent, dst_dir_fd=target)
        _remove(target, name, removed)
    return removed


def empty(trash: Path) -> Removed:
    """Delete whatever an interrupted deletion left in the trash."""
    removed = Removed()
    with directory(trash) as descriptor:
        for name in names_in(descriptor):
            _remove(descriptor, name, removed)
    return removed


def _remove(trash: int, name: str, removed: Removed) -> None:
    """Delete one entry of the trash. Directories too deep to walk are moved up into the trash first."""
    waiting = [name]
    while waiting:
        _remove_entry(trash, waiting.pop(), removed, _Deep(trash, waiting, 0))


@dataclass(frozen=True)
class _Deep:
    """Where directories go that lie too deep, and how deep we are."""

    trash: int
    waiting: list[str]
    depth: int


def _remove_entry(parent: int, name: str, removed: Removed, deep: _Deep) -> None:
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        os.unlink(name, dir_fd=parent)
        removed.files += 1
        removed.bytes += found.st_size
        return
    if deep.depth >= _MAX_DEPTH:
        os.close(_enter(parent, name))
        moved = secrets.token_hex(8)
        os.rename(name, moved, src_dir_fd=parent, dst_dir_fd=deep.trash)
        deep.waiting.append(moved)
        return
    _remove_directory(parent, name, removed, deep)


def _remove_directory(parent: int, name: str, removed: Removed, deep: _Deep) -> None:
    descriptor = _enter(parent, name)
    try:
        for entry in names_in(descriptor):
            below = _Deep(deep.trash, deep.waiting, deep.depth + 1)
            _remove_entry(descriptor, entry, removed, below)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)
    removed.directories += 1


def _enter(parent: int, name: str) -> int:
    """A descriptor of a directory that can be emptied, whatever permissions its owner took from it."""
    handle = os.open(name, _O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.fstat(handle).st_mode & PRIVATE_MODE != PRIVATE_MODE:
            Path(f"/proc/self/fd/{handle}").chmod(PRIVATE_MODE)
        return os.open(".", _DIRECTORY, dir_fd=handle)
    finally:
        os.close(handle)
