"""What holds for every request and every answer, whatever page it is for.

Guarantees: a change is taken only from the very host's own page: `Origin` names it and `Sec-Fetch-Site` says
`same-origin`, both demanded; sibling hosts, where researchers' code runs, are "same-site" and do not pass. Other
requests from elsewhere may only open a page at the top of a window. Bodies are bounded while they are
read: at 64 KiB, but for the addresses of `LARGER`. Every
answer carries one strict set of headers: nothing inline, nothing from elsewhere, no frame, no cache.

Does not guarantee: that a request means what its person wants; the token of `tre.portal.sessions` and a typed
confirmation stand behind this.

Threat: a notebook's page that posts to the desk with the reader's cookies; a page that is framed or cached; an
endless body.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tre.domain.applications.models import MOST_PAPER_BYTES
from tre.domain.errors import Reason

READING = frozenset({"GET", "HEAD"})
LARGEST_BODY = 64 * 1024
"""Bytes; the longest form has a few kilobytes."""

LARGEST_UPLOAD = 256 * 2**20
"""Bytes of files in one upload. What a policy allows may be less: the checker holds that."""

LARGEST_LIST = 4 * 2**20
"""Bytes of a list of opt-outs: a quarter of a million people. Longer ones are given with `tre withdraw`: while they are
put into the record, nobody else writes."""

_FORM_AROUND = 2**20
"""Bytes of a form around its files: their names and the lines between them."""

LARGEST_DRAFT = 2 * 2**20
"""Bytes of a form with long texts, and of a draft: twenty thousand characters a field, each up to nine bytes."""

DOWNLOAD_POLICY = "sandbox; default-src 'none'"
"""The stricter policy that an answer with somebody's file in it may bring along; it takes the place of ours."""

IMPORT_ID = "i-[a-z2-7]{12}"
APPLICATION_ID = "a-[a-z2-7]{12}"
CONDITION_ID = "k-[a-z2-7]{12}"
LARGER: tuple[tuple[str, re.Pattern[str], int], ...] = (
    ("POST", re.compile(f"/imports/{IMPORT_ID}/files"), LARGEST_UPLOAD + _FORM_AROUND),
    ("PUT", re.compile(f"/api/v1/imports/{IMPORT_ID}/files/.+", re.DOTALL), LARGEST_UPLOAD),
    ("POST", re.compile("/optouts"), 64 * 2**20),  # of which no more is kept: who sends too much reads why
    ("POST", re.compile("/api/v1/optouts"), LARGEST_LIST + _FORM_AROUND),
    ("POST", re.compile(f"/applications/{APPLICATION_ID}/(edit/[a-z]+|data/[0-9]+/reasons|answer)"), LARGEST_DRAFT),
    ("POST", re.compile(f"/applications/{APPLICATION_ID}/papers"), MOST_PAPER_BYTES + _FORM_AROUND),
    ("PUT", re.compile(f"/api/v1/applications/{APPLICATION_ID}/papers/.+", re.DOTALL), MOST_PAPER_BYTES),
    ("POST", re.compile(f"/conditions/{CONDITION_ID}/report"), MOST_PAPER_BYTES + _FORM_AROUND),
    ("POST", re.compile(f"/committee/{APPLICATION_ID}/vote"), LARGEST_DRAFT),
    ("PUT", re.compile(f"/api/v1/applications/{APPLICATION_ID}/draft"), LARGEST_DRAFT),
)
"""The only addresses of the desk that take more: method, path, bytes."""

_Refusal = tuple[HTTPStatus, Reason, str]


@dataclass(frozen=True)
class Rules:
    """What differs between hosts: their own origin, the largest body, the addresses that take a larger one, where a
    form may lead, what may be embedded."""

    origin: str
    largest_body: int = LARGEST_BODY
    larger: tuple[tuple[str, re.Pattern[str], int], ...] = ()
    form_targets: tuple[str, ...] = ()
    scripts: bool = True
    previews: str = ""
    """The host from which pages may embed pictures and framed texts of untrusted files, and nothing else."""


def security_headers(rules: Rules) -> dict[str, str]:
    """Headers of every answer of a host."""
    own = "'self'" if rules.scripts else "'none'"
    embedded = {"frame-src": rules.previews} if rules.previews else {}
    policy = {
        "default-src": "'none'",
        "script-src": own,
        "connect-src": own,
        "style-src": "'self'",
        "img-src": f"'self' {rules.previews}".rstrip(),
        **embedded,
        "form-action": " ".join(("'self'", *rules.form_targets)),
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Origin-Agent-Cluster": "?1",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


class Guard:
    """Stands in front of an application."""

    def __init__(self, application: ASGIApp, rules: Rules) -> None:
        self._application = application
        self._rules = rules
        self._headers = security_headers(rules)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        headers = Headers(scope=scope)
        most = self._largest(scope["method"], scope["path"])
        refusal = _too_large(headers, most) or self._refusal(scope["method"], headers)
        if refusal is not None:
            await self._refuse(refusal, send)
            return
        await self._application(scope, _Bounded(receive, most), self._with_headers(send))

    def _largest(self, method: str, path: str) -> int:
        """Bytes that may be sent to an address."""
        fitting = (most for verb, address, most in self._rules.larger if verb == method and address.fullmatch(path))
        return next(fitting, self._rules.largest_body)

    def _refusal(self, method: str, headers: Headers) -> _Refusal | None:
        site = headers.get("sec-fetch-site")
        if method in READING:
            opens_page = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
            if site in {None, "none", "same-origin"} or opens_page:
                return None
            return HTTPStatus.FORBIDDEN, Reason.NotPermitted, "This request comes from another page."
        if site is None:
            words = "This browser does not say where its requests come from. Use a current browser."
            return HTTPStatus.FORBIDDEN, Reason.NotPermitted, words
        if site != "same-origin" or headers.getlist("origin") != [self._rules.origin]:
            return HTTPStatus.FORBIDDEN, Reason.NotPermitted, "This request does not come from a page of this host."
        return None

    async def _refuse(self, refusal: _Refusal, send: Send) -> None:
        status, reason, words = refusal
        body = json.dumps({"reason": reason, "what": words, "why": "", "remedy": "Open the page anew."}).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **self._headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": int(status), "headers": raw})
        await send({"type": "http.response.body", "body": body})

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                stricter = headers.get("Content-Security-Policy") == DOWNLOAD_POLICY
                for name, value in self._headers.items():
                    if name == "Content-Security-Policy" and stricter:
                        continue
                    if name != "Cache-Control" or name not in headers:
                        headers[name] = value
            await send(message)

        return sending


def _too_large(headers: Headers, most: int) -> _Refusal | None:
    if _length(headers) <= most:
        return None
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, Reason.BadInput, "This is more than may be sent here."


def _length(headers: Headers) -> int:
    stated = headers.get("content-length", "0")
    return int(stated) if stated.isascii() and stated.isdecimal() and len(stated) < 19 else 2**63


class BodyTooLargeError(Exception):
    """A body without a stated length went on past its bound."""


class _Bounded:
    """Counts what is read of a body."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive = receive
        self._left = most

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise BodyTooLargeError
        return message
