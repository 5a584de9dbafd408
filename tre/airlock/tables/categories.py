"""Cross-tabulations: columns that are categories, whose numbers are counts though no title says so.

Guarantees: columns of whole numbers without a role are counts where margins add up, where the table's title or its
corner says so, where the titles are categories (bands, yes and no, sexes, numbers), or where every label names one row
and nothing in the table is anything else. Numbers that add up to a hundred are percentages.

Does not guarantee: completeness; a single column of whole numbers under a word that says nothing is left unknown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from tre.airlock.parsed import Table
from tre.airlock.tables.lexicon import PERSONAL, Role, named, words_of
from tre.airlock.tables.model import Column
from tre.airlock.tables.numbers import is_range

_MARGIN = re.compile(r"(?:grand |row |column )?(?:all|total|totals|overall|sum|margin)s?", re.IGNORECASE)
_CATEGORY = re.compile(
    r"yes|no|true|false|[mf]|male|female|females|males|men|women|positive|negative|pos|neg|alive|dead|died|survived|"
    r"unknown|missing|other|none|mild|moderate|severe|critical|high|low|medium|normal|abnormal|white|black|asian|mixed|"
    r"case|control|treated|untreated|placebo|predicted .*|actual .*|true .*|class .*|"
    r"(?:group|stage|grade|level|class|type|arm|wave|cluster|model) ?\d{1,2}|q\d|[iv]{1,3}",
    re.IGNORECASE,
)
_SIZES = frozenset({"0", "", "size", "v1", "x", "freq", "values"})
_LARGE = 20  # columns of small numbers only, under words that say nothing, may as well be ranks or scores
_MOST_ROWS = 100
MEASURED = frozenset(
    {Role.mean, Role.sd, Role.coefficient, Role.p, Role.statistic, Role.rate, Role.parameter, Role.total}
)


def counted_columns(columns: Sequence[Column], table: Table) -> list[Column]:
    """The columns, with counts and percentages told where the table as a whole tells them."""
    open_ones = [c for c in columns if _is_open(c)]
    if not open_ones:
        return list(columns)
    role = _role_of(open_ones, columns, table)
    if role is Role.unknown:
        return list(columns)
    chosen = {c.index for c in open_ones if role is not Role.counted or _whole(c)}
    return [replace(c, role=role, parts=(role,), firm=True) if c.index in chosen else c for c in columns]


def _is_open(column: Column) -> bool:
    """Whether the title leaves open what the numbers are: nothing said, or a category that happens to be a word."""
    if not column.numbers():
        return False
    return column.role is Role.unknown or (column.role is Role.counted and not column.firm)


def _whole(column: Column) -> bool:
    numbers = column.numbers()
    return bool(numbers) and all(n.whole and 0 <= n.value < 1e12 for n in numbers)


def _role_of(open_ones: Sequence[Column], columns: Sequence[Column], table: Table) -> Role:
    if _is_matrix(open_ones, columns, table):
        return Role.statistic
    if _adds_to_hundred(open_ones, table):
        return Role.percent
    whole = [c for c in open_ones if _whole(c)]
    if not whole or len(whole) < 0.8 * len(open_ones):
        return Role.unknown
    said = named(table.title).role if table.title else Role.unknown
    corner = [named(c.title).role for c in columns if not c.numeric]
    if said in MEASURED or Role.mean in corner:
        return Role.unknown
    if said is Role.counted or "confusion" in table.title.lower() or Role.counted in corner or adds_up(whole, table):
        return Role.counted
    return Role.counted if _are_categories(whole, columns, table) else Role.unknown


def _is_matrix(open_ones: Sequence[Column], columns: Sequence[Column], table: Table) -> bool:
    """Correlations and the like: rows and columns bear the same names, no number lies beyond one."""
    labels = {row[c.index].strip() for c in columns if not c.numeric for row in table.rows}
    same = sum(c.title.strip() in labels for c in open_ones)
    return (
        len(open_ones) > 1 and same == len(open_ones) and all(abs(n.value) <= 1 for c in open_ones for n in c.numbers())
    )


def _are_categories(whole: Sequence[Column], columns: Sequence[Column], table: Table) -> bool:
    naming = [c for c in columns if not c.numeric]
    others = [c for c in columns if c.numeric and c not in whole and c.role not in {Role.counted, Role.percent}]
    personal = any(set(words_of(c.title)) & PERSONAL and not _CATEGORY.fullmatch(c.title.strip()) for c in whole)
    if others or personal or len(table.rows) > _MOST_ROWS:
        return False
    if not naming:
        return len(table.rows) == 1 and len(whole) > 1 and ("table(" in table.title or _known(whole) >= 0.5)
    keys = [tuple(row[c.index] for c in naming) for row in table.rows]
    unique = bool(naming) and len(set(keys)) == len(keys)
    if len(whole) == 1:
        return unique and whole[0].title.strip().lower() in _SIZES
    large = any(number.value >= _LARGE for c in whole for number in c.numbers())
    return unique and len(table.rows) > 1 and (_known(whole) >= 0.5 or (large and _only_labels(naming)))


def _known(columns: Sequence[Column]) -> float:
    """The share of titles that are categories by their words."""
    titles = [c.title.strip() for c in columns]
    return sum(
        bool(_CATEGORY.fullmatch(t) or is_range(t) or _MARGIN.fullmatch(t) or t.isdigit()) for t in titles
    ) / len(titles)


def _only_labels(naming: Sequence[Column]) -> bool:
    """Texts name the rows, and no numbers stand beside them that describe a person, such as ages."""
    texts = [
        c
        for c in naming
        if c.role is Role.label and sum(cell.kind != "number" for cell in c.cells) > 0.5 * len(c.cells)
    ]
    numbers = [c for c in naming if c not in texts and (c.index > 0 or (texts and set(words_of(c.title)) & PERSONAL))]
    return bool(texts) and not numbers


def is_margin(text: str) -> bool:
    """Whether a label names a margin: All, Total, Overall."""
    return _MARGIN.fullmatch(text.strip()) is not None


def adds_up(columns: Sequence[Column], table: Table) -> bool:
    """Whether a last column named a margin, or without a name, is the sum of the others in every row."""
    if len(columns) < 3 or not table.rows:
        return False
    rows = [
        [c.cells[i].numbers[0].value for c in columns if c.cells[i].kind == "number"] for i in range(len(table.rows))
    ]
    full = [row for row in rows if len(row) == len(columns)]
    return (
        len(full) >= 0.5 * len(rows) and all(abs(sum(row[:-1]) - row[-1]) < 0.5 for row in full) and any(map(any, full))
    )


def _adds_to_hundred(columns: Sequence[Column], table: Table) -> bool:
    """Whether the numbers of two or more columns add up to a hundred in every row, or down every column."""
    if len(columns) < 2 or not table.rows or all(_whole(c) for c in columns):
        return False
    inner = [c for c in columns if not is_margin(c.title)]
    downs = [sum(n.value for n in c.numbers()) for c in inner]
    acrosses = [sum(c.cells[i].numbers[0].value for c in inner if c.cells[i].numbers) for i in range(len(table.rows))]
    return all(abs(s - 100) <= 0.6 or abs(s - 200) <= 0.6 for s in downs) or all(abs(s - 100) <= 0.6 for s in acrosses)
