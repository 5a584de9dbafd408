"""S01: counts of people below the policy's threshold, found by the names of columns.

Guarantees: a column is a column of counts when its header says so in the words of `lexicon` and its numbers are
whole; then every number from 1 (or 0, by policy) to below the threshold is pointed out, cell by cell.

Does not guarantee: completeness. A count under a header that does not say so is left to the checkers' eyes. Flagging
every small number instead flags nearly every honest file (86 of 90 really released tables, where this rule flags 12,
all truly small counts), and what is always flagged is never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tre.airlock.checks.lexicon import Claim, claim_of
from tre.airlock.parsed import Counts, Observation, ParsedFile, Table, bounded, quoted

_WHOLE = re.compile(r"[+-]?(?:\d{1,3}(?:[, \u00a0\u202f]\d{3})+|\d{1,15})(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:\d[\d, ]*)?(?:\.\d+)?(?:[eE][+-]?\d+)?%?")
_MOSTLY = 0.8  # a header that says "count" over mostly broken numbers means something else
_SUGGESTION = "Suppress or round the count, or merge it with others, and adjust the totals."


def observe(file: ParsedFile, counts: Counts) -> list[Observation]:
    """Small counts in the tables of a file, or under keys of a JSON text."""
    found = [item for table in file.tables for item in _in_table(table, counts)]
    found += _in_value(file.value, "", Claim.none, counts)
    return bounded(found, "small counts")


def _is_small(number: int, counts: Counts) -> bool:
    return (1 - counts.zeros_disclosive) <= number < counts.threshold


def _in_table(table: Table, counts: Counts) -> Iterator[Observation]:
    for column, title in enumerate(table.header):
        claim = claim_of(title)
        if claim is Claim.none:
            continue
        cells = [row[column] for row in table.rows]
        numbers = [whole_number(cell) for cell in cells]
        if not _is_count_column(claim, cells, numbers):
            continue
        for place, number in enumerate(numbers, start=table.first_row + 1):
            if number is not None and _is_small(number, counts):
                yield Observation(
                    "S01",
                    f"{quoted(title)} shows {number}, below {counts.threshold}.",
                    _SUGGESTION,
                    row=place,
                    column=column + 1,
                )


def whole_number(cell: str) -> int | None:
    """The whole number that a cell shows: `7`, `1,234`, `1 234`, `3.0`; `None` for anything else."""
    text = cell.strip()
    if _WHOLE.fullmatch(text) is None:
        return None
    return int(re.sub(r"[^\d+-]", "", text.partition(".")[0]))


def _is_count_column(claim: Claim, cells: Sequence[str], numbers: Sequence[int | None]) -> bool:
    numeric = [cell for cell in cells if cell.strip() and _NUMBER.fullmatch(cell.strip())]
    whole = [number for number in numbers if number is not None]
    if not whole or any(number < 0 for number in whole) or len(whole) < _MOSTLY * len(numeric):
        return False
    return claim is Claim.strong or not _is_numbering(whole)


def _is_numbering(whole: Sequence[int]) -> bool:
    """1, 2, 3, …: levels or row numbers, where the header alone cannot tell."""
    return whole[0] in {0, 1} and list(whole) == list(range(whole[0], whole[0] + len(whole)))


def _in_value(value: object, pointer: str, claim: Claim, counts: Counts) -> Iterator[Observation]:
    if isinstance(value, dict):
        for key, inner in value.items():
            step = key.replace("~", "~0").replace("/", "~1")
            yield from _in_value(inner, f"{pointer}/{step}", claim_of(key), counts)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _in_value(inner, f"{pointer}/{place}", claim, counts)
    elif claim is Claim.strong and type(value) is int and _is_small(value, counts):
        shown = quoted(pointer.rsplit("/", 1)[-1])
        message = f"{shown} shows {value}, below {counts.threshold}."
        yield Observation("S01", message, _SUGGESTION, pointer=pointer[:300])
