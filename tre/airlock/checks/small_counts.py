"""S01: counts of people below the policy's threshold.

Guarantees: every number whose role is a count (by title, by row, by person's label, in a combined cell such as
`3 (2%)`, in a cross-tabulation, under a key of a JSON text) and that lies from 1 (or 0, by policy) to below the
threshold is pointed out, cell by cell. So is a percentage from which, with the denominator beside it, only a small
numerator can follow although the count itself is not shown.

Does not guarantee: completeness. A count under a title that does not say so is left to the checkers' eyes (S12 asks for
a label where a title says nothing). Flagging every small number instead flags nearly every honest file (86 of 90 really
released tables, where a reading by titles flags 12, all truly small counts), and what is always flagged is never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tre.airlock.parsed import MAX_OBSERVATIONS, Observation, ParsedFile, Passage, Rules, Surroundings, bounded, quoted
from tre.airlock.tables.denominators import Implied, implied_numerators
from tre.airlock.tables.lexicon import Role
from tre.airlock.tables.model import Figure, Sheet
from tre.airlock.tables.sheets import sheets_of

_SUGGESTION = "Suppress or round the count, or merge it with others, and adjust the totals."
_SENTENCE = re.compile(
    r"(?<![\w.])[nN] ?= ?(?P<size>\d{1,4})(?![\w.,]\d|\w)"
    r"|(?<![\w.,/:=-])(?P<people>\d{1,4}) (?:\w{1,12} )?"
    r"(?:patients|people|participants|individuals|subjects|deaths|women|men|children|died)\b"
)
_LIMIT = re.compile(r"(?:below|under|than|least|most|minimum|threshold|of|<|>|≤|≥|per|every|to|between|-|–)\s{0,3}$")
_IMPLIED = "Suppress the percentage too, or compute it from the rounded count."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Small counts in the tables of a file, under keys of a JSON text, or in its sentences."""
    rules = around.rules
    small = [(sheet, figure) for sheet in sheets_of(file, around) for figure in _small_figures(sheet, rules)]
    small += [(sheet, figure) for sheet in sheets_of(file, around) for figure in _told_by_bounds(sheet)]
    found = [_of_figure(sheet, figure, rules) for sheet, figure in small[: MAX_OBSERVATIONS + 1]]
    found += [item for sheet in sheets_of(file, around) for item in _implied(sheet, rules)]
    seen = {(item.place.row, item.place.cell, item.place.output) for item in found}
    told = [item for passage in file.passages for item in _in_passage(passage, rules)]
    found += [item for item in told if (item.place.row, item.place.cell, item.place.output) not in seen]
    listed = bounded(found, "small counts")
    if len(small) > MAX_OBSERVATIONS:
        more = f"{len(small) - MAX_OBSERVATIONS} further small counts are not listed one by one."
        listed[-1] = replace(listed[-1], message=more)
    return listed


def _small_figures(sheet: Sheet, rules: Rules) -> Iterator[Figure]:
    low, high = 1 - rules.zeros_disclosive, rules.threshold
    return (figure for figure in sheet.counts if low <= figure.number.value < high)


def _told_by_bounds(sheet: Sheet) -> Iterator[Figure]:
    """Suppressed counts whose bound leaves one number open: `<2` and `≤1` say that it is one."""
    for column in sheet.having(Role.counted):
        for row, cell in enumerate(column.cells):
            if cell.kind == "suppressed" and cell.numbers:
                number = cell.numbers[0]
                if number.value + (number.bound not in {"<"}) <= 2:
                    yield Figure(Role.counted, number, row, column.index)


def _of_figure(sheet: Sheet, figure: Figure, rules: Rules) -> Observation:
    title = quoted(sheet.title(figure.row, figure.column))
    message = f"{title} shows {figure.number.bound}{int(figure.number.value)}, below {rules.threshold}."
    return Observation("S01", message, _SUGGESTION, place=sheet.place(figure.row, figure.column))


def _in_passage(passage: Passage, rules: Rules) -> Iterator[Observation]:
    """Counts in sentences: `n = 3`, `3 patients died`; not thresholds (`fewer than 10 patients`)."""
    if passage.kind not in {"text", "output", "cell"}:
        return
    start = passage.place.row or 1
    for number, line in enumerate(passage.text.split("\n")):
        for match in _SENTENCE.finditer(line):
            count = int(match["size"] or match["people"])
            before = line[max(0, match.start() - 30) : match.start()].lower()
            if is_small(count, rules) and not _LIMIT.search(before):
                message = f"The text says {quoted(match.group())}, below {rules.threshold}."
                yield Observation("S01", message, _SUGGESTION, place=replace(passage.place, row=start + number))


def is_small(number: float, rules: Rules) -> bool:
    """Whether a count lies below the threshold; zero by policy."""
    return (1 - rules.zeros_disclosive) <= number < rules.threshold


def _implied(sheet: Sheet, rules: Rules) -> Iterator[Observation]:
    for implied in implied_numerators(sheet):
        if _tells_a_small_one(implied, rules):
            yield Observation(
                "S01",
                f"{implied.percent:g} % of {implied.denominator:g} can only be {implied.words}, "
                f"below {rules.threshold}.",
                _IMPLIED,
                place=sheet.place(implied.row, implied.column),
            )


def _tells_a_small_one(implied: Implied, rules: Rules) -> bool:
    return implied.count is None and implied.low > 0 and implied.high < rules.threshold
