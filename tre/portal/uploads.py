"""What people send to be let in, while it arrives: a directory for each upload, from which the checker copies.

Guarantees: a file is kept under a name that `problem_of` has nothing against, in a directory whose random name nobody
chose; its bytes go to the disk as they come, and are on it before anybody is asked to copy them; an upload that ends
in any other way than whole leaves nothing. What is under way at once is bounded, and a disk that is nearly full takes
nothing more.

Does not guarantee: that a crash leaves nothing: then a directory stays, which the checker sweeps after a day. Nor
anything about the bytes: the portal does not look at them.

Threat: a name that leads out of the directory, or over another file; a disk that one person fills.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import structlog

from tre.airlock.naming import problem_of
from tre.domain.errors import Reason, TREError
from tre.store.database import new_id

MOST_AT_ONCE = 8
"""Uploads under way: their bytes lie beside the vault until the checker has copied them."""

MOST_FILES = 1000
"""Of one upload: as many as a job of the checker names."""

LEAST_FREE = 512 * 2**20
"""Bytes that stay free on the disk whatever is sent."""

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_TAKEN = frozenset({errno.EEXIST, errno.ENOTDIR, errno.EISDIR})

log = structlog.get_logger()


@dataclass(frozen=True)
class LeftOut:
    """A file that was not kept, and why."""

    path: str
    problem: str


class Arriving:
    """One upload under way; used by one thread at a time."""

    def __init__(self, uploads: Path) -> None:
        self.name = new_id()
        self._place = uploads / self.name
        self._folders: set[Path] = {self._place}
        self._names: set[str] = set()
        self._descriptor = -1
        self.paths: list[str] = []
        self.left_out: list[LeftOut] = []
        with _storage():
            self._place.mkdir(mode=0o770)  # its group, and that of all in it, comes from the directory above

    def begin(self, path: str) -> bool:
        """Begin a file; false where it is left out. Raises `TREError` for too many, or where nothing can be stored."""
        if len(self.paths) + len(self.left_out) >= MOST_FILES:
            raise TREError(Reason.BadInput, f"At most {MOST_FILES} files can be sent at once.")
        problem = problem_of(path)
        if not problem and path.casefold() in self._names:
            problem = "Another file of this upload has the same name."
        if not problem and not self._open(path):
            problem = "A file and a folder of this upload have the same name."
        if problem:
            self.left_out.append(LeftOut(path, problem))
            return False
        self._names.add(path.casefold())
        self.paths.append(path)
        return True

    def _open(self, path: str) -> bool:
        target = self._place / path
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _storage():
            try:
                for folder in reversed(target.relative_to(self._place).parents[:-1]):
                    (self._place / folder).mkdir(mode=0o770, exist_ok=True)
                    self._folders.add(self._place / folder)
                self._descriptor = os.open(target, flags, 0o640)
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
                return False
        return True

    def write(self, data: bytes) -> None:
        """The next bytes of the file that was begun. Raises `TREError(StorageFull)` or `TREError(StorageFailed)`."""
        with _storage():
            left = memoryview(data)
            while left:
                left = left[os.write(self._descriptor, left) :]

    def finish(self) -> None:
        """The file that was begun is whole, and on the disk."""
        with _storage():
            os.fsync(self._descriptor)
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def seal(self) -> None:
        """Every name is on the disk too."""
        with _storage():
            for folder in (*self._folders, self._place.parent):
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    def discard(self) -> None:
        """Leave nothing of it."""
        self._close()
        try:
            shutil.rmtree(self._place)
        except OSError as error:  # the checker sweeps what stays
            log.warning("upload-stays", upload=self.name, error=error.strerror)


@contextmanager
def _storage() -> Iterator[None]:
    """Errors of the file system as reasons."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full() from error
        log.error("upload-storage", error=error.strerror)
        raise TREError(
            Reason.StorageFailed, "What you sent could not be stored.", remedy="Tell an operator if it stays so."
        ) from error


def _full() -> TREError:
    return TREError(Reason.StorageFull, "There is no room for what you send.", remedy="Tell an operator.")


class Uploads:
    """All uploads under way of one portal."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._busy: set[str] = set()
        self._lock = Lock()

    @contextmanager
    def slot(self, request: str) -> Iterator[None]:
        """Room for one upload into a request. Raises `TREError(StateForbids)` or `TREError(RateLimited)`."""
        with self._lock:
            if request in self._busy:
                raise TREError(
                    Reason.StateForbids,
                    "Files are being sent into this request already.",
                    remedy="Wait until that is done.",
                )
            if len(self._busy) >= MOST_AT_ONCE:
                raise TREError(Reason.RateLimited, "Too many people send files at this moment.")
            self._busy.add(request)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(request)

    def begin(self, expected: int) -> Arriving:
        """A new upload of about so many bytes. Raises `TREError(StorageFull)` or `TREError(StorageFailed)`."""
        with _storage():
            free = shutil.disk_usage(self._place).free
        if free < expected + LEAST_FREE:
            raise _full()
        return Arriving(self._place)
