"""Which language a request is answered in: by its address, else by what its browser says.

Guarantees: `/cy/projects` is the page `/projects` in Welsh where the site speaks Welsh, and no page where it does not;
an address without a language is answered in the one that the browser likes best, and says so to caches. No cookie is
set or read. Files for machines have one address and one language.

Does not guarantee: that texts of the record are in the language of the page: they stand as people wrote them, and say
in which language that is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tre.domain.errors import Reason, TREError
from tre.domain.languages import SOURCE, preferred
from tre.system.languages import Language, Spoken, load_languages, speaking, spoken
from tre.system.settings import Settings

SHIPPED = Path(__file__).parent / "locale"
OWN = "languages"
"""The directory of a site's own catalogues, in its root."""

_MACHINES = re.compile(r"/static/.*|.*\.(json|rss|csv|xlsx|txt)", re.DOTALL)


TAKEN = frozenset({"log"})
"""Addresses of pages that are languages, too (a test compares)."""


def languages_of(root: Path, settings: Settings) -> tuple[Language, ...]:
    """The languages of the public pages.

    Raises `TREError(PolicyMissing)` for one without a catalogue, `TREError(BadInput)` for one that cannot be used.
    """
    for code in TAKEN.intersection(settings.languages):
        raise TREError(
            Reason.BadInput,
            f"No language can be called {code!r} here.",
            why=f"The page /{code} has this address.",
            remedy="Name the language with its country in tre.yaml, as en-gb.",
        )
    return load_languages(settings.languages, (root / OWN, SHIPPED))


def to(path: str) -> str:
    """The address of one of our public pages in the language of now."""
    return spoken().prefix + path


@dataclass(frozen=True)
class Tongue:
    """A page in one language: what the language is called, and where the page stands."""

    language: Language
    href: str
    current: bool


class Speaking:
    """Stands in front of the public pages and chooses the language."""

    def __init__(self, application: ASGIApp, languages: Sequence[Language]) -> None:
        self._application = application
        self._known = {one.code: one for one in languages}
        self._codes = [one.code for one in languages]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        asked = self._asked(scope)
        if asked is None:
            await self._application(scope, receive, send)
            return
        inner = {**scope, "path": asked.path, "raw_path": quote(asked.path).encode()}
        with speaking(Spoken(self._known[asked.code], asked.prefix, self._codes[0])):
            await self._application(inner, receive, _with_headers(send, asked))

    def _asked(self, scope: Scope) -> _Asked | None:
        """The language of a request; None for what is for machines."""
        path: str = scope["path"]
        if _MACHINES.fullmatch(path):
            return None
        if len(self._codes) == 1:
            return _Asked(self._codes[0], path, "", guessed=False)
        code, _, rest = path.removeprefix("/").partition("/")
        if code in self._known:
            return _Asked(code, f"/{rest}", f"/{code}", guessed=False)
        accepted = ",".join(Headers(scope=scope).getlist("accept-language"))
        return _Asked(preferred(accepted, self._codes), path, "", guessed=True)


class _Asked(NamedTuple):
    code: str
    path: str
    prefix: str
    guessed: bool


def _with_headers(send: Send, asked: _Asked) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Language"] = spoken().language.tag
            if asked.guessed:
                headers.add_vary_header("Accept-Language")
        await send(message)

    return sending


def tongues(languages: Sequence[Language], request: Request) -> list[Tongue]:
    """This page in every language, where there is more than one and a page can be asked for again."""
    if len(languages) < 2 or request.method not in {"GET", "HEAD"}:
        return []
    query = f"?{request.url.query}" if request.url.query else ""
    return [_tongue(one, f"/{one.code}{quote(request.url.path)}{query}") for one in languages]


def still_tongues(languages: Sequence[Language], path: str) -> list[Tongue]:
    """The same where files stand."""
    if len(languages) < 2:
        return []
    return [_tongue(each.language, each.prefix + path) for each in spoken_in_files(languages)]


def spoken_in_files(languages: Sequence[Language]) -> list[Spoken]:
    """Where the pages of each language stand as files: no prefix for the first, since nothing answers there."""
    known = languages or (Language(SOURCE),)
    return [Spoken(one, f"/{one.code}" if place else "", known[0].code) for place, one in enumerate(known)]


def _tongue(language: Language, href: str) -> Tongue:
    return Tongue(language, href, current=language is spoken().language)
