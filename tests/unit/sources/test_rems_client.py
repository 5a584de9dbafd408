"""Asking over a socket: what a server may do to who asks it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.mail_server import pair_in
from tests.support.sources import rems_source
from tre.cli.trial.rems import KEY, SmallRems, small_rems
from tre.domain.errors import Reason, TREError
from tre.sources.rems import client
from tre.sources.rems.client import RemsClient, fetch


@pytest.fixture(scope="module")
def rems() -> Iterator[SmallRems]:
    with small_rems() as found:
        yield found


@contextmanager
def answering(raw: bytes, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers one connection with these bytes and hangs up; over TLS with a certificate of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(ssl.SSLError):  # who does not trust it, says so and goes
                spoken = connection if tls is None else tls.wrap_socket(connection, server_side=True)
                with spoken:
                    spoken.recv(65536)
                    spoken.sendall(raw)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"{'http' if tls is None else 'https'}://127.0.0.1:{listening.getsockname()[1]}/x"
        finally:
            thread.join()


def refused(ask: Callable[[], object]) -> str:
    with pytest.raises(TREError) as caught:
        ask()
    assert caught.value.reason is Reason.ServiceUnavailable
    return str(caught.value) + caught.value.why


def test_the_key_and_the_robot_are_named_in_headers(rems: SmallRems) -> None:
    source = rems_source(address=f"{rems.address}/")
    assert RemsClient(source, KEY).entitlements() == []
    assert RemsClient(source, KEY).permissions("a/b ?c") == {"ga4gh_passport_v1": []}
    assert rems.asked[-1] == "/api/permissions/a%2Fb%20%3Fc"


def test_a_wrong_key_is_in_no_message(rems: SmallRems) -> None:
    said = refused(RemsClient(rems_source(address=rems.address), "wrong-key").entitlements)
    assert "401" in said
    assert "wrong-key" not in said


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"[" * 3000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n[]",
    ],
)
def test_whatever_is_no_answer_is_one_error(raw: bytes) -> None:
    with answering(raw) as address:
        refused(lambda: fetch(address))


def test_an_answer_has_a_largest_size() -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[10]") as address:
        assert fetch(address, 4) == [10]
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[100]") as address:
        assert "more than 4 bytes" in refused(lambda: fetch(address, 4))


def test_an_answer_has_a_longest_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", -1.0)
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[10]") as address:
        assert "seconds" in refused(lambda: fetch(address))


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "CALL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        assert "timed out" in refused(lambda: fetch(f"http://127.0.0.1:{port}/"))
    assert "refused" in refused(lambda: fetch(f"http://127.0.0.1:{port}/"))


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused from a server that nobody vouches for; the same one is heard once its certificate is trusted."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[10]"
    pair = pair_in(tmp_path)
    with answering(answer, pair.context) as address:
        assert "certificate verify failed" in refused(lambda: fetch(address))
    monkeypatch.setenv("SSL_CERT_FILE", str(pair.certificate))
    with answering(answer, pair.context) as address:
        assert fetch(address) == [10]


def test_a_server_without_tls_is_not_asked_by_https(rems: SmallRems) -> None:
    assert "wrong version number" in refused(lambda: fetch(rems.address.replace("http:", "https:")))
