"""S06: smallest and largest values, and quantiles so far out that fewer people than the threshold lie beyond them.

Guarantees: each column, or row, of such values is pointed out once, with its first cell. Where the number of people
stands beside a quantile, the rule is exact: below the threshold beyond it. Where it does not, the first and the last
hundredth are taken for extreme. Zero, and one beside it (an indicator), are let pass.

Does not guarantee: that a value is a real one; whether it equals one of the slice is decided elsewhere (case `equal`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tre.airlock.parsed import Observation, ParsedFile, Rules, Surroundings, bounded, quoted
from tre.airlock.tables.lexicon import Role
from tre.airlock.tables.model import Figure, Sheet
from tre.airlock.tables.sheets import sheets_of

_SUGGESTION = "Leave it out, or give a quantile that at least the threshold of people lie beyond."
_SHARE = re.compile(
    r"(?<![\d.])(\d{1,2}(?:\.\d{1,3})?) ?%|\b[pqPQ][_ ]?(\d{1,2})\b|\b[pqPQ]?0?\.(\d{1,3})\b"
    r"|\b(\d{1,2})(?:st|nd|rd|th)\b"
)
_NAMED = {"1st qu": 0.25, "3rd qu": 0.75, "median": 0.5, "q1": 0.25, "q3": 0.75, "q2": 0.5}
_FARTHEST = 0.01


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Extreme values in the tables of a file."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet, around.rules)]
    return bounded(found, "such columns")


def _in_sheet(sheet: Sheet, rules: Rules) -> Iterator[Observation]:
    groups: dict[tuple[str, Role], list[Figure]] = {}
    figures = list(sheet.figures(Role.minimum, Role.maximum, Role.quantile))
    sizes = _sizes(sheet) if figures else {}
    for figure in figures:
        if _is_extreme(sheet, figure, sizes.get(_line(sheet, figure), 0), rules):
            groups.setdefault((sheet.title(figure.row, figure.column), figure.role), []).append(figure)
    for (title, role), figures in groups.items():
        first = figures[0]
        what = {Role.minimum: "smallest", Role.maximum: "largest"}.get(role, "extreme")
        more = f" and {len(figures) - 1} more" if len(figures) > 1 else ""
        yield Observation(
            "S06",
            f"{quoted(title)} gives {what} values: {first.number.value:g}{more}.",
            _SUGGESTION,
            place=sheet.place(first.row, first.column),
        )


def _line(sheet: Sheet, figure: Figure) -> int:
    return figure.column if sheet.row_roles else figure.row


def _sizes(sheet: Sheet) -> dict[int, float]:
    """How many people stand behind each row of the table, or each column where rows carry roles."""
    sizes: dict[int, float] = {}
    for figure in sheet.figures(Role.counted):
        sizes.setdefault(_line(sheet, figure), figure.number.value)
    return sizes


def _is_extreme(sheet: Sheet, figure: Figure, people: float, rules: Rules) -> bool:
    if figure.role is not Role.quantile:
        return figure.number.value not in {0, 1}
    share = share_of(sheet.title(figure.row, figure.column))
    if share is None or sheet.columns[figure.column].cells[figure.row].kind == "several":
        return False
    tail = min(share, 1 - share)
    return tail * people < rules.threshold if people else tail <= _FARTHEST


def share_of(title: str) -> float | None:
    """Which quantile a title names, from 0 to 1."""
    small = title.strip().lower().rstrip(".")
    if small in _NAMED:
        return _NAMED[small]
    found = _SHARE.search(title)
    if found is None:
        return None
    percent, lettered, fraction, ordinal = found.groups()
    if fraction is not None:
        return float(f"0.{fraction}")
    return float(percent or lettered or ordinal) / 100
