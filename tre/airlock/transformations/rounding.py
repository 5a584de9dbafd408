"""Rounding counts: to the nearest multiple, or to the midpoint of a group of numbers.

Guarantees: every count that is shown afterwards is a multiple of the base (or a midpoint) and not below the
threshold; what was below it, or would be shown below it, is hidden. Each cell is rounded by itself, totals included,
so that totals may differ from the sum of what is shown: the usual rule of the secure environments that ask for rounding
(NHS England SDE: suppress below 10, round to the nearest 5; OpenSAFELY: round counts to 5 *and* derive every rate from
the rounded counts, or "midpoint 6": the middle of 1 to 6, 7 to 12, … in which zero stays zero). A percentage column is
recomputed from the rounded counts where it is a share of a count beside it or of its column's total, and hidden where
it is not understood, since share × denominator gives the exact count back. Doing it twice changes nothing more.

Does not guarantee: that a hidden count cannot be bounded narrowly by the totals; check S03 looks at that, and "Hide
small counts" before the rounding prevents it. Numbers inside texts ("39 (17 %)") are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from tre.airlock.transformations import Outcome, Product, Source, UnfitError
from tre.airlock.transformations.grids import HIDDEN, count_columns, rate_columns, read_grid, whole
from tre.airlock.transformations.shares import recompute

Rounded = Callable[[int, int], int]


def nearest(number: int, base: int) -> int:
    """The nearest multiple; of two equally near ones the larger."""
    return (2 * number + base) // (2 * base) * base


def midpoint(number: int, base: int) -> int:
    """The middle of the group of `base` numbers that a number lies in: of 1 to 6 it is 3; zero stays zero."""
    return -(-number // base) * base - base // 2 if number else 0


def round_to_nearest(source: Source) -> Outcome:
    """A CSV or TSV file with rounded counts. Raises `FileRefusedError` or `UnfitError`."""
    return _round(source, nearest, f"rounded{source.parameters['base']}")


def round_to_midpoint(source: Source) -> Outcome:
    """A CSV or TSV file with midpoints for counts. Raises `FileRefusedError` or `UnfitError`."""
    return _round(source, midpoint, f"midpoint{source.parameters['base']}")


def _round(source: Source, how: Rounded, addition: str) -> Outcome:
    grid = read_grid(source)
    before = [list(row) for row in grid.rows]
    counts = count_columns(grid, source)
    hidden = changed = 0
    for row in grid.rows:
        for column in counts:
            shown = _shown(row[column], source, how)
            hidden += shown == HIDDEN
            changed += shown != row[column]
            row[column] = shown
    rates = [column for column in rate_columns(grid) if column not in counts]
    base = source.parameters["base"]
    told = recompute(grid, before, (counts, rates), lambda total: how(total, base))
    if grid.rows == before:
        raise UnfitError("Every count of the table is rounded already, and none is small.")
    titles = ", ".join(grid.header[column] for column in counts)
    notes = [f"Counts: {titles}. {changed} cells changed, {hidden} of them hidden.", *told]
    return Outcome((Product(source.named(addition, source.ending), grid.write()),), tuple(notes))


def _shown(cell: str, source: Source, how: Rounded) -> str:
    number = whole(cell)
    if number is None:
        return cell
    base, threshold = source.parameters["base"], source.parameters["threshold"]
    rounded = how(number.value, base)
    least = 0 if source.rules.zeros_disclosive else 1
    if least <= number.value < threshold or least <= rounded < threshold:
        return HIDDEN
    return cell if rounded == number.value else number.shown_as(rounded)
