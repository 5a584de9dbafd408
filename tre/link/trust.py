"""TLS between two services that know each other's very certificate.

Guarantees: TLS 1.3; each side shows its certificate and accepts exactly one, compared byte for byte after the
handshake, so that no authority, and no certificate signed by the other's key, speaks for somebody else.

Does not guarantee: that a certificate ends soon. They are replaced by deleting their Secret (`docs/kubernetes.md`).

Threat: another pod of the cluster, or a taken-over service of ours, that calls where it is not wanted.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.link.config import Identity


def server_context(own: Identity, caller: Path) -> ssl.SSLContext:
    """For the side that is called. Raises `TREError(SetupIncomplete)` for files that are not what they should be."""
    return _context(ssl.PROTOCOL_TLS_SERVER, own, caller)


def client_context(own: Identity, called: Path) -> ssl.SSLContext:
    """For the side that calls. Raises `TREError(SetupIncomplete)`."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, own, called)


def _context(side: int, own: Identity, other: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate itself is the name
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_cert_chain(own.certificate, own.key, password=lambda: "")
        context.load_verify_locations(other)
    except (OSError, ValueError) as error:
        raise TREError(
            Reason.SetupIncomplete,
            f"{own.certificate} and its key, or {other}, cannot be used.",
            why=f"{error}.",
            remedy="Run `tre cluster keys` in the launcher's namespace (the chart's job does), then restart this pod.",
        ) from error
    return context


def pinned(path: Path) -> bytes:
    """The one certificate of a file, as it looks on the wire. Raises `TREError(SetupIncomplete)`."""
    try:
        return ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise TREError(Reason.SetupIncomplete, f"{path} is no certificate.", why=f"{error}.") from error


def is_exactly(connection: ssl.SSLObject | None, certificate: bytes) -> bool:
    """Whether the other side showed this very certificate."""
    return connection is not None and connection.getpeercert(binary_form=True) == certificate
