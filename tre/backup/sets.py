"""A place for backups: objects that they share, and for each backup one file that says what it consists of.

Guarantees: a backup is there when its file is, which is written last and in one step; until then, and whatever
interrupts it, the earlier ones are whole. A directory that holds anything else is refused, not filled.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tre.backup.objects import Objects
from tre.backup.seal import Box
from tre.domain.canonical import canonical_bytes
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, UtcTime, parse_record
from tre.system.files import flush_directory, make_directory, sweep_unfinished, write_atomically

MARK = "tre-backups"
_MARK_TEXT = b"A place for backups of a TRE launcher, made by `tre backup`. Nothing else belongs here.\n"
_ENDING = ".json"


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path or str(PurePosixPath(path)) != path:
        msg = "a path below the root is due"
        raise ValueError(msg)
    return path


InsidePath = Annotated[str, AfterValidator(_inside)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Entry(Record):
    """One file: where it lies below the root, what it holds, whose it is. `stamp` tells whether it changed since."""

    path: InsidePath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    uid: int
    gid: int
    stamp: str


class Folder(Record):
    """A directory of the plain files, with its owner: services add files to it."""

    path: InsidePath
    mode: Annotated[int, Field(ge=0, le=0o7777)]
    uid: int
    gid: int


class SnapshotFacts(Record):
    """What the record was at that moment: its file, its schema, the signed log's last checkpoint, deny sets."""

    sha256: Sha256
    size: int
    revision: Line
    events: int
    waiting: int
    checkpoint: str | None = None
    deny_versions: dict[str, int] = {}


class Manifest(Record):
    """What one backup consists of. `missing`: files that the record names and nobody found."""

    format: Literal["tre-backup/1"] = "tre-backup/1"
    name: Annotated[Line, Field(pattern=r"^[0-9]{6}-[0-9]{8}T[0-9]{6}Z$")]
    at: UtcTime
    base: Line
    program: Line
    record: SnapshotFacts
    folders: tuple[Folder, ...] = ()
    files: tuple[Entry, ...]
    missing: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def bound(self) -> bytes:
        """The bytes that the sealed keys are bound to."""
        return canonical_bytes(self.as_plain())


class BackupFile(Record):
    """A backup's own file: the list, and the keys sealed to it."""

    manifest: Manifest
    keys: Box


def _is_empty(directory: Path) -> bool:
    """Whether it is a directory that holds nothing, but perhaps the mark half written."""
    return directory.is_dir() and all(path.name.startswith(f".{MARK}.") for path in directory.iterdir())


@dataclass(frozen=True)
class Place:
    """A directory of backups."""

    directory: Path

    @property
    def objects(self) -> Objects:
        """Where the bytes are."""
        return Objects(self.directory / "objects")

    def _sets(self) -> Path:
        return self.directory / "sets"

    @contextmanager
    def prepared(self) -> Iterator[Objects]:
        """The place, made where it was not there, for one backup at a time; what an earlier one left half is gone.

        Raises `TREError(Conflict)` for a directory of something else, and while another backup is being made here.
        """
        self._make()
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            objects = self.objects
            objects.sweep()
            sweep_unfinished(self._sets())
            yield objects
        except BlockingIOError as error:
            raise TREError(
                Reason.Conflict,
                f"Another backup to {self.directory} is being made.",
                remedy="Wait for its end, or name another directory.",
            ) from error
        finally:
            os.close(descriptor)

    def _make(self) -> None:
        known = (self.directory / MARK).is_file()
        if self.directory.exists() and not known and not _is_empty(self.directory):
            raise TREError(
                Reason.Conflict,
                f"{self.directory} holds something else than backups.",
                why="A place for backups is a directory of its own.",
                remedy="Name an empty or a new directory.",
            )
        make_directory(self.directory, 0o700)
        if not known:
            write_atomically(self.directory / MARK, _MARK_TEXT, mode=0o600)
        make_directory(self._sets(), 0o700)
        make_directory(self.objects.root, 0o700)

    def keep(self, found: BackupFile) -> Path:
        """Write a backup's file: from this moment it is one."""
        path = self._sets() / f"{found.manifest.name}{_ENDING}"
        write_atomically(path, json.dumps(found.as_plain(), sort_keys=True).encode() + b"\n", mode=0o600)
        return path

    def prune(self, most: int) -> list[str]:
        """Remove all but the newest backups, then what only they held; their names. For whoever has the place."""
        gone = self.names()[:-most]
        for name in gone:
            (self._sets() / f"{name}{_ENDING}").unlink()
        flush_directory(self._sets())
        kept = [self.read(name).manifest for name in self.names()]
        self.objects.keep_only({one.record.sha256 for one in kept} | {e.sha256 for one in kept for e in one.files})
        return gone

    def next_name(self, now: datetime) -> str:
        """The name of the next backup: counted, so that a clock that was set back makes no new one look old."""
        names = self.names()
        return f"{int(names[-1].partition('-')[0]) + 1 if names else 1:06d}-{now:%Y%m%dT%H%M%SZ}"

    def names(self) -> list[str]:
        """Every backup, the oldest first."""
        found = self._sets().glob(f"*{_ENDING}") if self._sets().is_dir() else []
        return sorted(path.name.removesuffix(_ENDING) for path in found if not path.name.startswith("."))

    def read(self, name: str | None = None) -> BackupFile:
        """A backup, without a name the newest. Raises `TREError(BadInput)` where there is none or it is damaged."""
        names = self.names()
        if not names or (name is not None and name not in names):
            raise TREError(
                Reason.BadInput,
                f"There is no backup {name or ''} in {self.directory}.".replace("  ", " "),
                why=f"It holds {len(names)} backups.",
                remedy="`tre backup DIR --list` lists them.",
            )
        path = self._sets() / f"{name or names[-1]}{_ENDING}"
        try:
            value = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise TREError(
                Reason.BadInput,
                f"{path} is damaged.",
                why="It is not what `tre backup` wrote.",
                remedy="Take another backup: `tre backup DIR --list` lists them.",
            ) from error
        return parse_record(BackupFile, value, source=str(path))
