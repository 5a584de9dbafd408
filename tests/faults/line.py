"""A line to another machine, as a relay on this one: it can be cut, it can fall silent, and it can be mended.

Guarantees: cut, everything that was open is reset and whoever connects is refused, as by a machine whose program has
ended. Silent, no packet is answered any more, not even by the kernel (a filter of its own at every socket drops them):
what programs notice of that is what they notice of a cable that was pulled. Mended, a silent line goes on where it
stood, with those who have not given it up meanwhile.

Does not guarantee: order or pace. It is for a few dozen connections that say little.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, cast

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
_NOTHING_PASSES = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A program of the kernel's packet filter: "return 0", keep no byte."""

_KEEPALIVE = ((socket.TCP_KEEPIDLE, 5), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))
_RESET = struct.pack("ii", 1, 0)

Far = Callable[[asyncio.AbstractEventLoop, Callable[[], "End"]], Awaitable[tuple[Any, asyncio.BaseProtocol]]]
"""Connects to the far end of the line."""


def unix(path: str) -> Far:
    """The far end is a socket of this machine."""
    return lambda loop, end: loop.create_unix_connection(end, path)


def tcp(port: int) -> Far:
    """The far end is a port of this machine."""
    return lambda loop, end: loop.create_connection(end, "127.0.0.1", port)


class End(asyncio.Protocol):
    """One end of one connection."""

    def __init__(self, line: Line, other: End | None = None) -> None:
        self.line, self.other = line, other
        self.transport: Any = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Who called is put through."""
        self.transport = transport
        if self.other is None:
            self.line.put_through(self)
        elif self.line.is_silent:
            self.transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Pass it on."""
        if self.other is None or self.other.transport is None:
            self._early += data
        else:
            self.other.transport.write(data)

    def flush(self) -> None:
        """What was said before there was somebody who heard it."""
        if self.other is not None and self._early:
            self.other.transport.write(self._early)
            self._early = b""

    def connection_lost(self, _error: Exception | None) -> None:
        """Whoever hangs up ends it for both."""
        self.line.ends.discard(self)
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    @property
    def socket(self) -> socket.socket:
        """Its socket."""
        return cast(socket.socket, self.transport.get_extra_info("socket"))


class Line:
    """A port of loopback behind which there is something else."""

    def __init__(self, far: Far) -> None:
        self._far = far
        self.ends: set[End] = set()
        self.is_silent = False
        self._joining: set[asyncio.Task[None]] = set()
        self._bound = bound(0)
        self.port = int(self._bound.getsockname()[1])
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="line", daemon=True)
        self._thread.start()
        self._do(self._listen())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: End(self), sock=self._bound)

    def put_through(self, near: End) -> None:
        """Connect somebody who called with the far end."""
        self.ends.add(near)
        near.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            near.socket.setsockopt(socket.IPPROTO_TCP, option, value)
        if self.is_silent:
            filter_all(near.socket)
        task = self._loop.create_task(self._join(near))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, near: End) -> None:
        far = End(self, near)
        try:
            await self._far(self._loop, lambda: far)
        except OSError:
            near.transport.close()
            return
        near.other = far
        near.flush()
        if near not in self.ends:
            far.transport.close()

    def cut(self) -> None:
        """Reset what is open, refuse what comes."""
        self._do(self._cut())

    async def _cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server, self._bound = None, bound(self.port)
        self._reset()

    def _reset(self) -> None:
        for end in list(self.ends):
            end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()

    def fall_silent(self) -> None:
        """Answer nothing and nobody."""
        self._do(self._fall_silent())

    async def _fall_silent(self) -> None:
        self.is_silent = True
        for one in [self._bound, *(end.socket for end in self.ends)]:
            filter_all(one)
        for end in self.ends:
            if end.other is not None and not end.other.transport.is_closing():
                end.other.transport.pause_reading()

    def mend(self) -> None:
        """As it was."""
        self._do(self._mend())

    async def _mend(self) -> None:
        if self._server is None:
            await self._listen()
        if not self.is_silent:
            return
        self.is_silent = False
        for one in [self._bound, *(end.socket for end in self.ends)]:
            with contextlib.suppress(FileNotFoundError):  # it has none: the far ends came later
                one.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        for end in self.ends:
            if end.other is not None and not end.other.transport.is_closing():
                end.other.transport.resume_reading()

    def close(self) -> None:
        """Leave nothing."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._bound.close()
        self._reset()
        for task in list(self._joining):
            task.cancel()
        await asyncio.gather(*self._joining, return_exceptions=True)


def bound(port: int) -> socket.socket:
    """A socket that has a port and does not listen yet: whoever connects is refused."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    return found


def filter_all(one: socket.socket) -> None:
    """Let the kernel drop, unanswered, whatever comes to a socket."""
    program = ctypes.create_string_buffer(_NOTHING_PASSES)
    one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 1, ctypes.addressof(program)))
