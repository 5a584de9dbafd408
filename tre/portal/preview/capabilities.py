"""Addresses on the preview host that are permissions by themselves, since that host has no cookies.

Guarantees: an address opens one part of one file of one request, for as long as the session that it was made for is
in force, and for `LIFE` at the most. Nobody without the portal's key can make one, or turn one into another.

Does not guarantee: that whoever uses an address is who it was made for: it can be passed on. What it opens was shown to
somebody who may see it, at most `LIFE` ago, and the origin asks again whether that person still may.

Threat: a guessed or altered address that opens another project's file; an old one found in a history.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum

from tre.portal.seals import Sealer

LIFE = timedelta(minutes=10)
_PURPOSE = "preview"


class PartKind(StrEnum):
    """What an address opens: a raster, a vector drawing, or a document that the portal made of a text."""

    picture = "picture"
    drawing = "drawing"
    document = "document"


@dataclass(frozen=True)
class Capability:
    """One part of one file, for one session: `card` is the place of the part among what is shown of the file."""

    session: str
    export: str
    path: str
    sha256: str
    type: str
    part: PartKind
    card: int


def mint(sealer: Sealer, capability: Capability, now: datetime) -> str:
    """What stands in the address."""
    return sealer.seal(_PURPOSE, {**asdict(capability), "until": (now + LIFE).timestamp()})


def opened(sealer: Sealer, token: str, now: datetime) -> Capability | None:
    """What an address opens now; `None` for one that is over, or that this portal never made."""
    value = sealer.open(_PURPOSE, token)
    if value is None or now.timestamp() >= value["until"]:
        return None
    named = {field.name: value[field.name] for field in fields(Capability)}
    return Capability(**{**named, "part": PartKind(value["part"])})
