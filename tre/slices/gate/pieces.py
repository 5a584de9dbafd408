"""A sidecar as the texts of its elements, so that an element that was read before is not read again.

Guarantees: the elements are those that a JSON reader finds: each is a key of eight digits and a body that is an object
by itself or `null`, and nothing but commas stands between them. A text that is written in any other way is read as a
whole.

Does not guarantee: that keys are unique; `tre.slices.gate.sidecar` sees to it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tre.slices.gate.seen import Harmless

_DEPTH = 6
"""Objects inside each other: an item of a sequence inside an item, with the groups of a name."""

_LONGEST = 256
_MOST = 8192


def _object() -> str:
    pattern = r"\{[^{}]*+\}"
    for _ in range(_DEPTH):
        pattern = rf"\{{(?:[^{{}}]++|{pattern})*+\}}"
    return pattern


_BODY = _object()
_ELEMENT = re.compile(rf'(?<=[{{,])"[0-9A-Fa-f]{{8}}":(?:null|{_BODY})(?=[,}}])')
PLAIN = re.compile(r'"([0-9A-Fa-f]{8})":\{"Value":\["([^"\\\x00-\x1f]*+)"\],"vr":"([A-Z]{2})"\}')
"""An element with one text for a value, in which nothing is written in another way than it is read."""

KEY = slice(1, 9)
BODY = slice(11, None)


class Piece(NamedTuple):
    """An element that passes by itself, and its text with dates coarsened."""

    key: str
    harmless: Harmless
    coarse: str


class Pieces:
    """Elements of sidecars that passed, by their text; how many are remembered is bounded."""

    def __init__(self) -> None:
        self.known: dict[str, Piece] = {}

    def keep(self, text: str, piece: Piece) -> None:
        """Remember an element."""
        if len(text) <= _LONGEST:
            if len(self.known) >= _MOST:
                self.known.clear()
            self.known[text] = piece


def split(data: bytes) -> list[str] | None:
    """The texts of the elements; `None` for a sidecar that is written in another way than most."""
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    found = _ELEMENT.findall(text)
    # Nothing but these elements, one comma between each two, and one pair of braces around all:
    return found if found and len(text) == sum(map(len, found)) + len(found) + 1 and _is_enclosed(text) else None


def _is_enclosed(text: str) -> bool:
    return text[0] == "{" and text[-1] == "}"
