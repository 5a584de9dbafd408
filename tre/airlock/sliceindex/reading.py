"""Asking an index: is this an identifier, who has this value, who has it in this column. Standard library only.

Guarantees: every answer is by bisection in the bytes as they came, so that an index of millions is not unpacked for
each file; an index that is not whole raises, which fails the check and blocks the file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from tre.airlock.sliceindex.body import PICTURE_BYTES, Body, Hasher, decode, unbundle


def _holds(keys: memoryview, key: int) -> int:
    """The place of a key in a sorted array, or -1."""
    place = bisect_left(keys, key)
    return place if place < len(keys) and keys[place] == key else -1


class SliceIndex:
    """One slice's index."""

    def __init__(self, body: Body) -> None:
        self._arrays = body.arrays
        self._hashed = Hasher(body.key)
        self.people = body.people
        self.records = body.records
        self.prefixes = body.prefixes
        self.lengths = frozenset(body.lengths)
        self.numbers = body.numbers

    def order(self, text: str) -> int:
        """A number that nobody foresees without the key: for choosing what is looked at where not everything is."""
        return self._hashed("order", text)

    def identifies(self, form: str) -> int:
        """2 where this normal form is an identifier of the slice, 1 where it is one that needs company, else 0."""
        key = self._hashed("identifier", form)
        if _holds(self._arrays["identifiers"], key) >= 0:
            return 2
        return int(_holds(self._arrays["weak"], key) >= 0)

    def withdrawn(self, form: str) -> int:
        """The same for identifiers of people who have opted out."""
        key = self._hashed("identifier", form)
        if _holds(self._arrays["gone"], key) >= 0:
            return 2
        return int(_holds(self._arrays["gone_weak"], key) >= 0)

    def rare(self, form: str) -> tuple[int, ...]:
        """Who has this value, where few have it: person and column of each, as `person << COLUMN_BITS | column`."""
        place = _holds(self._arrays["values"], self._hashed("value", form))
        if place < 0:
            return ()
        starts = self._arrays["value_starts"]
        return tuple(self._arrays["value_postings"][starts[place] : starts[place + 1]])

    def knows_column(self, title: str) -> bool:
        """Whether a column of this normal form is one of the slice's."""
        return _holds(self._arrays["columns"], self._hashed("column", title)) >= 0

    def holders(self, title: str, form: str) -> int:
        """Everybody who has this value in this column: one bit a person."""
        place = _holds(self._arrays["pairs"], self._hashed("pair", f"{title}\0{form}"))
        if place < 0:
            return 0
        starts = self._arrays["pair_starts"]
        bits = bytearray((self.records + 7) // 8)
        for person in self._arrays["pair_postings"][starts[place] : starts[place + 1]]:
            bits[person >> 3] |= 1 << (person & 7)
        return int.from_bytes(bits, "little")

    def pictures(self) -> Iterator[int]:
        """The hashes of mounted frames."""
        raw = bytes(self._arrays["pictures"])
        for offset in range(0, len(raw), PICTURE_BYTES):
            yield int.from_bytes(raw[offset : offset + PICTURE_BYTES], "big")


def opened(raw: bytes) -> list[SliceIndex]:
    """The indexes of a bundle. Raises `IndexInvalidError`."""
    return [SliceIndex(decode(view)) for view in unbundle(raw)]
