"""What changed between two tables, cell by cell: rows and columns are aligned by what they are called. Stdlib only.

Guarantees: every cell of both tables is accounted for once: kept, changed (with its old and new text), added or
removed; of two equal tables nothing is changed, and a difference turned round is the difference of the tables turned
round. Columns are aligned by title, the n-th of a title with the n-th; rows by their key, which is the text of the
leading columns that name rows, the n-th of a key with the n-th; where keys name nothing (all alike), rows are aligned
by their whole text and then by order.

Does not guarantee: the shortest difference. A renamed row is one removed and one added.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tre.airlock.parsed import Table
from tre.airlock.tables.labels import spelled
from tre.airlock.tables.shown import read

_MOST_KEY_COLUMNS = 4


class Change(StrEnum):
    """What became of a cell."""

    added = "added"
    removed = "removed"
    changed = "changed"


@dataclass(frozen=True)
class CellChange:
    """One cell that is not as it was. Places count from 0 in the body of either table; `None` where it has none.

    A header that changed has the row -1 in both.
    """

    change: Change
    old_row: int | None
    old_column: int | None
    new_row: int | None
    new_column: int | None
    old: str | None
    new: str | None


@dataclass(frozen=True)
class Difference:
    """Rows and columns side by side (old place, new place), and every cell that differs."""

    rows: tuple[tuple[int | None, int | None], ...]
    columns: tuple[tuple[int | None, int | None], ...]
    cells: tuple[CellChange, ...]

    @property
    def same(self) -> bool:
        """Whether nothing changed at all; the order of rows and columns counts as nothing."""
        return not self.cells

    def count(self, change: Change) -> int:
        """How many cells were changed in this way."""
        return sum(cell.change is change for cell in self.cells)


Pairs = tuple[tuple[int | None, int | None], ...]


def difference(old: Table, new: Table) -> Difference:
    """What changed from one table to another."""
    columns = _aligned([spelled(title) or title for title in old.header], [spelled(t) or t for t in new.header])
    both = [(a, b) for a, b in columns if a is not None and b is not None]
    keys = _key_columns(old, new, both)
    rows = _rows(old, new, both, keys)
    cells = list(_header_changes(old, new, columns))
    cells += (cell for pair in rows for column in columns for cell in _cell(old, new, pair, column))
    return Difference(rows, columns, tuple(cells))


def _aligned(old: Sequence[object], new: Sequence[object]) -> Pairs:
    """Equal things side by side, the n-th with the n-th, in the order of the new; what is gone stands last."""
    places: dict[tuple[object, int], int] = {}
    seen: Counter[object] = Counter()
    for place, thing in enumerate(old):
        places[thing, seen[thing]] = place
        seen[thing] += 1
    found: list[tuple[int | None, int | None]] = []
    seen = Counter()
    for place, thing in enumerate(new):
        found.append((places.pop((thing, seen[thing]), None), place))
        seen[thing] += 1
    found += [(place, None) for place in places.values()]
    return tuple(found)


def _key_columns(old: Table, new: Table, both: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The shared columns that name rows: those of texts before the first of numbers, else the first."""
    keys: list[tuple[int, int]] = []
    for a, b in sorted(both, key=lambda pair: (min(pair), max(pair), spelled(old.header[pair[0]])))[:_MOST_KEY_COLUMNS]:
        texts = [row[a] for row in old.rows] + [row[b] for row in new.rows]
        numbers = sum(_is_number(text) for text in texts)
        if keys and numbers * 2 > len(texts):
            break
        keys.append((a, b))
        before = {tuple(row[k] for k, _ in keys) for row in old.rows}
        after = {tuple(row[k] for _, k in keys) for row in new.rows}
        if len(before) == len(old.rows) and len(after) == len(new.rows):
            break  # these name every row already
    return keys


def _is_number(text: str) -> bool:
    if read(text) is not None:
        return True
    try:
        float(text.strip().rstrip("%"))
    except ValueError:
        return False
    return True


def _rows(old: Table, new: Table, both: Sequence[tuple[int, int]], keys: Sequence[tuple[int, int]]) -> Pairs:
    """Rows by key; among rows of one key, those that are equal first, then the n-th with the n-th."""
    old_keys = [tuple(row[a] for a, _ in keys) for row in old.rows]
    new_keys = [tuple(row[b] for _, b in keys) for row in new.rows]
    shown = [(*key, *(row[a] for a, _ in both)) for key, row in zip(old_keys, old.rows, strict=True)]
    now = [(*key, *(row[b] for _, b in both)) for key, row in zip(new_keys, new.rows, strict=True)]
    equal = {(a, b) for a, b in _aligned(shown, now) if a is not None and b is not None}
    old_left = sorted(set(range(len(old_keys))) - {a for a, _ in equal})
    new_left = sorted(set(range(len(new_keys))) - {b for _, b in equal})
    rest = _aligned([old_keys[place] for place in old_left], [new_keys[place] for place in new_left])
    pairs: list[tuple[int | None, int | None]] = list(equal)
    for a, b in rest:
        pairs.append((None if a is None else old_left[a], None if b is None else new_left[b]))
    return tuple(sorted(pairs, key=lambda pair: (pair[1] is None, pair[1] if pair[1] is not None else pair[0] or 0)))


def _header_changes(old: Table, new: Table, columns: Pairs) -> Iterator[CellChange]:
    for a, b in columns:
        yield from _change(-1, a, -1, b, None if a is None else old.header[a], None if b is None else new.header[b])


def _cell(
    old: Table, new: Table, row: tuple[int | None, int | None], column: tuple[int | None, int | None]
) -> Iterator[CellChange]:
    a, b = row
    c, d = column
    before = old.rows[a][c] if a is not None and c is not None else None
    after = new.rows[b][d] if b is not None and d is not None else None
    yield from _change(a, c, b, d, before, after)


def _change(
    a: int | None, c: int | None, b: int | None, d: int | None, before: str | None, after: str | None
) -> Iterator[CellChange]:
    if before == after:
        return
    if before is None:
        yield CellChange(Change.added, None, None, b, d, None, after)
    elif after is None:
        yield CellChange(Change.removed, a, c, None, None, before, None)
    else:
        yield CellChange(Change.changed, a, c, b, d, before, after)
