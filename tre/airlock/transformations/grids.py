"""A delimited table that is read, changed cell by cell, and written again with everything else as it was.

Guarantees: separator, line ends, byte-order mark and the values of all cells that nobody changed stay the same; only
a cell that shows a plain whole number can be changed at all, so that a formula, a text or a date never is; which
columns hold counts is decided as check S01 decides it, and by the findings.

Does not guarantee: the same quoting: a cell is quoted where it must be.

Threat: a "fix" under which another cell changes, or a formula becomes another one.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass

from tre.airlock.formats import delimited
from tre.airlock.parsed import Table
from tre.airlock.tables.lexicon import Role
from tre.airlock.tables.roles import columns_of
from tre.airlock.transformations import Source, UnfitError

HIDDEN = "[REDACTED]"
"""What stands in a hidden cell: the same word for a small count and for one hidden to protect it."""

HIDDEN_WORD = re.compile(r"\[?redacted\]?|\[?suppressed\]?|\*|<\s?=?\s?\d{1,3}", re.IGNORECASE)
"""How people write a hidden cell."""

_WHOLE = re.compile(r"(\d{1,3}(?:([, \u00a0\u202f])\d{3})(?:\2\d{3})*+|\d{1,15})(?:\.0*)?")
_COUNTS = frozenset({Role.counted, Role.total})
_RATES = frozenset({Role.percent, Role.rate})


@dataclass
class Grid:
    """A table's cells; `rows` may be changed."""

    header: list[str]
    rows: list[list[str]]
    separator: str
    line_end: str
    mark: bool

    def write(self) -> bytes:
        """The table as bytes again."""
        target = io.StringIO(newline="")
        writer = csv.writer(target, delimiter=self.separator, lineterminator=self.line_end)
        writer.writerow(self.header)
        writer.writerows(self.rows)
        return (("\ufeff" if self.mark else "") + target.getvalue()).encode()


@dataclass(frozen=True)
class Whole:
    """A whole number as a cell shows it, and what separates its thousands."""

    value: int
    thousands: str = ""

    def shown_as(self, value: int) -> str:
        """Another number, written alike."""
        return f"{value:,}".replace(",", self.thousands) if self.thousands else str(value)


def read_grid(source: Source) -> Grid:
    """The table of a CSV or TSV file. Raises `FileRefusedError`."""
    kind = "tsv" if source.ending == ".tsv" else "csv"
    (table,) = delimited.parse(kind, source.data, source.bounds).tables
    text = source.data.decode("utf-8")
    first = text.partition("\n")[0]
    separator = "\t" if kind == "tsv" else ";" if ";" in first and "," not in first else ","
    rows = [list(row) for row in table.rows]
    return Grid(list(table.header), rows, separator, "\r\n" if first.endswith("\r") else "\n", text[:1] == "\ufeff")


def whole(cell: str) -> Whole | None:
    """The number of a cell that shows a plain whole number without a sign; `None` for any other cell."""
    found = _WHOLE.fullmatch(cell.strip())
    if found is None:
        return None
    return Whole(int(re.sub(r"\D", "", found[1])), found[2] or "")


def is_hidden(cell: str) -> bool:
    """Whether a cell shows a word for "hidden"."""
    return HIDDEN_WORD.fullmatch(cell.strip()) is not None


def count_columns(grid: Grid, source: Source) -> list[int]:
    """The columns that hold counts, from 0. Raises `UnfitError` where there is none."""
    roles = _roles(grid)
    pointed = set(source.columns) - set(rate_columns(grid))
    found = [c for c, role in enumerate(roles) if c in pointed or (role in _COUNTS and _shows_whole(grid, c))]
    if not found:
        raise UnfitError("No column of the table holds counts, by its header.")
    return found


def _roles(grid: Grid) -> list[Role]:
    return [column.role for column in columns_of(Table(grid.header, grid.rows))]


def _shows_whole(grid: Grid, column: int) -> bool:
    """Whether a cell of the column can be changed at all."""
    return any(whole(row[column]) for row in grid.rows)


def rate_columns(grid: Grid) -> list[int]:
    """The columns of percentages and rates, from 0: what would give an exact count back."""
    return [c for c, role in enumerate(_roles(grid)) if role in _RATES or "%" in grid.header[c]]
