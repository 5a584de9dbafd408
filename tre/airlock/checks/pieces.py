"""Every text of a parsed file in few long pieces, for checks that look for something anywhere.

Guarantees: passages, titles, headers and cells of tables, keys and values of a JSON value, and the file's own name
each come once; cells of a column, keys and values come as one piece, a line each, so that one search looks at all of
them; every place in a piece leads back to where it stands in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tre.airlock.parsed import ParsedFile, Passage, Place, Table, quoted

_LONGEST_POINTER = 300
_KINDS = {"code": "code", "output": "printed output", "metadata": "metadata", "label": "labels", "cell": "cells"}


@dataclass(frozen=True)
class Piece:
    """A text, and what the place where it stands is called: `column “id”`, `the file's name`.

    `lines`: every line is a cell, a key or a value by itself; `place_of` gives its place by its number from 0.
    """

    text: str
    where: str
    place_of: Callable[[int], Place]
    lines: bool = False

    def at(self, offset: int) -> Place:
        """The place of what stands at an offset."""
        return self.place_of(self.text.count("\n", 0, offset) if self.lines else 0)

    def around(self, start: int, end: int, reach: int) -> str:
        """What stands beside a part of the text, in the same cell where it consists of cells; and what it is called."""
        first, last = max(0, start - reach), min(len(self.text), end + reach)
        if self.lines:
            first = max(first, self.text.rfind("\n", 0, start) + 1)
            stop = self.text.find("\n", end)
            last = last if stop < 0 else min(last, stop)
        return f"{self.text[first:last]} {self.where}".replace("_", " ")


def pieces(file: ParsedFile, name: str = "") -> Iterator[Piece]:
    """All of them."""
    if name:
        stem = name.rsplit(".", 1)[0] if "." in name.rsplit("/", 1)[-1] else name
        yield Piece(stem.replace("/", "\n"), "the file's name", lambda _: Place(), lines=True)
    for passage in file.passages:
        if passage.place.pointer is not None and file.value is not None:
            continue  # a text of the JSON value, which comes with all others
        yield _fixed(passage.text, _KINDS.get(passage.kind, "the text"), passage.place)
    for table in file.tables:
        yield from _of_table(table)
    yield from _of_value(file.value)


def _fixed(text: str, where: str, place: Place) -> Piece:
    return Piece(text, where, lambda _: place)


def _of_table(table: Table) -> Iterator[Piece]:
    if table.title:
        yield _fixed(table.title, "a title", table.within)
    yield Piece(_joined(table.header), "a header", lambda column: table.at(None, column), lines=True)
    for column, title in enumerate(table.header):
        where = f"column {quoted(title)}" if title else f"column {column + 1}"
        texts = [row[column] if column < len(row) else "" for row in table.rows]
        yield Piece(_joined(texts), where, _in_column(table, column), lines=True)


def _in_column(table: Table, column: int) -> Callable[[int], Place]:
    return lambda row: table.at(row, column)


def _joined(texts: Sequence[str]) -> str:
    return "\n".join(text.replace("\n", " ") if "\n" in text else text for text in texts)


def _of_value(value: object) -> Iterator[Piece]:
    keys: list[tuple[str, str]] = []
    values: list[tuple[str, str]] = []
    waiting: list[tuple[object, str]] = [(value, "")]
    while waiting:
        here, pointer = waiting.pop()
        if isinstance(here, dict):
            steps = [(str(key), f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}") for key in here]
            keys += steps
            waiting += [(inner, step) for inner, (_, step) in zip(here.values(), steps, strict=True)][::-1]
        elif isinstance(here, list):
            waiting += [(inner, f"{pointer}/{number}") for number, inner in enumerate(here)][::-1]
        elif isinstance(here, (str, int, float)) and not isinstance(here, bool):
            values.append((str(here), pointer))
    for where, found in (("keys", keys), ("values", values)):
        if found:
            yield Piece(_joined([text for text, _ in found]), where, _by_pointer(found), lines=True)


def _by_pointer(found: list[tuple[str, str]]) -> Callable[[int], Place]:
    return lambda number: Place(pointer=found[number][1][:_LONGEST_POINTER] or None)


def passages_of(file: ParsedFile) -> list[Passage]:
    """Texts that people wrote or programs printed: no metadata, no single cells."""
    return [passage for passage in file.passages if passage.kind not in {"metadata", "cell"}]
