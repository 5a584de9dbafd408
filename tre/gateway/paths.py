"""What a browser may ask a workspace for: one spelling of each address, then an allow-list by method.

Guarantees: an address is percent-decoded exactly once; what is left must be printable, without `%`, `\\`, empty or
dot segments; the result is matched against the allow-list and spelled anew, and that spelling is what travels on,
byte for byte. Whatever is not listed is refused: raw files, conversion, anything an extension adds, proxies.

Does not guarantee: that file bytes stay inside. The contents interface returns them to the page as JSON, since the
Lab cannot open a file without; what the page may do with them is bounded by `tre.gateway.headers` and by the shell.

Threat: a filter that looks at one spelling and a server that acts on another (`lab/%2e%2e/files/x`). The price is
that files whose names hold `%` or invisible characters cannot be opened in the browser; a terminal can rename them.

The list is what JupyterLab 4.6 was seen to need in a long session with terminals, widgets and viewers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

from tre.domain.errors import Reason
from tre.gateway.refusals import RefusedError

LONGEST_TARGET = 4096
"""Bytes of path and query; the longest file path of Linux."""

_RAW = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Kind(StrEnum):
    """What an address gives: it decides the budget, the content type and who serves it."""

    page = "page"
    interface = "interface"
    file = "file"
    static = "static"
    socket = "socket"


@dataclass(frozen=True)
class Address:
    """A permitted address: its kind, its one decoded path, and the exact bytes to send on."""

    kind: Kind
    path: str
    target: str

    @property
    def file(self) -> str:
        """The path of the file that a contents address names, relative to what the file browser shows."""
        return self.path.removeprefix("/api/contents").lstrip("/")


def canonical_path(raw: str) -> str:
    """The one decoded spelling of a path as it came in; raises `RefusedError` where there is none."""
    if _RAW.fullmatch(raw) is None or _PERCENT.search(raw):
        raise _refused("The address has characters that no address of a workspace has.")
    try:
        decoded = unquote_to_bytes(raw).decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise _refused("The address is not UTF-8.") from error
    if not decoded.isprintable() or "%" in decoded or "\\" in decoded:
        raise _refused("The address has characters that no address of a workspace has.")
    segments = decoded[1:].split("/")
    if any(segment in {".", ".."} for segment in segments) or "" in segments[:-1]:
        raise _refused("The address has empty or dot segments.")
    return decoded


def spell(path: str, query: str) -> str:
    """The bytes that stand for a decoded path and a query on the wire."""
    spelled = quote(path, safe="/._~!$&'()*+,;=:@-")
    return f"{spelled}?{query}" if query else spelled


def permitted(method: str, raw_target: str, *, websocket: bool = False) -> Address:
    """Find an address on the allow-list.

    `raw_target` is the request target as it came in. Raises `RefusedError` (403) for everything that is not listed.
    """
    raw_path, _, query = raw_target.partition("?")
    if len(raw_target) > LONGEST_TARGET or _QUERY.fullmatch(query) is None or _PERCENT.search(query):
        raise _refused("The address is too long or its query has characters that do not belong there.")
    path = canonical_path(raw_path)
    for wanted, kind, pattern in _ALLOWED:
        if wanted == ("WS" if websocket else method) and pattern.fullmatch(path):
            return Address(kind, path, spell(path, query))
    raise _refused(f"{'WS' if websocket else method} {path[:200]} is not among the addresses of a workspace.")


def _refused(text: str) -> RefusedError:
    return RefusedError(403, Reason.NotPermitted, text)


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SECTIONS = {
    Kind.page: (("GET", r"/lab(/|/tree(/.*)?|/workspaces(/.*)?)?"),),
    Kind.static: (
        ("GET", r"/static/(lab|favicons)/.+"),
        ("GET", r"/lab/extensions/.+"),
        ("GET", r"/lab/api/themes/.+"),
        ("GET", r"/kernelspecs/[^/]+/logo-[^/]+"),
    ),
    Kind.file: (("GET", r"/api/contents(/.*)?"),),
    Kind.interface: (
        ("GET", r"/lab/api/(settings|workspaces|translations)(/.*)?"),
        ("PUT", r"/lab/api/(settings|workspaces)/.+"),
        ("DELETE", r"/lab/api/workspaces/.+"),
        ("GET", r"/api/(me|kernelspecs|sessions|kernels|terminals|resolvePath)"),
        ("GET", rf"/api/(sessions|kernels)/{_UUID}"),
        ("POST", r"/api/(sessions|kernels|terminals)"),
        ("PATCH", rf"/api/sessions/{_UUID}"),
        ("DELETE", rf"/api/(sessions|kernels)/{_UUID}"),
        ("POST", rf"/api/kernels/{_UUID}/(interrupt|restart)"),
        ("DELETE", r"/api/terminals/[A-Za-z0-9]{1,16}"),
        *((method, r"/api/contents(/.*)?") for method in ("PUT", "POST", "PATCH", "DELETE")),
    ),
    Kind.socket: (
        ("WS", rf"/api/kernels/{_UUID}/channels"),
        ("WS", r"/api/events/subscribe"),
        ("WS", r"/terminals/websocket/[A-Za-z0-9]{1,16}"),
    ),
}
_ALLOWED = tuple((method, kind, re.compile(pattern)) for kind, rules in _SECTIONS.items() for method, pattern in rules)
