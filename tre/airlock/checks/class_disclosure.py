"""S05: what holds for everybody in a group: 0 % or 100 %, no variation, a mean at its own bound, one category only.

Guarantees: a column (or row) of percentages with 0 or 100, of standard deviations with 0 where the group has more
than one member, a mean equal to the minimum or maximum beside it, and a row of a cross-tabulation whose people all fall
into one of several categories are pointed out, once each, with the first cell and how many there are.

Does not guarantee: that the finding matters; many zeros are structural (no pregnant men). That is why people decide.
"""

from __future__ import annotations

from collections.abc import Iterator

from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded, quoted
from tre.airlock.tables.categories import is_margin
from tre.airlock.tables.lexicon import Role, words_of
from tre.airlock.tables.model import Figure, Sheet
from tre.airlock.tables.sheets import sheets_of

_MERGE = "Merge groups, or say why this is known anyway."
_FRACTIONS = frozenset(["proportion", "proportions", "prop", "share", "fraction"])


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Class disclosure in the tables of a file."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet)]
    return bounded(found, "such places")


def _in_sheet(sheet: Sheet) -> Iterator[Observation]:
    yield from _everybody(sheet)
    yield from _no_variation(sheet)
    yield from _at_its_bound(sheet)
    yield from _one_category(sheet)


def _told(sheet: Sheet, figures: list[Figure], message: str) -> Iterator[Observation]:
    if figures:
        first = figures[0]
        more = f" ({len(figures)} such cells)" if len(figures) > 1 else ""
        title = quoted(sheet.title(first.row, first.column))
        yield Observation(
            "S05", message.format(title=title, more=more), _MERGE, place=sheet.place(first.row, first.column)
        )


def _everybody(sheet: Sheet) -> Iterator[Observation]:
    by_column: dict[int, list[Figure]] = {}
    for figure in sheet.figures(Role.percent):
        value = figure.number.value
        fraction = set(words_of(sheet.title(figure.row, figure.column))) & _FRACTIONS
        if (value in {0, 100} or (value == 1 and fraction)) and not _is_margin_row(sheet, figure.row):
            by_column.setdefault(figure.column, []).append(figure)
    for figures in by_column.values():
        yield from _told(sheet, figures, "{title} says nobody or everybody{more}.")


def _is_margin_row(sheet: Sheet, row: int) -> bool:
    return any(is_margin(sheet.table.rows[row][c.index]) for c in sheet.columns if not c.numeric)


def _no_variation(sheet: Sheet) -> Iterator[Observation]:
    zero = [f for f in sheet.figures(Role.sd) if f.number.value == 0]
    alone = {f.row for f in sheet.figures(Role.counted) if f.number.value <= 1} if zero and not sheet.row_roles else ()
    zero = [f for f in zero if f.row not in alone]
    yield from _told(sheet, zero, "{title} is zero: everybody in the group has the same value{more}.")


def _at_its_bound(sheet: Sheet) -> Iterator[Observation]:
    """By rows where columns carry roles, by columns where rows do."""
    if not any(True for _ in sheet.figures(Role.minimum, Role.maximum)):
        return
    means: dict[int, Figure] = {}
    bounds: dict[int, set[float]] = {}
    for figure in sheet.figures(Role.mean, Role.minimum, Role.maximum):
        line = figure.column if sheet.row_roles else figure.row
        if figure.role is Role.mean:
            means.setdefault(line, figure)
        else:
            bounds.setdefault(line, set()).add(figure.number.value)
    same = [figure for line, figure in means.items() if figure.number.value in bounds.get(line, set())]
    yield from _told(sheet, same, "{title} equals the smallest or largest value: everybody has it{more}.")


def _one_category(sheet: Sheet) -> Iterator[Observation]:
    counted = [c for c in sheet.columns if c.role is Role.counted and not is_margin(c.title)]
    if sheet.row_roles or len(counted) < 2 or sheet.pointers:
        return
    found: list[Figure] = []
    for row in range(len(sheet.table.rows)):
        cells = [c.cells[row] for c in counted]
        values = [cell.numbers[0].value for cell in cells if cell.kind == "number"]
        shown = [i for i, value in enumerate(values) if value > 0]
        if len(values) == len(counted) and len(shown) == 1 and not _is_margin_row(sheet, row):
            column = counted[shown[0]]
            found.append(Figure(Role.counted, column.cells[row].numbers[0], row, column.index))
    yield from _told(sheet, found, "Everybody in the row falls under {title}{more}.")
