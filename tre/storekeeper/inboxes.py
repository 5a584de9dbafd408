"""What stands in the inboxes of a project: exactly what the record says was let in.

Guarantees: each request that was let in has a directory of its own, `IMPORT/`, in every inbox of its grant, which
appears whole or not at all and holds files of the bytes that were decided on, hashed while they are copied; what is let
in no more is moved out of sight in one step and then deleted; doing it again changes nothing. The workspace's user
reads it and changes nothing in it.

Does not guarantee: anything to a program that has a file open that is taken away.

Threat: bytes that were changed between the decision and the placing; a stale order that brings back what was removed
(nobody says what to place: the record is read at that moment).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tre.domain.imports.models import ImportFile, ImportRequest
from tre.domain.model import Record
from tre.domain.slices.spec import ResourceName
from tre.slices.files import Ownership, discard, locked, make_private, rename_new, storage_error, sync_filesystem
from tre.store import imports, workspaces
from tre.storekeeper.office import PATIENCE, Office

_PLACED = re.compile(r"i-[a-z2-7]{12}")
_BEGUN = ".placing-"
_DIRECTORY_MODE, _FILE_MODE = 0o2750, 0o640
_PIECE = 1 << 20


class FillRequest(Record):
    """The grant whose inboxes are to be seen to."""

    grant: ResourceName


@dataclass
class Filled:
    """What was done; `incomplete` are requests of which bytes were not there, or not those that were decided on."""

    placed: int = 0
    removed: int = 0
    incomplete: set[str] = field(default_factory=set)

    def as_plain(self) -> dict[str, Any]:
        """For the job's result and the event."""
        return {"placed": self.placed, "removed": self.removed, "incomplete": sorted(self.incomplete)}


class BytesGoneError(Exception):
    """A copy is not there, or holds other bytes."""


def fill_all(office: Office, request: FillRequest) -> dict[str, Any]:
    """See to every inbox of a grant. Raises `TREError(StorageFull)`, `TREError(StorageFailed)`."""
    with office.database.read() as connection:
        names = workspaces.names_of_grant(connection, request.grant)
        wanted = imports.let_in(connection, request.grant)
    done = Filled()
    for name in names:
        fill(office, name, wanted, done)
    event = office.event("inbox.filled", f"grant/{request.grant}", **done.as_plain())
    with office.database.change(event):
        pass
    return done.as_plain()


def fill(office: Office, workspace: str, wanted: Sequence[ImportRequest], done: Filled) -> None:
    """See to one inbox; one that does not exist is filled when it is made."""
    inbox = office.layout.inboxes / workspace
    if inbox.is_symlink() or not inbox.is_dir():
        return
    names = {request.id for request in wanted}
    try:
        there = {entry.name for entry in inbox.iterdir()}
        for name in sorted(there):
            if name.startswith(_BEGUN) or (_PLACED.fullmatch(name) and name not in names):
                _take_away(office, inbox / name)
                done.removed += not name.startswith(_BEGUN)
        for request in wanted:
            if request.id in there:
                continue
            try:
                _place(office, inbox, request)
                done.placed += 1
            except BytesGoneError:
                done.incomplete.add(request.id)
                _take_away(office, inbox / f"{_BEGUN}{request.id}")
    except OSError as error:
        raise storage_error(error, f"Filling the inbox of {workspace}") from error


def _take_away(office: Office, path: Path) -> None:
    homes = office.layout.homes
    keeper = Ownership(office.owner().uid, -1)
    with locked(homes.parent / ".lock", keeper, PATIENCE):
        discard(path, make_private(homes.parent / ".trash", keeper))


def _place(office: Office, inbox: Path, request: ImportRequest) -> None:
    """Copy a request's files beside, then give the directory its name."""
    begun = inbox / f"{_BEGUN}{request.id}"
    begun.mkdir(mode=_DIRECTORY_MODE)  # its group, the workspace's user, and the set-group bit come from the inbox
    for file in request.files:
        target = begun / file.path
        for parent in reversed(target.relative_to(begun).parents[:-1]):
            (begun / parent).mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        _copy(office.layout.handover / file.sha256, target, file)
    sync_filesystem(begun)
    rename_new(begun, inbox / request.id)


def _copy(source: Path, target: Path, file: ImportFile) -> None:
    """Copy bytes that are what they should be. Raises `BytesGoneError`."""
    try:
        reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise BytesGoneError from error
    hasher, size = hashlib.sha256(), 0
    with os.fdopen(reading, "rb") as original:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
        with os.fdopen(writing, "wb") as copy:
            while (piece := original.read(_PIECE)) and size <= file.size:
                hasher.update(piece)
                size += len(piece)
                copy.write(piece)
    if hasher.hexdigest() != file.sha256:
        raise BytesGoneError
