"""As many requests as a way takes: a client lean enough that the server is what is measured.

Guarantees: every answer is read to its end and has to be 200; the request is written once and sent again and again.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import cast

from tre.cli.bench.ways import SECONDS, Way
from tre.domain.errors import Reason, TREError

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Caller(asyncio.Protocol):
    """One connection that asks for the same thing until it was answered often enough."""

    def __init__(self, request: bytes, times: int) -> None:
        self._request, self._left = request, times
        self._head, self._missing = b"", 0
        self.bytes = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way to the server."""
        self._transport = cast(asyncio.Transport, transport)

    def begin(self) -> None:
        """Ask for the first time."""
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take in what came; ask again after the last byte of an answer."""
        if self._missing == 0:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head, self._missing = b"", self._length(head)
        self._missing -= len(data)
        self.bytes += len(data)
        if self._missing == 0 and not self.done.done():
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed: an error unless everything was answered."""
        if not self.done.done():
            self.done.set_exception(TREError(Reason.RuntimeFailed, "A connection ended early.", why=str(exc or "")))

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _length(self, head: bytes) -> int:
        length = _LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or length is None or int(length[1]) == 0:
            self.done.set_exception(
                TREError(Reason.RuntimeFailed, "A request was refused.", why=head[:300].decode("latin-1"))
            )
            return 1 << 62
        return int(length[1])

    def _answered(self) -> None:
        self._left -= 1
        if self._left:
            self._transport.write(self._request)
        else:
            self.done.set_result(None)


async def measure(way: Way, path: str, *, connections: int, times: int) -> tuple[float, float]:
    """Answers and bytes a second, over so many connections of so many requests each. Raises `TREError`."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in way.headers.items())
    request = f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode()
    callers = [await _connect(way, Caller(request, times)) for _ in range(connections)]
    begun = time.perf_counter()
    try:
        for caller in callers:
            caller.begin()
        async with asyncio.timeout(SECONDS * 2):
            await asyncio.gather(*(caller.done for caller in callers))
        seconds = time.perf_counter() - begun
    finally:
        for caller in callers:
            caller.close()
    return connections * times / seconds, sum(caller.bytes for caller in callers) / seconds


async def _connect(way: Way, caller: Caller) -> Caller:
    loop = asyncio.get_running_loop()
    if way.socket is None:
        await loop.create_connection(lambda: caller, "127.0.0.1", way.port)
    else:
        await loop.create_unix_connection(lambda: caller, str(way.socket))
    return caller
