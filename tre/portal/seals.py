"""Small values that go through a browser and come back unchanged, or not at all.

Guarantees: a value is sealed by HMAC-SHA256 with a key of the portal's own, for one purpose; it opens for that
purpose only. A token against forged requests is bound to a session and to nothing a page could choose.

Does not guarantee: secrecy. Whoever holds the cookie can read what is in it.

Threat: a cookie made up, changed, or carried from one host to another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any

from tre.domain.errors import Reason, TREError

KEY_FILE = "portal-session.key"
KEY_BYTES = 32


def new_secret() -> str:
    """A random secret of 256 bits, safe in cookies and addresses."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> str:
    """What the record keeps of a secret: its SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def read_key(keys: Path) -> bytes:
    """The portal's key. Raises `TREError(SetupIncomplete)` where it is missing or has another length."""
    path = keys / KEY_FILE
    try:
        key = path.read_bytes()
    except OSError as error:
        raise TREError(
            Reason.SetupIncomplete, f"{path} cannot be read.", why=f"{error.strerror}.", remedy="Run `tre init` first."
        ) from error
    if len(key) != KEY_BYTES:
        raise TREError(Reason.SetupIncomplete, f"{path} does not hold {KEY_BYTES} bytes.", remedy="Make it anew.")
    return key


class Sealer:
    """Seals and opens values, each for one purpose."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, purpose: str, value: dict[str, Any]) -> str:
        """The value with its code."""
        body = _encode(json.dumps(value, separators=(",", ":")).encode())
        return f"{body}.{self._code(purpose, body)}"

    def open(self, purpose: str, sealed: str) -> dict[str, Any] | None:
        """The value; `None` where this key did not seal it for this purpose."""
        body, _, code = sealed.partition(".")
        if not sealed.isascii() or not hmac.compare_digest(code, self._code(purpose, body)):
            return None
        try:
            value = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        except (ValueError, binascii.Error):
            return None
        return value if isinstance(value, dict) else None

    def token(self, session: str) -> str:
        """What a page of this session sends along with every change."""
        return self._code("csrf", session)

    def token_fits(self, session: str, given: str) -> bool:
        """Whether a token belongs to the session, in constant time."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self.token(session).encode())

    def _code(self, purpose: str, body: str) -> str:
        message = "\0".join(("tre-portal-1", purpose, body)).encode()
        return _encode(hmac.digest(self._key, message, hashlib.sha256))


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
