"""The text and the tables of a cleaned page, in order: cells that span are repeated wherever they reach.

Guarantees: a table's rows have the same width; the number of cells is bounded before they are made; a table within a
cell is a table of its own; tables are told apart by their number (`/table/2`). Standard library only.

Does not guarantee: that lines break where a browser would break them.

Threats: spans that unfold into millions of cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from tre.airlock.formats.markup import Token
from tre.airlock.formats.xmlparts import words_of
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, Place, Table

_BLOCKS = words_of(
    """
    address article aside blockquote br caption center dd details div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6
    header hr li main nav ol p pre section summary table tr ul
    """
)
_MOST_SPANS = 10_000
MOST_TABLES = 500
"""More than people would look at, and far more than a report has."""


@dataclass(frozen=True)
class Piece:
    """A text, or a table."""

    text: str = ""
    table: Table | None = None


@dataclass
class _Cell:
    across: int
    down: int
    heading: bool
    text: list[str] = field(default_factory=list)


@dataclass
class _Open:
    """A table that is being read; `target` takes its caption while one is open."""

    rows: list[list[_Cell]] = field(default_factory=list)
    caption: list[str] = field(default_factory=list)
    in_caption: bool = False


class _Page:
    def __init__(self, bounds: Bounds, place: Place) -> None:
        self.bounds, self.place = bounds, place
        self.pieces: list[Piece] = []
        self.text: list[str] = []
        self.tables: list[_Open] = []
        self.cells = self.found = 0
        self.link = ""
        self.preformatted = 0

    def take(self, token: Token) -> None:
        if token.kind == "text":
            self._write(token.text if self.preformatted else re.sub(r"\s+", " ", token.text))
            return
        if token.name == "pre":
            self.preformatted = max(0, self.preformatted + (1 if token.kind == "open" else -1))
        if token.name in _BLOCKS:
            self._write("\n")
        if token.name == "table":
            self._table(token.kind)
        elif token.name == "a":
            self._anchor(token)
        elif token.name == "img" and token.attributes.get("alt"):
            self._write(f"[{token.attributes['alt']}]")
        elif self.tables:
            self._within_table(self.tables[-1], token)

    def _write(self, text: str) -> None:
        if not self.tables:
            self.text.append(text)
        elif self.tables[-1].in_caption:
            self.tables[-1].caption.append(text)
        elif (rows := self.tables[-1].rows) and rows[-1]:
            rows[-1][-1].text.append(text)

    def _anchor(self, token: Token) -> None:
        if token.kind == "open":
            self.link = token.attributes.get("href", "")
        elif self.link and not self.link.startswith("#"):
            self._write(f" <{self.link}>")

    def _table(self, kind: str) -> None:
        if kind == "open":
            if not self.tables:
                self.flush()
            self.tables.append(_Open())
        elif self.tables:
            self._finish(self.tables.pop())

    def _within_table(self, table: _Open, token: Token) -> None:
        if token.name == "caption":
            table.in_caption = token.kind == "open"
        elif token.kind == "open" and token.name == "tr":
            table.rows.append([])
        elif token.kind == "open" and token.name in {"td", "th"}:
            if not table.rows:
                table.rows.append([])
            across, down = (_span(token.attributes.get(name, "1")) for name in ("colspan", "rowspan"))
            table.rows[-1].append(_Cell(across, down, token.name == "th"))
            self.cells += across * down
            if self.cells > self.bounds.json_values:
                raise self._too_much("The tables have more cells than allowed.")

    def _finish(self, table: _Open) -> None:
        rows = [row for row in table.rows if row]
        grid = self._grid(rows)
        title = _tidy("".join(table.caption)).replace("\n", " ")
        if title:
            self.pieces.append(Piece(title))
        if len(grid) == 1:
            self.pieces.append(Piece("\t".join(grid[0])))
        elif grid:
            header, body = _named_values(rows, grid) or _with_headings(rows, grid)
            first = max(0, len(grid) - len(body))
            self.found += 1
            if self.found > MOST_TABLES:
                raise self._too_much(f"The page has more than {MOST_TABLES} tables.")
            within = replace(self.place, pointer=f"/table/{self.found}")
            self.pieces.append(Piece(table=Table(header, body, first, title[:200], within)))

    def _grid(self, rows: list[list[_Cell]]) -> list[list[str]]:
        if len(rows) > self.bounds.rows + 1:
            raise self._too_much(f"More than {self.bounds.rows} rows.")
        filled: dict[tuple[int, int], str] = {}
        for number, row in enumerate(rows):
            column = 0
            for cell in row:
                while (number, column) in filled:
                    column += 1
                text = _tidy("".join(cell.text))
                if len(text) > self.bounds.cell_characters:
                    raise self._too_much(f"A cell has more than {self.bounds.cell_characters} characters.")
                reached = range(min(cell.down, len(rows) - number))
                filled |= {(number + down, column + across): text for down in reached for across in range(cell.across)}
                column += cell.across
        width = max((column for _, column in filled), default=-1) + 1
        if width > self.bounds.columns:
            raise self._too_much(f"{width} columns are more than the {self.bounds.columns} allowed.")
        return [[filled.get((number, column), "") for column in range(width)] for number in range(len(rows))]

    def flush(self) -> None:
        text = _tidy("".join(self.text))
        self.text.clear()
        if text:
            self.pieces.append(Piece(text))

    def _too_much(self, message: str) -> FileRefusedError:
        return FileRefusedError(Observation("F05", message, "Ask for less, or for a summary of it.", self.place))


def _named_values(rows: list[list[_Cell]], grid: list[list[str]]) -> tuple[list[str], list[list[str]]] | None:
    """Rows of heading, value, heading, value, …, as models are summed up, below one another; `None` for any other."""
    if any([cell.heading for cell in row] != [True, False] * (len(row) // 2) for row in rows):
        return None
    pairs = [row[at : at + 2] for row in grid for at in range(0, len(row), 2)]
    return ["statistic", "value"], [pair for pair in pairs if any(pair)]


def _with_headings(rows: list[list[_Cell]], grid: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """The header, which may be several rows of headings joined, and the body."""
    headings = [all(cell.heading for cell in row) for row in rows]
    count = 1
    while count < len(rows) - 1 and headings[0] and headings[count]:
        count += 1
    header = [" ".join(dict.fromkeys(cell for cell in column if cell)) for column in zip(*grid[:count], strict=True)]
    return header, grid[count:]


def _span(text: str) -> int:
    return min(max(int(text), 1), _MOST_SPANS) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


def _tidy(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")
    lines = re.sub(r"\n{3,}", "\n\n", lines)
    return lines.strip() if "\n" not in lines else lines


def read_page(tokens: Iterable[Token], bounds: Bounds, place: Place) -> list[Piece]:
    """Texts and tables in the order of the page. Raises `FileRefusedError`."""
    page = _Page(bounds, place)
    for token in tokens:
        if token.kind in {"text", "open", "close"}:
            page.take(token)
    page.flush()
    return page.pieces
