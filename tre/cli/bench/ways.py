"""Ways to one and the same server: straight to its socket, through the gateway, through the gateway's peer.

Guarantees: the same request goes each way from the same client, and the ways take turns, so that what slows the
machine down for a moment slows all of them down. A connection is kept for as long as the ways are compared.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp

from tre.cli.bench.figures import percentile
from tre.domain.errors import Reason, TREError

SECONDS = 60.0
"""Patience with one answer."""


@dataclass(frozen=True)
class Way:
    """One way: a port of the loopback address or a unix socket, and the headers that a request needs there."""

    name: str
    port: int = 0
    socket: Path | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: {"Host": "localhost"})

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A client for this way, with as many connections as are asked for."""
        connector = (
            aiohttp.TCPConnector(limit=0) if self.socket is None else aiohttp.UnixConnector(str(self.socket), limit=0)
        )
        async with aiohttp.ClientSession(
            base_url=f"http://127.0.0.1:{self.port or 80}", connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as session:
            yield session


class _Connection(http.client.HTTPConnection):
    def __init__(self, way: Way) -> None:
        super().__init__("127.0.0.1", way.port or None, timeout=SECONDS)
        self._way = way

    def connect(self) -> None:
        if self._way.socket is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._way.socket))

    def get(self, path: str) -> bytes:
        self.request("GET", path, headers=dict(self._way.headers))
        response = self.getresponse()
        body = response.read()
        if response.status != HTTPStatus.OK:
            raise TREError(
                Reason.RuntimeFailed, f"{path} was refused {self._way.name}.", why=f"{response.status}: {body[:200]!r}"
            )
        return body


def status_of(way: Way, path: str) -> int:
    """The status of one answer."""
    connection = _Connection(way)
    try:
        connection.request("GET", path, headers=dict(way.headers))
        return connection.getresponse().status
    finally:
        connection.close()


def in_turn(count: int, rounds: int) -> Iterator[Sequence[int]]:
    """The numbers below `count` once each round, each round begun by the next one."""
    for number in range(rounds):
        yield [(number + offset) % count for offset in range(count)]


def time_gets(ways: Sequence[Way], path: str, rounds: int, warm: int = 50) -> list[list[float]]:
    """Milliseconds of so many answers, each way, one at a time. Raises `TREError` for a refusal."""
    taken: list[list[float]] = [[] for _ in ways]
    connections = [_Connection(way) for way in ways]
    try:
        for turn in in_turn(len(ways), rounds + warm):
            for index in turn:
                begun = time.perf_counter()
                connections[index].get(path)
                taken[index].append((time.perf_counter() - begun) * 1000)
    finally:
        for connection in connections:
            connection.close()
    return [milliseconds[warm:] for milliseconds in taken]


def added(through: Sequence[float], straight: Sequence[float], share: float) -> float:
    """What a way adds to the straight one, by the percentile of the differences of neighbours, so that what slows the
    machine down for a while is in both. At least a microsecond: less is noise, of which no ratio can be made.
    """
    return max(percentile([one - other for one, other in zip(through, straight, strict=True)], share), 0.001)
