"""The door's answer to the kubelet: whether the workspace may be shown to a person.

Guarantees: `/ready` is 200 only while isolation is proven and the workspace's server has answered; nothing of a request
is read but its first line; what the server says is read up to one line and kept as yes or no.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from tre.runtimes.door.relay import Upstream

REQUEST_SECONDS = 2.0
_LONGEST_LINE = 1024
_ASK = b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def answers(upstream: Upstream) -> bool:
    """Whether `GET /api` is answered with 200."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            reader, writer = await upstream.connect()
            try:
                writer.write(_ASK)
                await writer.drain()
                return (await reader.read(64)).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False  # not there yet


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def handler(is_ready: Callable[[], bool]) -> Handler:
    """What serves one request of the kubelet's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One line in, one answer out."""
        with contextlib.suppress(OSError, TimeoutError, ValueError, EOFError):
            async with asyncio.timeout(REQUEST_SECONDS):
                line = await reader.readuntil(b"\n")
                writer.write(_answer(line, is_ready()))
                await writer.drain()
        writer.close()

    return serve


def _answer(line: bytes, ready: bool) -> bytes:
    if not line.startswith(b"GET /ready "):
        status, body = "404 Not Found", b""
    elif ready:
        status, body = "200 OK", b"ready\n"
    else:
        status, body = "503 Service Unavailable", b"not ready\n"
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
