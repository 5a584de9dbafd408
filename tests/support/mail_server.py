"""Real SMTP servers for tests: a good one (aiosmtpd), and bad ones that misbehave on the wire."""

from __future__ import annotations

import contextlib
import datetime
import email
import email.policy
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MISSING = "no SMTP server: aiosmtpd is not installed"


@dataclass
class Mailbox:
    """What a server took, and whom it refuses."""

    taken: list[tuple[str, list[str], EmailMessage]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    data_answer: str = "250 taken"
    on_data: Callable[[], None] = lambda: None

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if not self.data_answer.startswith("250"):
            return self.data_answer
        found = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        self.taken.append((envelope.mail_from, list(envelope.rcpt_tos), found))
        self.on_data()
        return self.data_answer

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for _, _, message in self.taken]

    @property
    def identities(self) -> list[str]:
        return [str(message["Message-ID"]) for _, _, message in self.taken]


@dataclass(frozen=True)
class Pair:
    """A certificate for 127.0.0.1 and localhost, and the context that shows it."""

    certificate: Path
    context: ssl.SSLContext


def pair_in(directory: Path) -> Pair:
    """A self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = directory / "mail.pem", directory / "mail.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return Pair(certificate, context)


def free_port() -> int:
    """A port of this machine that nobody listens at now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def good_server(box: Mailbox, port: int = 0, **options: Any) -> Iterator[int]:
    """A server that does what the protocol says; its port."""
    controller = pytest.importorskip("aiosmtpd.controller", reason=MISSING)
    served = controller.Controller(box, hostname="127.0.0.1", port=port or free_port(), **options)
    served.start()
    try:
        yield served.port
    finally:
        served.stop()


@contextlib.contextmanager
def bad_server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that talks as it likes to whoever connects; its port."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    found, _ = listening.accept()
                    with found, contextlib.suppress(OSError):
                        found.settimeout(5)
                        talk(found)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            stop.set()
            thread.join(10)


def lines(found: socket.socket) -> Iterator[bytes]:
    """What a client says, line by line."""
    with found.makefile("rb") as stream:
        yield from stream


def drops_in_data(found: socket.socket) -> None:
    """Say yes to everything, and hang up in the middle of the message."""
    found.sendall(b"220 here\r\n")
    for line in lines(found):
        if line.upper().startswith(b"DATA"):
            found.sendall(b"354 go on\r\n")
            found.recv(20)
            return
        found.sendall(b"250 yes\r\n")


def drips(found: socket.socket) -> None:
    """Answer, one sign at a time, without ever coming to the end of the line."""
    wait = threading.Event()
    while True:
        found.sendall(b"2")
        wait.wait(0.1)


def is_silent(found: socket.socket) -> None:
    """Take the connection and say nothing until the client goes."""
    found.recv(1000)
