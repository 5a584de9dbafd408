"""S11: numbers written with fifteen significant digits or more, which can carry a record in digits nobody reads.

Guarantees: each column (or key) with such numbers is named once, with how many; it informs, since programs write them
unasked. Fifteen: the decimal digits that a double carries faithfully (IEEE 754).

Does not guarantee: that fewer digits carry nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded, quoted
from tre.airlock.tables.model import Column, Sheet
from tre.airlock.tables.sheets import sheets_of

MANY = 15
_NUMBER = re.compile(r"[+-]?(\d++)\.(\d++)(?:[eE][+-]?\d++)?%?")
_MOST_COLUMNS = 5


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Columns of numbers with many digits."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet)]
    if len(found) > _MOST_COLUMNS:
        first = found[0]
        message = f"{len(found)} columns hold numbers with {MANY} significant digits or more."
        return [Observation("S11", message, first.suggestion, place=first.place)]
    return bounded(found, "such columns")


def significant_digits(text: str) -> int:
    """How many significant digits a written number shows; 0 for what is no decimal number."""
    found = _NUMBER.fullmatch(text.strip())
    return len((found.group(1) + found.group(2)).lstrip("0")) if found else 0


def _in_sheet(sheet: Sheet) -> Iterator[Observation]:
    for column in sheet.columns:
        rows = list(_precise_rows(sheet, column))
        if rows:
            yield Observation(
                "S11",
                f"{quoted(sheet.title(rows[0], column.index))} holds {len(rows)} numbers with {MANY} significant "
                "digits or more.",
                "Round numbers to the digits that a reader needs.",
                place=sheet.place(rows[0], column.index),
            )


def _precise_rows(sheet: Sheet, column: Column) -> Iterator[int]:
    for row, cells in enumerate(sheet.table.rows):
        text = cells[column.index]
        if len(text) > MANY and "." in text and significant_digits(text) >= MANY:
            yield row
