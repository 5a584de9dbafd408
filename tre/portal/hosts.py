"""Which host a request is for, and which addresses a person may be sent to.

Guarantees: an application answers under its own host name only, compared exactly; whoever signs in is sent to one of
our own hosts or nowhere: an address is taken only if every character of it fits the form that we write ourselves.

Threat: an open redirect that hands a fresh ticket to a foreign page; a Host header that makes one application serve
another's name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from tre.domain.errors import Reason, TREError
from tre.system.settings import Settings

LOCAL_HOST = "localhost"
"""The Host header of callers on this machine; the gateway only ever passes on our public hosts."""

MAX_ADDRESS = 2000
_PATH = r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"


def netloc(settings: Settings, prefix: str = "") -> str:
    """Host and port as a browser writes them: `desk.tre.localhost:8000`."""
    return urlsplit(settings.origin(prefix)).netloc


@dataclass(frozen=True)
class Landing:
    """Where a person goes after signing in: a host of ours (without its port), its origin, and a path."""

    host: str
    origin: str
    path: str


def find_landing(to: str, settings: Settings) -> Landing:
    """The place that an address names.

    Raises `TREError(BadInput)` unless it is on a host of ours that takes tickets.
    """
    port = settings.origin().removeprefix(f"{settings.scheme}://{settings.base}")
    hosts = rf"(?P<host>(?:desk|w-[a-z2-7]{{12}}\.open)\.{re.escape(settings.base)})"
    pattern = rf"(?P<origin>{settings.scheme}://{hosts}{re.escape(port)}){_PATH}"
    found = re.fullmatch(pattern, to) if len(to) <= MAX_ADDRESS else None
    if found is None:
        raise TREError(
            Reason.BadInput,
            "This address is not a page of this service.",
            remedy="Go to your projects and choose there.",
        )
    return Landing(found["host"], found["origin"], found["path"] or "/")


def is_own_path(path: str) -> bool:
    """Whether a text is a path of the same host and cannot be read as anything else."""
    return len(path) <= MAX_ADDRESS and not path.startswith("//") and re.fullmatch(_PATH, path) is not None


class HostSwitch:
    """Passes a request on to the application of its host; any other host is told that there is no such page."""

    def __init__(self, applications: dict[str, ASGIApp]) -> None:
        self._applications = applications

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            return
        named = [value for name, value in scope["headers"] if name == b"host"]
        host = named[0].decode("latin-1").lower() if len(named) == 1 else ""
        application = self._applications.get(host)
        if application is not None:
            await application(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": b"This host has no page here.\n"})
