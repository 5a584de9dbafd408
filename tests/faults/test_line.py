"""The line that the tests cut: what a program at its end notices of each way to fail."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.faults.line import Line, tcp

SHORT = 0.3


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to somebody who says everything again."""
    far = socket.create_server(("127.0.0.1", 0))

    def answer(caller: socket.socket) -> None:
        with caller, contextlib.suppress(OSError):
            while said := caller.recv(100):
                caller.sendall(said)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(far.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    made = Line(tcp(far.getsockname()[1]))
    yield made
    made.close()
    far.shutdown(socket.SHUT_RDWR)
    far.close()


def call(line: Line, seconds: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", line.port), timeout=seconds)


def echo(caller: socket.socket, said: bytes) -> bytes:
    caller.sendall(said)
    return caller.recv(100)


def test_what_is_said_comes_to_the_far_end_and_back(line: Line) -> None:
    with call(line) as one, call(line) as other:
        assert echo(one, b"a") == b"a"
        assert echo(other, b"b") == b"b"


def test_cut_it_resets_and_refuses_until_it_is_mended(line: Line) -> None:
    with call(line) as caller:
        assert echo(caller, b"a") == b"a"
        line.cut()
        with pytest.raises(ConnectionResetError):
            caller.recv(100)
        with pytest.raises(ConnectionRefusedError):
            call(line)
    line.mend()
    with call(line) as caller:
        assert echo(caller, b"b") == b"b"


def test_silent_it_answers_nothing_and_goes_on_when_it_is_mended(line: Line) -> None:
    with call(line) as caller:
        assert echo(caller, b"a") == b"a"
        line.fall_silent()
        caller.settimeout(SHORT)
        with pytest.raises(TimeoutError):
            echo(caller, b"b")
        with pytest.raises(TimeoutError):
            call(line, SHORT)
        line.mend()
        caller.settimeout(10)
        assert caller.recv(100) == b"b"
    with call(line) as caller:
        assert echo(caller, b"c") == b"c"


def test_whoever_waits_at_a_silent_line_gives_up_by_the_kernels_own_patience(line: Line) -> None:
    with call(line) as caller:
        assert echo(caller, b"a") == b"a"
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 200)
        line.fall_silent()
        with pytest.raises(TimeoutError) as caught:
            echo(caller, b"b")
        assert caught.value.errno is not None  # the kernel's word, not this socket's own timeout
