"""S02: counts that are not rounded as the policy demands, and percentages that undo the rounding.

Guarantees: where the policy names a base, a column (or row) of counts with numbers that are no multiple of it
(nearest) or no midpoint of it (midpoint) is pointed out once, with the first such cell and how many there are.
Whatever the policy, rounded counts beside percentages that only the unrounded counts give are pointed out, and so are
columns rounded save for a few cells, and columns whose title claims a rounding that their numbers do not keep.

Does not guarantee: that a rounded count was rounded; a true count may be a multiple by chance.

Source: rounding to the nearest 5 (NHS England SDE, OpenSAFELY) and to "midpoint 6", whose columns carry the suffix
`_midpoint6`: 3, 9, 15, … for base 6, and 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tre.airlock.parsed import Observation, ParsedFile, Rules, Surroundings, bounded, quoted
from tre.airlock.tables.denominators import implied_numerators
from tre.airlock.tables.model import Figure, Sheet
from tre.airlock.tables.sheets import sheets_of

_CLAIMS_MIDPOINT = re.compile(r"midpoint[ _.]?(\d+)?", re.IGNORECASE)
_CLAIMS_ROUNDED = re.compile(r"rounded|round[ _]?(\d+)", re.IGNORECASE)
_MOSTLY = 0.8
_ENOUGH = 8  # with base 5, eight numbers of ten are multiples by chance once in ten thousand columns


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Rounding of the counts of a file, and what percentages tell of it."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet, around.rules)]
    return bounded(found, "such columns")


def is_rounded(value: float, method: str, base: int) -> bool:
    """Whether a count is what rounding to the nearest multiple, or to the midpoint, gives."""
    if method == "midpoint":
        return value == 0 or (value - base // 2) % base == 0
    return value % base == 0


def _in_sheet(sheet: Sheet, rules: Rules) -> Iterator[Observation]:
    counts = sheet.counts
    groups: dict[tuple[int, int], list[Figure]] = {}
    for figure in counts:
        by_row = bool(sheet.row_roles) and bool(sheet.row_roles[figure.row])
        groups.setdefault((figure.row, -1) if by_row else (-1, figure.column), []).append(figure)
    for figures in groups.values():
        yield from _in_group(sheet, figures, rules)
    yield from _undone(sheet, [figure.number.value for figure in counts])


def _in_group(sheet: Sheet, figures: Sequence[Figure], rules: Rules) -> Iterator[Observation]:
    title = sheet.title(figures[0].row, figures[0].column)
    method, base, why = _expected(title, figures, rules)
    wrong = [f for f in figures if method != "none" and not is_rounded(f.number.value, method, base)]
    if not wrong:
        return
    what = f"a multiple of {base}" if method == "nearest" else f"a midpoint of {base}"
    more = f", nor are {len(wrong) - 1} others" if len(wrong) > 1 else ""
    first = wrong[0]
    yield Observation(
        "S02",
        f"{quoted(title)} {why}, but {first.number.value:g} is not {what}{more}.",
        "Round every count, totals too, and compute percentages from the rounded counts.",
        place=sheet.place(first.row, first.column),
    )


def _expected(title: str, figures: Sequence[Figure], rules: Rules) -> tuple[str, int, str]:
    """The rounding that a column must keep, and why: its title, the policy, or the column itself."""
    midpoint = _CLAIMS_MIDPOINT.search(title)
    if midpoint is not None:
        return "midpoint", max(2, int((midpoint.group(1) or "6")[:3])), "says it is rounded to a midpoint"
    rounded = _CLAIMS_ROUNDED.search(title)
    if rounded is not None:
        return "nearest", max(2, int((rounded.group(1) or "5")[:3])), "says it is rounded"
    if rules.rounding != "none":
        return rules.rounding, rules.rounding_base, "is to be rounded by the policy"
    values = [figure.number.value for figure in figures]
    for method, base in (("nearest", 5), ("midpoint", 6)):
        kept = sum(is_rounded(value, method, base) for value in values)
        if len(values) >= _ENOUGH and _MOSTLY * len(values) <= kept < len(values):
            return method, base, "is rounded for the most part"
    return "none", 1, ""


def _undone(sheet: Sheet, counts: Sequence[float]) -> Iterator[Observation]:
    """Percentages beside rounded counts that the rounded counts do not give."""
    told: set[int] = set()
    for implied in implied_numerators(sheet) if _are_rounded(counts) else ():
        count = implied.count
        if count is None or implied.column in told or implied.low <= count <= implied.high:
            continue
        if abs(count - implied.low) < 6 and implied.high - implied.low <= 1:
            told.add(implied.column)
            yield Observation(
                "S02",
                f"{implied.percent:g} % of {implied.denominator:g} is {implied.words}, while {count:g} is shown: "
                "the percentage tells the count before rounding.",
                "Compute percentages from the rounded counts.",
                place=sheet.place(implied.row, implied.column),
            )


def _are_rounded(values: Sequence[float]) -> bool:
    return len(values) > 2 and any(
        all(is_rounded(value, method, base) for value in values) for method, base in (("nearest", 5), ("midpoint", 6))
    )
