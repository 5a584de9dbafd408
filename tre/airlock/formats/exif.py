"""EXIF: what a camera or a program wrote beside the picture, read within bounds. Standard library only.

Guarantees: at most `_MOST_ENTRIES` entries of at most two levels are read, each within the block; texts are given to
who decides; positions, thumbnails and makers' private blocks are named.

Does not guarantee: decoding of makers' private blocks. They count as hidden content. Source: EXIF 2.3, TIFF 6.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_MOST_ENTRIES = 400
_LENGTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_BYTES, _TEXT, _UNDEFINED = 1, 2, 7
_FURTHER = {0x8769: "details", 0xA005: "details", 0x8825: "position"}
_MAKER_NOTE = 0x927C
_LONGEST_UNDEFINED = 64


class ExifError(ValueError):
    """The block is not well-formed."""


@dataclass
class Exif:
    """What stands in the block, in words; `hidden` names what nobody sees, empty where nothing is."""

    texts: list[str] = field(default_factory=list)
    position: bool = False
    hidden: str = ""


def read(block: bytes) -> Exif:
    """Take the block apart. Raises `ExifError`."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 8:
        raise ExifError("no TIFF header")
    result, waiting, seen = Exif(), [(struct.unpack_from(order + "I", block, 4)[0], "main")], 0
    visited: set[int] = set()
    while waiting:
        offset, part = waiting.pop()
        if not offset:
            continue
        if offset in visited:
            raise ExifError("a part stands twice")
        visited.add(offset)
        count, following = _bounds(block, offset, order)
        seen += count
        if seen > _MOST_ENTRIES:
            raise ExifError("too many entries")
        if part == "thumbnail":
            result.hidden = "a second, small picture"
        result.position |= part == "position"
        for place in range(offset + 2, offset + 2 + 12 * count, 12):
            waiting += _entry(result, block, place, order)
        if part == "main":
            waiting.append((following, "thumbnail"))
    return result


def _bounds(block: bytes, offset: int, order: str) -> tuple[int, int]:
    """How many entries a directory has, and where the next one is."""
    try:
        (count,) = struct.unpack_from(order + "H", block, offset)
        (following,) = struct.unpack_from(order + "I", block, offset + 2 + 12 * count)
    except struct.error as error:
        raise ExifError("a directory is cut off") from error
    return count, following


def _entry(result: Exif, block: bytes, place: int, order: str) -> list[tuple[int, str]]:
    """Take in one entry; returns the directories that it leads to."""
    tag, kind, amount = struct.unpack_from(order + "HHI", block, place)
    length = _LENGTHS.get(kind, 0) * amount
    if not length or length > len(block):
        raise ExifError("an entry is wrong")
    start = place + 8 if length <= 4 else struct.unpack_from(order + "I", block, place + 8)[0]
    value = block[start : start + length]
    if len(value) != length:
        raise ExifError("an entry is cut off")
    if tag in _FURTHER and kind == 4:
        return [(struct.unpack(order + "I", value[:4])[0], _FURTHER[tag])]
    if tag == _MAKER_NOTE or (kind in {_BYTES, _UNDEFINED} and length > _LONGEST_UNDEFINED):
        result.hidden = result.hidden or "a program's private data"
    elif kind == _TEXT:
        result.texts.append(value.rstrip(b"\0").decode("utf-8", "replace"))
    return []
