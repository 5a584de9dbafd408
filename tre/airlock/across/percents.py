"""Hidden counts that follow from a per cent which was left beside them, in the next column or in the same cell.

Guarantees: the number that the per cents are of is taken from the table itself: the shown count that fits every row
with both, or the one number that all of them give. A per cent says as much as its digits do, and no more.

Does not guarantee: per cents of different numbers in each row, other than where their total stands in the row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tre.airlock.parsed import Observation, Rules, quoted
from tre.airlock.tables.crosstab import Cell, Grid
from tre.airlock.tables.equations import Sum
from tre.airlock.tables.shown import Kind

_SHARE = re.compile(r"(\d{1,3})(?:\.(\d{1,6}))?\s*+%?")
_INSIDE = re.compile(r"[(\[]\s*+(\d{1,3}(?:\.\d{1,6})?\s*+%?)\s*+[)\]]")
_TITLE = re.compile(r"%|pct|perc|proportion|share", re.IGNORECASE)
_FRACTIONS = re.compile(r"proportion|share|fraction", re.IGNORECASE)

Share = tuple[float, float]
"""A per cent, and half of its last digit."""


def by_percent(grid: Grid, rules: Rules) -> Iterator[tuple[Cell, Observation]]:
    """Every hidden count of a table that a per cent beside it gives away."""
    for j in range(len(grid.columns)):
        shares = _shares(grid, j)
        hidden = [i for i in shares if (cell := grid.cells.get((i, j))) is not None and cell.kind is not Kind.number]
        base = _base(grid, j, shares) if hidden else None
        for i in hidden:
            whole = base if base is not None else _row_total(grid, i, j, shares)
            if whole is None:
                continue
            text, (share, half) = shares[i]
            low, high = _between(whole * (share - half) / 100, whole * (share + half) / 100)
            if 0 < high < rules.threshold and high - low < rules.recoverable_width:
                value = str(low) if low == high else f"{low} to {high}"
                name = quoted(grid.name((i, j)))
                message = f"{name} is hidden, yet {quoted(text)} beside it, of {whole}, gives {value}."
                yield (i, j), Observation("S03", message, "Hide the per cent as well.", grid.place((i, j)))


def _shares(grid: Grid, j: int) -> dict[int, tuple[str, Share]]:
    """The per cent beside each cell of a column of counts, as written and as a number."""
    column = grid.columns[j]
    header = grid.table.header
    beside = [c for c in range(column + 1, len(header)) if c not in grid.columns and _TITLE.search(header[c])]
    found: dict[int, tuple[str, Share]] = {}
    for i, row in enumerate(grid.rows):
        cells = grid.table.rows[row]
        inside = _INSIDE.search(cells[column])
        text, factor = "", 1.0
        if inside is not None:
            text = inside.group(1)
        elif beside and (beside[0] == column + 1 or len(grid.columns) == 1):
            text = cells[beside[0]]
            factor = 100.0 if _FRACTIONS.search(header[beside[0]]) and "%" not in header[beside[0]] else 1.0
        if (share := _share(text, factor)) is not None:
            found[i] = text.strip(), share
    return found


def _share(text: str, factor: float) -> Share | None:
    found = _SHARE.fullmatch(text.strip())
    if found is None:
        return None
    digits = found.group(2) or ""
    number = float(f"{found.group(1)}.{digits or 0}")
    if factor > 1 and number > 1:
        factor = 1.0  # a per cent after all
    return number * factor, 0.5 * factor * 10 ** -len(digits)


def _base(grid: Grid, j: int, shares: dict[int, tuple[str, Share]]) -> int | None:
    """Of how many the per cents of a column are."""
    pairs = []
    for i, (_, share) in shares.items():
        shown = grid.cells.get((i, j))
        if shown is not None and shown.number and share[0] > 0:
            pairs.append((shown.number, share))
    if len(pairs) < 2:
        return None
    low = max(number / ((share + half) / 100) for number, (share, half) in pairs)
    high = min(number / (max(share - half, 1e-9) / 100) for number, (share, half) in pairs)
    inside = [n for cell in grid.cells.values() if (n := cell.number) is not None and low <= n <= high]
    if inside:
        return max(inside)
    return round((low + high) / 2) if 0 <= high - low < max(2.0, 0.02 * high) else None


def _row_total(grid: Grid, i: int, j: int, shares: dict[int, tuple[str, Share]]) -> int | None:
    """The total of the cell's own row, where the per cents of the other rows are of theirs."""
    totals: dict[Cell, Sum] = {part: equation for equation in grid.sums for part in equation.parts}
    equation = totals.get((i, j))
    if equation is None or equation.total[0] != i:
        return None
    column = equation.total[1]
    for other, (_, (share, half)) in shares.items():
        shown, total = grid.cells.get((other, j)), grid.cells.get((other, column))
        if shown is None or total is None or not shown.number or not total.number:
            continue
        if abs(100 * shown.number / total.number - share) > half + 1e-9:
            return None
    return grid.cells[equation.total].number


def _between(low: float, high: float) -> tuple[int, int]:
    """The whole numbers between two others; the nearest one where there is none."""
    least, most = int(-(-low // 1)), int(high // 1)
    return (least, most) if least <= most else (round((low + high) / 2), round((low + high) / 2))
