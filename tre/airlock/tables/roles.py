"""The role of every column of a table: what its title says, held against what its values can be.

Guarantees: a person's label wins. A column of counts is one whose title says so and whose numbers are whole; a column
whose numbers contradict its title is unknown, never silently something harmless. A table whose rows carry the roles
("statistic, value", a describe() or summary table, a "Table 1") and a cross-tabulation whose columns are categories are
recognised by their rows, margins and titles.

Does not guarantee: that a title tells the truth. A count under the title "weight" is not recognised; checks ask for a
label where nothing is said.

Source of the approach: measured on tables that health research projects released, a reading by titles flags 13 % of
the files (all of them truly small counts), a reading by values alone 96 %.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tre.airlock.parsed import Table
from tre.airlock.tables.categories import counted_columns
from tre.airlock.tables.lexicon import PERSONAL, Named, Role, named, roles_in, tokens_of, words_of
from tre.airlock.tables.model import FIRM_IN_ROWS, SUMMING, Column
from tre.airlock.tables.numbers import Cell, decimal_comma, is_day, is_range, read_cell, read_column

_MOSTLY = 0.8
_NAMING_BY_VALUE = frozenset({Role.label, Role.date, Role.organisation, Role.identifier})
_NO_STATISTIC = frozenset({Role.unknown, Role.label, Role.date, Role.organisation, Role.identifier, Role.parameter})
_INDEX_TITLES = frozenset({"", "index", "unnamed: 0", "row", "#", "no", "no.", "x"})
_ANYTHING = frozenset({"value", "values"})
_LETTERS = frozenset({"n", "N", "p", "P"})
_SEXES = frozenset({"f", "m"})
_MOST_HEADER_ROWS = 3
_FEWEST = 3
_ENDS = frozenset({Role.ci_low, Role.ci_high})
_TOKEN = re.compile(r"(?=[^\s]*\d)[A-Za-z0-9_\-.]{6,64}")
PAIR_TITLES = ("statistic", "value")
"""The header of a table made of pairs of a name and a number: each row says what it is, or nothing."""

ROLES = frozenset(str(role) for role in Role if role is not Role.unknown)
"""What people may label a column with."""


def read_columns(table: Table, labels: Mapping[str, str]) -> tuple[tuple[Column, ...], tuple[tuple[Role, ...], ...]]:
    """The columns of a table, and the roles of its rows where rows carry them (else nothing)."""
    titles, more = _all_titles(table)
    body = [("",) * len(row) if i < more else row for i, row in enumerate(table.rows)] if more else table.rows
    texts = list(zip(*body, strict=True)) if body else [()] * len(table.header)
    comma = decimal_comma(cell for column in texts for cell in column)
    columns = [_column(i, title, texts[i], comma) for i, title in enumerate(titles)]
    columns = _in_context(columns)
    rows = _row_roles(columns, table)
    columns = [_beside_rows(column) for column in columns] if rows else counted_columns(columns, table)
    return tuple(_labelled(column, labels) for column in columns), rows


def _all_titles(table: Table) -> tuple[list[str], int]:
    """The titles of the columns, and how many rows of the body belong to them: pandas writes several lines of them."""
    titles = [title.strip() for title in table.header]
    inner = [title for title in titles[1:] if title]
    if len(set(inner)) == len(inner) and not any(title.startswith("Unnamed") for title in inner):
        return list(table.header), 0
    more = _header_rows(table)
    for row in table.rows[:more]:
        titles = [f"{title} {cell.strip()}".strip() for title, cell in zip(titles, row, strict=True)]
    return (titles, more) if more else (list(table.header), 0)


def _header_rows(table: Table) -> int:
    """Rows without numbers at the top; up to the row that names the index only, whatever they hold."""
    first = [[cell.strip() for cell in row] for row in table.rows[:_MOST_HEADER_ROWS] if len(table.rows) > 1]
    names = [number for number, row in enumerate(first) if row[0] and not any(row[1:])]
    if names:
        return names[0] + 1
    plain = [not any(read_cell(cell).numbers for cell in row[1:]) and any(row[1:]) for row in first]
    return plain.index(False) if False in plain else min(len(plain), len(table.rows) - 1)


def _beside_rows(column: Column) -> Column:
    """A column of a table whose rows carry the roles: `age` over numbers is what was summed up, no label."""
    if column.role in _NAMING_BY_VALUE and _is_mostly_numbers(column) and not _is_numbering(column):
        return replace(column, role=Role.unknown, parts=(Role.unknown,), firm=False)
    return replace(column, firm=column.firm and (column.role in FIRM_IN_ROWS or not column.numeric))


def _is_mostly_numbers(column: Column) -> bool:
    filled = sum(cell.kind not in {"missing", "suppressed"} for cell in column.cells)
    return len(column.numbers()) > 0.5 * filled


def _labelled(column: Column, labels: Mapping[str, str]) -> Column:
    given = labels.get(column.title.strip(), labels.get(column.title, ""))
    if given not in ROLES:
        return column
    return replace(column, role=Role(given), parts=(Role(given),), firm=True)


def _column(index: int, title: str, texts: Sequence[str], comma: bool) -> Column:
    cells = read_column(texts, comma)
    filled = [pair for pair in zip(texts, cells, strict=True) if pair[1].kind not in {"missing", "suppressed"}]
    numeric = sum(cell.kind in {"number", "several"} for _, cell in filled)
    said = named(title)
    parts = roles_in(title)
    counts = numeric > 0 and parts[0] is Role.counted and said.sure
    few = 0.5 if index == 0 else 1 - _MOSTLY
    if filled and not counts and (numeric <= few * len(filled) or _is_banded(filled, parts)):
        return Column(index, title, _naming_role(said, texts), parts, cells)
    role, sure = _numeric_role(title, parts, cells)
    return Column(index, title, role, parts if role is parts[0] else (role,), cells, sure)


def _is_banded(filled: Sequence[tuple[str, Cell]], parts: tuple[Role, ...]) -> bool:
    """Age bands and the like: `18-39`, `90+`, where the title speaks of no interval."""
    if set(parts) & {Role.ci_low, Role.minimum, Role.quantile, Role.coefficient, Role.percent, Role.counted}:
        return False
    return sum(is_range(text) for text, _ in filled) >= 0.5 * len(filled)


def _naming_role(said: Named, texts: Sequence[str]) -> Role:
    if said.role in {Role.identifier, Role.organisation}:
        return said.role
    filled = [text for text in texts if text.strip()]
    if filled and sum(is_day(text) for text in filled) >= _MOSTLY * len(filled):
        return Role.date
    return Role.label


def _numeric_role(title: str, parts: tuple[Role, ...], cells: Sequence[Cell]) -> tuple[Role, bool]:
    said = named(title)
    role = parts[0] if parts[0] is not Role.unknown else said.role
    if role is Role.label and set(words_of(title)) <= _ANYTHING:
        return Role.unknown, False
    if parts == (Role.counted, Role.percent) and _says_percent_only(title, cells):
        return Role.percent, True
    if role is not Role.counted:
        return role, role is not Role.unknown
    first = [cell.numbers[0] for cell in cells if cell.kind in {"number", "several"}]
    whole = [number.value for number in first if number.whole and number.value >= 0]
    if first and len(whole) < _MOSTLY * len(first):
        return (Role.percent, False) if all(number.percent for number in first) else (Role.unknown, False)
    return role, said.sure or len(parts) > 1


def _says_percent_only(title: str, cells: Sequence[Cell]) -> bool:
    """`Ventilated (%)` over single numbers: percentages; over `12 (3.4)`, or as `n (%)`, counts come first."""
    return named(title.split("(", 1)[0]).role is not Role.counted and not any(cell.kind == "several" for cell in cells)


def _is_numbering(column: Column) -> bool:
    """1, 2, 3, …: levels or row numbers, where the title alone cannot tell."""
    values = [number.value for number in column.numbers()]
    return bool(values) and values[0] in {0, 1} and values == [values[0] + i for i in range(len(values))]


def _in_context(columns: list[Column]) -> list[Column]:
    """What only the table as a whole tells: numbering stands first, indicators beside nothing that sums up."""
    fixed = []
    for column in columns:
        role = _role_in_context(column, columns)
        changed = role is not column.role
        fixed.append(replace(column, role=role, parts=(role,), firm=role is not Role.unknown) if changed else column)
    return fixed


def _role_in_context(column: Column, columns: Sequence[Column]) -> Role:
    role = column.role
    if role in _ENDS:
        return _end(column, columns)
    is_sex = column.title.strip().lower() == "f" and {c.title.strip().lower() for c in columns} >= _SEXES
    if is_sex or (role is Role.counted and _is_indicator(column, columns)):
        return Role.unknown
    if role is Role.quantile and any(c.role is Role.coefficient for c in columns) and _is_tail(column.title):
        return Role.ci_low if column.title.strip().startswith(("0", "2", "[")) else Role.ci_high
    if column.index == 0 and role in {Role.statistic, Role.parameter} and _leads(column, columns):
        return Role.label
    if role is Role.unknown or (role is Role.counted and not column.firm):
        return _leading_role(column, columns)
    numbered = role is Role.organisation and column.index > 2 and column.numbers()
    return Role.unknown if numbered else role


def _end(column: Column, columns: Sequence[Column]) -> Role:
    """One end of an interval has another beside it; `2.5%` beside minimum and maximum is a quantile."""
    said = {c.role for c in columns} | set(column.parts)
    if not said >= _ENDS:
        return Role.unknown
    return Role.quantile if _is_tail(column.title) and {Role.minimum, Role.maximum} & said else column.role


def _is_indicator(column: Column, columns: Sequence[Column]) -> bool:
    """Nothing but zeros and ones, beside nothing that sums up: whether it happened to one person, no count."""
    values = {number.value for number in column.numbers()}
    others = any(c.firm and c.role in SUMMING for c in columns if c is not column and not _is_event(c))
    return values <= {0, 1} and len(column.numbers()) >= _FEWEST and not others and _is_event(column)


def _is_event(column: Column) -> bool:
    return column.role is Role.counted and not set(words_of(column.title)) & {"n", "count", "number", "freq"}


def _is_tail(title: str) -> bool:
    return "2.5" in title or "97.5" in title or "025" in title or "975" in title


def _leads(column: Column, columns: Sequence[Column]) -> bool:
    """Scores or steps that number the rows of what follows: `severity_score` 0, 1, 2, … over counts."""
    return len(column.numbers()) > 2 and _is_numbering(column) and any(c.numbers() for c in columns[1:])


def _leading_role(column: Column, columns: Sequence[Column]) -> Role:
    """Row numbers, years and bins in front of a table are labels; `0` over sizes of groups is a count."""
    small = column.title.strip().lower()
    values = [number.value for number in column.numbers()]
    leads = column.index == 0 and any(c.numeric for c in columns[1:])
    if len(values) > 1 and _is_numbering(column) and (leads or small in _INDEX_TITLES or column.role is Role.counted):
        return Role.label
    if column.index == 0 and len(columns) > 1 and len(values) > 2:
        if all(1900 <= value <= 2100 and value.is_integer() for value in values):
            return Role.date
        if small in _INDEX_TITLES and all(value.is_integer() for value in values) and len(set(values)) == len(values):
            return Role.label
    return column.role


def _row_roles(columns: Sequence[Column], table: Table) -> tuple[tuple[Role, ...], ...]:
    """The roles that rows carry, or nothing where columns do."""
    if sum(c.firm and c.numeric and c.role is not Role.counted for c in columns) >= 2 or len(table.header) < 2:
        return ()
    best: tuple[tuple[Role, ...], ...] = ()
    most = 0.0
    enough = 0.5 if tuple(table.header) != PAIR_TITLES else 0.0
    for column in columns[:4]:
        if column.role is Role.label:
            roles = _down(column, columns, table)
            share = sum(bool(r) for r in roles) / max(1, sum(bool(row[column.index].strip()) for row in table.rows))
            if share > most and (_telling(roles) or not enough):
                best, most = roles, share
    free = [c for c in map(_beside_rows, columns) if c.numeric and not c.firm]
    return best if most > 0 and most >= enough and free else ()


def _telling(roles: Sequence[tuple[Role, ...]]) -> bool:
    """Whether rows speak of statistics: of two kinds, or of one by name in every row."""
    kinds = {role for row in roles for role in row}
    return len(kinds) > 1 or (bool(kinds) and all(roles))


def _down(column: Column, columns: Sequence[Column], table: Table) -> tuple[tuple[Role, ...], ...]:
    """The roles of the rows by their labels; a heading without numbers gives its roles to the rows below it."""
    heading: tuple[Role, ...] = ()
    roles: list[tuple[Role, ...]] = []
    numeric = [c for c in columns if c.numeric]
    for number, row in enumerate(table.rows):
        title = row[column.index]
        said = roles_in(title) if title.strip() else ()
        sure = len(said) > 1 or (named(title).sure and (len(title.strip()) > 1 or title.strip() in _LETTERS))
        own = said if said and not set(said) & _NO_STATISTIC and sure else ()
        empty = 2 * sum(c.cells[number].kind == "missing" for c in numeric) > len(numeric)
        if own:
            heading = own if empty else ()
        elif title.strip() and empty:
            heading = ()
        roles.append(own or heading)
    return tuple(roles)


def columns_of(table: Table, labels: Mapping[str, str] | None = None) -> tuple[Column, ...]:
    """The columns of a table with their roles; `labels` maps titles to roles that people gave."""
    return read_columns(table, labels or {})[0]


def roles_of(table: Table, labels: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """One word for each column of a table: its role."""
    return tuple(str(column.role) for column in columns_of(table, labels))


def is_personal(title: str) -> bool:
    """Whether a title names something that is recorded of a single person."""
    return bool(tokens_of(title) & PERSONAL)


def looks_like_identifier(texts: Sequence[str]) -> bool:
    """Whether texts are all different and each is one token with digits in it, six characters or more."""
    filled = [text.strip() for text in texts if text.strip()]
    return len(filled) > 2 and len(set(filled)) == len(filled) and all(_TOKEN.fullmatch(text) for text in filled)
