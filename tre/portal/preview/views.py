"""The cards of one leaf, as a template shows them.

Guarantees: every text of the file is escaped here, with what is invisible in it written out; a cell too long for its
table stands in full below it; every finding of the leaf is at its place once as the target of its link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from tre.airlock.parsed import Card, Table
from tre.portal.preview import pictures
from tre.portal.preview.capabilities import PartKind
from tre.portal.preview.content import Content, Piece
from tre.portal.preview.marks import HEADER, Mark
from tre.portal.preview.texts import Line, visible

LONGEST_CELL = 200
"""Characters of a cell inside its table."""

LARGEST_DRAWING = 16 << 20

Address = Callable[[PartKind, int], str]


@dataclass(frozen=True)
class Spot:
    """A finding at a place of the page; `target` where its link leads, which is only once on a page."""

    mark: Mark
    target: bool


Marks = tuple[Spot, ...]


@dataclass(frozen=True)
class CellView:
    """A cell; `cut` where its text stands below the table."""

    text: Markup
    marks: Marks = ()
    cut: bool = False


@dataclass(frozen=True)
class ColumnView:
    """A column: its number in the table, from 1."""

    number: int
    title: Markup
    role: str
    marks: Marks = ()


@dataclass(frozen=True)
class RowView:
    """A row: its number in the file, and findings about the row as a whole."""

    number: int
    cells: tuple[CellView, ...]
    marks: Marks = ()


@dataclass(frozen=True)
class LongCell:
    """The whole text of a cell that is too long for its table."""

    row: int
    title: Markup
    text: Markup


@dataclass(frozen=True)
class TableView:
    """A part of a table. `rows_in_all` and `columns_in_all` are the whole table's."""

    columns: tuple[ColumnView, ...]
    rows: tuple[RowView, ...]
    long: tuple[LongCell, ...]
    rows_in_all: int
    columns_in_all: int


@dataclass(frozen=True)
class LineView:
    """A line of a text."""

    number: int
    text: Markup
    continued: bool
    marks: Marks


@dataclass(frozen=True)
class ImageView:
    """A picture or drawing by its address on the preview host; `problem` says why it is not shown."""

    src: str = ""
    width: int = 0
    height: int = 0
    size: int = 0
    sha256: str = ""
    problem: str = ""


@dataclass(frozen=True)
class CardView:
    """A card, or a part of one, on a leaf. `number` is the card's, from 1; `pages` is how many leaves it is on."""

    number: int
    kind: str
    title: Markup
    where: str
    marks: Marks
    part: str = ""
    table: TableView | None = None
    lines: tuple[LineView, ...] = ()
    image: ImageView | None = None
    whole: str = ""


class MarkIndex:
    """Findings by where they stand, for one page."""

    def __init__(self, marks: Iterable[Mark]) -> None:
        self._shown: set[int] = set()
        self._at: dict[tuple[int | None, int | None, int | None], list[Mark]] = {}
        for mark in marks:
            self._at.setdefault((mark.card, mark.row, mark.column), []).append(mark)

    def at(self, card: int, row: int | None = None, column: int | None = None) -> Marks:
        """The findings exactly there."""
        found = self._at.get((card, row, column), ())
        spots = tuple(Spot(mark, mark.number not in self._shown) for mark in found)
        self._shown.update(mark.number for mark in found)
        return spots


def title_of(card: Card) -> Markup:
    """A card's title, cut where it is no title any more."""
    return visible(card.title if len(card.title) <= LONGEST_CELL else f"{card.title[:LONGEST_CELL]}…")


def where_words(card: Card) -> str:
    """Where in its file a card stands."""
    place = card.place
    named = (("sheet", place.sheet), ("page", place.page), ("cell", place.cell), ("output", place.output))
    return ", ".join(f"{name} {value}" for name, value in named if value is not None)


def card_view(content: Content, piece: Piece, marks: MarkIndex, address: Address) -> CardView:
    """One piece of a leaf."""
    card, number = content.cards[piece.card], piece.card
    spots = (*marks.at(number), *marks.at(number, HEADER)) if piece.opens else ()
    plain = CardView(number + 1, card.kind, title_of(card), str(visible(where_words(card))), spots)
    table = content.table_of(number)
    if table is not None:
        rows = range(piece.start, piece.stop)
        shown = table_view(content, number, rows, piece.columns, marks)
        return replace(plain, part=_rows_words(table, piece), table=shown)
    if card.kind in {"picture", "drawing"}:
        return replace(plain, image=image_view(card, number, address))
    lines = content.lines(number)
    some = len(lines) > piece.stop - piece.start
    return replace(
        plain,
        part=f"lines {lines[piece.start].number:,} to {lines[piece.stop - 1].number:,}" if some else "",
        lines=_line_views(piece, lines, marks),
        whole=address(PartKind.document, number) if some and piece.opens else "",
    )


def _rows_words(table: Table, piece: Piece) -> str:
    """Which part of a table a piece is; nothing for the whole of it."""
    parts = []
    if piece.stop - piece.start < len(table.rows):
        parts.append(f"rows {piece.start + 1:,} to {piece.stop:,} of {len(table.rows):,}")
    if len(piece.columns) < len(table.header):
        again = piece.columns[1:2] > (1,)  # the first column stands on every leaf
        first = piece.columns[1 if again else 0] + 1
        parts.append(f"columns {first:,} to {piece.columns[-1] + 1:,} of {len(table.header):,}")
    return ", ".join(parts)


def table_view(content: Content, card: int, rows: Sequence[int], columns: Sequence[int], marks: MarkIndex) -> TableView:
    """Some rows and columns of a card's table, each by its place from 0."""
    table, roles = content.table_of(card), content.roles_of(card)
    assert table is not None
    heads = tuple(
        ColumnView(place + 1, _cut(table.header[place]), roles[place][:40], marks.at(card, HEADER, place))
        for place in columns
    )
    first = table.first_row + 1
    shown = tuple(
        RowView(row + first, tuple(_cell(table, card, row, place, marks) for place in columns), marks.at(card, row))
        for row in rows
    )
    long = tuple(
        LongCell(table.first_row if row == HEADER else row + first, _cut(table.header[place]), visible(text))
        for row in (HEADER, *rows)
        for place in columns
        if len(text := table.header[place] if row == HEADER else table.rows[row][place]) > LONGEST_CELL
    )
    return TableView(heads, shown, long, len(table.rows), len(table.header))


def _cell(table: Table, card: int, row: int, column: int, marks: MarkIndex) -> CellView:
    text = table.rows[row][column]
    found = marks.at(card, row, column)
    if len(text) <= LONGEST_CELL:
        return CellView(visible(text), found)
    return CellView(visible(text[:LONGEST_CELL]), found, cut=True)


def _cut(text: str) -> Markup:
    """A column's title in its head; one that is longer stands in full below, like a cell."""
    return visible(text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…")


def _line_views(piece: Piece, lines: Sequence[Line], marks: MarkIndex) -> tuple[LineView, ...]:
    return tuple(
        LineView(line.number, visible(line.text), line.continued, marks.at(piece.card, place))
        for place, line in enumerate(lines[piece.start : piece.stop], start=piece.start)
    )


def image_view(card: Card, number: int, address: Address) -> ImageView:
    """A picture or a drawing. What is no plain picture is named, not shown."""
    held = ImageView(size=len(card.data), sha256=hashlib.sha256(card.data).hexdigest())
    if card.kind == "drawing":
        if len(card.data) > LARGEST_DRAWING:
            return replace(held, problem="The drawing is too large to be shown.")
        return replace(held, src=address(PartKind.drawing, number))
    size = pictures.size_of(card.data)
    if size is None:
        return replace(held, problem="What the checks kept of this picture is no plain PNG.")
    return replace(held, src=address(PartKind.picture, number), width=size[0], height=size[1])
