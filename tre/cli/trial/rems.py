"""A small REMS to try things on: what its users are entitled to, asked for and told of as the real one does.

Answers `GET /api/entitlements`, `/api/permissions/USER` and `/api/jwk`; tells by event notification (PUT) and by
entitlement push (POST). It keeps applications as REMS does: who is a member, which resources, from when, until when.
`trouble` makes it answer as one that is ill.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY = "rems-api-key"
KID = "visa-key"


@dataclass
class Approved:
    """An approved application."""

    users: list[str]
    resources: list[str]
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True)
class Target:
    """Where to tell: an address to dial, the host that is meant, the path, and headers of its own."""

    port: int
    host: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)


class SmallRems:
    """The state of it; `trouble` is raw text that is answered in place of anything, `status` its status."""

    def __init__(self) -> None:
        self.applications: dict[int, Approved] = {}
        self.trouble: str | None = None
        self.status = 200
        self.asked: list[str] = []
        self.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._events = 0

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def rows(self) -> list[dict[str, Any]]:
        """Its answer to who is entitled."""
        return [
            {
                "resource": resource,
                "user": {"userid": user, "name": user.title(), "email": f"{user}@example.org"},
                "application-id": number,
                "start": _stamp(one.start),
                "end": _stamp(one.end),
                "mail": f"{user}@example.org",
            }
            for number, one in sorted(self.applications.items())
            for user in one.users
            for resource in one.resources
        ]

    def visas(self, user: str) -> list[str]:
        """A user's visas, as REMS makes them."""
        return [self.visa(row) for row in self.rows() if row["user"]["userid"] == user]

    def visa(self, row: dict[str, Any], header: dict[str, Any] | None = None, **claims: Any) -> str:
        """One visa, signed; with changes, one that somebody forged without the power to sign otherwise."""
        start = datetime.fromisoformat(row["start"])
        end = int(datetime.fromisoformat(row["end"]).timestamp()) if row["end"] else int(start.timestamp()) + 31_536_000
        plain = {
            "iss": f"{self.address}/",
            "sub": row["user"]["userid"],
            "iat": int(start.timestamp()),
            "exp": end,
            "ga4gh_visa_v1": {
                "type": "ControlledAccessGrants",
                "value": row["resource"],
                "source": f"{self.address}/",
                "by": "dac",
                "asserted": int(start.timestamp()),
            },
        }
        head = {"jku": f"{self.address}/api/jwk", "typ": "JWT", "kid": KID} | (header or {})
        return jwt.encode(plain | claims, self.signing, algorithm="RS256", headers=head)

    def keys(self) -> dict[str, Any]:
        """Its public keys."""
        numbers = self.signing.public_key().public_numbers()
        parts = {"n": _number(numbers.n), "e": _number(numbers.e)}
        return {"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": KID, **parts}]}

    def event(self, kind: str, application: int, **more: Any) -> dict[str, Any]:
        """The next event about an application."""
        self._events += 1
        return {
            "event/id": self._events,
            "event/type": f"application.event/{kind}",
            "event/actor": "handler",
            "event/time": "2026-11-24T12:00:00.000Z",
            "application/id": application,
            "event/application": {"application/id": application},
        } | more

    def push(self, application: int, user: str, resource: str, end: datetime | None) -> list[dict[str, Any]]:
        """What it posts of one entitlement."""
        return [{"application": application, "resource": resource, "user": user, "mail": None, "end": _stamp(end)}]


def tell(target: Target, method: str, body: object) -> int:
    """Say something at a place, as REMS does: it waits two and a half seconds; returns the status."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=2.5)
    try:
        headers = {"Host": target.host, "Content-Type": "application/json", **target.headers}
        connection.request(method, target.path, body=json.dumps(body).encode(), headers=headers)
        with connection.getresponse() as answer:
            answer.read()
            return answer.status
    finally:
        connection.close()


@contextmanager
def small_rems() -> Iterator[SmallRems]:
    """One that answers, and is gone afterwards."""
    rems = SmallRems()
    thread = threading.Thread(target=rems.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield rems
    finally:
        rems.server.shutdown()
        rems.server.server_close()
        thread.join()


def _handler(rems: SmallRems) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            rems.asked.append(path)
            if path != "/api/jwk" and self.headers.get("x-rems-api-key") != KEY:
                self._say(401, "{}")
            elif rems.trouble is not None or rems.status != 200:
                self._say(rems.status, rems.trouble or "{}")
            elif path == "/api/entitlements":
                self._say(200, json.dumps(rems.rows()))
            elif path.startswith("/api/permissions/"):
                visas = rems.visas(unquote(path.removeprefix("/api/permissions/")))
                self._say(200, json.dumps({"ga4gh_passport_v1": visas}))
            else:
                self._say(200 if path == "/api/jwk" else 404, json.dumps(rems.keys()))

        def _say(self, status: int, text: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status // 100 == 3:
                self.send_header("Location", text)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the library's
            del format, args

    return Handler


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


def _number(value: int) -> str:
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
