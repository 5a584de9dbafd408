"""The one truth: a SQL database, and the only way to change it.

Guarantees: every change happens in one transaction together with the event that accounts for it. `Database.change`
is the only maker of a `Change`, it demands the events, and every repository method that writes demands a `Change`:
a change without its event cannot be expressed. On SQLite writers queue (`BEGIN IMMEDIATE`), commits reach the disk
before they are reported (`synchronous=FULL`), and readers see one moment (`WAL`).

Does not guarantee: order of events (see `tre.audit`), or that an event's text tells the truth: reviews do that.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert
from sqlalchemy.pool import ConnectionPoolEntry

from tre.domain.canonical import canonical_bytes
from tre.domain.events import Event
from tre.store.tables.audit import audit_events

BUSY_TIMEOUT_MS = 10_000
"""How long a SQLite writer waits for its turn before it gives up with an error."""


class Change:
    """An open transaction whose events are already in it. Made by `Database.change` only."""

    def __init__(self, connection: Connection, _key: object) -> None:
        if _key is not _MAKER:
            msg = "a Change is made by Database.change(event), nowhere else"
            raise TypeError(msg)
        self.connection = connection

    def record(self, *events: Event) -> None:
        """Add further events to the same transaction.

        Raises `TREError(BadInput)` for an event that has no canonical form: it could never become a leaf.
        """
        if events:
            self.connection.execute(insert(audit_events), [_event_row(item) for item in events])


_MAKER = object()


def _event_row(item: Event) -> dict[str, Any]:
    plain = item.as_plain()
    canonical_bytes(plain)  # refused here, before the commit: nothing may stop the sequencer later
    return {
        "id": item.id,
        "at": item.at,
        "kind": item.kind,
        "actor_issuer": item.actor.issuer,
        "actor_id": item.actor.id,
        "object": item.object,
        "detail": plain["detail"],
    }


def new_id() -> str:
    """A random identifier of 128 bits, in hexadecimal."""
    return secrets.token_hex(16)


class Database:
    """A connection to the truth, for one program."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.url = url
        self.engine = _make_engine(url, read_only=read_only)

    @classmethod
    def sqlite(cls, path: Path, *, read_only: bool = False) -> Database:
        """The SQLite file at `path`."""
        return cls(f"sqlite:///{path}", read_only=read_only)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of one moment."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def change(self, first: Event, *more: Event) -> Iterator[Change]:
        """A transaction that commits the events together with whatever is done in it, or nothing at all."""
        with self._writing() as connection:
            change = Change(connection, _MAKER)
            change.record(first, *more)
            yield change

    @contextmanager
    def extend_log(self) -> Iterator[Connection]:
        """A writing transaction without an event: for the audit log's own growth and for migrations only."""
        with self._writing() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.connect() as plain:
            connection = plain.execution_options(tre_writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _make_engine(url: str, *, read_only: bool) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, future=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _sqlite_connect(read_only=read_only))
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _sqlite_connect(*, read_only: bool) -> Any:
    def configure(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # SQLAlchemy's begin event starts transactions, not the driver
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA foreign_keys=ON")
        if read_only:
            cursor.execute("PRAGMA query_only=ON")
        else:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    return configure


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tre_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
