"""The gateway's certificate and key: that they are a pair, that the gateway can read them, and what they are worth.

Guarantees: where root starts the launcher, the gateway reads a copy of its own (mode 0600, on a file system that is
gone after a restart of the machine); the operator's files keep their owner and mode. What is wrong with a certificate
(not a pair, over, not for one of our hosts) is told before a browser tells it.

Does not guarantee: that browsers trust whoever signed it.

Threat: a key that was made readable for more people than the gateway, so that the gateway could read it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from tre.domain.errors import Reason, TREError
from tre.system.files import write_atomically
from tre.system.layout import Layout
from tre.system.settings import Settings

SOON = timedelta(days=30)
"""A certificate that ends within this time is worth a word."""

_NAMED = ("desk", "enter", "hub", "preview", "w-a.lab", "w-a.open")
"""One host of each kind beside the base domain itself."""


def pair_of(layout: Layout, settings: Settings) -> tuple[Path, Path]:
    """The operator's files; a relative path is one below the root directory."""
    assert settings.tls.certificate is not None
    assert settings.tls.key is not None
    return layout.root / settings.tls.certificate, layout.root / settings.tls.key


def pair_for_gateway(layout: Layout, settings: Settings) -> tuple[Path, Path]:
    """The copies that `hand_over` made for the gateway; the operator's own files where it was started by hand."""
    copies = (layout.run / "gateway" / "certificate.pem", layout.run / "gateway" / "key.pem")
    return copies if all(path.exists() for path in copies) else pair_of(layout, settings)


def load_pair(context: ssl.SSLContext, certificate: Path, key: Path, *, where: str = "Under tls in tre.yaml") -> None:
    """Let a context use a pair. Raises `TREError(SetupIncomplete)` for files that are none, which says `where`."""
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")  # a key with a password must not ask for it
    except (OSError, ValueError) as error:
        why = "the key has a password, or is none" if isinstance(error, ssl.SSLError) else error
        raise TREError(
            Reason.SetupIncomplete,
            f"{certificate} and {key} cannot be used as certificate and key.",
            why=f"{why}.",
            remedy=f"{where} must be PEM files: the whole chain, and its key without a password.",
        ) from error


def stamp(pair: tuple[Path, Path]) -> tuple[tuple[int, int, int], ...]:
    """What changes when one of two files is written or replaced; a file that is missing has a stamp, too."""
    return tuple(_stamp(path) for path in pair)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


class CopyWatch:
    """Hands the gateway a new copy when the operator replaced certificate and key."""

    def __init__(self, layout: Layout, settings: Settings, owner: int) -> None:
        self._layout, self._settings, self._owner = layout, settings, owner
        self._seen = self._stamp()

    def _stamp(self) -> tuple[tuple[int, int, int], ...]:
        return () if self._settings.tls.certificate is None else stamp(pair_of(self._layout, self._settings))

    def look(self) -> bool:
        """Hand over a pair that changed; whether one was handed over. Raises `TREError(SetupIncomplete)`, once, for a
        pair that cannot be used: the gateway goes on with the one it has."""
        found = self._stamp()
        if found == self._seen:
            return False
        self._seen = found
        hand_over(self._layout, self._settings, self._owner)
        return True


def hand_over(layout: Layout, settings: Settings, owner: int) -> None:
    """Check the pair and give the gateway its copy. Raises `TREError(SetupIncomplete)`."""
    copies = (layout.run / "gateway" / "certificate.pem", layout.run / "gateway" / "key.pem")
    if settings.tls.certificate is None:
        for path in copies:
            path.unlink(missing_ok=True)
        return
    pair = pair_of(layout, settings)
    load_pair(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), *pair)
    for source, target in zip(pair, copies, strict=True):
        write_atomically(target, source.read_bytes(), mode=0o600, durable=False)
        if owner != -1:
            os.chown(target, owner, owner)


def shortcomings(certificate: Path, base: str, now: datetime) -> list[str]:
    """What browsers will say against a certificate; empty for nothing. Raises `ValueError` for a file that is none."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    said = []
    if not found.not_valid_before_utc <= now:
        said.append(f"it begins on {found.not_valid_before_utc:%Y-%m-%d}")
    if found.not_valid_after_utc <= now:
        said.append(f"it ended on {found.not_valid_after_utc:%Y-%m-%d}")
    names = _names(found)
    missing = [host for host in (base, *(f"{one}.{base}" for one in _NAMED)) if not _covered(host, names)]
    if missing:
        wanted = {host if host == base else f"*.{host.partition('.')[2]}" for host in missing}
        said.append(f"it is not for {', '.join(sorted(wanted))}")
    return said


def ends_at(certificate: Path) -> datetime:
    """When a certificate ends. Raises `ValueError` for a file that is none."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def _covered(host: str, names: Iterable[str]) -> bool:
    """Whether a name is one of these; a star stands for one label (RFC 9525, 6.3)."""
    label, _, rest = host.partition(".")
    return host in names or (bool(label) and f"*.{rest}" in names)
