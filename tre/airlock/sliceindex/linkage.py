"""Linking rows to records: does one person of the slice explain several values of one row? Standard library only.

Guarantees: a row is linked when at least `linked_values` different columns of one person's record stand in it as rare
values, whatever the columns are called now and whether or not numbers were rounded, and chance does not explain that
(`_Row.needed`); or when as many columns with the slice's own names hold a combination that exactly one person has.
Rows and columns are looked at alike, so that turning a table round hides nothing. Work is bounded (`MOST_LOOKUPS`
different cells a file); beyond it rows are taken in an order that only the index's key foretells, and the result says
that not everything was compared.

Does not guarantee: that transformed values are recognised (scaled, shifted, encoded), nor rows of fewer values.

Threat: a table of single records among the outputs, renamed and rounded; a table made to exhaust the comparison.

Sources: same-record linkage with three values found three of three leaks and linked none of 31,325 rows of really
released tables; two values link chance rows. Weights are those of probabilistic record linkage (Fellegi and Sunter
1969): a value that h of N people have speaks for one of them with log2(N/h) bits.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tre.airlock.sliceindex.body import COLUMN_BITS
from tre.airlock.sliceindex.normal import column_form, significant, value_form
from tre.airlock.sliceindex.reading import SliceIndex

MOST_LOOKUPS = 150_000
"""Different cells that are looked up for one file: one or two seconds."""

MOST_EVIDENCE = 1_000_000
"""Agreements of a cell with a person that are weighed for one file: about one second."""

MOST_TURNED = 500
"""Rows of a table that may have been turned round: longer ones would have as many columns of one person each."""

MARGIN_BITS = 6.0
"""Beyond what chance explains: over all rows of a table, fewer than one in sixty is linked by chance."""

_SURELY_COMPARED = MOST_EVIDENCE // 200
"""Cells that fit every bound, however many people each agrees with (`making.MOST_POSTINGS`)."""

_COLUMN = (1 << COLUMN_BITS) - 1
_PLACE_BITS = 32
_HALF = 0.5
_NEARLY_ALL = 0.95
_FEWEST_ROWS = 3
_AGREEING_PAIRS = 3.0
"""So many pairs of rows would agree on average: by chance none does in five of a hundred tables."""

_WIDEST_LINE = 10_000


@dataclass(frozen=True)
class Block:
    """Rows that belong together: a table, or the lines of a text. `header` may be empty."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass
class Linked:
    """What came of one block: which rows (and columns) are linked, how many rows were compared of how many."""

    rows: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    compared: int = 0
    of: int = 0


class _Evidence(NamedTuple):
    """A value of a cell that a person has: who (with the index's place), in which column (likewise), and its weight.

    `bits` counts everybody who has the value anywhere, `bits_there` those who have it in the same column.
    """

    who: int
    source: int
    bits: float
    bits_there: float


Evidence = tuple[_Evidence, ...]


class _Row:
    """What speaks for whom in one row (or one column)."""

    def __init__(self) -> None:
        self._people: dict[int, dict[int, float]] = {}
        self._cells = 0

    def take(self, evidence: Evidence) -> None:
        """A cell that could point to somebody."""
        self._cells += 1
        for who, source, bits, _ in evidence:
            self._add(who, source, bits)

    def take_from(self, evidence: Evidence, origin: int) -> None:
        """A cell of a column that comes from one column of the slice."""
        self._cells += 1
        for who, source, _, bits in evidence:
            if source == origin:
                self._add(who, source, bits)

    def _add(self, who: int, source: int, bits: float) -> None:
        sources = self._people.setdefault(who, {})
        if bits > sources.get(source, 0.0):
            sources[source] = bits

    def is_linked(self, values: int, people: Sequence[int], chances: float) -> bool:
        """Whether one person explains enough of it; `chances` are the bits of how often it is tried."""
        return any(
            len(sources) >= values
            and sum(sources.values()) >= self.needed(len(sources), people[who >> _PLACE_BITS]) + chances
            for who, sources in self._people.items()
        )

    def needed(self, found: int, people: int) -> float:
        """The bits that chance may explain: any of all people, any choice of cells; and a margin."""
        return math.log2(max(people, 1)) + math.log2(math.comb(max(self._cells, found), found)) + MARGIN_BITS


class Linkage:
    """The comparison of one file with the indexes, within one bound."""

    def __init__(self, indexes: Iterable[SliceIndex], values: int) -> None:
        self._indexes = list(indexes)
        self._people = [index.records for index in self._indexes]
        self._values = values
        self._left = MOST_LOOKUPS
        self._effort = MOST_EVIDENCE
        self._known: dict[str, Evidence | None] = {}
        self._holders: dict[tuple[int, str, str], int] = {}

    def link(self, block: Block) -> Linked:
        """Look at a block; rows that do not fit the bound any more are left out, which the result says."""
        found = Linked(of=len(block.rows))
        titles = [column_form(title) for title in block.header]
        named = [_Named(place, index, titles) for place, index in enumerate(self._indexes)]
        named = [one for one in named if len(one.columns) >= self._values]
        columns = defaultdict[int, _Row](_Row) if found.of <= MOST_TURNED else None
        linked: set[int] = set()
        looked: dict[int, list[Evidence | None]] = {}
        for number in self._order(block.rows):
            if self._left <= 0 or self._effort <= 0:
                break
            found.compared += 1
            looked[number] = evidence = [self._of(cell) for cell in block.rows[number]]
            self._effort -= sum(len(one) for one in evidence if one)
            if self._look(evidence, columns).is_linked(self._values, self._people, _bits(found.of)):
                linked.add(number)
            for one in named:
                one.look(number, block.rows[number], self)
        linked.update(number for one in named for number in one.linked())
        linked.update(self._by_origin(looked))
        found.rows = sorted(linked)
        found.columns = self._linked_columns(columns or {})
        return found

    def _linked_columns(self, columns: dict[int, _Row]) -> list[int]:
        chances = _bits(len(columns))
        return sorted(n for n, row in columns.items() if row.is_linked(self._values, self._people, chances))

    def _order(self, rows: Sequence[Sequence[str]]) -> Iterable[int]:
        """As they stand where everything will be looked at; else in an order that nobody foresees."""
        if sum(len(row) for row in rows) <= _SURELY_COMPARED or not self._indexes:
            return range(len(rows))
        order = self._indexes[0].order
        return sorted(range(len(rows)), key=lambda number: order(str(number)))

    def _look(self, row: Sequence[Evidence | None], columns: defaultdict[int, _Row] | None) -> _Row:
        """What speaks for whom in a row; it goes into the columns, too, where there are any to judge."""
        here = _Row()
        for column, evidence in enumerate(row):
            if evidence is not None:
                here.take(evidence)
                if columns is not None:
                    columns[column].take(evidence)
        return here

    def _by_origin(self, looked: dict[int, list[Evidence | None]]) -> list[int]:
        """Rows that are linked once each column is taken to come from one column of the slice, over all rows."""
        hits: defaultdict[int, Counter[int]] = defaultdict(Counter)
        filled: Counter[int] = Counter()
        for row in looked.values():
            for column, evidence in enumerate(row):
                if evidence is not None:
                    filled[column] += 1
                    hits[column].update({one.source for one in evidence})
        best = {column: max(found.items(), key=_times) for column, found in hits.items() if found}
        origins = {column: source for column, (source, times) in best.items() if times >= _HALF * filled[column]}
        if len(origins) < self._values or len(looked) < _FEWEST_ROWS:
            return []
        choices = _bits(max(len(found) for found in hits.values())) * len(origins) / len(looked)
        linked = []
        for number, row in looked.items():
            here = _Row()
            for column, origin in origins.items():
                evidence = row[column] if column < len(row) else None
                if evidence is not None:
                    here.take_from(evidence, origin)
            if here.is_linked(self._values, self._people, _bits(len(looked)) + choices):
                linked.append(number)
        return linked if len(linked) >= _FEWEST_ROWS else []

    def _of(self, cell: str) -> Evidence | None:
        """What a cell says; `None` where it could point to nobody."""
        if cell in self._known:
            return self._known[cell]
        form = value_form(cell)
        self._left -= 1
        found: Evidence | None = None
        if form and significant(form):
            found = tuple(one for place in range(len(self._indexes)) for one in self._evidence(place, form))
        self._known[cell] = found
        return found

    def _evidence(self, place: int, form: str) -> Iterator[_Evidence]:
        postings = self._indexes[place].rare(form)
        if not postings:
            return
        everybody = self._people[place]
        bits = math.log2(everybody / len({posting >> COLUMN_BITS for posting in postings}))
        there = Counter(posting & _COLUMN for posting in postings)
        for posting in postings:
            source = posting & _COLUMN
            who = place << _PLACE_BITS | posting >> COLUMN_BITS
            yield _Evidence(who, place << COLUMN_BITS | source, bits, math.log2(everybody / there[source]))

    def holders(self, place: int, title: str, cell: str) -> int:
        """Who has this cell's value in the slice's column of this name: one bit a person."""
        key = place, title, cell
        found = self._holders.get(key)
        if found is None:
            form = value_form(cell)
            self._left -= 1
            found = self._holders[key] = self._indexes[place].holders(title, form) if form else 0
        return found


def _times(item: tuple[int, int]) -> int:
    return item[1]


def _bits(times: int) -> float:
    """How many bits so many chances are worth."""
    return math.log2(max(times, 1))


class _Named:
    """The columns of a block that carry the slice's own names, and the rows whose combination one person has.

    Told from tables of groups: these hold combinations that nobody has, and each combination once however many people
    have it, where of so many rows that were drawn from people some would agree.
    """

    def __init__(self, place: int, index: SliceIndex, titles: Sequence[str]) -> None:
        self._place, self._people = place, max(index.records, 1)
        self.columns = [(n, title) for n, title in enumerate(titles) if title and index.knows_column(title)]
        self._looked = 0
        self._held: Counter[int] = Counter()
        self._single: list[int] = []

    def look(self, number: int, row: Sequence[str], linkage: Linkage) -> None:
        """Take one row in."""
        who, used = -1, 0
        for column, title in self.columns:
            if column < len(row) and value_form(row[column]):
                who &= linkage.holders(self._place, title, row[column])
                used += 1
        if used:
            self._looked += 1
            if who > 0:
                self._held[who] += 1
                if who.bit_count() == 1:
                    self._single.append(number)

    def linked(self) -> list[int]:
        """Rows that are one person's, where nearly all are somebody's and they were drawn from people."""
        held = self._held.total()
        return self._single if held >= _NEARLY_ALL * self._looked and not self._are_groups(held) else []

    def _are_groups(self, held: int) -> bool:
        """Whether no two rows agree although, of rows about people, several would."""
        if len(self._held) < held:
            return False
        pairs = sum(math.comb(who.bit_count(), 2) for who in self._held)
        return pairs * (held / self._people) ** 2 >= _AGREEING_PAIRS


def lines_of(text: str) -> Block:
    """A text as rows: what stands between blanks, commas and bars of each line."""
    rows = []
    for line in text.splitlines():
        if any(sign.isdigit() for sign in line) and len(line) <= _WIDEST_LINE:
            rows.append([part for part in line.replace(",", " ").replace(";", " ").replace("|", " ").split() if part])
    return Block((), rows)
