"""Hearing that the record changed, without reading it again and again.

Guarantees: a waiter returns soon after another program commits, or when its patience ends, whichever is first. A
change is never missed: on SQLite `PRAGMA data_version` is looked at every 25 ms (a read of shared memory that costs
microseconds) and the version seen last is kept between calls; on PostgreSQL a trigger sends a notice within the
transaction that changed something (`NOTIFY`), the server keeps it until it is asked for, and whoever had to connect
anew is told that something may have changed. A lost connection raises nothing: it is tried again each second.

Does not guarantee: what changed. Whoever is woken looks at the rows it is responsible for.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tre.store.database import Database
from tre.store.tables.audit import CHANNEL, audit_events

POLL_SECONDS = 0.025
"""Interval between looks at the version; the design's bound is 50 ms."""

AGAIN_SECONDS = 1.0
"""How long a lost connection rests before the next try: each may take some seconds of the waiter's."""


class _Watch(Protocol):
    def changed(self) -> bool: ...

    def close(self) -> None: ...


class _Version:
    """SQLite: a number that every commit of another connection raises."""

    def __init__(self, database: Database) -> None:
        self._connection = database.engine.connect()
        self._seen = self._version()

    def _version(self) -> int:
        raw = self._connection.connection.cursor()
        try:
            return int(raw.execute("PRAGMA data_version").fetchone()[0])
        finally:
            raw.close()

    def changed(self) -> bool:
        version = self._version()
        if version == self._seen:
            return False
        self._seen = version
        return True

    def close(self) -> None:
        self._connection.close()


class _Notices:
    """PostgreSQL: notices on a connection that does nothing else."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine
        self._lost: Any = database.engine.dialect.loaded_dbapi.OperationalError
        self._connection: Connection | None = None
        self._raw: Any = None
        self._next_try = 0.0
        self._listen()

    def _listen(self) -> None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            connection.exec_driver_sql(f"LISTEN {CHANNEL}")
            self._raw = connection.connection.driver_connection
            connection.detach()  # it listens as long as it lives: nobody else shall be given it
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def changed(self) -> bool:
        if self._connection is None:
            return self._again()
        heard = False
        try:
            self._raw.pgconn.consume_input()
            while self._raw.pgconn.notifies() is not None:
                heard = True
        except self._lost:
            self._lose()
        return heard

    def _again(self) -> bool:
        """Connect anew; having done so counts as a change, since notices were lost meanwhile."""
        if time.monotonic() < self._next_try:
            return False
        try:
            self._listen()
        except (DBAPIError, PoolTimeoutError):
            self._next_try = time.monotonic() + AGAIN_SECONDS
            return False
        return True

    def _lose(self) -> None:
        connection, self._connection, self._raw = self._connection, None, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class ChangeFeed:
    """Wakes one waiter when any other connection has committed."""

    def __init__(self, database: Database) -> None:
        self._watch: _Watch = _Notices(database) if database.is_postgres else _Version(database)

    def changed(self) -> bool:
        """Whether something was committed since the last time this was asked."""
        return self._watch.changed()

    def wait(self, seconds: float) -> bool:
        """Block until a change or until the time is up; say which."""
        deadline = time.monotonic() + seconds
        while not self.changed():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            time.sleep(min(POLL_SECONDS, left))
        return True

    async def wait_async(self, seconds: float) -> bool:
        """The same without blocking the event loop."""
        deadline = time.monotonic() + seconds
        while not self.changed():
            if (left := deadline - time.monotonic()) <= 0:
                return False
            await asyncio.sleep(min(POLL_SECONDS, left))
        return True

    def close(self) -> None:
        """Give the connection back."""
        self._watch.close()


def objects_changed_after(connection: Connection, number: int) -> tuple[int, list[str]]:
    """Which objects have events later than the one numbered `number`, in order, each once; and the last number.

    Every change carries an event that names its object, so this is all that has to be looked at again.
    """
    rows = connection.execute(
        select(audit_events.c.number, audit_events.c.object)
        .where(audit_events.c.number > number)
        .order_by(audit_events.c.number)
    ).all()
    last = rows[-1].number if rows else number
    return last, list(dict.fromkeys(row.object for row in rows))
