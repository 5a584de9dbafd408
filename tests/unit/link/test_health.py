"""What the kubelet can ask through the sidecar, and what nobody can."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tre.link.config import Health
from tre.link.health import serve_health


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


@pytest.fixture
async def asked_of_service(tmp_path: Path, listening: list[asyncio.Server]) -> tuple[int, list[bytes]]:
    """The health port, and what reached the service."""
    reached: list[bytes] = []

    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlog!")
        writer.close()

    path = tmp_path / "sock"
    listening.append(await asyncio.start_unix_server(service, str(path)))
    listening.append(await serve_health(Health(0, path), "127.0.0.1"))
    return int(listening[-1].sockets[0].getsockname()[1]), reached


async def test_a_services_own_answer_is_passed_on(asked_of_service: tuple[int, list[bytes]]) -> None:
    port, reached = asked_of_service
    answer = await ask(port, b"GET /healthz?verbose HTTP/1.1\r\nHost: 10.0.0.1\r\nX-Mine: yes\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert answer.endswith(b"log!")
    assert reached == [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]


@pytest.mark.parametrize(
    "request_line", [b"GET /v1/stream", b"POST /healthz", b"GET /healthz/../v1/stream", b"GET http://x/healthz", b"\0"]
)
async def test_nothing_else_reaches_the_service(asked_of_service: tuple[int, list[bytes]], request_line: bytes) -> None:
    port, reached = asked_of_service
    answer = await ask(port, request_line + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert reached == []


async def test_the_sidecar_answers_for_itself(asked_of_service: tuple[int, list[bytes]]) -> None:
    assert (await ask(asked_of_service[0], b"GET /live HTTP/1.1\r\n\r\n")).endswith(b"ok\n")


async def test_a_head_without_an_end_is_owed_nothing(asked_of_service: tuple[int, list[bytes]]) -> None:
    assert await ask(asked_of_service[0], b"GET /" + b"a" * 20000) == b""


async def test_a_service_that_does_not_listen_is_not_well(tmp_path: Path, listening: list[asyncio.Server]) -> None:
    listening.append(await serve_health(Health(0, tmp_path / "none"), "127.0.0.1"))
    port = int(listening[-1].sockets[0].getsockname()[1])
    assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")
