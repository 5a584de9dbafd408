"""The power goes at every step: snapshots of what is on the disk between any two steps of something.

Guarantees: a snapshot is what a machine would find after a power cut at that moment, with no clean-up run: files as
they were written so far, the record as it was committed so far, the runs that live. A step is a commit, a change of a
directory (rename, link, unlink, make), a flush, a file opened for writing, or a call of the runtime. Moments between
which nothing changed are one snapshot.

Does not guarantee: what a disk does that loses writes it had acknowledged; what is written is taken to be there.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

from tests.support.memory_runtime import MemoryRuntime
from tre.runtimes.protocol import Observation
from tre.slices import files as slice_files
from tre.store.database import Database

CHANGES = ("rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "fsync", "chmod", "chown")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True)
class Snapshot:
    """One moment: after which step, what lay on the disk, which runs lived."""

    number: int
    step: str
    place: Path
    runs: dict[str, Observation]
    at: datetime

    def restore(self, root: Path, runtime: MemoryRuntime) -> None:
        """Bring the disk and the runs back to this moment; the clock is the caller's."""
        shutil.rmtree(root, ignore_errors=True)
        if self.place.exists():
            _copy(self.place, root)
        runtime.runs = dict(self.runs)


def _copy(source: Path, target: Path) -> None:
    """A copy that keeps owners, modes, times and which names are one file."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@dataclass
class Cutter:
    """Takes snapshots of a root while something is being done: at every commit, and at each `every`th other moment."""

    root: Path
    keep: Path
    runtime: MemoryRuntime
    every: int = 1
    found: list[Snapshot] = field(default_factory=list)
    moments: int = 0
    _busy: bool = False
    _last: object = None

    def cut(self, step: str) -> None:
        """Take a snapshot, unless nothing changed since the last one."""
        if self._busy:
            return
        self._busy = True
        try:
            marks = (_marks(self.root), tuple((key, run.phase) for key, run in self.runtime.runs.items()))
            if marks == self._last:
                return
            self._last = marks
            self.moments += 1
            if step != "commit" and self.moments % self.every:
                return
            place = self.keep / f"{len(self.found):04d}"
            if self.root.exists():
                _copy(self.root, place)
                for extra in place.rglob("*-shm"):
                    extra.unlink()  # shared memory of the record: gone with the power
            at = self.runtime.clock.now()
            self.found.append(Snapshot(self.moments, step, place, dict(self.runtime.runs), at))
        finally:
            self._busy = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Take a snapshot before the first step and after each."""
        self.keep.mkdir(parents=True)
        self.cut("before")
        with contextlib.ExitStack() as stack:
            for name in CHANGES:
                stack.enter_context(mock.patch.object(os, name, self._then(name, getattr(os, name))))
            for name in ("_rename", "sync_filesystem"):
                stack.enter_context(mock.patch.object(slice_files, name, self._then(name, getattr(slice_files, name))))
            for name in ("start", "end", "forget"):
                stack.enter_context(
                    mock.patch.object(self.runtime, name, self._then(name, getattr(self.runtime, name)))
                )
            stack.enter_context(mock.patch.object(os, "open", self._opening(os.open)))
            writing = self._writing(io.open)
            stack.enter_context(mock.patch.object(io, "open", writing))
            stack.enter_context(mock.patch.object(builtins, "open", writing))
            stack.enter_context(mock.patch.object(Database, "_writing", self._committing(Database._writing)))
            yield
        self.cut("after")

    def _then(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **named: Any) -> Any:
            result = real(*args, **named)
            self.cut(f"{name} {args[0] if args else ''}")
            return result

        return step

    def _opening(self, real: Callable[..., int]) -> Callable[..., int]:
        def step(path: Any, flags: int, *args: Any, **named: Any) -> int:
            descriptor = real(path, flags, *args, **named)
            if flags & WRITES and not self._busy:
                self.cut(f"open {path}")
            return descriptor

        return step

    def _writing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
            opened = real(file, mode, *args, **named)
            if set(mode) & set("wax+") and not self._busy:
                self.cut(f"write {file}")
            return opened

        return step

    def _committing(self, real: Callable[[Database, str | None], Any]) -> Callable[[Database, str | None], Any]:
        @contextlib.contextmanager
        def writing(database: Database, witness: str | None) -> Iterator[Any]:
            with real(database, witness) as connection:
                yield connection
            self.cut("commit")

        return writing


def _marks(root: Path) -> tuple[object, ...]:
    """What tells two states of a tree apart, without reading it."""
    found: list[object] = []
    for directory, _, names in os.walk(root):
        for name in (".", *names):
            if name.endswith("-shm"):
                continue
            with contextlib.suppress(FileNotFoundError):
                one = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - called thousands of times
                found.append((directory, name, one.st_mode, one.st_size, one.st_mtime_ns, one.st_nlink, one.st_uid))
    return tuple(found)
