"""The launcher, which speaks JSON lines, answers health and numbers in HTTP to those whom it serves at all."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.machine import Machine, running_machine
from tre.system import local_http
from tre.system.sockets import request


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running_machine(tmp_path_factory.mktemp("health")) as found:
        yield found


def metrics_as(path: Path, uid: int) -> bytes:
    """What a program of some user reads at the socket."""
    done = subprocess.run(
        [sys.executable, "-c", _ASK, str(path)], capture_output=True, check=False, timeout=20, user=uid
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_it_says_that_it_is_well(machine: Machine) -> None:
    answer = await local_http.ask(machine.layout.socket("launcher"), "GET", "/healthz")
    assert (answer.status, answer.value) == (200, {"status": "ok"})


def test_it_counts_what_it_was_asked(machine: Machine) -> None:
    path = machine.layout.socket("launcher")
    request(path, {"ask": "means"})
    fetched = metrics_as(path, os.geteuid())
    assert b'tre_launcher_asked_total{ask="means",outcome="ok"}' in fetched
    assert fetched.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_it_says_what_is_wrong(machine: Machine) -> None:
    run = machine.layout.run
    hidden = run.with_name(f"{run.name}-away")
    socket = machine.layout.socket("launcher")
    descriptor = os.open(socket.parent, os.O_PATH | os.O_DIRECTORY)
    run.rename(hidden)
    try:
        answer = await local_http.ask(Path(f"/proc/self/fd/{descriptor}/{socket.name}"), "GET", "/healthz")
    finally:
        hidden.rename(run)
        os.close(descriptor)
    assert answer.status == 503
    assert "runs" in answer.value["checks"]
    assert (await local_http.ask(socket, "GET", "/healthz")).status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_another_user_is_refused_as_everywhere(machine: Machine) -> None:
    path = machine.layout.socket("launcher")
    kept = {place: place.stat().st_mode & 0o777 for place in (path, path.parent)}
    for place in kept:
        place.chmod(0o777)
    found = metrics_as(path, 65534)
    for place, mode in kept.items():
        place.chmod(mode)
    assert b"NotPermitted" in found
    assert b"tre_launcher" not in found


_ASK = """
import contextlib, socket, sys
data = b""
with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(BrokenPipeError, ConnectionResetError):
    connection.settimeout(10)  # suppressed: whom it does not serve it does not hear out
    connection.connect(sys.argv[1])
    with contextlib.suppress(BrokenPipeError):
        connection.sendall(b"GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    while chunk := connection.recv(65536):
        data += chunk
sys.stdout.buffer.write(data)
"""
