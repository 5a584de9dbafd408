"""The gateway's own cookies and the short ticket that leads from the shell into the Lab.

Guarantees: a cookie holds who, until when, and for which host, under HMAC-SHA256 with a key that no other program
has; it is worthless on any other host, of the other kind, after its end, or when one bit of it changes. Cookies are
`__Host-` (no parent domain can set them), `HttpOnly`, `Secure`, `Path=/`; the Lab's is `SameSite=Strict`, the shell's
`Lax`, so that a link in a mail opens the page. A ticket is good for 30 seconds, once, for one Lab host.

Does not guarantee: revocation. Every request looks the session up among the revoked ones that the stream tells of.
A gateway remembers used tickets in memory: after a restart it refuses all that were made before it began; two
gateways side by side do not know of each other's.

Threat: a cookie that workspace A's page learns of or plants for workspace B.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp.web import BaseRequest, StreamResponse

from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.gateway.cookies import own_cookie
from tre.gateway.decisions import Session
from tre.system.files import write_atomically

KEY_BYTES = 32
KEY_FILE = "gateway-session.key"
TICKET_SECONDS = 30
_REMEMBERED = 1024


class CookieKind(StrEnum):
    """Which of the two cookies."""

    shell = "shell"
    lab = "lab"

    @property
    def cookie_name(self) -> str:
        """The cookie's name in the browser."""
        return f"__Host-tre-{self.value}"


_SAME_SITE = {CookieKind.shell: "Lax", CookieKind.lab: "Strict"}


def create_session_key(keys: Path) -> Path:
    """Make the key file of the gateway's cookies, mode 0600; one that exists stays as it is."""
    path = keys / KEY_FILE
    if not path.exists():
        write_atomically(path, secrets.token_bytes(KEY_BYTES), mode=0o600)
    return path


def read_session_key(keys: Path) -> bytes:
    """The key. Raises `TREError(SetupIncomplete)` where it is missing or has another length."""
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


class Signer:
    """Seals and opens small values for one purpose and one host."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, purpose: str, host: str, value: dict[str, Any]) -> str:
        """The value and its code, safe in a cookie and in an address."""
        body = _encode(json.dumps(value, separators=(",", ":")).encode())
        return f"{body}.{_encode(self._code(purpose, host, body))}"

    def open(self, purpose: str, host: str, sealed: str) -> dict[str, Any] | None:
        """The value, or `None` where it was not sealed by this key for this purpose and host."""
        body, dot, code = sealed.partition(".")
        if not dot or not sealed.isascii():
            return None
        if not hmac.compare_digest(code, _encode(self._code(purpose, host, body))):
            return None
        value = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return value if isinstance(value, dict) else None

    def _code(self, purpose: str, host: str, body: str) -> bytes:
        message = "\0".join(("tre-gateway-1", purpose, host, body))
        return hmac.digest(self._key, message.encode(), hashlib.sha256)


class _WorthlessError(Exception):
    """A cookie that this gateway did not seal for this purpose and host."""


class Sessions:
    """Reads and sets the two cookies.

    A cookie comes with every request of a page, so the last ones that were good are remembered whole (purpose, host
    and every character); a worthless one is never remembered. Whether a session is over is asked anew each time.
    """

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock
        self._opened = functools.lru_cache(maxsize=_REMEMBERED)(self._open)

    def read(self, request: BaseRequest, kind: CookieKind, host: str) -> Session | None:
        """The session that a request's cookie carries; `None` where there is none in force."""
        sealed = own_cookie(request, kind.cookie_name)
        if sealed is None:
            return None
        try:
            session = self._opened(kind, host, sealed)
        except _WorthlessError:
            return None
        return session if self._clock.now() < session.expires_at else None

    def _open(self, kind: CookieKind, host: str, sealed: str) -> Session:
        value = self._signer.open(kind.value, host, sealed)
        if value is None:
            raise _WorthlessError
        return from_value(value)

    def set(self, response: StreamResponse, kind: CookieKind, host: str, session: Session) -> None:
        """Put the session into the host's own cookie, for as long as the session lasts."""
        response.set_cookie(
            kind.cookie_name,
            self._signer.seal(kind.value, host, as_value(session)),
            max_age=max(0, int((session.expires_at - self._clock.now()).total_seconds())),
            path="/",
            secure=True,
            httponly=True,
            samesite=_SAME_SITE[kind],
        )


class LabTickets:
    """One-time tickets from the shell into the Lab, made by the gateway itself."""

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock
        self._began = clock.now()
        self._used: dict[str, datetime] = {}

    def mint(self, session: Session, host: str) -> str:
        """A ticket that lets this session into one Lab host."""
        made = self._clock.now().timestamp()
        value = {"nonce": secrets.token_urlsafe(18), "made": made, "session": as_value(session)}
        return self._signer.seal("lab-ticket", host, value)

    def redeem(self, ticket: str, host: str) -> Session | None:
        """The session of a ticket that is good here and now; the second time it is not."""
        value = self._signer.open("lab-ticket", host, ticket)
        if value is None:
            return None
        now = self._clock.now()
        made = datetime.fromtimestamp(value["made"], tz=UTC)
        good = self._began <= made <= now < made + timedelta(seconds=TICKET_SECONDS)
        self._used = {nonce: until for nonce, until in self._used.items() if now < until}
        if not good or value["nonce"] in self._used:
            return None
        self._used[value["nonce"]] = made + timedelta(seconds=TICKET_SECONDS)
        return from_value(value["session"])


def as_value(session: Session) -> dict[str, Any]:
    """A session as it is kept in a cookie."""
    return {
        "id": session.id,
        "issuer": session.subject.issuer,
        "subject": session.subject.id,
        "name": session.display_name,
        "until": session.expires_at.timestamp(),
    }


def from_value(value: dict[str, Any]) -> Session:
    """The session of a value that this gateway sealed."""
    return Session(
        id=value["id"],
        subject=Subject(issuer=value["issuer"], id=value["subject"]),
        display_name=value["name"],
        expires_at=datetime.fromtimestamp(value["until"], tz=UTC),
    )


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
