"""Hearing that the record changed, without reading it again and again.

Guarantees: a waiter returns soon after another program commits (SQLite: `PRAGMA data_version` looked at every 25 ms,
a read of shared memory that costs microseconds), or when its patience ends, whichever is first. A change is never
missed: the version seen last is kept between calls.

Does not guarantee: what changed. Whoever is woken looks at the rows it is responsible for.
"""

from __future__ import annotations

import asyncio
import time

from sqlalchemy import Connection, select

from tre.store.database import Database
from tre.store.tables.audit import audit_events

POLL_SECONDS = 0.025
"""Interval between looks at the version; the design's bound is 50 ms."""


class ChangeFeed:
    """Wakes one waiter when any other connection has committed."""

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
        """Whether something was committed since the last time this was asked."""
        version = self._version()
        if version == self._seen:
            return False
        self._seen = version
        return True

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
        self._connection.close()


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
