"""One table by itself: sorted by a column, without some columns, with the rows that hold a text.

Guarantees: sorting, searching and hiding change what is shown, never what is in the file; rows keep their numbers.
Numbers sort as numbers before texts, empty cells last, equal ones in the file's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from tre.airlock.parsed import Table
from tre.portal.preview.asked import Asked
from tre.portal.preview.content import LEAF_COLUMNS, LEAF_ROWS, Content
from tre.portal.preview.profiles import is_empty, number_in
from tre.portal.preview.views import MarkIndex, TableView, table_view, title_of


@dataclass(frozen=True)
class SortedTable:
    """A page of a table as it was asked for; `hidden` columns are left out, `spans` is how many fifties are left."""

    card: int
    title: Markup
    table: TableView
    hidden: int
    found: int
    page: int
    pages: int
    span: int
    spans: int


def sorted_table(content: Content, asked: Asked, marks: MarkIndex) -> SortedTable:
    """The page of a table that was asked for; `asked.table` is a card with a table."""
    card = asked.table - 1
    table = content.table_of(card)
    assert table is not None
    rows = _order(table, asked.sort, _holding(table, asked.find))
    columns = [place for place in range(len(table.header)) if place + 1 not in asked.hide]
    pages, spans = _pages(len(rows), LEAF_ROWS), _pages(len(columns), LEAF_COLUMNS)
    page, span = min(asked.page, pages), min(asked.span, spans)
    return SortedTable(
        card=asked.table,
        title=title_of(content.cards[card]),
        table=table_view(content, card, _part(rows, page, LEAF_ROWS), _part(columns, span, LEAF_COLUMNS), marks),
        hidden=len(table.header) - len(columns),
        found=len(rows),
        page=page,
        pages=pages,
        span=span,
        spans=spans,
    )


def _pages(amount: int, each: int) -> int:
    return max(-(-amount // each), 1)


def _part(places: Sequence[int], page: int, each: int) -> Sequence[int]:
    return places[(page - 1) * each : page * each]


def _holding(table: Table, text: str) -> list[int]:
    wanted = text.casefold()
    return [place for place, row in enumerate(table.rows) if any(wanted in cell.casefold() for cell in row)]


def _order(table: Table, sort: int, rows: list[int]) -> list[int]:
    column = abs(sort) - 1
    if not 0 <= column < len(table.header):
        return rows
    key = _key(table, column)
    filled = [row for row in rows if not is_empty(table.rows[row][column])]
    empty = [row for row in rows if is_empty(table.rows[row][column])]
    return sorted(filled, key=key, reverse=sort < 0) + empty


def _key(table: Table, column: int) -> Callable[[int], tuple[bool, float, str]]:
    def key(row: int) -> tuple[bool, float, str]:
        cell = table.rows[row][column]
        number = number_in(cell)
        return (True, 0.0, cell.casefold()) if number is None else (False, number, "")

    return key
