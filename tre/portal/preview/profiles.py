"""What each column of a table holds, in the figures that output checkers ask for.

Guarantees: total, empty and suppressed cells, smallest, smallest other than nothing, largest, sum, and how many of the
whole numbers are multiples of five, of six, or midpoints of six; counted over the whole table, never over a page of it.

Does not guarantee: what a number means. The role of a column is the checks' word, or what its author called it.

Sources: the figures are those that the viewer of the OpenSAFELY airlock made usual; "midpoint 6" rounds a count to the
middle of six numbers (3, 9, 15, …), which keeps means and hides one person.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tre.airlock.parsed import Table

_NUMBER = re.compile(r"[+-]?(?:(?:\d{1,3}(?:[, \u00a0\u202f]\d{3})++|\d++)(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d{1,3})?")
_BLANKS = re.compile("[, \u00a0\u202f]")
_NOTHING = frozenset({"", "na", "nan", "n/a", "null", "none", "."})
_SUPPRESSED = re.compile(
    r"\*++|-|–|c|x|z|\[?(?:redacted|suppressed|supp|removed)\]?|(?:<|<=|≤|>|>=|≥)\s*+\d++", re.IGNORECASE
)


@dataclass(frozen=True)
class ColumnProfile:
    """One column. `kind` says what stands in it; the figures are `None` where it holds no number."""

    title: str
    role: str
    kind: str
    total: int
    nulls: int
    suppressed: int
    minimum: float | None = None
    minimum_nonzero: float | None = None
    maximum: float | None = None
    sum: float | None = None
    whole: int = 0
    fives: int = 0
    sixes: int = 0
    midpoints: int = 0


def number_in(cell: str) -> float | None:
    """The number that a cell shows: `7`, `1,234`, `3.5`, `1e-4`, `12%`; `None` for anything else."""
    try:
        value = float(cell)  # nearly every number of nearly every table, at a tenth of the time
    except ValueError:
        return _written_out(cell.strip())
    return value if math.isfinite(value) and "_" not in cell else None


def _written_out(text: str) -> float | None:
    bare = text.removesuffix("%").rstrip()
    if _NUMBER.fullmatch(bare) is None:
        return None
    value = float(_BLANKS.sub("", bare))
    return value if math.isfinite(value) else None


def is_empty(cell: str) -> bool:
    """Whether nothing is shown."""
    return cell.strip().lower() in _NOTHING


def is_suppressed(cell: str) -> bool:
    """Whether a cell shows that something was taken out."""
    return _SUPPRESSED.fullmatch(cell.strip()) is not None


def profile_of(table: Table, roles: Sequence[str]) -> tuple[ColumnProfile, ...]:
    """Every column of a table, in its order."""
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.header)
    return tuple(_column(title, role, cells) for title, role, cells in zip(table.header, roles, columns, strict=True))


def _column(title: str, role: str, cells: Sequence[str]) -> ColumnProfile:
    numbers = [number for number in map(number_in, cells) if number is not None]
    nulls = 0 if len(numbers) == len(cells) else sum(map(is_empty, cells))
    suppressed = 0 if nulls + len(numbers) == len(cells) else sum(map(is_suppressed, cells))
    texts = len(cells) - nulls - suppressed - len(numbers)
    plain = ColumnProfile(title, role, "text" if texts else "empty", len(cells), nulls, suppressed)
    if not numbers:
        return plain
    whole = [int(number) for number in numbers if number.is_integer()]
    kind = "whole numbers" if len(whole) == len(numbers) else "numbers"
    return replace(
        plain,
        kind=f"{kind} and text" if texts else kind,
        minimum=min(numbers),
        minimum_nonzero=min((number for number in numbers if number), key=abs, default=None),
        maximum=max(numbers),
        sum=math.fsum(numbers),
        whole=len(whole),
        fives=sum(number % 5 == 0 for number in whole),
        sixes=sum(number % 6 == 0 for number in whole),
        midpoints=sum(number == 0 or number % 6 == 3 for number in whole),
    )


def figure(value: float | None) -> str:
    """A figure of a profile, in full as far as a float goes: `1,234`, `0.25`, `–`."""
    if value is None:
        return "–"
    if value.is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.12g}" if 1e-4 <= abs(value) < 1e15 else f"{value:.12g}"
