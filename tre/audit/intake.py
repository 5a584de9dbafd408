"""Taking spooled endings into the database.

Guarantees: every whole line becomes an event, once, however often this is interrupted: a file is renamed first (so
that its writer goes on in a new one and never waits), its events are committed by their ids, and only then is it
removed. A torn line and an event that a spool may not bring are dropped, never silently: an event of their own says
so in the same transaction, with the line's SHA-256.

Does not guarantee: that what a program spooled is true. Only events whose actor is a program are admitted, so no
writer can bring the act of a person (an approval, a vote) into the log this way.

Threat: a captured gateway or supervisor that forges history; a symbolic link or a pipe planted in the spool.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from tre.audit.spool import MAX_LINE, SUFFIX, TornLineError, decode
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.events import SYSTEM_ISSUER, Event, program
from tre.store.database import Database
from tre.store.events import append_many, known
from tre.system.clock import SystemClock
from tre.system.files import flush_directory

TAKEN = ".taken"
_LOCK = ".intake.lock"
BATCH = 500
Admission = Callable[[Event], bool]


def from_programs(event: Event) -> bool:
    """Admit what a program of the launcher says it did or saw, and nothing in a person's name."""
    return event.actor.issuer == SYSTEM_ISSUER


@dataclass(frozen=True)
class Intake:
    """What came of it: events newly committed, lines dropped, and files that could not be read and stay."""

    taken: int = 0
    dropped: int = 0
    refused_files: tuple[str, ...] = ()


class SpoolReader:
    """The controller's end of the spools below one directory (itself and its direct subdirectories)."""

    def __init__(self, directory: Path, database: Database, clock: Clock, admits: Admission = from_programs) -> None:
        self._directory = directory
        self._database = database
        self._clock = clock
        self._admits = admits

    def take_in(self) -> Intake:
        """Take in all that is there now.

        Raises `TREError(Conflict)` where another program is at it; nothing is lost: call again. A file that is no
        plain file is left and named.
        """
        taken = dropped = 0
        refused: list[str] = []
        with _alone(self._directory):
            for path in self._set_aside(refused):
                lines = _read_lines(path)
                while part := list(islice(lines, BATCH)):
                    done = self._commit(path, part)
                    taken, dropped = taken + done.taken, dropped + done.dropped
                path.unlink()
                flush_directory(path.parent)
        return Intake(taken, dropped, tuple(refused))

    def _set_aside(self, refused: list[str]) -> list[Path]:
        """Rename what is there, under its writer's lock, and list it with what an earlier run left."""
        for path in _spool_files(self._directory, SUFFIX):
            if not _rename(path):
                refused.append(path.name)
        aside = _spool_files(self._directory, TAKEN)
        refused += [path.name for path in aside if not _is_plain(path)]
        return [path for path in aside if _is_plain(path)]

    def _commit(self, path: Path, lines: Sequence[bytes]) -> Intake:
        wanted: dict[str, Event] = {}
        drops: dict[str, Event] = {}
        for line in lines:
            event, reason = self._judge(line)
            if event is not None and wanted.setdefault(event.id, event) != event:
                event, reason = None, "another event of this id"
            if event is None:
                note = self._drop(path, line, reason)
                drops[note.id] = note
        with self._database.read() as connection:
            there = known(connection, [*wanted, *drops])
        for event in [item for item in wanted.values() if there.get(item.id, item) != item]:
            note = self._drop(path, event.leaf(), "another event of this id")
            drops.setdefault(note.id, note)
        fresh = [item for item in wanted.values() if item.id not in there]
        noted = [item for item in drops.values() if item.id not in there]
        if fresh or noted:
            self._append([*fresh, *noted])
        return Intake(len(fresh), len(noted))

    def _append(self, events: list[Event]) -> None:
        try:
            append_many(self._database, events, batch=len(events))
        except IntegrityError as error:
            raise TREError(
                Reason.Conflict, "One of these events was committed by another way at the same moment."
            ) from error

    def _judge(self, line: bytes) -> tuple[Event | None, str]:
        try:
            event = decode(line)
        except TornLineError:
            return None, "not a whole line"
        return (event, "") if self._admits(event) else (None, "not an event that a spool may bring")

    def _drop(self, path: Path, line: bytes, reason: str) -> Event:
        """The event that says a line was dropped; its id is the line's, so that it is said once."""
        digest = hashlib.sha256(line).hexdigest()
        writer = path.name.split(".", 1)[0]
        return Event(
            id=hashlib.sha256(f"spool-drop\n{writer}\n{digest}".encode()).hexdigest()[:32],
            at=self._clock.now(),
            actor=program("controller"),
            kind="spool.line-dropped",
            object=f"spool/{writer}",
            detail={"reason": reason, "sha256": digest, "bytes": len(line)},
        )


def take_in(directory: Path, database: Database) -> Intake:
    """Take in all that is spooled below a directory now; see `SpoolReader.take_in`."""
    return SpoolReader(directory, database, SystemClock()).take_in()


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TREError(Reason.Conflict, f"Another program takes in {directory} already.") from error
        yield
    finally:
        os.close(descriptor)


def _spool_files(directory: Path, suffix: str) -> list[Path]:
    inside = [item for item in directory.iterdir() if item.is_dir() and not item.is_symlink()]
    return sorted(path for place in (directory, *inside) for path in place.glob(f"*{suffix}"))


def _is_plain(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _rename(path: Path) -> bool:
    """Rename a file so that its writer begins a new one; false for what is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # writers hold it for one flush
        path.rename(path.with_name(f"{path.name.removesuffix(SUFFIX)}.{secrets.token_hex(8)}{TAKEN}"))
    finally:
        os.close(descriptor)
    return True


def _read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file, whole or torn; what is longer than a line may be comes in pieces, which are torn."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        while line := file.readline(MAX_LINE):
            if stripped := line.rstrip(b"\n"):
                yield stripped
