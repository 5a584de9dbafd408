"""P02: rows that agree with single records of the mounted slice, whatever their columns are called.

Guarantees: tables, printed lines and lists of JSON objects are compared by `sliceindex.linkage`; the file is pointed
out when the policy's number or share of rows is linked (at least `linked_rows`, or `linked_percent`); a file too large
to be compared in full says so (case `partial`).

Does not guarantee: which person a row belongs to; nobody is told that. Equal values can be chance in one row, which is
why the file decides and not the row.

Threat: an extract of the data, its first rows in a log, or a table turned round, as a result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tre.airlock.checks.pieces import passages_of
from tre.airlock.parsed import Observation, ParsedFile, Place, Rules, Surroundings, Table
from tre.airlock.sliceindex.linkage import Block, Linkage, Linked, lines_of
from tre.airlock.sliceindex.reading import opened

_SUGGESTION = "Show summaries of groups instead of rows about single persons."

_MOST_GAPS = 4
"""Objects are a table when at least one in so many of its cells would be filled."""


@dataclass(frozen=True)
class _Part:
    """Rows to compare, and the place of their first."""

    block: Block
    place: Place
    table: Table | None = None

    def at(self, row: int) -> Place:
        """The place of a row."""
        return self.place if self.table is None else self.table.at(row)


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Linked rows of a file."""
    indexes = opened(around.slice)
    if not indexes:
        return []
    linkage = Linkage(indexes, around.rules.linked_values)
    found: list[Observation] = []
    looked: list[Linked] = []
    for parts in (_of_tables(file), _of_value(file.value), _of_passages(file)):
        results = [(part, linkage.link(part.block)) for part in parts]
        looked += [linked for _, linked in results]
        found += _judged(results, around.rules)
    left_out = sum(linked.of - linked.compared for linked in looked)
    if left_out and not found:
        compared = sum(linked.compared for linked in looked)
        message = f"Only {compared} of {compared + left_out} rows were compared with the records of the slice."
        found.append(Observation("P02", message, "Ask for less, or look at the rest yourselves.", case="partial"))
    return found


def _judged(results: Sequence[tuple[_Part, Linked]], rules: Rules) -> Iterator[Observation]:
    """One finding for all parts of a kind together."""
    rows = sum(len(linked.rows) for _, linked in results)
    of = sum(linked.compared for _, linked in results)
    columns = sum(len(linked.columns) for _, linked in results)
    first = next((part.at(linked.rows[0]) for part, linked in results if linked.rows), Place())
    if rows and (rows >= rules.linked_rows or 100 * rows >= rules.linked_percent * of):
        message = f"{rows} of {of} rows agree with single records of the mounted data."
        yield Observation("P02", message, _SUGGESTION, place=first)
    elif columns:
        turned = next(part for part, linked in results if linked.columns)
        message = f"{columns} columns agree with single records of the mounted data."
        yield Observation("P02", message, _SUGGESTION, place=turned.place)


def _of_tables(file: ParsedFile) -> Iterator[_Part]:
    for table in file.tables:
        yield _Part(Block(table.header, table.rows), table.at(), table)


def _of_passages(file: ParsedFile) -> Iterator[_Part]:
    for passage in passages_of(file):
        block = lines_of(passage.text)
        if block.rows:
            yield _Part(block, passage.place)


def _of_value(value: object) -> Iterator[_Part]:
    """Objects of a JSON value as rows: a list of objects, an object of objects, lists side by side, single lists."""
    waiting: deque[tuple[object, str]] = deque([(value, "")])
    while waiting:
        here, pointer = waiting.popleft()
        if not isinstance(here, (dict, list)) or not here:
            continue
        inner = list(here.values()) if isinstance(here, dict) else here
        if (block := _block(here, inner)) is not None:
            yield _Part(block, Place(pointer=pointer[:300] or None))
            continue
        steps = list(here) if isinstance(here, dict) else range(len(here))
        waiting += [
            (item, f"{pointer}/{step}")
            for step, item in zip(steps, inner, strict=True)
            if isinstance(item, (dict, list))
        ]


def _block(here: dict[str, object] | list[object], inner: list[object]) -> Block | None:
    if all(isinstance(item, dict) and _flat(list(item.values())) for item in inner):
        return _of_objects([item for item in inner if isinstance(item, dict)])
    if all(isinstance(item, list) and _flat(item) for item in inner):
        lists = [item for item in inner if isinstance(item, list)]
        if isinstance(here, dict) and len({len(item) for item in lists}) == 1:
            return Block(list(here), [[_text(cell) for cell in row] for row in zip(*lists, strict=True)])
        return Block((), [[_text(cell) for cell in item] for item in lists])
    if isinstance(here, list) and _flat(inner):
        return Block((), [[_text(cell) for cell in inner]])
    return Block([str(key) for key in here], [[_text(cell) for cell in inner]]) if _flat(inner) else None


def _of_objects(objects: list[dict[str, object]]) -> Block:
    """Objects as rows under their keys; without titles where they have little in common, which would be mostly gaps."""
    titles = list(dict.fromkeys(key for item in objects for key in item))
    if len(titles) * len(objects) > _MOST_GAPS * sum(len(item) for item in objects):
        return Block((), [[_text(cell) for cell in item.values()] for item in objects])
    return Block(titles, [[_text(item.get(title)) for title in titles] for item in objects])


def _flat(values: list[object]) -> bool:
    return all(value is None or isinstance(value, (str, int, float)) for value in values)


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, bool) else str(value)
