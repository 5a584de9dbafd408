"""A spool on the local disk: endings are written here first, whatever else lives or not.

Guarantees: `append` returns only after the event is on the disk, name and all, and waits for nothing but the disk:
neither for the database nor for whoever takes the spool in. Each line carries length and CRC of its event, so that a
line torn by a power cut is recognised, dropped and reported, and never takes its neighbours with it. A disk that is
full leaves the file as it was.

The directory: one for each group of writers, owned by them, group = the controller's, mode 2770 (`make_spool`).
Files are then made with the controller's group and mode 0640, so it can read and remove them, and other programs can
not. Started by an ordinary user all programs share one identity, and the directory's mode keeps strangers out.

Does not guarantee: that a writer tells the truth. What may come from a spool is limited in `tre.audit.intake`.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from pathlib import Path
from typing import NamedTuple

from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.model import parse_record
from tre.domain.names import check_resource_name
from tre.system.files import flush_directory, make_directory

SUFFIX = ".jsonl"
MAX_LINE = 2**20
"""Longest line that is written or read; an ending is a few hundred bytes."""


def make_spool(directory: Path, *, owner: int = -1, group: int = -1) -> Path:
    """Make a spool directory for writers of one identity, which the controller's group takes in."""
    return make_directory(directory, 0o2770, owner=owner, group=group)


class Spool:
    """One writer's end of a spool. The name must be the writer's alone: 1 to 63 of a-z, 0-9, hyphen."""

    def __init__(self, directory: Path, writer: str) -> None:
        self._directory = directory
        self._path = directory / f"{check_resource_name(writer)}{SUFFIX}"

    def append(self, first: Event, *more: Event) -> None:
        """Bring events to the disk, with one flush for all of them.

        Raises `TREError(ServiceUnavailable)` where the disk refuses, `TREError(BadInput)` for an event without
        canonical form or longer than a line may be.
        """
        lines = b"".join(encode(event) for event in (first, *more))
        try:
            self._write(lines)
        except OSError as error:
            raise TREError(
                Reason.ServiceUnavailable,
                f"The event {first.kind} of {first.object} could not be written to {self._path}.",
                why=f"{error.strerror}.",
                remedy="Make room on this disk and see to the directory's owner and mode.",
            ) from error

    def _write(self, lines: bytes) -> None:
        descriptor = self._open()
        try:
            end = os.fstat(descriptor).st_size
            start = b"" if end == 0 or os.pread(descriptor, 1, end - 1) == b"\n" else b"\n"  # after a torn line
            data = start + lines
            try:
                if os.write(descriptor, data) != len(data):
                    raise OSError(28, "The disk is full")
                os.fsync(descriptor)
            except OSError:
                os.ftruncate(descriptor, end)
                raise
        finally:
            os.close(descriptor)
        if end == 0:  # the name is new, or nobody came as far as flushing it
            flush_directory(self._directory)

    def _open(self) -> int:
        """The file, locked. A file that was taken in meanwhile is left alone."""
        while True:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, 0o640)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if _is_still(self._path, descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        found = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


def encode(event: Event) -> bytes:
    """An event as a line of the spool."""
    leaf = event.leaf()
    line = b'{"crc32":"%08x","length":%d,"event":' % (zlib.crc32(leaf), len(leaf)) + leaf + b"}\n"
    if len(line) > MAX_LINE:
        raise TREError(Reason.BadInput, f"An event of {len(leaf)} bytes is too long for the spool.")
    return line


class TornLineError(ValueError):
    """A line that is not a whole event: a power cut, or somebody's edit."""


class Heading(NamedTuple):
    """What a line says about its event."""

    crc32: str
    length: int


def decode(line: bytes) -> Event:
    """The event of a line; raises `TornLineError` unless it is whole."""
    try:
        value = json.loads(line)
        heading = Heading(value["crc32"], value["length"])
        event = parse_record(Event, value["event"])
        leaf = event.leaf()
    except (ValueError, KeyError, TypeError, RecursionError, TREError) as error:
        raise TornLineError from error
    if heading != Heading(f"{zlib.crc32(leaf):08x}", len(leaf)):
        raise TornLineError
    return event
