"""The one truth: a SQL database, and the only way to change it.

Guarantees: every change happens in one transaction together with the event that accounts for it. `Database.change`
is the only maker of a `Change`, it demands the events, and every repository method that writes demands a `Change`:
a change without its event cannot be expressed. Writers queue (SQLite: `BEGIN IMMEDIATE`, PostgreSQL: the lock of
`tre.store.postgres`), commits reach the disk before they are reported (SQLite: `synchronous=FULL`), and readers see
one moment (`WAL`; `REPEATABLE READ`). Where a server is asked, a lost connection leaves nothing half done: beginning a
transaction is tried again for some seconds, what was done in one never is (a body runs once, so no event is doubled),
and where the connection broke at the commit itself the server is asked whether the change was kept.

Does not guarantee: order of events (see `tre.audit`), or that an event's text tells the truth: reviews do that.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, RootTransaction, create_engine, event, insert, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from tre.domain.canonical import check_canonical
from tre.domain.errors import TREError
from tre.domain.events import Event
from tre.store import postgres
from tre.store.tables.audit import audit_events
from tre.system.layout import Layout
from tre.system.settings import Settings

BUSY_TIMEOUT_MS = 10_000
"""How long a SQLite writer waits for its turn before it gives up with an error."""

TRIES = 6
"""How often a transaction is begun before a server counts as unreachable: some six seconds, by chance more or less."""

_FIRST_PAUSE = 0.2


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
    check_canonical(plain)  # refused here, before the commit: nothing may stop the sequencer later
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
    """A connection to the truth, for one program. `pause` is what waits between two tries (seconds)."""

    def __init__(self, url: str | URL, *, read_only: bool = False, pause: Callable[[float], None] = time.sleep) -> None:
        known = make_url(url)
        self.url = known.render_as_string(hide_password=True)
        self.is_postgres = known.get_backend_name() == "postgresql"
        self.engine = _make_engine(known, read_only=read_only)
        self._pause = pause
        self._fence: Callable[[Connection], None] | None = None
        self.changes = 0
        """How many changes this program has begun: whoever read before and finds no more need not read again."""

    @classmethod
    def sqlite(cls, path: Path, *, read_only: bool = False) -> Database:
        """The SQLite file at `path`."""
        return cls(f"sqlite:///{path}", read_only=read_only)

    @classmethod
    def open(cls, layout: Layout, settings: Settings, role: str, *, read_only: bool = False) -> Database:
        """The record as the settings name it, for a program in its own role (one of `tre.store.roles`).

        On SQLite the file's owner and groups take the place of roles. Raises `TREError(SetupIncomplete)`.
        """
        if settings.database_url is None:
            return cls.sqlite(layout.database, read_only=read_only)
        return cls(postgres.url_for(layout, settings, role), read_only=read_only)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view of one moment."""
        if not self.is_postgres:
            with self.engine.connect() as connection:
                yield connection
            return
        with self._begun(postgres.begin_reading) as connection, _in_words():
            yield connection

    @contextmanager
    def change(self, first: Event, *more: Event) -> Iterator[Change]:
        """A transaction that commits the events together with whatever is done in it, or nothing at all."""
        self.changes += 1
        with self._writing(first.id) as connection:
            if self._fence is not None:
                self._fence(connection)
            change = Change(connection, _MAKER)
            change.record(first, *more)
            yield change

    def fence(self, check: Callable[[Connection], None]) -> None:
        """Have every change begin with a look, in its own transaction, that may refuse it by raising."""
        self._fence = check

    @contextmanager
    def extend_log(self) -> Iterator[Connection]:
        """A writing transaction without an event: for the audit log's own growth, its lease and migrations only."""
        with self._writing(None) as connection:
            yield connection

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """The transaction of a migration: there may be no table yet whose lock is the turn."""
        if not self.is_postgres:
            with self.extend_log() as connection:
                yield connection
            return
        with self.engine.connect() as plain:
            connection = plain.execution_options(isolation_level="READ COMMITTED")  # sees what came while it waited
            with connection.begin():
                connection.exec_driver_sql(postgres.ALONE)
                connection.exec_driver_sql(postgres.TAKE_TURN_IF_ANY)
                yield connection

    @contextmanager
    def _writing(self, witness: str | None) -> Iterator[Connection]:
        """A transaction; `witness` is the event by which it is known afterwards whether it was committed."""
        if not self.is_postgres:
            with self.engine.connect() as plain:
                connection = plain.execution_options(tre_writes=True)
                with _begun_in_turn(connection):
                    yield connection
            return
        done = False
        try:
            with self._begun(postgres.begin_writing) as connection, postgres.transaction_of(connection):
                with _in_words():
                    yield connection
                done = True
        except DBAPIError as error:
            if done and error.connection_invalidated and witness is not None:
                self._settle(witness, error)
                return
            raise postgres.in_words(error) or error from error

    def _settle(self, witness: str, lost: DBAPIError) -> None:
        """Return if the change of this event was committed, else raise.

        Whoever has the turn knows that no earlier writer is under way any more: what it sees is final.
        """
        try:
            with self._begun(postgres.begin_writing) as connection:
                found = connection.execute(select(audit_events.c.id).where(audit_events.c.id == witness)).first()
        except (DBAPIError, TREError) as error:
            raise postgres.unsettled(lost) from error
        if found is None:
            raise postgres.in_words(lost) or lost from lost

    @contextmanager
    def _begun(self, begin: Callable[[Connection], None]) -> Iterator[Connection]:
        """A connection in a transaction that was begun, if need be at a later try; it ends with whoever uses it."""
        connection = self._begin(begin)
        try:
            yield connection
        finally:
            connection.close()

    def _begin(self, begin: Callable[[Connection], None]) -> Connection:
        for attempt in range(TRIES):
            connection: Connection | None = None
            try:
                connection = self.engine.connect()
                begin(connection)
            except BaseException as error:
                if connection is not None:
                    connection.close()
                if not isinstance(error, DBAPIError):
                    raise
                if attempt + 1 == TRIES or not postgres.may_begin_again(error):
                    raise postgres.in_words(error) or error from error
                self._pause(_FIRST_PAUSE * 2**attempt * (500 + secrets.randbelow(501)) / 1000)  # not all at once
            else:
                return connection
        raise AssertionError  # the last try returned or raised

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _begun_in_turn(connection: Connection) -> RootTransaction:
    """A SQLite writer's transaction. Raises `TREError(Conflict)` where its turn did not come."""
    try:
        return connection.begin()
    except OperationalError as error:
        if "locked" not in str(error.orig):
            raise
        raise postgres.turn_never_came(str(error.orig)) from error


@contextmanager
def _in_words() -> Iterator[None]:
    """Let a lost connection and a lost race come out as what a person can act on."""
    try:
        yield
    except DBAPIError as error:
        if (known := postgres.in_words(error)) is None:
            raise
        raise known from error


def _make_engine(url: URL, *, read_only: bool) -> Engine:
    if url.get_backend_name() == "postgresql":
        return postgres.make_engine(url, read_only=read_only)
    engine = create_engine(
        url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False}, hide_parameters=True
    )
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
