"""Totals that one table hides nothing of and another one needs: hidden cells that follow from a margin shown elsewhere.

Guarantees: a margin of another table is taken as a total of this one only where it equals the sum of at least one line
that this table shows in full, and no line contradicts it; then the hidden cells are bounded with it as if it stood in
the table.

Does not guarantee: that the margin was counted over the same people. One line that adds up to it exactly is evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tre.airlock.tables.crosstab import Cell, Grid
from tre.airlock.tables.equations import Sum
from tre.airlock.tables.groups import Counts, Group
from tre.airlock.tables.shown import Kind, Shown

_SMALLEST_PROOF = 20
_ELSEWHERE = -1  # the row of a cell that stands in another table
_MOST_MARGINS = 2000


@dataclass(frozen=True)
class Margins:
    """The lines of a table that hide something and have no total in it: the group of each, and its cells."""

    lines: dict[Group, tuple[Cell, ...]]
    open: frozenset[Group]


def margins_of(counts: Counts) -> Margins:
    """What totals a table lacks, of which groups."""
    leaves = {group: cell for group, cell in counts.cells.items() if group}
    depth = max((len(group) for group in leaves), default=0)
    lines: dict[Group, list[Cell]] = {}
    opened: set[Group] = set()
    if depth < 2 or len(leaves) > _MOST_MARGINS:
        return Margins({}, frozenset())
    for group, cell in leaves.items():
        if len(group) < depth:
            continue
        for label in group:
            margin = group - {label}
            if margin not in counts.cells:
                lines.setdefault(margin, []).append(cell)
                if counts.grid.cells[cell].kind is Kind.hidden:
                    opened.add(margin)
    return Margins({group: tuple(cells) for group, cells in lines.items() if len(cells) > 1}, frozenset(opened))


def with_margins(counts: Counts, margins: Margins, numbers: Mapping[Group, int]) -> Grid | None:
    """The table with the totals that another one shows; `None` where none of them is borne out."""
    shared = [group for group in margins.lines if group in numbers]
    if not any(group in margins.open for group in shared):
        return None
    grid = counts.grid
    proofs = 0
    for group in shared:
        verdict = _judge(grid, margins.lines[group], numbers[group])
        if verdict < 0:
            return None
        proofs += verdict
    if not proofs:
        return None
    cells: dict[Cell, Shown] = {}
    sums: list[Sum] = []
    for place, group in enumerate(group for group in shared if group in margins.open):
        total = (_ELSEWHERE, place)
        number = numbers[group]
        cells[total] = Shown(Kind.number, number, number, str(number), number)
        sums.append(Sum(total, margins.lines[group]))
    return replace(grid, cells=grid.cells | cells, sums=(*grid.sums, *sums))


def _judge(grid: Grid, parts: Sequence[Cell], total: int) -> int:
    """One where the line is shown in full and adds up; below zero where it cannot; else nothing."""
    shown = [grid.cells[cell] for cell in parts]
    low = sum(cell.low for cell in shown)
    if any(cell.kind is not Kind.number for cell in shown):
        return -1 if low > total else 0
    if low != total:
        return -1
    return int(total >= _SMALLEST_PROOF)
