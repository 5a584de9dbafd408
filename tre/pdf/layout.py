"""From blocks to pages: what stands where, and what breaks at the end of a page.

Guarantees: everything is on a page, whatever its length; a heading stands with what it is the heading of; a row stays
together unless it is longer than a third of a page; the head of a table stands on each of its pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tre.pdf.blocks import Bars, Block, Bullets, Cell, Heading, Paragraph, Part, Rows, Run, Text
from tre.pdf.lines import Line, fitted, width_of, wrapped
from tre.pdf.sheets import BLACK, BLUE, BOTTOM, GREY, HEIGHT, INNER, MARGIN, TOP, WIDTH, Element, Sheets

LEADING = 1.4
_SIZES = {"": 9.5, "small": 8.0, "lead": 10.5}
_HEADINGS = {1: (17.0, 0.0), 2: (12.5, 16.0), 3: (10.5, 10.0), 4: (9.5, 8.0), 5: (9.0, 6.0)}
"""Size, and room above, of headings by level."""
_ROW, _GAP, _INDENT, _TOGETHER = 8.5, 10.0, 14.0, 64.0
_BAR, _BAR_GAP = 5.0, 2.5
_FOOT = 7.0
_BOOKMARKED = 2
_LONG_ROW = (HEIGHT - TOP - BOTTOM) / 3


class Bookmark(NamedTuple):
    """A heading in the list of contents: level, words, page and height."""

    level: int
    words: str
    sheet: int
    height: float


class Layout:
    """Lays blocks out on sheets."""

    def __init__(self) -> None:
        self.paper = Sheets()
        self.root = Element("Document")
        self.bookmarks: list[Bookmark] = []
        self._here = self.root
        self._part = Part("", "")
        self._y = 0.0

    def place(self, blocks: Sequence[Block]) -> None:
        """Lay all blocks out."""
        for block in blocks:
            match block:
                case Part():
                    self._begin(block)
                case Heading():
                    self._heading(block)
                case Paragraph():
                    self._paragraph(block)
                case Bullets():
                    self._bullets(block)
                case Rows():
                    self._rows(block)

    def _begin(self, part: Part) -> None:
        self._part = part
        self._here = self.root.add("Sect")
        self._turn()

    def _turn(self) -> None:
        self.paper.turn(self._part)
        self._y = HEIGHT - TOP

    def _need(self, room: float) -> None:
        """Turn the page unless there is so much room."""
        if not self.paper.sheets or self._y - room < BOTTOM:
            self._turn()

    def _line(self, line: Line, x: float, size: float, colour: str, into: Element) -> None:
        self._need(size * LEADING)
        self._y -= size * LEADING
        self.paper.write([*line, Run(" ")], (x, self._y + 0.3 * size), size, colour, into)

    def _heading(self, heading: Heading) -> None:
        size, above = _HEADINGS[heading.level]
        lines = wrapped(heading.text, INNER, size)
        self._need(above + len(lines) * size * LEADING + _TOGETHER)
        self._y -= 0 if self._y == HEIGHT - TOP else above
        if heading.level <= _BOOKMARKED:
            said = "".join(run.text for run in heading.text)
            self.bookmarks.append(Bookmark(heading.level, said, len(self.paper.sheets) - 1, self._y))
        into = self._here.add(f"H{heading.level}")
        for line in lines:
            self._line(line, MARGIN, size, BLUE if heading.level == 1 else BLACK, into)
        self._y -= 3

    def _paragraph(self, one: Paragraph) -> None:
        size = _SIZES[one.kind]
        into = self._here.add("P")
        for line in wrapped(one.text, INNER, size):
            self._line(line, MARGIN, size, GREY if one.kind == "small" else BLACK, into)
        self._y -= 5

    def _bullets(self, block: Bullets) -> None:
        size = _SIZES[""]
        items = self._here.add("L")
        for number, text in enumerate(block.items, 1):
            item = items.add("LI")
            label = [Run(f"{number}." if block.numbered else "•")]
            self._need(size * LEADING)
            top, sheet = self._y, len(self.paper.sheets)
            self._line(label, MARGIN, size, BLACK, item.add("Lbl"))
            self._y = top if len(self.paper.sheets) == sheet else self._y
            into = item.add("LBody")
            for line in wrapped(text, INNER - _INDENT, size):
                self._line(line, MARGIN + _INDENT, size, BLACK, into)
        self._y -= 5

    def _rows(self, block: Rows) -> None:
        if not block.rows:
            return
        table = self._here.add("Table")
        places = _places(block.widths)
        heads = [wrapped(cell, width, _ROW) for cell, (_, width) in zip(block.head, places, strict=bool(block.head))]
        if heads:
            self._need(_TOGETHER)
            self._row(heads, places, table.add("TR"), "Column", heads)
        for row in block.rows:
            lines = [_lines_of(cell, width) for cell, (_, width) in zip(row, places, strict=False)]
            self._row(lines, places, table.add("TR"), "Row", heads)
        self._rule()
        self._y -= 6

    def _row(
        self,
        cells: Sequence[list[Line] | Bars],
        places: Sequence[tuple[float, float]],
        into: Element,
        scope: str,
        heads: Sequence[list[Line]],
    ) -> None:
        sheet = len(self.paper.sheets)
        self._need(min(max(map(_height, cells)) + 5, _LONG_ROW))
        if len(self.paper.sheets) > sheet and scope == "Row":
            self._again(heads, places)
        self._rule()
        self._y -= 2
        top, sheet = self._y, len(self.paper.sheets)
        tags = ["TH" if scope == "Column" or not number else "TD" for number in range(len(cells))]
        named = [into.add(tag, scope if tag == "TH" else "") for tag in tags]
        for cell, (x, width) in zip(cells, places, strict=False):
            if isinstance(cell, Bars):
                self._bars(cell, x, width, top)
        texts = [
            (cell, x, element)
            for cell, (x, _), element in zip(cells, places, named, strict=False)
            if not isinstance(cell, Bars)
        ]
        for number in range(max((len(cell) for cell, _, _ in texts), default=0)):
            if self._y - _ROW * LEADING < BOTTOM:
                self._turn()
                self._again(heads, places)
            self._y -= _ROW * LEADING
            for cell, x, element in texts:
                if number < len(cell):
                    self.paper.write([*cell[number], Run(" ")], (x, self._y + 0.3 * _ROW), _ROW, BLACK, element)
        if len(self.paper.sheets) == sheet:
            self._y = min(self._y, top - max(map(_height, cells)))
        self._y -= 3

    def _again(self, heads: Sequence[list[Line]], places: Sequence[tuple[float, float]]) -> None:
        """The head of a table on a further page: decoration, since it was read out before."""
        for number in range(max(map(len, heads), default=0)):
            self._y -= _ROW * LEADING
            for cell, (x, _) in zip(heads, places, strict=False):
                if number < len(cell):
                    self.paper.decorate(self.paper.sheets[-1], cell[number], (x, self._y + 0.3 * _ROW), _ROW, BLACK)

    def _bars(self, cell: Bars, x: float, width: float, top: float) -> None:
        y = top - 2
        for colour, percent in cell.bars:
            y -= _BAR + _BAR_GAP
            self.paper.field(x, y, width, _BAR, "ground")
            if percent > 0:  # nothing is nothing, not a thin line
                self.paper.field(x, y, width * min(100.0, percent) / 100, _BAR, colour)

    def _rule(self) -> None:
        self.paper.field(MARGIN, self._y, INNER, 0.5, "0.85 0.87 0.88")

    def feet(self, notice: str) -> None:
        """Write the foot of every page, once it is known how many there are."""
        total = len(self.paper.sheets)
        for number, sheet in enumerate(self.paper.sheets, 1):
            count = [Run(f"Page {number} of {total}")]
            right = WIDTH - MARGIN - width_of(count[0], _FOOT)
            first = BOTTOM - 22
            title = fitted(sheet.foot.title, right - MARGIN - 20, _FOOT)
            self.paper.decorate(sheet, [Run(title)], (MARGIN, first), _FOOT, GREY)
            self.paper.decorate(sheet, count, (right, first), _FOOT, GREY)
            for line, said in enumerate((notice, sheet.foot.about), 1):
                at = (MARGIN, first - line * _FOOT * LEADING)
                self.paper.decorate(sheet, [Run(fitted(said, INNER, _FOOT))], at, _FOOT, GREY)


def _places(widths: Sequence[float]) -> list[tuple[float, float]]:
    """Where each column begins, and how wide it is."""
    places, x = [], MARGIN
    for width in widths:
        places.append((x, width * INNER - _GAP))
        x += width * INNER
    return places


def _lines_of(cell: Cell, width: float) -> list[Line] | Bars:
    return cell if isinstance(cell, Bars) else wrapped(_plain(cell), width, _ROW)


def _plain(text: Text) -> Text:
    return text or (Run("–"),)


def _height(cell: list[Line] | Bars) -> float:
    if isinstance(cell, Bars):
        return 2 + len(cell.bars) * (_BAR + _BAR_GAP)
    return len(cell) * _ROW * LEADING
