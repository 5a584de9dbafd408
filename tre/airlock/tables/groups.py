"""The counts of a grid by the group of people that each stands for, so that tables of any layout can be compared.

Guarantees: a wide table, a long one and its transpose give the same groups (a group is the set of its labels; labels
that mean "everybody" add nothing to it). A group that one table names twice with different counts stands for two
things, and is left out. Standard library only.

Does not guarantee: that a group with the same labels is the same group elsewhere. Whoever compares asks for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tre.airlock.tables.crosstab import Cell, Grid, Key
from tre.airlock.tables.labels import identity
from tre.airlock.tables.shown import Kind, Shown

Group = frozenset[str]


@dataclass(frozen=True)
class Counts:
    """What one table shows: for each group its cell and its number, if any. `rounded`: the numbers are not exact."""

    grid: Grid
    cells: dict[Group, Cell]
    numbers: dict[Group, int]
    rounded: bool

    def shown(self, group: Group) -> Shown:
        """What the table says of a group."""
        return self.grid.cells[self.cells[group]]

    def number(self, group: Group) -> int | None:
        """The number that the table writes for a group."""
        return self.numbers.get(group)

    def hides(self, group: Group) -> bool:
        """Whether the table hides the number of a group."""
        return self.shown(group).kind is Kind.hidden


def counts_of(grid: Grid) -> Counts:
    """The groups of a table."""
    rows = [_labels(grid.titles, key) for key in grid.row_keys]
    columns = [_labels((), key) for key in grid.column_keys]
    cells: dict[Group, Cell] = {}
    doubtful: set[Group] = set()
    for (i, j), shown in grid.cells.items():
        if shown.kind is Kind.blank:
            continue
        group = rows[i] | columns[j]
        held = cells.setdefault(group, (i, j))
        if held != (i, j) and grid.cells[held].text != shown.text:
            doubtful.add(group)
    kept = {group: cell for group, cell in cells.items() if group not in doubtful}
    numbers = {group: n for group, cell in kept.items() if (n := grid.cells[cell].number) is not None}
    return Counts(grid, kept, numbers, bool(grid.rounding.above))


def _labels(titles: Sequence[str], key: Key) -> Group:
    shift = len(key) - len(titles)  # sub-headings stand before the columns of labels and have no title
    found = set()
    for place, label in enumerate(key):
        title = titles[place - shift] if 0 <= place - shift < len(titles) else ""
        if shift and place and not title:
            title = key[0]
        if (named := identity(title or (key[place - 1] if place else ""), label)) is not None:
            found.add(named)
    return frozenset(found)
