"""What a collector on this machine reads through one address, and what nobody reads through it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.unit.link.test_health import ask
from tre.domain.errors import Reason, TREError
from tre.link.collect import check_local, serve_numbers


@pytest.fixture
async def asked(tmp_path: Path, listening: list[asyncio.Server]) -> tuple[int, list[bytes]]:
    """The port, and what reached the two services behind it; a third one does not run."""
    reached: list[bytes] = []
    sockets = {}
    for name in ("hub", "portal"):

        async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name) -> None:
            reached.append(name.encode() + b" " + await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + name.encode())
            writer.close()

        sockets[name] = tmp_path / name
        listening.append(await asyncio.start_unix_server(service, str(sockets[name])))
    sockets["gateway"] = tmp_path / "nobody"
    listening.append(await serve_numbers(sockets, "127.0.0.1", 0))
    return int(listening[-1].sockets[0].getsockname()[1]), reached


@pytest.mark.parametrize("address", ["metrics", "healthz", "readyz"])
async def test_each_service_answers_for_itself(asked: tuple[int, list[bytes]], address: str) -> None:
    port, reached = asked
    answer = await ask(port, f"GET /portal/{address}?x=1 HTTP/1.1\r\nHost: evil\r\nX-Mine: yes\r\n\r\n".encode())
    assert answer.endswith(b"portal")
    assert reached == [f"portal GET /{address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()]


@pytest.mark.parametrize(
    "line",
    [
        b"GET /portal/v1/stream",
        b"GET /metrics",
        b"GET /checker/metrics",
        b"GET /../portal/metrics",
        b"GET /portal/../hub/metrics",
        b"GET //portal/metrics",
        b"GET /portal/leading",
        b"POST /portal/metrics",
        b"\0",
    ],
)
async def test_nothing_else_is_passed_on(asked: tuple[int, list[bytes]], line: bytes) -> None:
    port, reached = asked
    assert (await ask(port, line + b" HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    assert reached == []


async def test_a_service_that_does_not_run_is_down(asked: tuple[int, list[bytes]]) -> None:
    assert (await ask(asked[0], b"GET /gateway/metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


async def test_half_a_request_is_owed_nothing(asked: tuple[int, list[bytes]]) -> None:
    assert await ask(asked[0], b"GET /portal/metrics HTTP/1.1\r\n") == b""


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "example.org", "", "127.0.0.1.example.org"])
async def test_no_other_machine_can_ask(address: str) -> None:
    with pytest.raises(TREError) as caught:
        await serve_numbers({}, address, 0)
    assert caught.value.reason is Reason.BadInput


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_can(address: str) -> None:
    check_local(address)
