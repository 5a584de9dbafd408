"""Passing bytes between the gateway and the workspace's server, and to nobody else.

Guarantees: only a client that holds the private key of exactly the gateway's certificate is spoken with (TLS 1.3);
nothing is passed on while isolation is not proven, and every connection is cut the moment it is not any more. Each
connection goes to a socket that was looked at just before: in the agreed directory, under the agreed name, no link,
a socket, and the workspace's user its owner. No descriptor is passed on. A side that does not read stops the other.

Does not guarantee: that what answers is JupyterLab: that end is the researcher's, and hostile.

Threat: another pod that knocks at the door; a workspace that puts a link to another socket in its server's place.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tre.system.sockets import connect_untrusted

PART = 2**15
MOST_CONNECTIONS = 48
"""Each costs up to half a megabyte, most of it buffers of TLS, and the door has 64 MiB: one person's browser needs some
dozens at the most."""

CONNECT_SECONDS = 2.0
HANDSHAKE_SECONDS = 5.0


@dataclass(frozen=True)
class Upstream:
    """Where the workspace's server listens, and as which user."""

    path: Path
    owner: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to it; raises `OSError`."""
        directory = os.open(self.path.parent, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            # The kernel answers for the other end: a unix socket that listens accepts by itself.
            found = connect_untrusted(directory, self.path.name, self.owner, timeout=CONNECT_SECONDS)
        finally:
            os.close(directory)
        found.setblocking(False)
        return await asyncio.open_unix_connection(sock=found, limit=PART)


def server_context(keys: Path) -> ssl.SSLContext:
    """TLS 1.3 with the run's own certificate; the only client it believes is the gateway, by its very certificate.

    Raises `OSError` and `ssl.SSLError` where the files are not what they should be.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(keys / "tls.crt", keys / "tls.key")
    context.verify_mode = ssl.CERT_REQUIRED
    # The certificate itself is the anchor, so that no authority can name another gateway.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(keys / "gateway.crt")
    return context


class Relay:
    """The door's listener and everything that is open through it."""

    def __init__(self, upstream: Upstream, is_open: Callable[[], bool]) -> None:
        self._upstream, self._is_open = upstream, is_open
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, listening: socket.socket, context: ssl.SSLContext) -> asyncio.Server:
        """Take connections from a socket that listens already."""
        return await asyncio.start_server(
            self._pass, sock=listening, ssl=context, limit=PART, ssl_handshake_timeout=HANDSHAKE_SECONDS
        )

    def cut(self) -> None:
        """Close everything at once, without a goodbye."""
        for writer in tuple(self._open):
            writer.transport.abort()

    @property
    def connections(self) -> int:
        """How many ends are open: two for each connection."""
        return len(self._open)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open() or len(self._open) >= 2 * MOST_CONNECTIONS:
            writer.transport.abort()
            return
        try:
            inner_reader, inner_writer = await self._upstream.connect()
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, inner_writer}
        self._open |= ends
        try:
            if self._is_open():  # it may have been lost while connecting
                await _both(_copy(reader, inner_writer), _copy(inner_reader, writer))
        finally:
            self._open -= ends
            for end in ends:
                end.close()
                with contextlib.suppress(OSError):  # the other side was quicker
                    await end.wait_closed()


async def _both(first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]) -> None:
    """Run two directions until one of them ends: TLS has no half-closed connection, and HTTP needs none."""
    tasks = {asyncio.ensure_future(first), asyncio.ensure_future(second)}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):  # an end that is gone ends the connection
        while part := await reader.read(PART):
            writer.write(part)
            await writer.drain()
