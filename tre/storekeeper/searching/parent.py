"""Having a tree of a researcher's files searched: this side walks and opens, the child looks.

Guarantees: no link is followed and nothing but regular files is opened, each relative to its directory's descriptor;
bytes of a file are interpreted behind walls only (`searching.__main__`). A file at which the child dies, or takes too
long, counts as not searched and the rest goes on with another child.

Of a file that is mostly holes, the holes are left out. Such is a home that is a file system of its own, in one file:
what lies in it is searched as it lies there, so that names are found, copies are told by the names in them, and
containers stay closed; it counts as not searched whole.

Does not guarantee: anything about files that change while they are read.

Threat: a home made to take over whoever looks into it, to lead them elsewhere by links, or to keep them busy for ever.
"""

from __future__ import annotations

import json
import os
import selectors
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tre.airlock.confine import namespace_prefix
from tre.slices.files import open_beneath
from tre.storekeeper.searching.tokens import found_in

ENTRY = Path(__file__).parent / "__main__.py"
SECONDS, MEMORY = 300, 2 << 30
PATIENCE = 120.0
"""Seconds that one file may take by the clock."""

MOST_FILES = 2_000_000
MOST_CHILDREN = 200
_PIECE = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_DEEPEST = 60
_MOST_WAITING = 200_000
"""Directories that wait to be looked into; what goes beyond counts as not searched."""


@dataclass(frozen=True)
class Sought:
    """What is looked for: names, and contents (SHA-256 in hexadecimal) by size."""

    names: Collection[str]
    contents: Mapping[int, frozenset[str]]


@dataclass
class Copies:
    """What a tree holds of it: copies and files that mention a name, by path; and how many were not searched."""

    exact: list[str] = field(default_factory=list)
    mentions: list[str] = field(default_factory=list)
    searched: int = 0
    unsearched: int = 0

    def as_plain(self) -> dict[str, int]:
        """Counts only: names of files are their owner's."""
        counts = {"exact": len(self.exact), "mentions": len(self.mentions)}
        return counts | {"searched": self.searched, "unsearched": self.unsearched}


class _DiedError(Exception):
    """The child ended, or did not answer in time."""


class _Child:
    """One child and the pipe to it."""

    def __init__(self, names: Collection[str]) -> None:
        self._process = subprocess.Popen(
            [*namespace_prefix(), sys.executable, "-I", "-S", "-B", str(ENTRY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
            bufsize=0,
        )
        libraries = [path for path in sys.path if path.endswith("site-packages")]
        told = {"names": sorted(names), "libraries": libraries, "seconds": SECONDS, "memory": MEMORY}
        words = json.dumps(told).encode()
        self._left = b""
        assert self._process.stdin is not None
        self._into = self._process.stdin.fileno()
        os.set_blocking(self._into, False)
        self._send(struct.pack(">I", len(words)) + words)
        self.walls = self._line()["walls"]

    def search(self, descriptor: int, size: int) -> dict[str, Any]:
        """The child's word about an open file. Raises `_DiedError`."""
        extents = _extents(descriptor, size) if _is_mostly_holes(descriptor) else [(0, size)]
        self._send(struct.pack(">Q", sum(length for _, length in extents)))
        for start, length in extents:
            os.lseek(descriptor, start, os.SEEK_SET)
            left = length
            while left:
                piece = os.read(descriptor, min(left, _PIECE)) or b"\0" * min(left, _PIECE)  # it became shorter
                left -= len(piece)
                self._send(piece)
        return self._line() | ({} if extents == [(0, size)] else {"whole": False})

    def _send(self, data: bytes) -> None:
        """Hand bytes over, as fast as the child takes them. Raises `_DiedError` where it takes none any more."""
        rest = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._into, selectors.EVENT_WRITE)
            while rest:
                if not selector.select(PATIENCE):
                    raise _DiedError
                try:
                    rest = rest[os.write(self._into, rest) :]
                except OSError as error:
                    raise _DiedError from error

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        deadline = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._left:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                piece = os.read(self._process.stdout.fileno(), 65536) if ready else b""
                if not piece or len(self._left) > _PIECE:
                    raise _DiedError
                self._left += piece
        line, _, self._left = self._left.partition(b"\n")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise _DiedError from error
        return found

    def end(self) -> None:
        """No more files."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue  # what it was told last it never read


_LARGE = 64 << 20


def _is_mostly_holes(descriptor: int) -> bool:
    """Whether a large file is mostly not there on the disk, as the file system of a home in a file is."""
    about = os.fstat(descriptor)
    return about.st_size > _LARGE and about.st_blocks * 512 < about.st_size // 2


def _extents(descriptor: int, size: int) -> list[tuple[int, int]]:
    """Where a file holds anything: start and length of each stretch."""
    found, place = [], 0
    while place < size:
        try:
            start = os.lseek(descriptor, place, os.SEEK_DATA)
        except OSError:
            break  # nothing more
        place = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, place - start))
    return found


def search(root: Path, sought: Sought) -> Copies:
    """Search a tree. A tree that is not there holds nothing."""
    found = Copies()
    names = frozenset(name.encode().lower() for name in sought.names)
    child: _Child | None = None
    children = 0
    try:
        for path, descriptor, size in _files(root, found):
            try:
                if child is None:
                    children += 1
                    child = _Child(sought.names) if children <= MOST_CHILDREN else None
                if child is None:
                    found.unsearched += 1
                    continue
                _judge(found, path, child.search(descriptor, size), sought.contents.get(size, frozenset()))
            except _DiedError:
                found.unsearched += 1
                if child is not None:
                    child.end()
                child = None
            if found_in(path.encode("utf-8", "replace"), names) and path not in (
                *found.exact[-1:],
                *found.mentions[-1:],
            ):
                found.mentions.append(path)
    finally:
        if child is not None:
            child.end()
    return found


def _judge(found: Copies, path: str, said: dict[str, Any], contents: frozenset[str]) -> None:
    found.searched += 1
    if said.get("sha256") in contents:
        found.exact.append(path)
    elif said.get("names"):
        found.mentions.append(path)
    if not said.get("whole", True):
        found.unsearched += 1


Parts = tuple[str, ...]


def _files(root: Path, found: Copies) -> Iterator[tuple[str, int, int]]:
    """Every regular file: its path below the root, open, and its size. One directory is open at a time."""
    try:
        top = os.open(root, _DIRECTORY)
    except OSError:
        return
    waiting: list[Parts] = [()]
    count = 0
    try:
        while waiting:
            for path, opened in _in_directory(top, waiting, found):
                count += 1
                try:
                    if count <= MOST_FILES:
                        yield path, opened, os.fstat(opened).st_size
                    else:
                        found.unsearched += 1
                finally:
                    os.close(opened)
    finally:
        os.close(top)


def _in_directory(top: int, waiting: list[Parts], found: Copies) -> Iterator[tuple[str, int]]:
    """The open files of the directory that waited last; its directories wait from now on."""
    parts = waiting.pop()
    try:
        here = open_beneath(top, parts, _DIRECTORY)
    except OSError:
        found.unsearched += 1  # gone meanwhile, or no directory any more
        return
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    if (opened := _opened(here, entry, found)) is not None:
                        yield "/".join((*parts, entry.name)), opened
                elif len(parts) < _DEEPEST and len(waiting) < _MOST_WAITING:
                    waiting.append((*parts, entry.name))
                else:
                    found.unsearched += 1
    finally:
        os.close(here)


def _opened(here: int, entry: os.DirEntry[str], found: Copies) -> int | None:
    """An open regular file; `None` for anything else, and for what cannot be opened (counted)."""
    if not entry.is_file(follow_symlinks=False):
        return None
    try:
        descriptor = os.open(entry.name, _FILE, dir_fd=here)
    except OSError:
        found.unsearched += 1
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return descriptor
