"""Files inside files: pictures in pages and notebooks, each judged by the strict parser of its own type.

Guarantees: Base64 is read strictly; a picture that its parser accepts is shown, with a finding that it is there; any
other content is named with its type, size and SHA-256, and said not to be shown.

Does not guarantee: that a program which opens the outer file shows the inner one in the same way.

Threats: a picture of a patient, or a table of people, folded into an attribute.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import replace

from tre.airlock.identify import FORMATS
from tre.airlock.parsed import Bounds, Card, FileRefusedError, Observation, ParsedFile, Place, quoted

_ADDRESS = re.compile(r"data:([a-z]+/[a-z0-9.+-]+)((?:;[a-z0-9-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)
_LONGEST_LIST = 400
_TYPES = {"image/png": "png", "image/jpeg": "jpeg", "image/svg+xml": "svg"}
_PARSERS = {mime: (kind, FORMATS[kind].load()) for mime, kind in _TYPES.items() if kind in FORMATS}
"""Types of content whose parser looks inside other files, too; loaded now, since nothing is loaded behind the walls."""


def fingerprint(data: bytes) -> str:
    """Size and the beginning of the SHA-256, in words."""
    return f"{len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()[:12]}…"


def decoded(text: str) -> bytes | None:
    """What a strict Base64 text holds; line breaks are allowed."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def take_address(parsed: ParsedFile, address: str, bounds: Bounds, place: Place) -> None:
    """Add the picture of a `data:` address to what is shown, with a finding of F07."""
    found = _ADDRESS.match(address.strip())
    if found is None or found.group(3) is None:
        parsed.remarks.append(Observation("F06", "An address unfolds to something unknown.", "Remove it.", place))
        return
    take_base64(parsed, found.group(1).lower(), address.strip()[found.end() :], bounds, place)


def take_base64(parsed: ParsedFile, mime: str, text: str, bounds: Bounds, place: Place, *, check: str = "F07") -> None:
    """Add an embedded file: a picture as a card, anything else as a note."""
    data = decoded(text)
    if data is None:
        message = f"The file embeds something that is not Base64 ({quoted(mime)})."
        parsed.remarks.append(Observation("F02", message, "Write it with a library.", place))
        return
    said = f"The file embeds {quoted(mime)}: {fingerprint(data)}"
    parsed.remarks.append(Observation(check, said, "Submit the picture as a file by itself.", place))
    take_bytes(parsed, mime, data, bounds, place)


def take_bytes(parsed: ParsedFile, mime: str, data: bytes, bounds: Bounds, place: Place) -> None:
    """Show an embedded picture, or say that it is not shown."""
    if mime not in _PARSERS:
        not_shown(parsed, mime, data, place)
        return
    kind, parse = _PARSERS[mime]
    try:
        inner = parse(kind, data, bounds)
    except FileRefusedError as refused:
        message = f"The embedded picture: {refused.observation.message}"
        parsed.remarks.append(replace(refused.observation, message=message, place=place))
        return
    parsed.remarks += [replace(item, place=place) for item in inner.remarks]
    parsed.pictures += [replace(picture, place=place) for picture in inner.pictures]
    parsed.passages += [replace(passage, place=place) for passage in inner.passages]
    for shape, count in inner.marks.items():
        parsed.marks[shape] = parsed.marks.get(shape, 0) + count
    parsed.cards += [replace(card, place=place) for card in inner.cards if card.table is None]
    if not inner.cards:
        not_shown(parsed, mime, data, place)


def not_shown(parsed: ParsedFile, mime: str, data: bytes, place: Place) -> None:
    """A card that says what stands there, and a word on what people do not see."""
    parsed.cards.append(Card("note", text=f"{mime}, {fingerprint(data)} Not shown.", place=place))
    said = f"content of type {mime}"
    if said not in parsed.lossy and len(parsed.lossy) < _LONGEST_LIST:
        parsed.lossy = f"{parsed.lossy}, {said}" if parsed.lossy else f"Not shown: {said}"
