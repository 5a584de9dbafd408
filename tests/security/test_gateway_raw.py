"""An attacker with a socket: malformed requests byte by byte, and what the workspace saw of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.unit.gateway.portal import add_portal
from tests.unit.gateway.upstreams import KERNEL
from tests.unit.gateway.world import WORKSPACE, World, make_world

SEEN: list[str] = []


async def _record(request: web.BaseRequest) -> web.StreamResponse:
    SEEN.append(f"{request.method} {request.raw_path}")
    return web.Response(text="{}")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    SEEN.clear()
    async with make_world(upstream=_record) as made:
        yield made


def head(world: World, first: str, *extra: str, **changes: str) -> bytes:
    """A request as the Lab's page would send it, with the given first line and more header lines."""
    headers = world.lab_headers(**changes)
    lines = [first, *(f"{name}: {value}" for name, value in headers.items() if value), *extra, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})", answer)]


async def test_the_control_a_well_formed_request_passes(world: World) -> None:
    assert statuses(await world.raw(head(world, "GET /api/me HTTP/1.1", "Connection: close"))) == [200]
    assert SEEN == ["GET /api/me"]


SMUGGLED = b"GET /api/kernels HTTP/1.1\r\nHost: x\r\n\r\n"

FRAMING = [
    ("Content-Length: 4", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 4"),
    ("Content-Length: 4", "Content-Length: 5"),
    ("Content-Length: 4", "Content-Length: 4"),
    ("Content-Length: +4",),
    ("Content-Length: -4",),
    ("Content-Length: 0x4",),
    ("Content-Length: 4, 4",),
    ("Content-Length:",),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: identity",),
    ("Transfer-Encoding: gzip, chunked",),
    ("Transfer-Encoding : chunked",),
    ("Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chun\x0bked",),
    (" Transfer-Encoding: chunked",),
    ("X: a", "\tTransfer-Encoding: chunked"),
]


@pytest.mark.parametrize("lines", FRAMING, ids=lambda lines: "+".join(lines)[:40])
async def test_a_second_request_cannot_hide_behind_a_doubtful_length(world: World, lines: tuple[str, ...]) -> None:
    data = head(world, "PUT /api/contents/a HTTP/1.1", *lines) + b"0\r\n\r\n" + SMUGGLED
    answer = await world.raw(data, patience=1.0)
    assert len(statuses(answer)) <= 1
    assert all(400 <= status < 500 for status in statuses(answer))
    assert SEEN == []


async def test_the_control_of_pipelining_both_requests_are_judged(world: World) -> None:
    one = head(world, "GET /api/me HTTP/1.1")
    two = head(world, "GET /files/x HTTP/1.1", "Connection: close")
    assert statuses(await world.raw(one + two)) == [200, 403]
    assert SEEN == ["GET /api/me"]


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"3 3\r\nabc\r\n",
    ],
)
async def test_malformed_chunks_do_not_become_a_body(world: World, chunks: bytes) -> None:
    data = head(world, "PUT /api/contents/a HTTP/1.1", "Transfer-Encoding: chunked") + chunks + SMUGGLED
    answer = await world.raw(data, patience=1.0)
    assert 200 not in statuses(answer)
    assert "GET /api/kernels" not in SEEN


@pytest.mark.parametrize(
    "first",
    [
        "GET http://evil.example/api/me HTTP/1.1",
        "GET //evil.example/api/me HTTP/1.1",
        "GET /\\evil.example HTTP/1.1",
        "GET * HTTP/1.1",
        "GET api/me HTTP/1.1",
        "GET /api/me#x HTTP/1.1",
        "GET /api/m\xe9 HTTP/1.1",
        "GET /api/me\x01 HTTP/1.1",
        "GET /api/me x HTTP/1.1",
        "GET /api/me HTTP/1.0",
        "GET /api/me HTTP/0.9",
        "GET /api/me HTTP/2.0",
        "GET /api/me HTTP/1.1 ",
        "GET /api/me",
        "CONNECT tre.localhost:80 HTTP/1.1",
        "TRACE /api/me HTTP/1.1",
        "OPTIONS /api/me HTTP/1.1",
        "PROPFIND /api/me HTTP/1.1",
        "get /api/me HTTP/1.1",
        "PRI * HTTP/2.0",
    ],
)
async def test_malformed_first_lines(world: World, first: str) -> None:
    answer = await world.raw(head(world, first), patience=1.0)
    assert all(status >= 400 for status in statuses(answer))
    assert SEEN == []


async def test_a_tolerated_spelling_travels_on_in_ours(world: World) -> None:
    await world.raw(head(world, "GET  /api/%6De HTTP/1.1", "Connection: close"))
    assert SEEN == ["GET /api/me"]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "", "tre.localhost.", f"{WORKSPACE}.lab.tre.localhost:x", f"a {WORKSPACE}.lab.tre.localhost"],
)
async def test_malformed_hosts(world: World, host: str) -> None:
    answer = await world.raw(head(world, "GET /api/me HTTP/1.1", f"Host: {host}", Host=""), patience=1.0)
    assert statuses(answer)
    assert statuses(answer)[0] in {400, 421}
    assert SEEN == []


async def test_two_hosts_and_no_host(world: World) -> None:
    two = await world.raw(head(world, "GET /api/me HTTP/1.1", "Host: desk.tre.localhost"), patience=1.0)
    none = await world.raw(head(world, "GET /api/me HTTP/1.1", Host=""), patience=1.0)
    assert statuses(two) == statuses(none) == [400]
    assert SEEN == []


@pytest.mark.parametrize(
    "lines",
    [
        ("Connection: Upgrade", "Upgrade: h2c"),
        ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        ("Upgrade: websocket",),
        ("Connection: Upgrade", "Upgrade: websocket, h2c"),
        ("Connection: Upgrade", "Upgrade: websocket", "Upgrade: websocket"),
        ("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"),
    ],
    ids=lambda lines: "+".join(lines)[:50],
)
async def test_an_upgrade_is_to_a_websocket_or_refused(world: World, lines: tuple[str, ...]) -> None:
    data = head(world, "GET /api/me HTTP/1.1", *lines) + b"hello" + SMUGGLED
    answer = await world.raw(data, patience=1.0)
    assert statuses(answer) in ([400], [403], [])
    assert SEEN == []


async def test_a_websocket_handshake_without_its_key_reaches_nothing(world: World) -> None:
    origin = f"Origin: {world.origin(f'{WORKSPACE}.lab')}"
    lines = ("Connection: Upgrade", "Upgrade: websocket", origin)
    for broken in ((), ("Sec-WebSocket-Version: 13",), ("Sec-WebSocket-Key: eA==", "Sec-WebSocket-Version: 13")):
        answer = await world.raw(head(world, f"GET {KERNEL} HTTP/1.1", *lines, *broken), patience=2.0)
        assert 101 not in statuses(answer)
    assert SEEN == []


@pytest.mark.parametrize(
    "line", ["X: a\rX-Y: b", "X: a\nX-Y: b", "X: a\x00b", "X y: a", ": a", "X", "X\x7f: a", "(X): a"]
)
async def test_header_injection(world: World, line: str) -> None:
    answer = await world.raw(head(world, "GET /api/me HTTP/1.1", line, "Connection: close"), patience=1.0)
    seen = list(SEEN)
    if seen:  # a bare line feed is a line end to some parsers: harmless, since no client header goes to a workspace
        assert line == "X: a\nX-Y: b"
    else:
        assert statuses(answer) == [400]


async def test_oversized_heads_are_refused(world: World) -> None:
    for line in (f"X: {'a' * 20_000}", "\r\n".join(f"X-{n}: a" for n in range(300))):
        answer = await world.raw(head(world, "GET /api/me HTTP/1.1", line), patience=1.0)
        assert statuses(answer) == [400]
    long = await world.raw(head(world, f"GET /{'a' * 20_000} HTTP/1.1"), patience=1.0)
    assert statuses(long) == [400]
    assert SEEN == []


async def test_an_announced_length_that_is_too_large_is_refused_at_once(world: World) -> None:
    data = head(world, "PUT /api/contents/a HTTP/1.1", f"Content-Length: {10**12}")
    assert statuses(await world.raw(data, patience=1.5)) == [413]
    assert SEEN == []


async def test_services_are_asked_by_their_own_host_alone(world: World) -> None:
    portal = await add_portal(world)
    for target in ("http://desk.tre.localhost/admin", "//desk.tre.localhost/admin"):
        await world.raw(head(world, f"GET {target} HTTP/1.1"), patience=1.0)
    assert portal.seen == []


async def test_a_doubtful_answer_of_the_workspace_is_not_passed_on() -> None:
    """A hostile server answers with two responses in one: the browser gets the first body and nothing of the second."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nSet-Cookie: a=b\r\n\r\nevil"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + evil)
        await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with make_world() as world:
        world.lab_socket.parent.mkdir(parents=True)
        server = await asyncio.start_unix_server(serve, str(world.lab_socket))
        async with server:
            first = await world.get_lab("/api/me")
            assert (first[0], first[2]) == (200, b"ok")
            second = await world.get_lab("/api/me")
            assert b"evil" not in second[2]
            assert "Set-Cookie" not in second[1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"",
    ],
    ids=["both-lengths", "long-header", "nonsense", "switch", "nothing"],
)
async def test_an_unreadable_answer_of_the_workspace_is_502(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with make_world() as world:
        world.lab_socket.parent.mkdir(parents=True)
        server = await asyncio.start_unix_server(serve, str(world.lab_socket))
        async with server:
            assert (await world.get_lab("/api/me"))[0] == 502
