"""What a cell of a table of counts tells an outsider: a number, an interval, or only that something was hidden.

Guarantees: a cell is read as the set of whole numbers that it allows, `low` to `high`; a suppression token says no
more than what is written in it (`<10`: below ten; `*`: nothing), because a token may stand for a primary or for a
secondary suppression, and reading more into it would invent findings. Rounding widens every shown number to what it
may have been: base/2 to both sides, or the six (`base`) numbers around a midpoint. Standard library only.

Does not guarantee: that a token means what it usually means. Signs that stand for "missing" elsewhere (`-`, `NA`, an
empty cell) count as hidden where the cells around them are counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from tre.airlock.parsed import Rules
from tre.airlock.tables.labels import words

_WHOLE = re.compile(r"(?:\d{1,3}(?:[, \u00a0\u202f']\d{3}){1,3}+|\d{1,12})(?:\.0*+)?", re.ASCII)
_BESIDE = re.compile(r"([^()\[\]]{0,30}?)\s*+[(\[][^()\[\]]{0,40}[)\]]")
_BELOW = re.compile(r"(<|≤|<=|⩽|&lt;|&le;|under|below|less than|fewer than|at most|up to)\s*+(\d{1,4})", re.IGNORECASE)
_RANGE = re.compile(r"(\d{1,3})\s*+(?:-|–|to)\s*+(\d{1,3})", re.IGNORECASE)
_INCLUSIVE = frozenset({"≤", "<=", "⩽", "&le;", "at most", "up to"})
_HIDDEN = words("""
    * ** *** . .. … - -- – — ~ x xx c s s. # ## n<5 n<10 [c] [x] [s] [z] [low] low redacted suppressed hidden masked
    removed censored undisclosed disclosive sdc [redacted] [suppressed] (redacted) (suppressed) <redacted>
    <suppressed> small nd n.d. n/d np n.p. confidential blank
    """)
_BLANK = frozenset({"", "na", "n/a", "<na>", "nan", "none", "null", "n.a.", "missing"})
_FEWEST_FOR_ROUNDING = 6  # five-fold numbers by chance: one in 15,625 tables of six counts
_BASES = (1000, 500, 100, 50, 25, 20, 10, 5)
_WIDEST_RANGE = 20
_LONGEST_TOKEN = 20


class Kind(StrEnum):
    """What stands in a cell: a number, a token that hides one, or nothing where a number was due."""

    number = "number"
    hidden = "hidden"
    blank = "blank"


@dataclass(frozen=True)
class Shown:
    """What a cell allows: every whole number from `low` to `high` (no end: `None`).

    `text` is the cell as written, `number` the number that is written in it, rounded or not.
    """

    kind: Kind
    low: int
    high: int | None
    text: str = ""
    number: int | None = None

    @property
    def exact(self) -> int | None:
        """The one number that the cell allows."""
        return self.low if self.low == self.high else None


def whole(text: str) -> int | None:
    """The whole number of zero or more that a text shows: `7`, `1,234`, `3.0`."""
    shown = text.strip()
    if _WHOLE.fullmatch(shown) is None:
        return None
    return int(re.sub(r"\D", "", shown.partition(".")[0]))


def read(text: str) -> Shown | None:
    """What a cell of a column of counts says; `None` where it says something else. `12 (3.4%)` says 12."""
    shown = text.strip()
    beside = _BESIDE.fullmatch(shown)
    core = beside.group(1).strip() if beside and beside.group(1).strip() else shown
    if (number := whole(core)) is not None:
        return Shown(Kind.number, number, number, core, number)
    lowered = core.lower()
    if lowered in _BLANK:
        return Shown(Kind.blank, 0, None, shown)
    if lowered in _HIDDEN:
        return Shown(Kind.hidden, 0, None, shown)
    return _stated(core.strip("[]()* "), shown)


def read_among_counts(text: str) -> Shown | None:
    """What a cell of a column of counts says: a short word that is no number hides one, whatever it is."""
    shown = read(text)
    if shown is None and len(text) <= _LONGEST_TOKEN and not any(character.isdigit() for character in text):
        return Shown(Kind.hidden, 0, None, text.strip())
    return shown


def _stated(core: str, shown: str) -> Shown | None:
    if (below := _BELOW.fullmatch(core)) is not None:
        number = int(below.group(2))
        inclusive = below.group(1).lower() in _INCLUSIVE
        return Shown(Kind.hidden, 0, number if inclusive else max(number - 1, 0), shown)
    if (between := _RANGE.fullmatch(core)) is not None:
        low, high = int(between.group(1)), int(between.group(2))
        if low < high <= low + _WIDEST_RANGE:
            return Shown(Kind.hidden, low, high, shown)
    return None


_NOT_ONLY_TOKENS = words("- -- – — ~ . .. … x s c # low small blank")


def is_token(text: str) -> bool:
    """Whether a cell can only mean that a number was hidden, whatever stands around it."""
    shown = text.strip().lower()
    if shown in _HIDDEN:
        return shown not in _NOT_ONLY_TOKENS and not shown.startswith("*")
    return shown[:1] in {"<", "≤"} and _BELOW.fullmatch(shown) is not None


@dataclass(frozen=True)
class Rounding:
    """How far below and above a shown number the true one may lie; nothing is added to zero where it is kept."""

    below: int = 0
    above: int = 0

    def widened(self, cell: Shown) -> Shown:
        """The cell with what its number may have been before it was rounded."""
        if cell.kind is not Kind.number or not (self.below or self.above):
            return cell
        return replace(cell, low=max(cell.low - self.below, 0), high=(cell.high or 0) + self.above)


EXACT = Rounding()


def rounding_of(numbers: Iterable[int], rules: Rules) -> Rounding:
    """How the counts of a table are rounded, judged by the counts themselves; the policy lowers the evidence due."""
    shown = [number for number in numbers if number]
    expected = rules.rounding_base if rules.rounding != "none" else 0
    least = 2 if expected else _FEWEST_FOR_ROUNDING
    if len(shown) >= least and rules.rounding == "midpoint" and _is_midpoint(shown, expected):
        return _midpoint(expected)
    if len(shown) >= _FEWEST_FOR_ROUNDING and _is_midpoint(shown, 6):
        return _midpoint(6)
    bases = (*_BASES, expected) if rules.rounding == "nearest" else _BASES
    for base in sorted(set(bases), reverse=True):
        due = least if base == expected else _FEWEST_FOR_ROUNDING
        if len(shown) >= due and all(number % base == 0 for number in shown):
            return Rounding(base // 2, base // 2)
    return EXACT


def _is_midpoint(numbers: list[int], base: int) -> bool:
    return base >= 2 and all(number % base == base // 2 for number in numbers)


def _midpoint(base: int) -> Rounding:
    """Midpoint 6 shows 9 for 7 to 12: two below, three above."""
    return Rounding(base // 2 - 1, base - base // 2)
