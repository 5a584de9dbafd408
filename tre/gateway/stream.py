"""Following the controller's stream of grants, routes and endings.

Guarantees: every message is applied in order, and whatever it touches is judged again before the next one is read;
an announced ending is answered once everything it closes is closed, so that the controller kills after that;
a broken connection is taken up again with growing pauses (0.1 to 0.4 s) and starts from a whole new picture. While it
is broken the gateway goes on deciding by what it last heard, and ends access by itself; after the staleness limit
nobody gets in and open connections are cut (`Reason.StreamStale`).

Does not guarantee: delivery by a controller that hangs with an open connection. Its beats stop, and the staleness
limit does the rest.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import structlog

from tre.domain.clock import Clock
from tre.gateway.decisions import moment_of
from tre.gateway.table import StreamError, Table

log = structlog.get_logger()

LONGEST_LINE = 16 * 2**20
"""Bytes of one message: a grant of 500 members and 50 slices stays far below."""

_PAUSES = (0.1, 0.2, 0.4)
"""Short: a controller that was restarted waits half a second for its gateways before it ends anything."""

_YIELD_EVERY = 50
Changed = Callable[[frozenset[str] | None], None]


class Stream:
    """One connection to the controller, for as long as the gateway lives."""

    def __init__(self, socket: Path, table: Table, clock: Clock, changed: Changed) -> None:
        self._socket = socket
        self._table = table
        self._clock = clock
        self._changed = changed
        self.connected = False
        self._listener = ""
        self._telling: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            try:
                await self._follow()
                log.warning("stream.ended")
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, StreamError) as error:
                log.warning("stream.broken", error=str(error)[:300])
            failures = 0 if self.connected else failures + 1
            self.connected = False
            self._table.lost()
            self._changed(frozenset())
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])

    async def _follow(self) -> None:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=10)
        connector = aiohttp.UnixConnector(str(self._socket))
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as client,
            client.get("http://controller/v1/stream") as response,
        ):
            response.raise_for_status()
            count = 0
            async for line in _lines(response.content):
                if (number := self._take(line)) is not None:
                    self._tell_heard(client, number)
                count += 1
                if count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)  # a first picture of many grants must not hold up requests

    def _take(self, line: bytes) -> int | None:
        """Apply one message; return its number where the controller waits for a word about it."""
        message = json.loads(line)
        if not isinstance(message, dict):
            raise StreamError("a line that is no object")
        changed = self._table.apply(message, moment_of(self._clock))
        if message.get("type") == "synced":
            self.connected = True
            log.info("stream.synced")
        if message.get("type") == "reset":
            self._listener = str(message.get("listener", ""))
        if changed is None or changed:
            self._changed(changed)
        number = message.get("number")
        return number if isinstance(number, int) else None

    def _tell_heard(self, client: aiohttp.ClientSession, number: int) -> None:
        """In the background: the controller waits a bounded time, the next message waits not at all."""
        task = asyncio.create_task(self._heard(client, number))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _heard(self, client: aiohttp.ClientSession, number: int) -> None:
        body = {"listener": self._listener, "number": number}
        try:
            async with client.post("http://controller/v1/heard", json=body) as answer:
                answer.raise_for_status()
        except (aiohttp.ClientError, OSError, TimeoutError, RuntimeError) as error:  # the session may be gone
            log.warning("stream.not-told", error=str(error)[:300])


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for chunk in content.iter_any():
        searched = len(buffer)
        buffer += chunk
        while (end := buffer.find(b"\n", searched)) >= 0:
            yield bytes(buffer[:end])
            del buffer[: end + 1]
            searched = 0
        if len(buffer) > LONGEST_LINE:
            raise StreamError("a line is too long")
