"""Connections carried by real TLS: whole, in order, ended one direction at a time, refused to others."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from typing import Any

import pytest

from tre.link import carrier
from tre.link.carrier import address_of
from tre.link.config import Outward
from tre.link.frames import PART, copy_plain
from tre.link.trust import client_context

WAIT = 10.0


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only after the question has ended: so the end of one direction must arrive while the other is open."""
    said = await reader.read()
    writer.write(b"heard " + said)
    writer.close()


async def asked(pods: Any, what: bytes) -> bytes:
    reader, writer = await pods.dial()
    try:
        writer.write(what)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), WAIT)
    finally:
        writer.close()


async def test_an_answer_comes_after_the_question_has_ended(pods: Any) -> None:
    both = await pods(handler=echo)
    assert await asked(both, b"who is this") == b"heard who is this"


async def test_megabytes_arrive_whole_in_both_directions(pods: Any) -> None:
    sent = os.urandom(5 * 2**20 + 7)
    both = await pods(handler=echo)
    answer = await asked(both, sent)
    assert hashlib.sha256(answer[6:]).digest() == hashlib.sha256(sent).digest()


async def test_the_answer_may_begin_before_the_question_ends(pods: Any) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    both = await pods(handler=talk)
    reader, writer = await both.dial()
    for line in (b"one\n", b"two\n"):
        writer.write(line)
        assert await asyncio.wait_for(reader.readline(), WAIT) == line.upper()
    writer.close()


@pytest.mark.parametrize(("shows", "expects"), [("stranger", "called"), ("caller", "stranger")])
async def test_another_certificate_is_refused_on_either_side(pods: Any, shows: str, expects: str) -> None:
    both = await pods(handler=echo, shows=shows, expects=expects)
    assert await asked(both, b"let me in") == b""


async def test_who_shows_no_certificate_reaches_nothing(pods: Any) -> None:
    reached: list[bytes] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read())
        writer.close()

    both = await pods(handler=note)
    context = ssl.create_default_context(cafile=str(both.called.certificate))
    context.check_hostname = False

    async def try_to_ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", both.port, ssl=context)
        writer.write(b"\0\0\0\1x\0\0\0\0")
        await writer.drain()
        await reader.readexactly(1)

    with pytest.raises((ssl.SSLError, OSError, asyncio.IncompleteReadError)):
        await try_to_ask()
    assert reached == []
    context = client_context(both.caller, both.called.certificate)  # the other side of the guard
    reader, writer = await asyncio.open_connection("127.0.0.1", both.port, ssl=context)
    writer.write(b"\0\0\0\1x\0\0\0\0")
    assert await asyncio.wait_for(reader.readexactly(4), WAIT) == bytes(4)
    assert reached == [b"x"]
    writer.close()


async def test_an_older_tls_is_refused(pods: Any) -> None:
    both = await pods(handler=echo)
    context = client_context(both.caller, both.called.certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, OSError)):
        await asyncio.open_connection("127.0.0.1", both.port, ssl=context)


async def test_a_user_who_is_not_named_is_refused(pods: Any) -> None:
    both = await pods(handler=echo, users=(os.geteuid() + 1,))
    try:
        answer = await asked(both, b"let me in")
    except OSError:
        answer = b""
    assert answer == b""


async def test_a_service_that_starts_later_is_reached_then(pods: Any, listening: list[asyncio.Server]) -> None:
    both = await pods()
    assert await asked(both, b"hello") == b""
    listening.append(await asyncio.start_unix_server(echo, str(both.far)))
    assert await asked(both, b"hello") == b"heard hello"


async def test_a_question_that_was_cut_is_not_taken_for_whole(pods: Any) -> None:
    arrived: list[bytes] = []
    ended = asyncio.Event()

    async def read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrived.append(await reader.readexactly(4))
        try:
            writer.write(b"heard all of it" if await reader.read() == b"" else b"")
            await writer.drain()
        except ConnectionError:
            arrived.append(b"cut")
        finally:
            writer.close()
            ended.set()

    both = await pods(handler=read_on)
    context = client_context(both.caller, both.called.certificate)
    _reader, writer = await asyncio.open_connection("127.0.0.1", both.port, ssl=context)
    writer.write(b"\0\0\0\4half")  # and no frame that ends it
    await writer.drain()
    await asyncio.wait_for(_reader.readexactly(0), WAIT)
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), WAIT)
    assert arrived[0] == b"half"
    assert await asked(both, b"half") == b"heard all of it"  # the link itself goes on


async def test_an_end_that_nobody_said_is_an_error() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\0\0\0\4half")
    reader.feed_eof()
    written: list[bytes] = []

    class Writer:
        def write(self, data: bytes) -> None:
            written.append(data)

        async def drain(self) -> None:
            return None

        def can_write_eof(self) -> bool:
            return False

    with pytest.raises(EOFError):
        await copy_plain(reader, Writer())  # type: ignore[arg-type]
    assert written == [b"half"]
    whole = asyncio.StreamReader()
    whole.feed_data(b"\0\0\0\4half\0\0\0\0")
    await copy_plain(whole, Writer())  # type: ignore[arg-type]


async def test_what_is_no_frame_ends_the_connection(pods: Any) -> None:
    both = await pods(handler=echo)
    context = client_context(both.caller, both.called.certificate)
    reader, writer = await asyncio.open_connection("127.0.0.1", both.port, ssl=context)
    writer.write((PART + 1).to_bytes(4, "big"))
    with pytest.raises((asyncio.IncompleteReadError, OSError)):
        await asyncio.wait_for(reader.readexactly(1), WAIT)
    writer.close()


async def test_who_does_not_read_stops_the_sender(pods: Any) -> None:
    go_on = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        sent = 0
        while sent < 64 * 2**20:
            writer.write(bytes(2**20))
            try:
                await asyncio.wait_for(writer.drain(), 1.0)
            except TimeoutError:
                break
            sent += 2**20
        stopped_after.append(sent)
        go_on.set()
        writer.transport.abort()

    stopped_after: list[int] = []
    both = await pods(handler=flood)
    reader, writer = await both.dial()
    writer.write(b"!")
    await writer.drain()
    reader._transport.pause_reading()  # type: ignore[attr-defined]  # somebody who reads nothing
    await asyncio.wait_for(go_on.wait(), 30)
    assert 0 < stopped_after[0] < 32 * 2**20
    writer.close()


async def test_connections_beyond_the_most_are_refused(pods: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier, "MOST", 1)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        await reader.read()
        writer.close()

    both = await pods(handler=greet)
    first, first_writer = await both.dial()
    assert await asyncio.wait_for(first.readexactly(5), WAIT) == b"hello"
    second, second_writer = await both.dial()
    with pytest.raises((asyncio.IncompleteReadError, OSError)):
        await asyncio.wait_for(second.readexactly(5), WAIT)
    for writer in (first_writer, second_writer):
        writer.close()


def test_the_kubelets_word_goes_before_the_name_server(tmp_path: Any) -> None:
    link = Outward(tmp_path, (), "tre-hub", "TRE_HUB_SERVICE_HOST", 1, tmp_path)
    assert address_of(link, {"TRE_HUB_SERVICE_HOST": "10.96.0.7"}) == "10.96.0.7"
    assert address_of(link, {}) == "tre-hub"
