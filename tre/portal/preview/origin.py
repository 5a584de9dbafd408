"""`preview.<base>`: where pictures, drawings and framed texts of untrusted files come from, and nothing else.

Guarantees: no cookie is read or set; every answer, refusals included, carries one strict set of headers, a sandbox
among them; what is opened is named by a sealed address, and asked for again: the session must be in force, its person
may still see the request, and the request must still hold these very bytes under this path. A drawing is handed out to
an image element only, so that it is never a page. Whatever is wrong with an address, the answer is the same.

Does not guarantee: that a browser decodes pictures safely. They were encoded anew, behind walls, before.

Threat: script in a file that runs with somebody's rights; an address that is tried on the next file; a page of ours
that is served where untrusted bytes are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from tre.domain.errors import TREError
from tre.domain.exports.models import RequestFile
from tre.domain.imports.models import ImportFile
from tre.domain.people import Person
from tre.portal import export_actions, import_actions
from tre.portal.context import Desk
from tre.portal.preview import pictures
from tre.portal.preview.capabilities import Capability, PartKind, opened
from tre.portal.preview.content import TEXTS, Content
from tre.portal.preview.documents import document_of
from tre.portal.preview.views import LARGEST_DRAWING
from tre.store import people

_ADDRESS = re.compile(r"/([A-Za-z0-9_-]{1,4000}\.[A-Za-z0-9_-]{43})")
_LOOKS_AT = {PartKind.picture: "image", PartKind.drawing: "image", PartKind.document: "iframe"}
"""What the browser must want it for."""

_NOTHING = b"There is nothing here, or its time is over. Load the page at the desk again.\n"
_TEXT = "text/plain; charset=utf-8"


def preview_headers(desk_origin: str) -> dict[str, str]:
    """Headers of every answer of this host."""
    return {
        "Content-Security-Policy": "sandbox; default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; "
        f"frame-ancestors {desk_origin}",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-site",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "X-DNS-Prefetch-Control": "off",
    }


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    type: str = _TEXT
    allow: str = ""


_NOT_FOUND = _Answer(404, _NOTHING)
_NOT_SO = _Answer(405, b"This can only be looked at.\n", allow="GET, HEAD")


class PreviewOrigin:
    """The application of the preview host."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._headers = preview_headers(desk.settings.origin("desk"))

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        answer = await run_in_threadpool(self._answer, scope)
        headers = {**self._headers, "Content-Type": answer.type, "Content-Length": str(len(answer.body))}
        if answer.allow:
            headers["Allow"] = answer.allow
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    def _answer(self, scope: Scope) -> _Answer:
        if scope["method"] not in {"GET", "HEAD"}:
            return _NOT_SO
        found = _ADDRESS.fullmatch(scope["path"])
        if found is None or scope["query_string"]:
            return _NOT_FOUND
        capability = opened(self._desk.sealer, found[1], self._desk.clock.now())
        if capability is None or Headers(scope=scope).get("sec-fetch-dest") != _LOOKS_AT[capability.part]:
            return _NOT_FOUND
        file = self._file(capability)
        content = None if file is None else self._desk.extracts.find(file.sha256, file.type)
        return _NOT_FOUND if content is None else _part(content, capability)

    def _file(self, capability: Capability) -> RequestFile | ImportFile | None:
        """The file, as long as the session's person may see it and the request holds it as it was."""
        desk = self._desk
        with desk.database.read() as connection:
            session = people.session(connection, capability.session, desk.clock.now())
            if session is None:
                return None
            try:
                files = _files(desk, connection, session.person, capability.export)
            except TREError:  # whatever forbids it: an address that opens nothing says no more than that
                return None
        named = (capability.path, capability.sha256, capability.type)
        return next((file for file in files if (file.path, file.sha256, file.type) == named), None)


def _files(desk: Desk, connection: Connection, person: Person, name: str) -> Sequence[RequestFile | ImportFile]:
    """The files of a request, one way or the other, that a person may see now. Raises `TREError`."""
    if name.startswith("i-"):
        return import_actions.find(desk, connection, person, name).request.files
    return export_actions.find(desk, connection, person, name).request.shown


def _part(content: Content, capability: Capability) -> _Answer:
    """One part of what is shown of a file, where the card is of that kind."""
    if not 0 <= capability.card < len(content.cards):
        return _NOT_FOUND
    card = content.cards[capability.card]
    if capability.part is PartKind.document and card.kind in TEXTS:
        return _Answer(200, document_of(card.title, content.lines(capability.card)), "text/html; charset=utf-8")
    if capability.part is PartKind.picture and card.kind == "picture" and pictures.size_of(card.data) is not None:
        return _Answer(200, card.data, "image/png")
    if capability.part is PartKind.drawing and card.kind == "drawing" and len(card.data) <= LARGEST_DRAWING:
        return _Answer(200, card.data, "image/svg+xml")
    return _NOT_FOUND
