"""DICOM files written by hand, byte by byte: a library would repair what these are to show."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Literal

from tre.slices.gate.judge import Gate, Judged

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
Raw = tuple[int, str, bytes]

CLEAN: tuple[Raw, ...] = (
    (0x00080008, "CS", b"ORIGINAL\\PRIMARY"),
    (0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.1\0"),
    (0x00080018, "UI", b"2.25.11"),
    (0x00080020, "DA", b"20200415"),
    (0x00080030, "TM", b"101523.5"),
    (0x00080060, "CS", b"DX"),
    (0x00081030, "LO", b"Chest PA"),
    (0x00100010, "PN", b"Covid1"),
    (0x00100020, "LO", b"Covid1"),
    (0x00100030, "DA", b"19500101"),
    (0x00120062, "CS", b"YES"),
    (0x00120063, "LO", b"Made up"),
    (0x0020000D, "UI", b"2.25.1"),
    (0x0020000E, "UI", b"2.25.2"),
    (0x00280301, "CS", b"NO"),
)


Order = Literal["little", "big"]


def element(tag: int, vr: str, value: bytes, *, explicit: bool = True, order: Order = "little") -> bytes:
    """One element; values are padded to an even length, and stand as they are given."""
    if len(value) % 2:
        value += b"\0" if vr in {"UI", "OB", "UN"} else b" "
    head = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)
    if not explicit:
        return head + len(value).to_bytes(4, order) + value
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + len(value).to_bytes(4, order) + value
    return head + vr.encode() + len(value).to_bytes(2, order) + value


def elements(raw: Iterable[Raw], *, explicit: bool = True, order: Order = "little") -> bytes:
    """Elements in the order of their tags, the last of a tag counting."""
    last = {tag: (tag, vr, value) for tag, vr, value in raw}
    return b"".join(element(*last[tag], explicit=explicit, order=order) for tag in sorted(last))


def sequence(*items: bytes, order: Order = "little") -> bytes:
    """The value of a sequence of these items."""
    head = (0xFFFE).to_bytes(2, order) + (0xE000).to_bytes(2, order)
    return b"".join(head + len(item).to_bytes(4, order) + item for item in items)


def file(
    raw: Iterable[Raw] = CLEAN,
    *,
    syntax: str = EXPLICIT,
    preamble: bytes = bytes(128),
    meta: Iterable[Raw] = (),
    tail: bytes = b"",
) -> bytes:
    """A whole file, little endian."""
    padded = syntax.encode() + b"\0" * (len(syntax) % 2)
    head = [(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.1\0"), (0x00020003, "UI", b"2.25.11"), *meta]
    start = elements([*head, (0x00020010, "UI", padded)])
    return preamble + b"DICM" + start + elements(raw, explicit=syntax != IMPLICIT) + tail


def judged(data: bytes, gate: Gate | None = None) -> Judged:
    """What the gate finds."""
    return (gate or Gate()).judge_file(BytesIO(data))


def rules(data: bytes, gate: Gate | None = None) -> set[tuple[str, str]]:
    """Rules and attributes that speak against a file."""
    return {one.key for one in judged(data, gate).reasons}


def with_raw(*raw: Raw) -> bytes:
    """The clean file with these elements in it."""
    return file([*CLEAN, *raw])
