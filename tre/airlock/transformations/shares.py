"""Percentages and rates beside counts that were rounded or hidden.

Guarantees: a column of shares is recomputed from the counts as they are shown now only if all its values followed from
the old counts in one way (share of a count beside it, of its column's total row, or of its column's sum), within
what its own decimals allow; in every other case its numbers are hidden. No share stays that was made of an exact count
which is shown no longer.

Does not guarantee: anything about numbers that are no shares by their header: means, models, tests.

Source: a frequent reason to return an output is "counts rounded, but percentages computed from the unrounded ones".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tre.airlock.parsed import quoted
from tre.airlock.transformations.grids import HIDDEN, Grid, whole

TOTAL = re.compile(r"(?:grand |sub)?total|all|overall|sum|any|everyone|both(?: sexes)?", re.IGNORECASE)
"""How people label the row or the column that holds the sum of others."""

_SHARE = re.compile(r"(\d{1,6})(?:\.(\d{1,12}))?(\s?%?)")
_FEWEST = 2
"""One agreeing row may be chance."""

Cells = Sequence[Sequence[str]]
RoundTotal = Callable[[int], int]


@dataclass(frozen=True)
class Share:
    """A share as a cell shows it."""

    value: float
    decimals: int
    after: str

    def agrees(self, value: float) -> bool:
        """Whether the exact value would be shown so."""
        return abs(self.value - value) <= 0.5 * 10.0**-self.decimals + 1e-9

    def shown_as(self, value: float) -> str:
        """Another value, written alike."""
        return f"{value:.{self.decimals}f}{self.after}"


@dataclass(frozen=True)
class Derivation:
    """How a column of shares follows from counts: of which column, over which other one (or its own total)."""

    part: int
    over: int | None
    scale: int
    total_row: int | None


def share(cell: str) -> Share | None:
    """The share that a cell shows, if it shows one."""
    found = _SHARE.fullmatch(cell.strip())
    if found is None:
        return None
    decimals = found[2] or ""
    return Share(float(f"{found[1]}.{decimals or 0}"), len(decimals), found[3])


def is_total(row: Sequence[str], counts: Sequence[int]) -> bool:
    """Whether a row calls itself a total."""
    return any(TOTAL.fullmatch(cell.strip()) for column, cell in enumerate(row) if column not in counts)


def recompute(grid: Grid, before: Cells, columns: tuple[list[int], list[int]], rounded: RoundTotal) -> list[str]:
    """Bring the share columns in line with the counts as they are now; says in words what was done.

    `columns` are those of counts and those of shares; `rounded` rounds a total that no row shows.
    """
    counts, rates = columns
    notes = []
    for rate in rates:
        if not any(share(row[rate]) for row in before):
            continue
        found = next((d for d in _candidates(before, rate, counts) if _explains(d, before, rate)), None)
        _rewrite(grid, before, (rate, found), rounded)
        title = quoted(grid.header[rate])
        notes.append(
            f"{title} was recomputed from the counts as shown."
            if found
            else f"{title} was hidden: how it follows from the counts is not clear. Compute it from the new counts."
        )
    return notes


def hide_beside(grid: Grid, before: Cells, counts: Sequence[int], rates: Sequence[int]) -> None:
    """Hide the shares that would give hidden counts back.

    Those of a row in which a count is hidden; and a whole column, unless each share follows from counts that stand in
    its own row, or from a total row that is shown: 400 people that are 99.3 % tell that there are 3 more.
    """
    hidden = [any(row[column] == HIDDEN for column in counts) for row in grid.rows]
    for rate in rates:
        how = next((d for d in _candidates(before, rate, counts) if _explains(d, before, rate)), None)
        harmless = how is not None and _stands_open(how, grid)
        for row, beside in zip(grid.rows, hidden, strict=True):
            if (beside or not harmless) and share(row[rate]):
                row[rate] = HIDDEN


def _stands_open(how: Derivation, grid: Grid) -> bool:
    if how.over is not None:
        return True
    return how.total_row is not None and grid.rows[how.total_row][how.part] != HIDDEN


def _candidates(before: Cells, rate: int, counts: Sequence[int]) -> Iterator[Derivation]:
    """Ways in which a share may have been made: the nearest columns first, then totals."""
    totals = [place for place, row in enumerate(before) if is_total(row, counts)]
    near = sorted(counts, key=lambda column: (column > rate, abs(column - rate)))
    for scale in (100, 1):
        for part in near:
            for over in near:
                if over != part:
                    yield Derivation(part, over, scale, None)
            for total in totals:
                yield Derivation(part, None, scale, total)
            yield Derivation(part, None, scale, None)


def _explains(how: Derivation, before: Cells, rate: int) -> bool:
    agreeing = 0
    for row in before:
        shown, part = share(row[rate]), whole(row[how.part])
        if shown is None:
            continue
        over = _over(how, before, row)
        if part is None or not over or not shown.agrees(how.scale * part.value / over):
            return False
        agreeing += 1
    return agreeing >= _FEWEST


def _over(how: Derivation, rows: Cells, row: Sequence[str]) -> int | None:
    if how.over is not None:
        number = whole(row[how.over])
        return number.value if number else None
    if how.total_row is not None:
        number = whole(rows[how.total_row][how.part])
        return number.value if number else None
    numbers = [whole(line[how.part]) for line in rows]
    return sum(number.value for number in numbers if number) if all(numbers) else None


def _rewrite(grid: Grid, before: Cells, column: tuple[int, Derivation | None], rounded: RoundTotal) -> None:
    rate, how = column
    for place, row in enumerate(grid.rows):
        shown = share(before[place][rate])
        if shown is None:
            continue
        value = None if how is None else _value(how, grid, before, (row, rounded))
        row[rate] = HIDDEN if value is None else shown.shown_as(value)


def _value(how: Derivation, grid: Grid, before: Cells, now: tuple[Sequence[str], RoundTotal]) -> float | None:
    row, rounded = now
    part = whole(row[how.part])
    if how.over is None and how.total_row is None:
        total = _over(how, before, row)
        over = rounded(total) if total else None
    else:
        over = _over(how, grid.rows, row)
    return how.scale * part.value / over if part and over else None
