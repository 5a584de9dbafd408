"""Looking between compressed frames: what stands in encapsulated pixels beside the picture.

Guarantees: of JPEG, JPEG-LS and JPEG 2000 every marker segment is walked: comments are read like other texts,
application segments other than those that describe the picture wait for a person, and so does anything before,
between and behind the pictures, or in the table of offsets. Of run lengths the heads are checked. Encodings that are
none of these wait, since nobody looked.

Does not guarantee: anything about the coded picture itself, where text would show as a fault of the picture.

Threat: a comment that the device or a tool wrote into the compressed picture, where no header's reader looks.

Source: PS3.5 Annex A.4 and Annex G; ITU-T T.81 Annex B; ITU-T T.87 Annex C; ITU-T T.800 Annex A.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import pairwise
from struct import unpack
from typing import BinaryIO

from tre.slices.gate.values import text_of

RULE = "compressed-pixels"
MOST_BYTES = 256 << 20
"""Compressed pixels beyond this are not looked at, and wait."""

_FAMILY = "1.2.840.10008.1.2.4."
_JPEG = frozenset(f"{_FAMILY}{number}" for number in (50, 51, 57, 70, 80, 81))
_JPEG_2000 = frozenset(f"{_FAMILY}{number}" for number in (90, 91, 92, 93, 201, 202, 203))
_RUN_LENGTHS = "1.2.840.10008.1.2.5"
_CODED = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_CODED_LS = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")
"""Where coded data end: at a marker. JPEG-LS stuffs a bit, not a byte."""

_START, _END, _SCAN, _COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
_TABLES = frozenset({*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xF7, 0xF8})
_START_2000, _END_2000, _TILE_2000, _COMMENT_2000 = 0x4F, 0xD9, 0x90, 0x64
_MAIN_2000 = frozenset({0x50, 0x51, 0x52, 0x53, 0x55, 0x57, 0x59, 0x5C, 0x5D, 0x5E, 0x5F, 0x60, 0x63})
_PADDING = frozenset({0, 0xFF})
_BEGINNINGS = frozenset({bytes((0xFF, _START)), b"\xff\x4f"})
_HEAD_OF_RUNS = 64
_MOST_RUNS = 15
Read = Callable[[str], Iterable[str]]


class _OddError(Exception):
    """Something stands where nothing of a picture belongs."""


def judge_fragments(file: BinaryIO, places: list[tuple[int, int]], syntax: str, read: Read) -> set[str]:
    """The rules that encapsulated pixels break, given where their items stand; the first is the table of offsets."""
    if not places:
        return set()
    if sum(length for _, length in places) > MOST_BYTES:
        return {RULE}
    items = [_bytes(file, *place) for place in places]
    found: set[str] = set()
    try:
        _check_offsets(items[0], sum(8 + len(item) for item in items[1:]))
        if syntax == _RUN_LENGTHS:
            for item in items[1:]:
                _check_runs(item)
            return found
        for comment in _comments(b"".join(items[1:]), syntax):
            found.update(read(text_of(comment)))
    except (_OddError, IndexError, ValueError):
        found.add(RULE)
    return found


def _bytes(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _check_offsets(table: bytes, total: int) -> None:
    """Offsets rise from nothing, and lie within the fragments."""
    if not table:
        return
    if len(table) % 4:
        raise _OddError
    offsets = unpack(f"<{len(table) // 4}I", table)
    if offsets[0] or offsets[-1] >= total or any(after <= before for before, after in pairwise(offsets)):
        raise _OddError


def _check_runs(frame: bytes) -> None:
    if len(frame) < _HEAD_OF_RUNS:
        raise _OddError
    count, *offsets = unpack("<16I", frame[:_HEAD_OF_RUNS])
    used = offsets[:count]
    in_order = all(before < after for before, after in pairwise(used)) and 0 < count <= _MOST_RUNS
    if not in_order or used[0] != _HEAD_OF_RUNS or used[-1] >= len(frame) or any(offsets[count:]):
        raise _OddError


def _comments(data: bytes, syntax: str) -> Iterator[bytes]:
    """The comments of all pictures, one after the other."""
    if syntax in _JPEG:
        walk = _jpeg
    elif syntax in _JPEG_2000:
        walk = _jpeg_2000
    else:
        raise _OddError
    at = 0
    while at < len(data):
        at = yield from walk(data, at)
        while at < len(data) and data[at] in _PADDING and data[at : at + 2] not in _BEGINNINGS:
            at += 1  # fragments are padded to an even length


def _segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """The marker that stands here, what its segment holds, and where the next begins."""
    while data[at] == 0xFF and data[at + 1] == 0xFF:  # fill bytes
        at += 1
    if data[at] != 0xFF:
        raise _OddError
    marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
    if length < 2 or at + 2 + length > len(data):
        raise _OddError
    return marker, data[at + 4 : at + 2 + length], at + 2 + length


def _jpeg(data: bytes, at: int) -> Generator[bytes, None, int]:
    """One picture of JPEG or JPEG-LS; returns where it ends."""
    if data[at : at + 2] != bytes((0xFF, _START)):
        raise _OddError
    at += 2
    near_lossless = False
    while data[at : at + 2] != bytes((0xFF, _END)):
        marker, body, at = _segment(data, at)
        near_lossless |= marker == 0xF7
        if marker == _COMMENT:
            yield body
        elif marker == _SCAN:
            ends = (_CODED_LS if near_lossless else _CODED).search(data, at)
            if ends is None:
                raise _OddError
            at = ends.start()
        elif not (marker in _TABLES or _describes_picture(marker, body)):
            raise _OddError
    return at + 2


def _describes_picture(marker: int, body: bytes) -> bool:
    """The application segments that say how colours are meant, without a thumbnail."""
    jfif = marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) == 14
    adobe = marker == 0xEE and body[:5] == b"Adobe" and len(body) == 12
    spiff = marker == 0xE8 and body[:6] == b"SPIFF\0" and len(body) == 30
    spiff_end = marker == 0xE8 and body == b"\0\0\0\1\xff\xd8"
    return jfif or adobe or spiff or spiff_end


def _jpeg_2000(data: bytes, at: int) -> Generator[bytes, None, int]:
    """One picture of JPEG 2000; returns where it ends."""
    if data[at : at + 2] != bytes((0xFF, _START_2000)):
        raise _OddError
    at += 2
    while data[at : at + 2] != bytes((0xFF, _END_2000)):
        here = at
        marker, body, at = _segment(data, at)
        if marker == _COMMENT_2000:
            yield body[2:]
        elif marker == _TILE_2000:
            length = int.from_bytes(body[2:6], "big")
            yield from _tile_comments(data, at)
            at = here + length if length else data.rindex(bytes((0xFF, _END_2000)))
            if not here < at <= len(data) - 2:
                raise _OddError
        elif marker not in _MAIN_2000:
            raise _OddError
    return at + 2


def _tile_comments(data: bytes, at: int) -> Iterator[bytes]:
    """Comments in the head of a part of a tile, up to its coded data."""
    while data[at : at + 2] != b"\xff\x93":
        marker, body, at = _segment(data, at)
        if marker == _COMMENT_2000:
            yield body[2:]
        elif marker not in _MAIN_2000 | {0x58, 0x61}:
            raise _OddError
