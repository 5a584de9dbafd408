"""Where in what is shown the findings point: cell, row, column, line, or a whole card.

Guarantees: a place is taken from a finding's locator by the same counting as the checks use (rows from 1, header
included; lines from 1), and only in a card that stands where the locator says: the same sheet, page, cell, output.

Does not guarantee: that every finding has a place: one about the file as a whole, or about bytes, has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tre.airlock.parsed import Place
from tre.domain.exports.models import Finding, Locator
from tre.portal.preview.content import TEXTS, Content

_AROUND = ("sheet", "page", "cell", "output")
HEADER = -1
"""Stands for a table's header among its rows."""


@dataclass(frozen=True)
class Mark:
    """A finding at its place. `row` is one of a table's or a line's place, `HEADER` for a table's header; `None` for
    the whole card. `number` is what stands beside the place and in the list of findings."""

    number: int
    finding: Finding
    card: int | None = None
    row: int | None = None
    column: int | None = None
    leaf: int = 0

    @property
    def where(self) -> str:
        """The place, as a person would say it."""
        place = self.finding.locator
        named = [(name, getattr(place, name)) for name in (*_AROUND, "row", "column")]
        parts = [f"{name} {value}" for name, value in named if value is not None]
        parts += [f"byte {place.offset:,}"] if place.offset is not None else []
        return ", ".join([*parts, *([place.pointer] if place.pointer else [])]) or "the whole file"

    @property
    def placed(self) -> bool:
        """Whether it can be shown in the content."""
        return self.card is not None


def marks_of(content: Content | None, findings: Sequence[Finding]) -> tuple[Mark, ...]:
    """The findings that a person reads, numbered, each with its place."""
    if content is None:
        return tuple(Mark(number, finding) for number, finding in enumerate(findings, start=1))
    return tuple(_mark(content, number, finding) for number, finding in enumerate(findings, start=1))


def _mark(content: Content, number: int, finding: Finding) -> Mark:
    for card in _candidates(content, finding.locator):
        place = _place_in(content, card, finding.locator)
        if place is not None:
            row, column = place
            in_body = None if row == HEADER else row
            return Mark(number, finding, card, row, column, content.leaf_of(card, in_body, column))
    return Mark(number, finding)


def _candidates(content: Content, locator: Locator) -> Iterable[int]:
    """Cards that stand where the locator says; tables first where it names a column."""
    if not any(value is not None for value in locator.as_plain().values()):
        return []
    fitting = [n for n, card in enumerate(content.cards) if _stands_at(card.place, locator)]
    if locator.column is not None:
        fitting.sort(key=lambda number: content.cards[number].kind != "table")
    return fitting


def _stands_at(place: Place, locator: Locator) -> bool:
    wanted = [(getattr(locator, name), getattr(place, name)) for name in _AROUND]
    return all(asked is None or asked == held for asked, held in wanted)


def _place_in(content: Content, card: int, locator: Locator) -> tuple[int | None, int | None] | None:
    """Row and column in a card, or `None` where the locator means none of it."""
    table = content.table_of(card)
    if table is not None:
        return _cell(len(table.rows), len(table.header), table.first_row, locator)
    kind = content.cards[card].kind
    if locator.pointer is not None:
        found = content.pointed_at(card, locator.pointer) if content.is_value(card) else None
        return None if found is None else (found, None)
    if locator.row is not None:
        line = content.line_at(card, locator.row) if kind in TEXTS else None
        return None if line is None else (line, None)
    around = any(getattr(locator, name) is not None for name in _AROUND)
    return (None, None) if around and locator.column is None and locator.offset is None else None


def _cell(rows: int, width: int, first_row: int, locator: Locator) -> tuple[int | None, int | None] | None:
    if locator.row is None and locator.column is None:
        return None if locator.pointer is not None or locator.offset is not None else (None, None)
    column = None if locator.column is None else locator.column - 1
    if column is not None and not 0 <= column < width:
        return None
    row = HEADER if locator.row is None else locator.row - first_row - 1
    return (row, column) if HEADER <= row < rows else None
