"""Requests as they must look before anybody thinks about their meaning.

Guarantees: one `Host`, one way of saying how long a body is, an origin-form target of visible ASCII, HTTP/1.1, a
method of a short list, and an upgrade only to a websocket and only from a GET without a body. Everything else is
refused and the connection closed, so that no second request can hide behind the first.

Does not guarantee: what the parser beneath (llhttp, strict) refuses already; both are tested with raw sockets.

Threat: request smuggling, header injection, absolute-form targets that name another host than the header does.
"""

from __future__ import annotations

import re

from aiohttp import HttpVersion11
from aiohttp.web import BaseRequest

from tre.domain.errors import Reason
from tre.gateway.refusals import RefusedError

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_TARGET = re.compile(r"/[!-~]*")
_HANDSHAKE_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
_LENGTH = re.compile(r"[0-9]{1,15}")


def check_form(request: BaseRequest) -> None:
    """Raise `RefusedError` unless a request is well-formed beyond doubt."""
    if request.version != HttpVersion11:
        raise _malformed("HTTP/1.1 is spoken here.", 505)
    if request.method not in METHODS:
        raise _malformed("This method is not used here.", 405)
    target = request.raw_path
    if _TARGET.fullmatch(target) is None or target.startswith("//") or "#" in target or "\\" in target:
        raise _malformed("The target of the request is malformed.")
    if len(request.headers.getall("Host", [])) != 1:
        raise _malformed("Exactly one Host header is due.")
    _check_length(request)
    _check_upgrade(request)


def wants_websocket(request: BaseRequest) -> bool:
    """Whether a well-formed request asks for a websocket."""
    return "Upgrade" in request.headers


def body_length(request: BaseRequest) -> int | None:
    """Bytes of the body as announced; `None` for a chunked one."""
    if "Transfer-Encoding" in request.headers:
        return None
    return int(request.headers.get("Content-Length", "0"))


def check_size(request: BaseRequest, largest: int) -> None:
    """Raise `RefusedError` (413) where a body is announced to be larger than this many bytes."""
    length = body_length(request)
    if length is not None and length > largest:
        raise RefusedError(413, Reason.BadInput, f"At most {largest} bytes may be sent here.", close=True)


def _check_length(request: BaseRequest) -> None:
    lengths = request.headers.getall("Content-Length", [])
    encodings = request.headers.getall("Transfer-Encoding", [])
    if len(lengths) + len(encodings) > 1:
        raise _malformed("The length of the body is given twice.")
    if lengths and _LENGTH.fullmatch(lengths[0]) is None:
        raise _malformed("The length of the body is not a number.")
    if encodings and encodings[0].strip().lower() != "chunked":
        raise _malformed("Bodies come with a length or in chunks.")


def _check_upgrade(request: BaseRequest) -> None:
    upgrades = request.headers.getall("Upgrade", [])
    if not upgrades:
        return
    named = {part.strip().lower() for part in ",".join(request.headers.getall("Connection", [])).split(",")}
    if len(upgrades) > 1 or upgrades[0].strip().lower() != "websocket" or "upgrade" not in named:
        raise _malformed("The only upgrade here is to a websocket.")
    if request.method != "GET" or body_length(request) != 0:
        raise _malformed("A websocket begins with a GET without a body.")
    if request.headers.get("Sec-WebSocket-Version") != "13":
        raise _malformed("Websockets of version 13 are spoken here.")
    if _HANDSHAKE_KEY.fullmatch(request.headers.get("Sec-WebSocket-Key", "")) is None:
        raise _malformed("A websocket begins with a key of 16 bytes.")


def _malformed(text: str, status: int = 400) -> RefusedError:
    return RefusedError(status, Reason.BadInput, text, close=True)
