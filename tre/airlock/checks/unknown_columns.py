"""S12: columns of numbers that do not say what they hold, cells that hold two statistics, tables too wide to read.

Guarantees: a column of numbers for which neither title nor values nor a person's label give a role is named once; a
person can label it, and the label is remembered. Cells such as `39,893 / 17,487`, and cells of counts that cannot be
read, are named once (`combined`), and a table of more columns than people can follow once (`wide`).

Does not guarantee: that a title which says something says the truth.

Source: what checkers of health outputs ask of authors: descriptive names, one statistic in a cell, long tables instead
of wide ones.
"""

from __future__ import annotations

from collections.abc import Iterator

from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded, quoted
from tre.airlock.tables.lexicon import Role
from tre.airlock.tables.model import Column, Sheet
from tre.airlock.tables.roles import PAIR_TITLES
from tre.airlock.tables.sheets import sheets_of

WIDE = 30
"""Columns beyond which a table is wide: what a screen shows at once, generously."""

_MOST_COLUMNS = 4
_LABEL = "Label it once, or give it a title such as “n”, “percent”, “mean”; the label is remembered."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Unknown, combined and wide tables of a file."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet)]
    return bounded(found, "such columns")


def _in_sheet(sheet: Sheet) -> Iterator[Observation]:
    yield from _unknown(sheet)
    combined = next((c for c in sheet.columns if _holds_two(c)), None)
    if combined is not None:
        row = next(i for i, cell in enumerate(combined.cells) if cell.kind == "several")
        text = sheet.table.rows[row][combined.index]
        message = f"Cells hold several statistics, such as {quoted(text)}."
        yield Observation("S12", message, "Give each its own column.", sheet.place(row, combined.index), "combined")
    yield from _unreadable(sheet)
    if len(sheet.columns) > WIDE and not sheet.pointers:
        message = f"The table has {len(sheet.columns)} columns."
        yield Observation("S12", message, "Long tables are easier to check.", sheet.place(None), "wide")


def _unreadable(sheet: Sheet) -> Iterator[Observation]:
    """Cells under a title of counts that hold digits, yet no number that could be judged: `c. 3`, `3, 4, 5`."""
    for column in sheet.columns:
        if column.role is Role.counted and column.firm:
            texts = [
                (row, sheet.table.rows[row][column.index]) for row, c in enumerate(column.cells) if c.kind == "text"
            ]
            row, text = next(((row, text) for row, text in texts if any(map(str.isdigit, text))), (-1, ""))
            if text:
                message = f"{quoted(column.title)} holds what is no single number, such as {quoted(text)}."
                yield Observation("S12", message, "Give each its own cell.", sheet.place(row, column.index), "combined")


def _holds_two(column: Column) -> bool:
    return column.numeric and any(cell.kind == "several" and "/" in cell.shape for cell in column.cells)


def _unknown(sheet: Sheet) -> Iterator[Observation]:
    if _told_by_rows(sheet):
        return
    columns = [c for c in sheet.columns if c.role is Role.unknown and c.numbers()]
    if len(columns) > _MOST_COLUMNS:
        names = ", ".join(c.title for c in columns)
        message = f"{len(columns)} columns of numbers do not say what they hold: {quoted(names)}."
        yield Observation("S12", message, _LABEL, sheet.place(None, columns[0].index))
        return
    for column in columns:
        message = f"{quoted(column.title)} does not say what its numbers are."
        yield Observation("S12", message, _LABEL, sheet.place(None, column.index))


def _told_by_rows(sheet: Sheet) -> bool:
    """Whether rows carry the roles; pairs of names and numbers are no columns and are not asked about."""
    pairs = tuple(sheet.table.header) == PAIR_TITLES or (sheet.pointers and len(sheet.columns) == 2)
    return bool(sheet.row_roles) or bool(pairs)
