"""A table of counts as a grid: which cells are counts, what each stands for, and which must add up to which.

Guarantees: wide tables (one column for each group), long ones (`group | sub-group | n`), lists under sub-headings and
headers of several lines give the same grid: keys of labels for rows and for columns. An equation (a total and its
parts) is taken from labels that say "all" and from nothing else, unless the arithmetic of at least two lines that are
shown in full bears it out; an equation that the shown numbers contradict more often than not is none. Bounded: a table
with more than `MOST_CELLS` counts gives no grid. Standard library only.

Does not guarantee: that the grid is what its author meant. Totals of overlapping groups look like others until a
line shows that they do not add up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tre.airlock.parsed import Place, Rules, Table
from tre.airlock.tables.equations import Sum, find_sums
from tre.airlock.tables.labels import is_plain_count, is_total, spelled, words
from tre.airlock.tables.shown import EXACT, Kind, Rounding, Shown, read, read_among_counts, rounding_of

MOST_CELLS = 100_000

Cell = tuple[int, int]
Key = tuple[str, ...]

_COUNT_ROLES = frozenset({"count"})
_UNKNOWN_ROLES = frozenset({"", "unknown", "total"})
_LABEL_ROLES = frozenset({"label", "date", "id", "organisation"})
_MEASURES = words(
    """
    id ids identifier index rownum duration percent percentage pct perc per rate rates ratio ratios proportion
    prop share fraction mean average avg median mode sd std stdev stderr se var variance iqr quantile percentile
    pvalue pval p value values coef coefficient beta estimate est rr irr ci lcl ucl lci uci minimum maximum odds
    hazard probability prob statistic stat stats chi2 df dof auc accuracy sensitivity specificity precision
    recall loss epoch epochs fold seed batch threshold parameter parameters cost costs price amount income
    weight bmi
    """
)
"""Words of other measures; not those by which columns of counts are often headed (`age 40-49`, `2021`, `low`)."""

_PERCENT = re.compile(r"\d\s*+%")
_MOSTLY = 0.8
_FEWEST_HEADINGS = 2  # one row without a number is a count that was left empty


@dataclass(frozen=True)
class Grid:
    """The counts of one table. `rows` and `columns` say where in the table's body the lines of the grid stand."""

    table: Table
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    row_keys: tuple[Key, ...]
    column_keys: tuple[Key, ...]
    titles: Key
    cells: dict[Cell, Shown]
    rounding: Rounding = EXACT
    sums: tuple[Sum, ...] = field(default=())

    def place(self, cell: Cell) -> Place:
        """Where a cell stands in its file."""
        return self.table.at(self.rows[cell[0]], self.columns[cell[1]])

    def name(self, cell: Cell) -> str:
        """What a cell stands for, in the words of the table."""
        row = self.table.rows[self.rows[cell[0]]]
        first = min(self.columns)
        labels = [text.strip() for text in row[:first] if text.strip()] or list(filter(None, self.row_keys[cell[0]]))
        title = self.table.header[self.columns[cell[1]]].strip()
        key = [part for part in self.column_keys[cell[1]] if part]
        if len(key) > 1:
            title = " ".join(key)
        return ", ".join(
            [*labels[-2:], title] if title and not is_plain_count(spelled(title)) else labels[-2:] or [title]
        )

    @property
    def hides(self) -> bool:
        """Whether a number is missing where one was due."""
        return any(cell.kind is not Kind.number for cell in self.cells.values()) or any(s.omitted for s in self.sums)


def grid_of(table: Table, roles: Sequence[str], rules: Rules) -> Grid | None:
    """The grid of a table; `None` where the table shows no counts."""
    width = len(table.header)
    roles = roles if len(roles) == width else ("",) * width
    if width == 0 or not table.rows or width * len(table.rows) > MOST_CELLS:
        return None
    first = _first_body_row(table)
    counts = _count_columns(table, roles, first)
    if not counts:
        return None
    labels = [c for c in range(width) if c not in counts and _is_label(table, roles, c, counts)]
    rows, row_keys = _rows(table, labels, counts, first)
    column_keys = _column_keys(table, counts, first)
    cells = {
        (i, j): shown
        for i, row in enumerate(rows)
        for j, column in enumerate(counts)
        if (shown := read_among_counts(table.rows[row][column])) is not None
    }
    rounding = rounding_of((n for cell in cells.values() if (n := cell.number) is not None), rules)
    cells = {cell: rounding.widened(shown) for cell, shown in cells.items()}
    cells = _without_lone_blanks(cells)
    titles = tuple(spelled(table.header[column]) for column in labels)
    grid = Grid(table, tuple(rows), tuple(counts), tuple(row_keys), tuple(column_keys), titles, cells, rounding)
    sums = find_sums(grid.row_keys, grid.column_keys, cells, rounding)
    return Grid(table, grid.rows, grid.columns, grid.row_keys, grid.column_keys, titles, cells, rounding, sums)


def _first_body_row(table: Table) -> int:
    """How many rows below the header still name columns: texts only, in more than the first column."""
    first = 0
    for row in table.rows[:4]:
        rest = [text.strip() for text in row[1:]]
        named = [text for text in rest if text]
        if len(named) < 2 or any(read(text) is not None or _PERCENT.search(text) for text in named):
            break
        if len(set(table.header[1:])) == len(table.header[1:]):
            break  # every column has a name of its own already
        first += 1
    if first and first < len(table.rows) and not any(text.strip() for text in table.rows[first][1:]):
        first += 1  # the line that names the index
    return first


def _count_columns(table: Table, roles: Sequence[str], first: int) -> list[int]:
    found = [c for c in range(len(table.header)) if _is_count(table, roles[c], c, first)]
    if not any(_shows_number(table, c, first) for c in found):
        found = [c for c in found if roles[c] in _COUNT_ROLES]
    if found and found[0] == 0 and len(found) > 1 and roles[0] not in _COUNT_ROLES and _names_rows(table, first):
        found = found[1:]
    return found


def _is_count(table: Table, role: str, column: int, first: int) -> bool:
    if role not in _COUNT_ROLES and role not in _UNKNOWN_ROLES:
        return False
    title = table.header[column]
    combined = "%" in title and re.search(r"\bn\b|\bno\b|count|freq", title, re.IGNORECASE) is not None
    if role not in _COUNT_ROLES and not combined and ("%" in title or set(spelled(title).split()) & _MEASURES):
        return False
    cells = [row[column].strip() for row in table.rows[first:]]
    seen = [read(cell) for cell in cells if cell]
    numbers = [cell for cell in seen if cell is not None and cell.kind is Kind.number]
    hidden = [cell for cell in seen if cell is not None and cell.kind is not Kind.number]
    tokens = any(cell.kind is Kind.hidden for cell in hidden)
    strange = [cell for cell in cells if cell and read(cell) is None]
    if any(read_among_counts(cell) is None for cell in strange) or len(strange) > len(numbers):
        return bool(numbers or tokens) and len(numbers) + len(hidden) >= _MOSTLY * len(seen)
    return bool(numbers or tokens)


def _shows_number(table: Table, column: int, first: int) -> bool:
    seen = (read(row[column]) for row in table.rows[first:])
    return any(cell is not None and cell.kind is Kind.number for cell in seen)


def _names_rows(table: Table, first: int) -> bool:
    """Whether a first column of numbers names the rows: nothing in its header counts, and no number stands twice."""
    cells = [row[0].strip() for row in table.rows[first:]]
    return not (table.header[0].strip() and is_plain_count(spelled(table.header[0]))) and len(set(cells)) == len(cells)


def _is_label(table: Table, roles: Sequence[str], column: int, counts: Sequence[int]) -> bool:
    if roles[column] in _LABEL_ROLES:
        return True
    if column > max(counts) or roles[column] not in _UNKNOWN_ROLES:
        return False
    texts = [row[column].strip() for row in table.rows]
    words = [text for text in texts if text and not _is_decimal(text)]
    return column == 0 or len(words) * 2 > len([text for text in texts if text])


def _is_decimal(text: str) -> bool:
    try:
        float(text.replace(",", ".").rstrip("%"))
    except ValueError:
        return False
    return "." in text or "%" in text


def _rows(table: Table, labels: Sequence[int], counts: Sequence[int], first: int) -> tuple[list[int], list[Key]]:
    """The rows that hold counts, each with its key: sub-headings and merged cells are carried down."""
    rows: list[int] = []
    keys: list[Key] = []
    carried = [""] * len(labels)
    heading = ""
    headed = sum(_is_heading(row, labels, counts) for row in table.rows[first:]) >= _FEWEST_HEADINGS
    for number, row in enumerate(table.rows[first:], start=first):
        texts = [spelled(row[column]) for column in labels]
        if headed and _is_heading(row, labels, counts):
            heading = next((text for text in texts if text), "")
            continue
        for place, text in enumerate(texts[:-1]):
            if text:
                carried[place] = text
                carried[place + 1 :] = [""] * (len(labels) - place - 1)
            elif not is_total(carried[place]):
                texts[place] = carried[place]
        rows.append(number)
        if headed:
            heading = "" if texts and is_total(texts[0]) else heading
            texts = [heading, *texts]
        keys.append(tuple(texts) or ("",))
    return rows, keys


def _is_heading(row: Sequence[str], labels: Sequence[int], counts: Sequence[int]) -> bool:
    return any(row[c].strip() for c in labels[:1]) and not any(row[c].strip() for c in (*counts, *labels[1:]))


def _column_keys(table: Table, columns: Sequence[int], first: int) -> list[Key]:
    """The key of each column: one label from each line of the header, but for lines that are empty over all of them."""
    lines = [table.header, *(table.rows[row] for row in range(first))]
    named = [line for line in lines if any(line[column].strip() for column in columns)] or [table.header]
    return [tuple(spelled(line[column]) for line in named) for column in columns]


def _without_lone_blanks(cells: dict[Cell, Shown]) -> dict[Cell, Shown]:
    """Blanks are hidden counts only in lines that show a number or a token, where the table has such lines."""
    if len({cell[1] for cell in cells}) == 1:
        return cells
    rows = {cell[0] for cell, shown in cells.items() if shown.kind is not Kind.blank}
    columns = {cell[1] for cell, shown in cells.items() if shown.kind is not Kind.blank}
    return {c: s for c, s in cells.items() if s.kind is not Kind.blank or (c[0] in rows and c[1] in columns)}
