"""The form of an index: a key, a few counts, and sorted arrays of keyed hashes. Standard library only.

Guarantees: every identifier and value stands in it as a 64-bit BLAKE2b under a key drawn for this one index, each
purpose with its own personalisation, so that two indexes agree in nothing and nobody tries a dictionary without the
key. Bytes that are cut off, longer than they say or in another order are no index (`IndexInvalidError`).

Does not guarantee: secrecy of what was hashed from whoever holds the key, which stands at the beginning. On the disk
the whole of it is sealed under another key (`keeping`); in the clear it exists in the checker's memory and its child's.

64 bits: of two million entries, one in ten million million foreign values is taken for an entry by chance.
"""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

MAGIC = b"TRESLICE"
KEY_BYTES = 32
PICTURE_BYTES = 32
"""256 bits of a perceptual hash."""

COLUMN_BITS = 8
"""The lower bits of an entry in a list of values: the column; above them stands the person."""

_FORMAT = 2
_ITEMS = {"Q": 8, "I": 4, "B": 1}
SECTIONS = {
    "identifiers": "Q",
    "weak": "Q",
    "values": "Q",
    "value_starts": "I",
    "value_postings": "I",
    "columns": "Q",
    "pairs": "Q",
    "pair_starts": "I",
    "pair_postings": "I",
    "pictures": "B",
    "gone": "Q",
    "gone_weak": "Q",
}
"""Every array and the kind of its items: eight, four or one bytes, in the machine's order (little-endian).

`gone` and `gone_weak` are identifiers of people who have opted out: they stay recognisable and nothing else of them."""

_ALIGN = 8
_MOST_HEADER = 1 << 16


class IndexInvalidError(ValueError):
    """The bytes are no index, or not the whole of one."""


class Hasher:
    """Keyed 64-bit hashes, one personalisation for each purpose."""

    def __init__(self, key: bytes) -> None:
        self._bases = {
            purpose: hashlib.blake2b(digest_size=8, key=key, person=purpose.encode())
            for purpose in ("identifier", "value", "column", "pair", "order")
        }

    def __call__(self, purpose: str, text: str) -> int:
        """The hash of a text for a purpose."""
        state = self._bases[purpose].copy()
        state.update(text.encode("utf-8", "surrogatepass"))
        return int.from_bytes(state.digest(), "little")


@dataclass(frozen=True)
class Body:
    """An index taken apart: its key, what it says of itself, and a view of each array."""

    key: bytes
    people: int
    records: int
    prefixes: tuple[int, ...]
    lengths: tuple[int, ...]
    numbers: bool
    arrays: dict[str, memoryview]


def encode(key: bytes, about: dict[str, Any], arrays: dict[str, array[int] | bytes]) -> bytes:
    """An index as bytes. `about` holds `people`, `records`, `prefixes`, `lengths`, `numbers`."""
    data = {name: bytes(arrays[name]) for name in SECTIONS}
    counts = {name: len(data[name]) // _ITEMS[item] for name, item in SECTIONS.items()}
    header = json.dumps({"format": _FORMAT, **about, "counts": counts}, sort_keys=True).encode()
    header += b" " * (-(len(MAGIC) + KEY_BYTES + 4 + len(header)) % _ALIGN)
    pieces = [MAGIC, key, struct.pack("<I", len(header)), header]
    for name in SECTIONS:
        pieces += [data[name], b"\0" * (-len(data[name]) % _ALIGN)]
    return b"".join(pieces)


def decode(raw: bytes | memoryview) -> Body:
    """An index taken apart without copying. Raises `IndexInvalidError`."""
    view = memoryview(raw)
    start = len(MAGIC) + KEY_BYTES
    if len(view) < start + 4 or bytes(view[: len(MAGIC)]) != MAGIC:
        raise IndexInvalidError("no index")
    (length,) = struct.unpack_from("<I", view, start)
    if length > _MOST_HEADER:
        raise IndexInvalidError("its header is too long")
    try:
        about = json.loads(bytes(view[start + 4 : start + 4 + length]))
        return _taken_apart(view, start + 4 + length, about)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IndexInvalidError(f"its header is wrong: {type(error).__name__}") from error


def _taken_apart(view: memoryview, offset: int, about: dict[str, Any]) -> Body:
    if about["format"] != _FORMAT:
        raise IndexInvalidError("another format")
    arrays: dict[str, memoryview] = {}
    for name, item in SECTIONS.items():
        size = _count(about["counts"][name]) * _ITEMS[item]
        end = offset + size
        if end > len(view):
            raise IndexInvalidError("it is cut off")
        arrays[name] = view[offset:end].cast("Q" if item == "Q" else "I" if item == "I" else "B")
        offset = end + (-size % _ALIGN)
    if offset != len(view):
        raise IndexInvalidError("its length is wrong")
    for kind in ("value", "pair"):
        starts, postings = arrays[f"{kind}_starts"], arrays[f"{kind}_postings"]
        if len(starts) != len(arrays[f"{kind}s"]) + 1 or starts[0] != 0 or starts[-1] != len(postings):
            raise IndexInvalidError("its lists do not fit")
    if len(arrays["pictures"]) % PICTURE_BYTES:
        raise IndexInvalidError("half a picture")
    prefixes, lengths = (tuple(_count(length) for length in about[name]) for name in ("prefixes", "lengths"))
    key = bytes(view[len(MAGIC) : len(MAGIC) + KEY_BYTES])
    return Body(
        key, _count(about["people"]), _count(about["records"]), prefixes, lengths, bool(about["numbers"]), arrays
    )


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise IndexInvalidError("a count is due")
    return value


def bundle(bodies: Iterable[bytes]) -> bytes:
    """Several indexes as one piece, as the child is given them; empty for none."""
    return b"".join(struct.pack("<Q", len(body)) + body for body in bodies)


def unbundle(raw: bytes) -> list[memoryview]:
    """The indexes of a bundle. Raises `IndexInvalidError`."""
    view, offset, found = memoryview(raw), 0, []
    while offset < len(view):
        if offset + 8 > len(view):
            raise IndexInvalidError("the bundle is cut off")
        (length,) = struct.unpack_from("<Q", view, offset)
        if length > len(view) - offset - 8:
            raise IndexInvalidError("the bundle is cut off")
        found.append(view[offset + 8 : offset + 8 + length])
        offset += 8 + length
    return found
