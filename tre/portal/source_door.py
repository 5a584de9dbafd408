"""`sources.<base>`: where sources elsewhere tell that something changed, and nothing else.

Guarantees: no cookie, no page; what comes is put into the record as it came, and answered with 200 when it is there,
within two and a half seconds or not at all, whatever the controller does. Nothing in it is read here. Who does not know
the secret of a source cannot tell whether there is such a source; secrets are known by their digests only and compared
in constant time. At most so many bytes, and so many messages that wait, are taken.

Does not guarantee: that what is told is true. It can take access away and never give it; the source itself is asked.

Threat: a stranger who invents approvals; one who fills the record.

Source: REMS `docs/configuration.md`: events come by PUT, entitlements by POST, answered with exactly 200 in 2.5 s.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import NamedTuple

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from tre.domain.errors import TREError
from tre.domain.events import Event, program
from tre.domain.sources.policy import NO_SOURCES, SECRET_HEADER, RemsSource, SourcePolicy, secret_digest
from tre.portal.context import Desk
from tre.sources.policyfile import PolicyFile
from tre.store import sources as store
from tre.store.database import new_id
from tre.store.sources import Channel

log = structlog.get_logger()

LARGEST = 2**20
"""Bytes of one message: an event brings the whole application along, unless REMS is told not to."""

MOST_WAITING = 5000
PATIENCE_SECONDS = 2.0
"""REMS waits 2.5 seconds for an answer."""

ACTOR = program("source-door")
_EVENTS = re.compile(r"/rems/(?P<name>[a-z0-9-]{1,20})/events")
_PUSHES = re.compile(r"/rems/(?P<name>[a-z0-9-]{1,20})/(?P<secret>[A-Za-z0-9_-]{20,200})/(?P<which>add|remove)")
_NOBODY = "sha256:" + "0" * 64
_HEADERS = {
    "Content-Type": "text/plain; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}


class _Way(NamedTuple):
    """Which source a request speaks for, how, and the digest of the secret that it has to know."""

    source: RemsSource | None
    channel: Channel
    secret: str
    digest: str | None


class SourceDoor:
    """The application of the host."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._file = PolicyFile(desk.layout.root)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        status, text = await self._answer(scope, receive)
        body = f"{text}\n".encode()
        headers = [(key.lower().encode(), value.encode()) for key, value in _HEADERS.items()]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, str]:
        way = self._way(scope)
        if way is None or not _knows(way) or way.source is None:
            return 404, "There is nothing here."
        body = await _body(receive)
        if body is None:
            return 413, f"At most {LARGEST} bytes are taken."
        try:
            body.decode()
        except UnicodeDecodeError:
            return 400, "UTF-8 is due."
        try:
            keeping = run_in_threadpool(self._keep, way.source.id, way.channel, body)
            kept = await asyncio.wait_for(keeping, PATIENCE_SECONDS)
        except (TimeoutError, SQLAlchemyError, TREError) as error:
            log.warning("source-door", source=way.source.id, error=type(error).__name__)
            return 503, "It could not be kept; send it again."
        return (200, "Taken.") if kept else (503, "Too much waits; send it again.")

    def _way(self, scope: Scope) -> _Way | None:
        path, policy = scope["path"], self._policy()
        if scope["query_string"]:
            return None
        if found := _EVENTS.fullmatch(path):
            if scope["method"] != "PUT":
                return None
            source = policy.rems(found["name"])
            given = Headers(scope=scope).getlist(SECRET_HEADER)
            secret = given[0] if len(given) == 1 else ""
            return _Way(source, Channel.event, secret, None if source is None else source.events_secret)
        if (found := _PUSHES.fullmatch(path)) and scope["method"] == "POST":
            source = policy.rems(found["name"])
            channel = Channel.remove if found["which"] == "remove" else Channel.add
            return _Way(source, channel, found["secret"], None if source is None else source.entitlements_secret)
        return None

    def _policy(self) -> SourcePolicy:
        try:
            return self._file.read()
        except TREError as error:
            log.error("source-policy", reason=error.reason.value, error=str(error))
            return NO_SOURCES

    def _keep(self, source: str, channel: Channel, body: bytes) -> bool:
        desk, now = self._desk, self._desk.clock.now()
        with desk.database.read() as connection:
            if store.backlog(connection, source) >= MOST_WAITING:
                return False
        detail = {"channel": channel.value, "bytes": len(body)}
        event = Event(id=new_id(), at=now, actor=ACTOR, kind="source.told", object=f"source/{source}", detail=detail)
        with desk.database.change(event) as change:
            store.tell(change, source, channel, body, now)
        return True


def _knows(way: _Way) -> bool:
    """Whether the secret is the source's; as much is compared where there is no such source."""
    equal = hmac.compare_digest(secret_digest(way.secret), way.digest or _NOBODY)
    return equal and way.digest is not None


async def _body(receive: Receive) -> bytes | None:
    """The whole body; `None` for one that is too large or was broken off."""
    data = bytearray()
    while True:
        message: Message = await receive()
        if message["type"] != "http.request":
            return None
        data += message.get("body", b"")
        if len(data) > LARGEST:
            return None
        if not message.get("more_body"):
            return bytes(data)
