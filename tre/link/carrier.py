"""Carrying connections: from a unix socket to another pod's port, and from a port to a unix socket.

Guarantees: each connection is dialled anew, so nothing has to be repaired after a restart of either side; nothing is
kept but what is under way (a side that does not read stops the other); directions close one by one; only the users
that the kernel names, and only the pinned certificate, are carried; a connection that cannot be carried is closed.

Does not guarantee: that the far service is the right one for the question. It checks its caller by the kernel's word
as on one machine: the program that dials its socket runs under the calling service's user.

Threat: a pod that opens connections until memory ends: `MOST` at a time, and a handshake must be quick.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from tre.link.config import Identity, Inward, LinkConfig, Outward
from tre.link.frames import PART, copy_framed, copy_plain
from tre.link.trust import client_context, is_exactly, pinned, server_context
from tre.system.sockets import listen, peer_uid

CONNECT_SECONDS = 5.0
MOST = 1024
"""Connections of one link at a time; each holds at most four parts of memory."""

_BROKEN = (OSError, EOFError, ValueError, TimeoutError)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def say(what: str, **values: object) -> None:
    """One line for whoever reads the pod's log; never what is carried."""
    told = " ".join(f"{name}={value}" for name, value in values.items())
    sys.stderr.write(f"link: {what} {told}\n")


class Carrier:
    """One listener and what it carries."""

    def __init__(self, name: str, dial: Callable[[], Awaitable[Streams]], *, framed_inside: bool) -> None:
        self._name, self._dial, self._framed_inside = name, dial, framed_inside
        self._open = 0

    @property
    def connections(self) -> int:
        """How many are carried now."""
        return self._open

    async def carry(self, near: Streams) -> None:
        """Carry one connection to its end."""
        if self._open >= MOST:
            say("refused", link=self._name, why="too many connections")
            near[1].transport.abort()
            return
        self._open += 1
        try:
            await self._both(near, await asyncio.wait_for(self._dial(), CONNECT_SECONDS))
        except _BROKEN as error:
            say("broken", link=self._name, why=f"{type(error).__name__}: {error}")
            near[1].transport.abort()
        finally:
            self._open -= 1
            await _close(near[1])

    async def _both(self, near: Streams, far: Streams) -> None:
        to_far, to_near = (copy_plain, copy_framed) if self._framed_inside else (copy_framed, copy_plain)
        directions = [asyncio.ensure_future(to_far(near[0], far[1])), asyncio.ensure_future(to_near(far[0], near[1]))]
        try:
            await asyncio.gather(*directions)
        except BaseException:
            far[1].transport.abort()
            raise
        finally:
            for direction in directions:
                direction.cancel()
            await _close(far[1])


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError):  # the other side was quicker
        await writer.wait_closed()


def address_of(link: Outward, environment: Mapping[str, str]) -> str:
    """Where a service is: by the kubelet's word, which needs no name server; else by its name."""
    return environment.get(link.variable) or link.host


def outward(link: Outward, own: Identity, environment: Mapping[str, str]) -> Carrier:
    """From our unix socket to the port of another pod."""
    context, expected = client_context(own, link.certificate), pinned(link.certificate)

    async def dial() -> Streams:
        """The other pod, by TLS, shown to be the right one. Raises `OSError`."""
        far = await asyncio.open_connection(
            address_of(link, environment), link.port, ssl=context, limit=PART, ssl_handshake_timeout=CONNECT_SECONDS
        )
        if not is_exactly(far[1].get_extra_info("ssl_object"), expected):
            far[1].transport.abort()
            msg = "the other side shows another certificate"
            raise OSError(msg)
        _keep_alive(far[1])
        return far

    return Carrier(link.socket.parent.name, dial, framed_inside=False)


def inward(link: Inward) -> Carrier:
    """From our port to the service's socket."""

    async def dial() -> Streams:
        """The service's own socket. Raises `OSError`."""
        return await asyncio.open_unix_connection(str(link.socket), limit=PART)

    return Carrier(f"{link.socket.parent.name}:{link.port}", dial, framed_inside=True)


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """A node that vanished is noticed within half a minute, also by a side that only reads."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 25000)):
        connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


async def serve_outward(link: Outward, config: LinkConfig, environment: Mapping[str, str]) -> asyncio.Server:
    """Listen on the unix socket."""
    assert config.identity is not None
    carrier = outward(link, config.identity, environment)
    users = frozenset(link.users)

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry who comes, if it is who may."""
        uid = peer_uid(writer.get_extra_info("socket"))
        if uid not in users:
            say("refused", link=link.socket.parent.name, user=uid)
            writer.transport.abort()
            return
        await carrier.carry((reader, writer))

    _make_directory(link.socket.parent)
    listening = listen(link.socket, mode=0o666, backlog=MOST)  # the kernel's word decides, not the file's mode
    listening.setblocking(False)
    return await asyncio.start_unix_server(accepted, sock=listening, limit=PART)


async def serve_inward(link: Inward, config: LinkConfig) -> asyncio.Server:
    """Listen on the port."""
    assert config.identity is not None
    carrier, expected = inward(link), pinned(link.caller)

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry who comes, if it is who may."""
        if not is_exactly(writer.get_extra_info("ssl_object"), expected):
            say("refused", link=link.port, why="another certificate")
            writer.transport.abort()
            return
        _keep_alive(writer)
        await carrier.carry((reader, writer))

    return await asyncio.start_server(
        accepted,
        config.address,
        link.port,
        ssl=server_context(config.identity, link.caller),
        ssl_handshake_timeout=CONNECT_SECONDS,
        limit=PART,
        backlog=MOST,
    )


def _make_directory(path: Path) -> None:
    """In a pod the run directory is empty at first, and belongs to its containers together."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_uid == os.geteuid():
            path.chmod(0o711)
