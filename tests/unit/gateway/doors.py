"""A TLS server in the place of a pod's door, with the pair that each side is known by."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tre.gateway.upstream import DoorKey


@dataclass(frozen=True)
class Pair:
    """A self-signed certificate and its key, as files."""

    certificate: Path
    key: Path

    @property
    def pem(self) -> str:
        return self.certificate.read_text()

    @property
    def as_key(self) -> DoorKey:
        return DoorKey(self.certificate, self.key)


def make_pair(folder: Path, name: str) -> Pair:
    """`NAME.crt` and `NAME.key` in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(tz=UTC)
    made = x509.CertificateBuilder(
        subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(hours=1),
        now + timedelta(days=1),
    ).sign(key, hashes.SHA256())
    found = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return found


def server_context(own: Pair, caller: Pair, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """What a door speaks: its own certificate, and exactly one caller."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.load_cert_chain(own.certificate, own.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(caller.certificate)
    return context


def door_record(port: int, certificate: str, address: str = "127.0.0.1") -> dict[str, Any]:
    """A route's door, as the stream carries it."""
    return {"address": address, "port": port, "certificate": certificate}
