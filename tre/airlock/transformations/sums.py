"""Which counts of a table are the sum of which others.

Guarantees: every sum that is reported adds up in the table as it was read, as far as its numbers are shown.

Does not guarantee: that all sums are found. Looked for are: rows that call themselves a total, within groups of equal
labels; a last row that is the sum of all others; columns that call themselves a total; a column that is the sum of
two others. A sum in which a number was hidden before is believed where its labels say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from tre.airlock.transformations.shares import TOTAL

Cell = tuple[int, int]
"""Row and column in the table's body, from 0."""

MOST_LABELS = 6
MOST_COLUMNS = 12
"""Columns of labels, and of counts, among which sums of columns are looked for."""

_FEWEST_ROWS = 2
_MEASURED = re.compile(r"[-+]?\d*+[.,]\d++(?:[eE][-+]?\d++)?\s?%?|[-+]\d++|\d++\s?%")


@dataclass(frozen=True)
class Sum:
    """A total and its parts."""

    total: Cell
    parts: frozenset[Cell]

    @property
    def cells(self) -> frozenset[Cell]:
        """All of them."""
        return self.parts | {self.total}


Values = Mapping[Cell, int | None]


def sums_in(rows: Sequence[Sequence[str]], counts: Sequence[int], values: Values) -> list[Sum]:
    """The sums among the counts of a table; each once."""
    width = len(rows[0]) if rows else 0
    labels = [c for c in range(width) if c not in counts and _is_label(rows, c)][:MOST_LABELS]
    found = [*_down(rows, counts, labels), *_last_row(rows, counts, values), *_across(rows, counts, values)]
    return list(dict.fromkeys(one for one in found if _adds_up(one, values)))


def _is_label(rows: Sequence[Sequence[str]], column: int) -> bool:
    """A column of words or of whole numbers: groups, years, levels; no measurements."""
    return not any(_MEASURED.fullmatch(row[column].strip()) for row in rows)


def _down(rows: Sequence[Sequence[str]], counts: Sequence[int], labels: Sequence[int]) -> Iterator[Sum]:
    """Totals by label: among rows that agree in all other labels, the one that says "total" is the sum of the rest."""
    for label in labels:
        others = [column for column in labels if column != label]
        groups: dict[tuple[str, ...], list[int]] = {}
        for place, row in enumerate(rows):
            groups.setdefault(tuple(row[column].strip() for column in others), []).append(place)
        for places in groups.values():
            totals = [place for place in places if TOTAL.fullmatch(rows[place][label].strip())]
            parts = [place for place in places if place not in totals]
            if len(totals) == 1 and parts:
                for column in counts:
                    yield Sum((totals[0], column), frozenset((part, column) for part in parts))


def _last_row(rows: Sequence[Sequence[str]], counts: Sequence[int], values: Values) -> Iterator[Sum]:
    last = len(rows) - 1
    for column in counts:
        if last >= _FEWEST_ROWS and all(values.get((place, column)) is not None for place in range(last + 1)):
            yield Sum((last, column), frozenset((place, column) for place in range(last)))


def _across(rows: Sequence[Sequence[str]], counts: Sequence[int], values: Values) -> Iterator[Sum]:
    """Columns that are the sum of all other counts, or of two others, in every row that shows them."""
    if len(counts) > MOST_COLUMNS:
        return
    for total in counts:
        others = [column for column in counts if column != total]
        choices = [tuple(others), *combinations(others, 2)] if len(others) > 2 else [tuple(others)]
        for parts in dict.fromkeys(choices):
            rowwise = [Sum((r, total), frozenset((r, part) for part in parts)) for r in range(len(rows))]
            shown = [one for one in rowwise if all(values.get(cell) is not None for cell in one.cells)]
            if len(parts) >= 2 and len(shown) >= _FEWEST_ROWS and all(_adds_up(one, values) for one in shown):
                yield from rowwise


def _adds_up(one: Sum, values: Values) -> bool:
    """Whether every cell holds a count, and those shown agree; a sum with nothing hidden must add up exactly."""
    if not all(cell in values for cell in one.cells):
        return False
    total, parts = values[one.total], [values[part] for part in one.parts]
    known = sum(part for part in parts if part is not None)
    if total is None:
        return True
    return known == total if None not in parts else known <= total
