"""The door as a program: a first process reports to it, a server answers behind it, an address opens."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from tests.support.doors import client_context, closed, pair, told, write_keys

GATEWAY, DOOR = pair("gateway"), pair("w-aaaaaaaaaaaa-1")
SEALED = ("socket inet stream", "tcp api", "create /usr")


class Api(BaseHTTPRequestHandler):
    """Answers as a Jupyter server does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None: ...


class Program:
    """One door and what it says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = [free_port() for _ in range(3)]
        (directory / "own").mkdir(exist_ok=True)
        network = [{"item": "tcp api", "kind": "tcp", "address": "127.0.0.1", "port": self.ports[2]}]
        given = told(
            directory, uid=os.geteuid(), port=self.ports[0], health=self.ports[1], network=network, seconds=0.3
        )
        (directory / "door.json").write_text(json.dumps(given))
        if not (directory / "keys").exists():
            write_keys(directory / "keys", DOOR, GATEWAY)
        self.said: list[dict[str, Any]] = []
        self.process = self.run("serve", "--keys", str(directory / "keys"))
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(self, act: str, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tre.runtimes.door", act, "--instruction", str(self.directory / "door.json")]
        return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def await_said(self, **wanted: object) -> dict[str, Any]:
        until = time.monotonic() + 20
        while time.monotonic() < until and self.process.poll() is None:
            for one in self.said:
                if wanted.items() <= one.items():
                    return one
            time.sleep(0.01)
        raise AssertionError((wanted, self.said, self.process.poll()))

    def report(self, *items: str) -> socket.socket:
        """As the first process does."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.directory / "report.sock"))
        event = {"event": "probe", "results": closed(*items)}
        connection.sendall(json.dumps({"event": "sealed"}).encode() + b"\n" + json.dumps(event).encode() + b"\n")
        return connection

    def is_ready(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.ports[1]), 5) as asking:
            asking.sendall(b"GET /ready HTTP/1.1\r\n\r\n")
            return asking.recv(100).startswith(b"HTTP/1.1 200 ")

    def dial(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.ports[0]), 5)
        return client_context(self.directory, GATEWAY, DOOR.certificate).wrap_socket(plain)

    def asks(self) -> bytes:
        """What a request through the door is answered."""
        try:
            with self.dial() as through:
                through.sendall(b"GET /api HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return through.recv(15)
        except OSError:
            return b""

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def received(held: ssl.SSLSocket) -> bytes:
    try:
        return held.recv(1)
    except (ConnectionError, ssl.SSLError):
        return b""  # cut without a goodbye


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    found = Program(tmp_path)
    yield found
    found.close()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[None]:
    with ThreadingUnixStreamServer(str(tmp_path / "lab.sock"), Api) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


def test_from_the_first_report_to_a_lost_proof(program: Program, lab: None) -> None:
    program.await_said(event="serving")
    program.await_said(event="server-answers")
    program.await_said(event="isolation", probe="network", proven=True)
    assert not program.is_ready()
    assert program.asks() == b""
    reporting = program.report(*SEALED)
    program.await_said(event="isolation", probe="sealed", proven=True)
    assert program.is_ready()
    assert program.asks() == b"HTTP/1.1 200 OK"
    assert not (program.directory / "report.sock").exists()
    with program.dial() as held, socket.create_server(("127.0.0.1", program.ports[2])):
        lost = program.await_said(event="isolation", probe="network", proven=False)
        assert lost["failed"] == ["tcp api"]
        assert received(held) == b""
    assert not program.is_ready()
    assert program.asks() == b""
    reporting.close()


def test_without_the_seal_nothing_passes(program: Program, lab: None) -> None:
    program.await_said(event="isolation", probe="network", proven=True)
    program.report("tcp api").close()
    assert program.await_said(event="isolation", probe="sealed", proven=False)["failed"]
    assert not program.is_ready()
    assert program.asks() == b""


def test_a_door_that_is_started_again_relays_nothing(program: Program, lab: None) -> None:
    """By then a program of the researcher's could report that all is well."""
    program.await_said(event="serving")
    program.process.kill()
    program.process.wait()
    again = Program(program.directory)
    try:
        said = again.await_said(event="isolation", probe="sealed", proven=False)
        assert said["error"] == "the door was started a second time"
        again.report(*SEALED).close()
        again.await_said(event="isolation", probe="network", proven=True)
        assert not again.is_ready()
        assert again.asks() == b""
    finally:
        again.close()


def test_waiting_for_the_door_ends_when_it_listens(program: Program) -> None:
    waiting = program.run("await")
    assert waiting.wait(20) == 0
    program.report(*SEALED).close()
    for stream in (waiting.stdout, waiting.stderr):
        assert stream is not None
        stream.close()


def test_a_door_ends_when_it_is_told_to(program: Program) -> None:
    program.await_said(event="isolation", probe="network")
    program.process.send_signal(signal.SIGTERM)
    assert program.process.wait(5) == 0


def test_a_door_without_a_whole_instruction_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "door.json").write_text("{}")
    command = [sys.executable, "-m", "tre.runtimes.door", "serve", "--instruction", str(tmp_path / "door.json")]
    done = subprocess.run([*command, "--keys", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "missing" in done.stderr


def test_a_door_uses_nothing_but_the_standard_library_and_ours() -> None:
    """It has 64 MiB, and lies beside hostile code."""
    code = (
        "import sys, tre.runtimes.door.main; own = {'tre', '__main__'};"
        "print(sorted({n.split('.')[0] for n in sys.modules} - sys.stdlib_module_names - own))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_health_answers_nothing_else() -> None:
    from tre.runtimes.door.health import handler

    server = await asyncio.start_server(handler(lambda: True), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answers = []
    for line in (b"GET /ready HTTP/1.1\r\n", b"GET / HTTP/1.1\r\n", b"x" * 10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(line)
        writer.write_eof()
        answers.append((await reader.read())[9:12])
        writer.close()
        await writer.wait_closed()
    assert answers == [b"200", b"404", b""]
    server.close()
