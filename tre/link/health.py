"""Answers for the pod's service over TCP, since a kubelet asks no unix socket.

Guarantees: only `GET` of `/healthz`, `/readyz`, `/leading`, `/metrics` is passed on, as a request of our own making;
nothing of what the caller sent reaches the service but the choice among them. `/live` says that this program runs.

Does not guarantee: secrecy of the answers. Network policies say who may ask.

Threat: a way around the links, to the routes of a service that trust their caller.
"""

from __future__ import annotations

import asyncio
import contextlib

from tre.link.config import Health
from tre.link.frames import PART

PASSED = frozenset({b"/healthz", b"/readyz", b"/leading", b"/metrics"})
SECONDS = 5.0
MOST_BYTES = 2**23
_HEAD = 8192


def answer(status: str, text: str) -> bytes:
    """A whole HTTP answer of one line of text."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    return head.encode() + text.encode()


async def asked_for(reader: asyncio.StreamReader) -> bytes | None:
    """The path that was asked for, without its query; nothing for what is no GET."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, _, rest = head.partition(b" ")
    return rest.partition(b" ")[0].partition(b"?")[0] if method == b"GET" else None


async def pass_on(path: bytes, health: Health, writer: asyncio.StreamWriter) -> None:
    """Ask the service for one path and write down what it answers. Raises `OSError` where nobody listens."""
    far_reader, far_writer = await asyncio.open_unix_connection(str(health.socket), limit=PART)
    try:
        far_writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        left = MOST_BYTES
        while left > 0 and (part := await far_reader.read(PART)):
            left -= len(part)
            writer.write(part)
            await writer.drain()
    finally:
        far_writer.close()


async def _reply(health: Health, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    path = await asked_for(reader)
    if path == b"/live":
        writer.write(answer("200 OK", "ok\n"))
    elif path not in PASSED or health.socket is None:
        writer.write(answer("404 Not Found", "nothing here\n"))
    else:
        try:
            await pass_on(path, health, writer)
        except OSError as error:
            writer.write(answer("503 Service Unavailable", f"nobody answers: {error.strerror}\n"))


async def serve_health(health: Health, address: str | None) -> asyncio.Server:
    """Listen for whoever looks after this pod."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question."""
        broken = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
        try:
            with contextlib.suppress(*broken):  # whoever asked wrongly or went away is owed nothing
                await asyncio.wait_for(_reply(health, reader, writer), SECONDS)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(accepted, address, health.port, limit=_HEAD)
