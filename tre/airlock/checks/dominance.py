"""S08: totals that one or two contributors make up, where the output itself declares its contributions.

Guarantees: a table that shows, beside a total, the largest contribution or the first and second (as amounts or as
shares) is held against the (n, k) rule and the p-ratio of the policy; cells that ACRO marked `p-ratio` or `nk-rule` are
pointed out.

Does not guarantee: anything about totals whose contributions are not shown: they cannot be judged from the output.

Source: (n, k) with n = 2, k = 90 %, and (total - first - second) / first below 10 %, ACRO's defaults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tre.airlock.parsed import Observation, ParsedFile, Rules, Surroundings, bounded, quoted
from tre.airlock.tables.lexicon import Role, words_of
from tre.airlock.tables.model import Column, Sheet
from tre.airlock.tables.sheets import sheets_of

_FIRST = re.compile(
    r"top[ _.-]?1|largest|largest[ _.]?contribut\w*|max[ _.]?contribut\w*|first[ _.]?contribut\w*", re.IGNORECASE
)
_BOTH = re.compile(r"top[ _.-]?2|two[ _.]?largest|largest[ _.]?two", re.IGNORECASE)
_SECOND = re.compile(r"second(?:[ _.]?largest)?|2nd[ _.]?largest", re.IGNORECASE)
_SHARE = frozenset(["share", "pct", "percent", "percentage", "proportion", "fraction"])
_MARK = re.compile(r"(?:^|[; ])(?:p-ratio|nk-rule|NKCheck|PPercentCheck)\b")
_ROUNDING = 1e-9  # 61 % and 29 % are 90 %, whatever binary fractions say
_MERGE = "Merge groups, or suppress the total and one more."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Dominated totals in the tables of a file."""
    found = [item for sheet in sheets_of(file, around) for item in (*_declared(sheet, around.rules), *_marked(sheet))]
    return bounded(found, "such totals")


def _find(sheet: Sheet, pattern: re.Pattern[str]) -> Column | None:
    return next((c for c in sheet.columns if pattern.search(c.title) and c.numbers()), None)


def _declared(sheet: Sheet, rules: Rules) -> Iterator[Observation]:
    both = _find(sheet, _BOTH)
    second = _find(sheet, _SECOND)
    first = next((c for c in sheet.columns if _FIRST.search(c.title) and c not in (both, second) and c.numbers()), None)
    if first is None and both is None:
        return
    total = next((c for c in sheet.columns if c.role in {Role.total, Role.counted} and _says_total(c.title)), None)
    for row in range(len(sheet.table.rows)):
        shares = [_share(c, total, row) for c in (first, second, both) if c is not None]
        known = [share for share in shares if share is not None]
        said = _broken(_share(first, total, row), _share(second, total, row), _share(both, total, row), rules)
        if known and said:
            column = first or both
            yield Observation(
                "S08",
                f"{said} ({quoted(sheet.row_label(row))}).",
                _MERGE,
                place=sheet.place(row, column.index if column else None),
            )


def _says_total(title: str) -> bool:
    return bool(set(words_of(title)) & {"total", "sum", "turnover", "cost", "costs", "amount", "expenditure"})


def _share(column: Column | None, total: Column | None, row: int) -> float | None:
    """A contribution as a part of the total, from 0 to 1."""
    if column is None or not column.cells[row].numbers:
        return None
    number = column.cells[row].numbers[0]
    if number.percent or set(words_of(column.title)) & _SHARE or "%" in column.title:
        fraction = not number.percent and all(n.value <= 1 for n in column.numbers())
        return number.value if fraction else number.value / 100
    if total is None or not total.cells[row].numbers or total.cells[row].numbers[0].value <= 0:
        return None
    return number.value / total.cells[row].numbers[0].value


def _broken(first: float | None, second: float | None, both: float | None, rules: Rules) -> str:
    """Which rule a total breaks, in words; empty where none."""
    two = both if both is not None else first + second if first is not None and second is not None else None
    together = None if rules.dominance_contributors == 1 else two
    most = max((share for share in (first, together) if share is not None), default=0.0)
    if most * 100 >= rules.dominance_percent - _ROUNDING:
        return f"{most * 100:.0f} % of a total come from {'one' if first is not None and most == first else 'two'}"
    if first and two is not None and (1 - two) / first * 100 < rules.ratio_percent:
        return f"All but the two largest make up less than {rules.ratio_percent} % of the largest"
    return ""


def _marked(sheet: Sheet) -> Iterator[Observation]:
    for column in sheet.columns:
        if column.role is Role.label:
            for row, cells in enumerate(sheet.table.rows):
                if _MARK.search(cells[column.index]):
                    message = f"A disclosure tool marked a total: {quoted(cells[column.index])}."
                    yield Observation("S08", message, _MERGE, place=sheet.place(row, column.index))
