"""What is shown of one file, cut into leaves that a person can turn and that can be counted as seen.

Guarantees: every card, every row, every column and every line of the extract is on exactly one leaf, in the file's
order; the same extract gives the same leaves, whoever looks. A leaf is small enough to be drawn at once.

Does not guarantee: that the cards show everything of the file. Where they do not, the extract says so (`lossy`).

Threat: what a checker does not see can leave; a table that is wider or longer than the screen.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from threading import Lock

from tre.airlock.extract import Extract
from tre.airlock.parsed import Card, Table
from tre.portal.preview.profiles import ColumnProfile, profile_of
from tre.portal.preview.texts import MOST_LINES, Line, lines_of, lines_of_value

LEAF_ROWS = 100
LEAF_COLUMNS = 50
LEAF_CHARACTERS = 200_000
"""One leaf of a table. The first column stands on each leaf of a row again: it mostly says what the row is."""

LEAF_LINES = 300
CARD_WEIGHT = 100
"""A picture or drawing fills as much of a leaf as so many lines: three of them make one."""

MOST_LEAVES = 2000
"""As many as 600,000 lines have: a table within the default policy has 500 at the most."""

QUICK_CELLS = 20_000
"""Cells whose figures are worked out within 50 ms: nobody waits for those of a larger table without asking for them."""

_LONGEST_WORDS = 1000
TEXTS = frozenset({"text", "code", "markdown", "note"})


@dataclass(frozen=True)
class Piece:
    """A part of a card on one leaf: rows and columns of a table, or lines of a text; from 0, `stop` is not in it."""

    card: int
    start: int = 0
    stop: int = 0
    columns: tuple[int, ...] = ()
    weight: int = CARD_WEIGHT
    opens: bool = True
    """Whether it is the card's first piece."""


Leaf = tuple[Piece, ...]


class Content:
    """One file as it is shown."""

    def __init__(self, extract: Extract) -> None:
        self.extract = extract
        self._profiles: dict[int, tuple[ColumnProfile, ...]] = {}
        self._lines: dict[int, list[Line]] = {}
        self._pointers: dict[int, dict[str, int]] = {}
        self._lock = Lock()

    @cached_property
    def cards(self) -> tuple[Card, ...]:
        """The extract's cards, a card for each table without one, and one for the value of a JSON text."""
        extract = self.extract
        cards = list(extract.cards)
        if extract.type == "json":
            cards = [card for card in cards if card.kind not in {"text", "code"}]
        if extract.type == "json" or (extract.value is not None and not cards):
            cards.insert(0, Card("code", "The value, laid out anew", table=None))
        shown = {card.table for card in cards}
        cards += [
            Card("table", table.title, table=number, place=table.within)
            for number, table in enumerate(extract.tables)
            if number not in shown
        ]
        return tuple(cards)

    def is_value(self, card: int) -> bool:
        """Whether a card is the laid-out value of a JSON text."""
        found = self.cards[card]
        return (
            found.kind == "code" and not found.text and (self.extract.value is not None or self.extract.type == "json")
        )

    def table_of(self, card: int) -> Table | None:
        """The table that a card shows."""
        number = self.cards[card].table
        return None if number is None else self.extract.tables[number]

    def roles_of(self, card: int) -> tuple[str, ...]:
        """The roles of the columns that a card shows."""
        number = self.cards[card].table
        return () if number is None else self.extract.roles[number]

    def lines(self, card: int) -> list[Line]:
        """The lines of a card of text."""
        if card not in self._lines:
            found = self.cards[card]
            first = 1 if found.place.row is None else found.place.row
            made = lines_of_value(self.extract.value) if self.is_value(card) else lines_of(found.text, first)
            self._lines[card] = made
        return self._lines[card]

    def has_profile(self, card: int) -> bool:
        """Whether the figures of a card's columns are at hand, or take no time worth a word."""
        table = self.table_of(card)
        cells = 0 if table is None else len(table.rows) * len(table.header)
        return card in self._profiles or cells <= QUICK_CELLS

    def profile(self, card: int) -> tuple[ColumnProfile, ...]:
        """What the columns of a card's table hold."""
        with self._lock:
            table = self.table_of(card)
            if table is None:
                return ()
            if card not in self._profiles:
                self._profiles[card] = profile_of(table, self.roles_of(card))
            return self._profiles[card]

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Everything, leaf by leaf, as far as `MOST_LEAVES`."""
        return tuple(islice(self._leaves(), MOST_LEAVES))

    def _leaves(self) -> Iterator[Leaf]:
        leaf: list[Piece] = []
        for piece in self._pieces():
            if leaf and sum(item.weight for item in leaf) + piece.weight > LEAF_LINES:
                yield tuple(leaf)
                leaf = []
            leaf.append(piece)
        if leaf:
            yield tuple(leaf)

    @cached_property
    def lossy(self) -> str:
        """What the leaves do not show, in words; empty where they show everything."""
        whole = next(islice(self._leaves(), MOST_LEAVES, None), None) is None
        lines = all(len(self.lines(n)) <= MOST_LINES for n, card in enumerate(self.cards) if card.kind in TEXTS)
        cut = "" if whole and lines else f"No more than {MOST_LEAVES:,} pages of it are shown."
        return " ".join(filter(None, (self.extract.lossy[:_LONGEST_WORDS], cut)))

    def _pieces(self) -> Iterator[Piece]:
        for number, card in enumerate(self.cards):
            table = self.table_of(number)
            if table is not None:
                yield from _table_pieces(number, table)
            elif card.kind in TEXTS:
                yield from self._text_pieces(number)
            else:
                yield Piece(number)

    def _text_pieces(self, card: int) -> Iterator[Piece]:
        lines = self.lines(card)
        for start in range(0, len(lines), LEAF_LINES):
            stop = min(start + LEAF_LINES, len(lines))
            yield Piece(card, start, stop, weight=stop - start, opens=start == 0)

    def leaf_of(self, card: int, place: int | None = None, column: int | None = None) -> int:
        """The leaf (from 1) with a row or line of a card and a column; with its first piece where none is named."""
        for number, leaf in enumerate(self.leaves, start=1):
            for piece in leaf:
                holds = piece.card == card and (place is None or piece.start <= place < piece.stop)
                if holds and (column is None or not piece.columns or column in piece.columns):
                    return number
        return 1

    def line_at(self, card: int, number: int) -> int | None:
        """The place of the line with this number among the lines of a card."""
        lines = self.lines(card)
        place = bisect_left(lines, number, key=lambda line: line.number)
        return place if place < len(lines) and lines[place].number == number else None

    def pointed_at(self, card: int, pointer: str) -> int | None:
        """The place of the line of a JSON value that a pointer names."""
        if card not in self._pointers:
            lines = self.lines(card)
            self._pointers[card] = {line.pointer: place for place, line in reversed(list(enumerate(lines)))}
        return self._pointers[card].get(pointer)


def _table_pieces(card: int, table: Table) -> Iterator[Piece]:
    width = len(table.header)
    blocks = [tuple(range(first, min(first + LEAF_COLUMNS, width))) for first in range(0, max(width, 1), LEAF_COLUMNS)]
    blocks = [block if place == 0 else (0, *block) for place, block in enumerate(blocks)]
    for start, stop in _row_blocks(table):
        for columns in blocks:
            weight = LEAF_LINES if stop - start == LEAF_ROWS else 3 * (stop - start) + 10
            yield Piece(card, start, stop, columns, weight, opens=start == 0 and columns == blocks[0])


def _row_blocks(table: Table) -> Iterator[tuple[int, int]]:
    """Blocks of at most `LEAF_ROWS` rows and about `LEAF_CHARACTERS` characters; one block for no rows."""
    start = characters = 0
    for place, row in enumerate(table.rows):
        length = sum(map(len, row))
        if place > start and (place - start == LEAF_ROWS or characters + length > LEAF_CHARACTERS):
            yield start, place
            start, characters = place, 0
        characters += length
    yield start, len(table.rows)
