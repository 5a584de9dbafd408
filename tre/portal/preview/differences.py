"""What changed between two versions of a file, cell by cell, for a page.

Guarantees: two versions are compared by their extracts alone, each table with the one of the same place; a row or a
column that came or went is one line, a changed cell another; what cannot be compared is said to be so, never passed
over, and what is too much to list is counted.

Does not guarantee: the shortest account of a change; `tre.airlock.tables.difference` says how tables are aligned.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from tre.airlock.parsed import Table
from tre.airlock.tables.difference import Difference
from tre.airlock.tables.difference import difference as aligned
from tre.portal.preview.content import Content
from tre.portal.preview.texts import visible

MOST_CHANGES = 500
"""Changes of one table that are listed; the page says how many more there are."""

_LONGEST_ROW = 300


@dataclass(frozen=True)
class ChangeView:
    """A change, ready for a page: `kind` is `added`, `removed` or `changed`."""

    kind: str
    row: Markup
    column: Markup
    before: Markup
    after: Markup


@dataclass(frozen=True)
class TableDifference:
    """What changed in one table; `problem` says why nothing can be said."""

    title: Markup
    changes: tuple[ChangeView, ...] = ()
    more: int = 0
    problem: str = ""


def difference(before: Content | None, after: Content | None) -> list[TableDifference]:
    """The tables of two versions, one by one, in the order of the later version."""
    if before is None or after is None:
        return [TableDifference(Markup(""), problem="Nothing was kept of one of the two versions.")]
    old = {(table.within, table.title): table for table in before.extract.tables}
    new = {(table.within, table.title): table for table in after.extract.tables}
    if not old and not new:
        return [TableDifference(Markup(""), problem="There is no table in it: only tables are compared.")]
    if len(old) == len(new) == 1:
        return [_table(before.extract.tables[0], after.extract.tables[0])]
    found = [
        _table(old[key], table) if key in old else _alone(table, "This table is new.") for key, table in new.items()
    ]
    return found + [_alone(table, "This table is no longer there.") for key, table in old.items() if key not in new]


def _alone(table: Table, words: str) -> TableDifference:
    return TableDifference(visible(table.title), problem=words)


def _table(before: Table, after: Table) -> TableDifference:
    found = aligned(before, after)
    changes = [*_columns(before, after, found), *_rows(before, after, found), *_cells(after, found)]
    return TableDifference(visible(after.title), tuple(changes[:MOST_CHANGES]), max(len(changes) - MOST_CHANGES, 0))


def _view(kind: str, row: str, column: str, before: str = "", after: str = "") -> ChangeView:
    return ChangeView(kind, visible(row), visible(column), visible(before), visible(after))


def _columns(before: Table, after: Table, found: Difference) -> list[ChangeView]:
    """Columns that came or went."""
    came = [
        _view("added", "every row", after.header[new]) for old, new in found.columns if old is None and new is not None
    ]
    went = [
        _view("removed", "every row", before.header[o]) for o, new in found.columns if new is None and o is not None
    ]
    return came + went


def _rows(before: Table, after: Table, found: Difference) -> list[ChangeView]:
    """Rows that came or went, each as one."""
    came = [
        _view("added", _name(after, new), "the whole row", "", _joined(after, new))
        for old, new in found.rows
        if old is None and new is not None
    ]
    went = [
        _view("removed", _name(before, old), "the whole row", _joined(before, old), "")
        for old, new in found.rows
        if new is None and old is not None
    ]
    return came + went


def _cells(after: Table, found: Difference) -> list[ChangeView]:
    """Cells that are in both tables and differ."""
    return [
        _view("changed", _name(after, cell.new_row), after.header[cell.new_column], cell.old, cell.new)
        for cell in found.cells
        if cell.old is not None and cell.new is not None and cell.new_row is not None and cell.new_column is not None
    ]


def _name(table: Table, row: int) -> str:
    """A row by its number in the file and by what its first cell says."""
    if row < 0:
        return "the header"
    label = table.rows[row][0][:60] if table.header else ""
    return f"{table.first_row + 1 + row}: {label}"


def _joined(table: Table, row: int) -> str:
    text = " · ".join(table.rows[row])
    return text if len(text) <= _LONGEST_ROW else f"{text[:_LONGEST_ROW]}…"
