"""What percentages tell of counts: with the denominator beside it, a percentage gives its numerator within bounds.

Guarantees: for each percentage whose denominator stands in its row (a column of totals or of N), in its own title
(`Cases (N=430)`), or in the row of totals of the counts beside it, the whole numbers that it can have been computed
from, given how many decimals are shown.

Does not guarantee: that the denominator found is the author's. A percentage that fits no whole number of that
denominator, or many, says nothing. Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tre.airlock.tables.categories import is_margin
from tre.airlock.tables.lexicon import Role, words_of
from tre.airlock.tables.model import Column, Figure, Sheet
from tre.airlock.tables.numbers import read_cell

_SIZE = re.compile(r"\b[nN] ?= ?(\d[\d, ]*)")
_TOTAL_WORDS = frozenset(["total", "denominator", "population", "overall", "all", "denom", "pop"])
_MOST_READINGS = 3
"""Numerators that a percentage may leave open and still tell one small number."""


@dataclass(frozen=True)
class Implied:
    """A percentage, its denominator, the least and most whole numerator it can come from, and the count shown."""

    row: int
    column: int
    percent: float
    denominator: float
    low: int
    high: int
    count: float | None = None

    @property
    def words(self) -> str:
        """The numerators in words."""
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


@dataclass(frozen=True)
class _Bases:
    """Where denominators and counts of a table stand: columns of totals, of counts, rows of totals, sizes in titles."""

    sheet: Sheet
    totals: list[Column]
    counts: list[Column]
    margins: list[int]
    sizes: dict[int, float]


def implied_numerators(sheet: Sheet) -> Iterator[Implied]:
    """For each percentage with a known denominator: what its numerator can be."""
    if not any(_can_hold_percent(sheet, column) for column in sheet.columns):
        return
    totals = _total_columns(sheet)
    counts = [c for c in sheet.having(Role.counted) if c not in totals]
    margins = [row for row in range(len(sheet.table.rows)) if is_margin(_first_label(sheet, row))]
    bases = _Bases(sheet, totals, counts, margins, _sizes(sheet))
    if not totals and not margins and not bases.sizes:
        return
    for figure in sheet.figures(Role.percent):
        base = _denominator(bases, figure)
        if base is not None and base >= 1:
            implied = _numerators(bases, figure, base)
            if implied is not None:
                yield implied


def _sizes(sheet: Sheet) -> dict[int, float]:
    """The sizes of groups that stand in titles: `Cases (N=430)`."""
    found = {column.index: _SIZE.search(column.title) for column in sheet.columns}
    cells = {index: read_cell(match.group(1).strip()) for index, match in found.items() if match is not None}
    return {index: cell.numbers[0].value for index, cell in cells.items() if cell.numbers}


def _can_hold_percent(sheet: Sheet, column: Column) -> bool:
    return Role.percent in column.parts or column.combined or any(Role.percent in row for row in sheet.row_roles)


def _total_columns(sheet: Sheet) -> list[Column]:
    """Columns of denominators: counts named total, denominator, population, or N beside another count."""
    counted = sheet.having(Role.counted)
    named = [c for c in counted if set(words_of(c.title)) & _TOTAL_WORDS or c.title.strip() == "N"]
    plain = [c for c in counted if c.title.strip().lower() in {"n", "nobs", "n_obs"} and not c.combined]
    return named or [c for c in plain if not any(_in_step(c, p) for p in sheet.having(Role.percent))]


def _in_step(count: Column, percent: Column) -> bool:
    """Whether counts and percentages go in step down the rows: the count is what the percentage was computed from."""
    pairs = [
        (c.numbers[0].value, p.numbers[0].value)
        for c, p in zip(count.cells, percent.cells, strict=True)
        if c.numbers and p.numbers
    ]
    ratios = [count / share for count, share in pairs if share > 0]
    return len(ratios) > 1 and max(ratios) <= 1.1 * min(ratios)


def _value(row: int, column: Column) -> float | None:
    cell = column.cells[row]
    return cell.numbers[0].value if cell.kind in {"number", "several"} else None


def _denominator(bases: _Bases, figure: Figure) -> float | None:
    if figure.column in bases.sizes:
        return bases.sizes[figure.column]
    for column in bases.totals:
        value = _value(figure.row, column)
        if value is not None:
            return value
    return _margin_below(bases, figure)


def _margin_below(bases: _Bases, figure: Figure) -> float | None:
    """The count in the row of totals, where that row's own percentage is a hundred."""
    if len(bases.margins) != 1 or bases.margins[0] == figure.row:
        return None
    (row,) = bases.margins
    own = bases.sheet.columns[figure.column]
    column = own if own.combined else next((c for c in bases.counts if c.index < figure.column), None)
    margin = own.cells[row].numbers
    full = margin[-1].value if margin else None
    return None if column is None or (full is not None and abs(full - 100) >= 0.5) else _value(row, column)


def _first_label(sheet: Sheet, row: int) -> str:
    return next((sheet.table.rows[row][c.index] for c in sheet.columns if not c.numeric), "")


def _numerators(bases: _Bases, figure: Figure, base: float) -> Implied | None:
    number = figure.number
    words = set(words_of(bases.sheet.title(figure.row, figure.column)))
    fraction = not number.percent and bool(words & {"proportion", "proportions", "prop", "share", "fraction"})
    scale = 1.0 if fraction and number.value <= 1 else 100.0
    half = 0.5 * 10.0**-number.decimals
    low = math.ceil((number.value - half) * base / scale - 1e-9)
    high = math.floor((number.value + half) * base / scale + 1e-9)
    if low > high or high - low >= _MOST_READINGS or number.value <= 0:
        return None
    percent = number.value * 100 / scale
    return Implied(figure.row, figure.column, percent, base, low, high, _shown(bases, figure))


def _shown(bases: _Bases, figure: Figure) -> float | None:
    """The count that the percentage belongs to: in its own cell, or in the nearest column before it, else after it."""
    cell = bases.sheet.columns[figure.column].cells[figure.row]
    if cell.kind == "several":
        first = cell.numbers[0]
        return None if first.bound else first.value
    before = [c for c in bases.counts if c.index < figure.column]
    near = before[-1] if before else next(iter(bases.counts), None)
    return None if near is None else _value(figure.row, near)
