"""Telling a page what changes, while it waits: server-sent events over the record.

Guarantees: a stream says what the record says, soon after it changed; it ends with the session, with the launcher,
after `LONGEST` at the latest, and as soon as there is nothing left to wait for. The number of streams is bounded.

Does not guarantee: that a browser listens. The same page loads itself again where there is no script.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.store.changes import ChangeFeed
from tre.store.database import Database

LOOK_SECONDS = 0.1
BEAT_SECONDS = 10.0
LONGEST = 600.0
MOST = 200
MOST_EACH = 6

Tell = Callable[[], dict[str, Any] | None]
"""What to say now; `None` ends the stream. A message with `done` true is the last one."""


class Live:
    """All streams of one process."""

    def __init__(self, database: Database) -> None:
        self._feed = ChangeFeed(database)
        self._version = 0
        self._open: Counter[str] = Counter()
        self.stopping = asyncio.Event()

    def check_room(self, session: str) -> None:
        """Raise `TREError(RateLimited)` where a session, or everybody together, has too many streams open."""
        if self._open[session] >= MOST_EACH or self._open.total() >= MOST:
            raise TREError(Reason.RateLimited, "Too many pages wait for news.", remedy="Close some of them.")

    async def stream(self, session: str, tell: Tell) -> AsyncIterator[str]:
        """Server-sent events: now, and whenever what `tell` says changes."""
        self._open[session] += 1
        try:
            async for line in self._lines(tell):
                yield line
        finally:
            self._open[session] -= 1
            self._open += Counter()  # forget sessions without streams

    async def _lines(self, tell: Tell) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        deadline, said = loop.time() + LONGEST, ""
        while loop.time() < deadline and not self.stopping.is_set():
            seen = self._now()
            message = await asyncio.to_thread(tell)
            if message is None:
                return
            line = json.dumps(message)
            if line != said:
                said = line
                yield f"data: {line}\n\n"
            if message.get("done"):
                return
            if not await self._changed(seen):
                yield ": beat\n\n"

    def _now(self) -> int:
        if self._feed.changed():
            self._version += 1
        return self._version

    async def _changed(self, seen: int) -> bool:
        """Wait for a commit after `seen`, at most for a beat."""
        loop = asyncio.get_running_loop()
        until = loop.time() + BEAT_SECONDS
        while loop.time() < until and not self.stopping.is_set():
            if self._now() != seen:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return False

    def close(self) -> None:
        """End every stream."""
        self.stopping.set()
        self._feed.close()
