"""Keeping track of which leaves of which files were on a person's screen.

Guarantees: what was seen is sealed: nobody can claim to have seen a leaf that the desk did not show in this session.
It belongs to one session, one request, and the very bytes, read by the very versions of parsers that are in force. A
page that the browser fetches ahead does not count.

Does not guarantee: that it lasts: it lives in a cookie of the desk and in the form of the vote, and is gone with the
session, or when hundreds of files were looked at since. Then a file is looked at again, or left to the checks.

How much was seen is not written into the record. That somebody looked at a file is (`tre.portal.preview.viewer`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response

from tre.airlock.extracts import MADE_BY
from tre.domain import names
from tre.domain.exports.looking import Looked
from tre.domain.exports.models import RequestFile
from tre.portal.context import Desk
from tre.portal.preview.content import Content
from tre.portal.seals import Sealer
from tre.portal.sessions import Visitor, set_cookie

COOKIE = "__Host-tre-desk-looked"
FIELD = "looked"
COVERED = "unseen"
LONGEST = 3500
"""Characters of the cookie; browsers take 4,096 with its name and attributes."""

_PURPOSE = "looked"


@dataclass(frozen=True)
class Glance:
    """One file at which somebody looks: it has so many leaves, of which those with the set bits were seen."""

    key: str
    leaves: int
    bits: int = 0

    def with_leaf(self, leaf: int | None) -> Glance:
        """With one more leaf seen."""
        return self if leaf is None else Glance(self.key, self.leaves, self.bits | 1 << leaf - 1)

    @property
    def seen(self) -> frozenset[int]:
        """The leaves, from 1, that were seen."""
        return frozenset(leaf for leaf in range(1, self.leaves + 1) if self.bits >> leaf - 1 & 1)


def key_of(export: str, file: RequestFile) -> str:
    """What stands for the bytes of a file of a request, as they are read now."""
    return names.short_hash("looked", export, file.path, file.sha256, file.type, MADE_BY)


class Track:
    """What a session's browser has seen."""

    def __init__(self, sealer: Sealer, session: str, kept: dict[str, str]) -> None:
        self._sealer = sealer
        self._session = session
        self._kept = kept

    @classmethod
    def of(cls, request: Request, desk: Desk, who: Visitor) -> Track:
        """From the cookie; empty where it belongs to another session, or to nobody."""
        value = desk.sealer.open(_PURPOSE, request.cookies.get(COOKIE, ""))
        mine = value is not None and value["session"] == who.session.id
        return cls(desk.sealer, who.session.id, dict(value["files"]) if value is not None and mine else {})

    def glance(self, key: str, leaves: int) -> Glance:
        """What was seen of one file."""
        return Glance(key, leaves, int(self._kept.get(key, "0"), 16))

    def sealed(self, glance: Glance) -> str:
        """What the form of the vote carries: what was seen up to the page that it stands on."""
        return self._seal({glance.key: f"{glance.bits:x}"})

    def joined(self, glance: Glance, carried: str) -> Glance:
        """With what a form carried along: other windows may have replaced the cookie since."""
        value = self._sealer.open(_PURPOSE, carried)
        mine = value is not None and value["session"] == self._session
        bits = int(value["files"].get(glance.key, "0"), 16) if value is not None and mine else 0
        return Glance(glance.key, glance.leaves, glance.bits | bits)

    def remember(self, response: Response, glance: Glance, seconds: int) -> None:
        """Set the cookie; where it would become too long, the files that were looked at first are forgotten."""
        files = {key: bits for key, bits in self._kept.items() if key != glance.key}
        files[glance.key] = f"{glance.bits:x}"
        while len(sealed := self._seal(files)) > LONGEST and len(files) > 1:
            del files[next(iter(files))]
        set_cookie(response, COOKIE, sealed, seconds)

    def _seal(self, files: dict[str, str]) -> str:
        value: dict[str, Any] = {"session": self._session, "files": files}
        return self._sealer.seal(_PURPOSE, value)


def is_ahead(request: Request) -> bool:
    """Whether a browser fetches a page that nobody has asked for yet."""
    purpose = f"{request.headers.get('sec-purpose', '')} {request.headers.get('purpose', '')}"
    return "prefetch" in purpose or "prerender" in purpose


def looked_at(glance: Glance, file: RequestFile, content: Content | None, *, covered: bool) -> Looked:
    """The domain's word for what was seen."""
    leaves = 0 if content is None else len(content.leaves)
    lossy = content is not None and bool(content.lossy)
    return Looked(sha256=file.sha256, leaves=leaves, seen=glance.seen, lossy=lossy, covered=covered)
