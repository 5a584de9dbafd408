"""Hiding small counts, and as many others as are needed so that totals do not give them away.

Guarantees: no count from 1 (or 0, by policy) to below the threshold is shown; within the sums that this module finds,
the range of values that a hidden small count can still have is at least as wide as asked for: for every such count,
the least and the greatest value that the shown numbers leave open are found by linear programs, and further counts are
hidden, one at a time, the smallest first, until all ranges are wide enough. Totals are left as they are;
they are hidden last, where nothing else is left. Shares that would give a hidden count back are hidden too. Nothing
else changes.

Does not guarantee: the fewest hidden cells (choosing them well is NP-hard; this is the greedy choice), nor protection
against sums that are not in this table: a margin published elsewhere, a ratio in a text. Sums are found where a row or
a column calls itself a total and adds up, where a row is the sum of all above it, or where one count column is the sum
of two others. Counts that were hidden before are taken for unknown.

Source: secondary suppression with audit by linear bounds, as in the handbooks on statistical disclosure control
(SDAP, section on primary and secondary suppression; Fischetti and Salazar on the audit by two programs a cell).
"""

from __future__ import annotations

from dataclasses import dataclass

from tre.airlock.transformations import Outcome, Product, Source, UnfitError
from tre.airlock.transformations.grids import HIDDEN, count_columns, is_hidden, rate_columns, read_grid, whole
from tre.airlock.transformations.ranges import Equation, Ranges
from tre.airlock.transformations.shares import hide_beside
from tre.airlock.transformations.sums import Cell, Sum, sums_in

MOST_HIDDEN = 600
"""Hidden counts that hang together: more take minutes to protect, and what is left of the table says little."""


@dataclass
class Plan:
    """The counts of a table, the sums among them, and which are hidden."""

    values: dict[Cell, int | None]
    sums: list[Sum]
    small: set[Cell]
    hidden: set[Cell]

    def equations(self, around: Cell) -> list[Equation]:
        """What the shown numbers say of the hidden ones that hang together with a cell."""
        reached, waiting, found = {around}, [around], set()
        while waiting:
            cell = waiting.pop()
            for number, one in enumerate(self.sums):
                if number in found or cell not in one.cells:
                    continue
                found.add(number)
                unknown = one.cells & self.hidden
                waiting += unknown - reached
                reached |= unknown
        if len(reached) > MOST_HIDDEN:
            raise UnfitError("More small counts hang together than can be protected. Merge categories first.")
        return [self._equation(self.sums[number]) for number in sorted(found)]

    def _equation(self, one: Sum) -> Equation:
        """Parts minus total, as far as hidden, equals what the shown ones leave."""
        coefficients: dict[Cell, int] = {}
        known = 0
        for cell, sign in [*((part, 1) for part in one.parts), (one.total, -1)]:
            value = self.values[cell]
            if cell in self.hidden or value is None:
                coefficients[cell] = coefficients.get(cell, 0) + sign
            else:
                known += sign * value
        return Equation(coefficients, -known)


def suppress(source: Source) -> Outcome:
    """A CSV or TSV file without small counts. Raises `FileRefusedError` or `UnfitError`."""
    grid = read_grid(source)
    counts = count_columns(grid, source)
    before = [list(row) for row in grid.rows]
    plan = _plan(grid.rows, counts, source)
    if not plan.small:
        raise UnfitError("The table shows no count below the threshold.")
    added = protect(plan, source.parameters["width"])
    for row, column in plan.hidden:
        grid.rows[row][column] = HIDDEN
    hide_beside(grid, before, counts, [column for column in rate_columns(grid) if column not in counts])
    sums = f"{len(plan.sums)} sums were taken into account" if plan.sums else "no sums were found"
    note = f"{len(plan.small)} small counts were hidden, and {added} more to protect them; {sums}."
    return Outcome((Product(source.named("suppressed", source.ending), grid.write()),), (note,))


def _plan(rows: list[list[str]], counts: list[int], source: Source) -> Plan:
    values: dict[Cell, int | None] = {}
    least, threshold = 0 if source.rules.zeros_disclosive else 1, source.parameters["threshold"]
    for place, row in enumerate(rows):
        for column in counts:
            number = whole(row[column])
            if number is not None or is_hidden(row[column]):
                values[place, column] = number.value if number else None
    small = {cell for cell, value in values.items() if value is not None and least <= value < threshold}
    unknown = {cell for cell, value in values.items() if value is None}
    return Plan(values, sums_in(rows, counts, values), small, small | unknown)


def protect(plan: Plan, width: int) -> int:
    """Hide further counts until every small one is uncertain by `width`; how many.

    Raises `UnfitError` where hiding all that hangs together does not do.
    """
    added, ranges = 0, Ranges([])
    for cell in sorted(plan.small):
        while True:
            if not ranges.covers(cell):
                ranges = Ranges(plan.equations(cell))
            if ranges.is_wide(cell, width):
                break
            plan.hidden.add(_next(plan, cell))
            added, ranges = added + 1, Ranges([])
    return added


def _next(plan: Plan, cell: Cell) -> Cell:
    """The count to be hidden next: no total where possible; in a sum that lacks one number only; the smallest."""
    unknown = {other for equation in plan.equations(cell) for other in equation.coefficients}
    totals = {one.total for one in plan.sums}
    ranks: dict[Cell, int] = {}
    for one in plan.sums:
        if one.cells & unknown:
            rank = 2 * (len(one.cells & plan.hidden) > 1) + (cell not in one.cells)
            for other in one.cells - plan.hidden:
                ranks[other] = min(rank, ranks.get(other, rank))
    if not ranks:
        raise UnfitError("Even with all related counts hidden, a small one can be found out. Merge categories first.")
    return min(
        ranks, key=lambda other: (other in totals, ranks[other], not plan.values[other], plan.values[other], other)
    )
