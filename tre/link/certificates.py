"""A service's own certificate: made once, signed by itself, trusted by name of nobody.

Guarantees: a fresh P-256 key; the certificate is for TLS on either side and signs no other; whoever pins it trusts
exactly it. It carries no address: peers compare the whole certificate.

Does not guarantee: renewal. `YEARS` is long because replacing one is an operator's act, not a clock's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEARS = 10
_EARLIER = timedelta(minutes=10)
"""Clocks of two nodes differ a little."""


@dataclass(frozen=True)
class Pair:
    """Certificate and key, in PEM form."""

    certificate: bytes
    key: bytes


def self_signed(name: str, now: datetime, hosts: tuple[str, ...] = ()) -> Pair:
    """A certificate of its own for a service; `hosts` where browsers shall see names in it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), False)
    certificate = builder.sign(key, hashes.SHA256())
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
