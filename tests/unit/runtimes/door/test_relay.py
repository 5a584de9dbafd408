"""The relay with real TLS and real unix sockets: who is spoken with, when, and with what at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.doors import Pair, Serve, client_context, pair, write_keys
from tre.runtimes.door.relay import MOST_CONNECTIONS, Relay, Upstream, server_context

GATEWAY, STRANGER, DOOR = pair("gateway"), pair("stranger"), pair("w-aaaaaaaaaaaa-1")
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
ENDED = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)


@dataclass
class Site:
    """A relay that listens, and the directory that the workspace can write."""

    directory: Path
    relay: Relay
    port: int
    is_open: bool = True
    dialled: list[asyncio.StreamWriter] = field(default_factory=list)
    servers: list[asyncio.Server] = field(default_factory=list)

    async def dial(self, own: Pair | None = GATEWAY, trusted: str = DOOR.certificate) -> Ends:
        context = client_context(self.directory, own, trusted)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        self.dialled.append(writer)
        return reader, writer

    async def asks(self, own: Pair | None = GATEWAY) -> bytes:
        """What comes back for a word; nothing where the connection was cut."""
        try:
            reader, writer = await self.dial(own)
            writer.write(b"hello")
            await writer.drain()
            return await asyncio.wait_for(reader.readexactly(5), 5)
        except ENDED:
            return b""


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    context = server_context(write_keys(tmp_path / "keys", DOOR, GATEWAY))
    relay = Relay(Upstream(tmp_path / "lab.sock", os.geteuid()), lambda: found.is_open)
    listening = socket.create_server(("127.0.0.1", 0))
    found = Site(tmp_path, relay, listening.getsockname()[1])
    server = await relay.serve(listening, context)
    yield found
    relay.cut()
    for writer in found.dialled:
        if not writer.is_closing():
            writer.transport.abort()
    for one in (server, *found.servers):
        one.close()
    await settle()


async def settle() -> None:
    """Let everything that was cut come to its end."""
    for _ in range(5):
        await asyncio.sleep(0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 5)


def to_the_end(work: Serve) -> Serve:
    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await work(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return run


async def serve(site: Site, work: Serve, name: str = "lab.sock") -> None:
    site.servers.append(await asyncio.start_unix_server(to_the_end(work), site.directory / name))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while part := await reader.read(2**16):
            writer.write(part)
            await writer.drain()
    writer.close()


async def test_only_the_gateways_very_certificate_is_spoken_with(site: Site) -> None:
    await serve(site, echo)
    assert await site.asks() == b"hello"
    assert await site.asks(None) == b""
    assert await site.asks(STRANGER) == b""
    assert await site.asks(pair("gateway")) == b""  # the same name, another key
    assert await site.asks() == b"hello"


async def test_an_older_tls_is_refused(site: Site) -> None:
    await serve(site, echo)
    context = client_context(site.directory, GATEWAY, DOOR.certificate)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", site.port, ssl=context)


async def test_another_door_is_not_believed_by_the_gateway(site: Site) -> None:
    await serve(site, echo)
    with pytest.raises(ssl.SSLCertVerificationError):
        await site.dial(trusted=pair("w-aaaaaaaaaaaa-1").certificate)


async def test_nothing_passes_before_the_proof(site: Site) -> None:
    await serve(site, echo)
    site.is_open = False
    assert await site.asks() == b""
    site.is_open = True
    assert await site.asks() == b"hello"


async def test_everything_is_cut_when_isolation_is_lost(site: Site) -> None:
    await serve(site, echo)
    ends = [await site.dial() for _ in range(3)]
    for reader, writer in ends:
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
    assert site.relay.connections == 6
    site.is_open = False
    site.relay.cut()
    for reader, _writer in ends:
        with pytest.raises(ENDED):
            await asyncio.wait_for(reader.readexactly(1), 5)
    assert await site.asks() == b""


async def test_a_proof_that_is_lost_while_connecting_passes_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    await serve(site, keep)
    connect = Upstream.connect

    async def and_lose(upstream: Upstream) -> Ends:
        site.is_open = False
        return await connect(upstream)

    monkeypatch.setattr(Upstream, "connect", and_lose)
    assert await site.asks() == b""
    await settle()
    assert heard == [b""]


async def test_many_bytes_pass_both_ways_unchanged(site: Site) -> None:
    await serve(site, echo)
    sent = secrets.token_bytes(3 * 2**20 + 17)
    reader, writer = await site.dial()
    writer.write(sent)
    back, _ = await asyncio.gather(reader.readexactly(len(sent)), writer.drain())
    assert back == sent
    writer.close()


async def test_what_was_sent_before_a_goodbye_arrives(site: Site) -> None:
    """A server that answers and closes, as HTTP does with Connection: close."""
    answer = secrets.token_bytes(2**20)

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(answer)
        await writer.drain()
        writer.close()

    await serve(site, once)
    reader, writer = await site.dial()
    writer.write(b"GET ")
    assert await asyncio.wait_for(reader.read(), 10) == answer
    writer.close()


async def test_a_client_that_leaves_ends_the_other_side(site: Site) -> None:
    left = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"hello"
        left.set()
        writer.close()

    await serve(site, wait)
    _reader, writer = await site.dial()
    writer.write(b"hello")
    await writer.drain()
    writer.close()
    await asyncio.wait_for(left.wait(), 5)


async def test_a_side_that_does_not_read_stops_the_other(site: Site) -> None:
    taken, stop = 0, asyncio.Event()

    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        with contextlib.suppress(ConnectionError, TimeoutError):
            while True:
                writer.write(b"x" * 2**16)
                await asyncio.wait_for(writer.drain(), 0.5)
                taken += 2**16
        stop.set()
        writer.close()

    await serve(site, pour)
    before = resident()
    _reader, writer = await site.dial()
    writer.transport.pause_reading()  # a gateway that takes nothing
    await asyncio.wait_for(stop.wait(), 20)
    assert taken < 32 * 2**20  # socket buffers of the kernel, and then nothing more
    assert resident() - before < 16 * 2**20
    writer.transport.abort()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_no_more_connections_than_its_memory_holds(site: Site) -> None:
    await serve(site, echo)
    ends = []
    for _ in range(MOST_CONNECTIONS):
        reader, writer = await site.dial()
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        ends.append(writer)
    assert await site.asks() == b""
    ends.pop().close()
    while site.relay.connections == 2 * MOST_CONNECTIONS:
        await asyncio.sleep(0)
    assert await site.asks() == b"hello"
    for writer in ends:
        writer.transport.abort()


async def test_a_link_in_the_sockets_place_is_not_followed(site: Site) -> None:
    await serve(site, echo, "other.sock")
    (site.directory / "lab.sock").symlink_to("other.sock")
    assert await site.asks() == b""
    (site.directory / "lab.sock").unlink()
    (site.directory / "other.sock").rename(site.directory / "lab.sock")
    assert await site.asks() == b"hello"


async def test_what_is_no_socket_is_not_opened(site: Site) -> None:
    place = site.directory / "lab.sock"
    place.mkdir()
    assert await site.asks() == b""
    place.rmdir()
    os.mkfifo(place)
    assert await site.asks() == b""  # and nobody waits for a writer
    place.unlink()
    place.write_text("a file")
    assert await site.asks() == b""
    place.unlink()
    assert await site.asks() == b""


async def test_a_socket_of_another_user_is_not_connected_to(site: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a socket of another user")
    await serve(site, echo)
    os.chown(site.directory / "lab.sock", 4711, -1)
    assert await site.asks() == b""
    os.chown(site.directory / "lab.sock", 0, -1)
    assert await site.asks() == b"hello"


async def test_a_link_in_the_directorys_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    server = await asyncio.start_unix_server(to_the_end(echo), tmp_path / "real" / "lab.sock")
    (tmp_path / "linked").symlink_to("real")
    with pytest.raises(OSError):
        await Upstream(tmp_path / "linked" / "lab.sock", os.geteuid()).connect()
    reader, writer = await Upstream(tmp_path / "real" / "lab.sock", os.geteuid()).connect()
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    server.close()
    await settle()
