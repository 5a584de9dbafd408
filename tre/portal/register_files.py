"""The register's files, as the public process hands them out.

Guarantees: a file is made anew only when something happened since, one at a time and at most once in a while; whoever
asks in between gets the last one. So many people asking cost no more than one.

Does not guarantee: that a file is of this second.

Threat: an outsider who asks for the dearest address again and again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.register.entry import RegisterEntry
from tre.portal.context import Portal
from tre.register.reading import entries
from tre.register.tables import csv_bytes, json_bytes, xlsx_bytes
from tre.store.events import last_number

AGAIN = timedelta(minutes=1)
"""A file is not made anew sooner than this."""


class FileKind(NamedTuple):
    """How a file is written, and what it is to a browser."""

    write: Callable[[Iterable[RegisterEntry]], bytes]
    media_type: str


KINDS = {
    "csv": FileKind(csv_bytes, "text/csv; charset=utf-8"),
    "json": FileKind(json_bytes, "application/json"),
    "xlsx": FileKind(xlsx_bytes, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@dataclass(frozen=True)
class _Made:
    data: bytes
    at: datetime
    number: int


Maker = Callable[[Connection], bytes]


class RegisterFiles:
    """The files that were made last, by kind; `more` are others that hold every project, and how they are made."""

    def __init__(self, portal: Portal, more: Mapping[str, Maker] | None = None) -> None:
        self._portal = portal
        self._more = dict(more or {})
        self._made: dict[str, _Made] = {}
        self._lock = threading.Lock()

    def get(self, kind: str) -> bytes:
        """One file. Raises `TREError(ServiceUnavailable)` where the first one is being made at this moment."""
        known = self._made.get(kind)
        if known is not None and self._portal.clock.now() < known.at + AGAIN:
            return known.data
        if not self._lock.acquire(blocking=False):
            if known is not None:
                return known.data
            raise TREError(
                Reason.ServiceUnavailable,
                "This file is being made.",
                why="It holds every project, which takes a moment.",
                remedy="Ask again in a minute.",
            )
        try:
            return self._fresh(kind, known).data
        finally:
            self._lock.release()

    def _fresh(self, kind: str, known: _Made | None) -> _Made:
        now = self._portal.clock.now()
        with self._portal.database.read() as connection:
            number = last_number(connection)
            data = known.data if known and known.number == number else self._make(connection, kind)
        self._made[kind] = _Made(data, now, number)
        return self._made[kind]

    def _make(self, connection: Connection, kind: str) -> bytes:
        if kind in self._more:
            return self._more[kind](connection)
        return KINDS[kind].write(entries(connection))
