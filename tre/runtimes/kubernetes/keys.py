"""The certificate of one run's door: made for the run, believed by nobody but the gateway, gone with the run.

Guarantees: a fresh key on the curve P-256 for each run, signed by itself; valid from five minutes before now (clocks
differ) until a day after the run's end. Whoever speaks with the door trusts exactly this certificate, so there is no
authority that could name another.

Threat: a pod that answers in the place of a workspace's door.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCKS_DIFFER = timedelta(minutes=5)
LONGER_THAN_THE_RUN = timedelta(days=1)


class Pair(NamedTuple):
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


def self_signed(name: str, now: datetime, end: datetime) -> Pair:
    """A new pair for a server or a client of this name, until a day after the end."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(end + LONGER_THAN_THE_RUN)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Pair(made.public_bytes(serialization.Encoding.PEM).decode(), private.decode())
