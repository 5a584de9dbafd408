"""Recognising names in bytes, without understanding the file. Standard library only.

Guarantees: a name is found wherever it stands as a word of its own, in upper or lower case, with or without an ending
such as `.dcm`, in ASCII, UTF-8, UTF-16 or UTF-32 (fixed-width texts of NumPy included), across the borders of pieces.
Work is linear in the bytes.

Does not guarantee: that a name is found that was encoded, cut, or stands in a compression that nobody here undoes;
nor that two texts of fixed width side by side are never taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Set

LONGEST = 160
"""So many bytes of a piece are looked at again with the next one: a name is shorter, four bytes a character."""

_WORD = re.compile(rb"[0-9a-z]++(?:[._-][0-9a-z]++)*+")
_PART = re.compile(rb"[0-9a-z]++")
_UID = re.compile(rb"[0-9]++(?:\.[0-9]++)++")
_SHORTEST = 2


def found_in(data: bytes, names: Set[bytes]) -> set[bytes]:
    """Which of these names (lower case) stand in a piece."""
    found = _found(data.lower(), names)
    if b"\0" in data:
        found |= _found(data.replace(b"\0", b"").lower(), names)
    return found


def _found(data: bytes, names: Set[bytes]) -> set[bytes]:
    words = set(_WORD.findall(data))
    seen = words | set(_PART.findall(data)) | set(_UID.findall(data))
    seen |= {word.rpartition(b".")[0] for word in words if b"." in word}
    seen |= {one[1:] for one in seen}  # a length in front of a text (pickles) looks like one more character
    return {one for one in seen if len(one) >= _SHORTEST} & names


class Searcher:
    """One file, piece by piece."""

    def __init__(self, names: Set[bytes]) -> None:
        self._names = names
        self._tail = b""
        self.found: set[bytes] = set()

    def take(self, piece: bytes) -> None:
        """Look at the next piece."""
        data = self._tail + piece
        self.found |= found_in(data, self._names)
        self._tail = data[-LONGEST:]
