"""P06: tables that look like one row for each person, and the idioms that print the first rows of a data set.

Guarantees: a table is pointed out, once, when nothing in it sums up and it has an identifier for each row beside what
is recorded of people, or a day with age and sex, or about as many rows as the slice has people, or many rows of which
several personal variables stand side by side unsummed, or many unnamed columns in which a few categories recur. So
is what `head()`, `glimpse()`, `str()` and `list` print.

Does not guarantee: that a small or aggregated-looking extract is found; agreement with records of the slice is another
check (P02). A series over time, a curve, a log of training or a table of coefficients is no dump.

Threat: an author who saves the working table instead of the summary, in a hurry or on purpose, under new names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tre.airlock.parsed import Observation, ParsedFile, Passage, Surroundings, bounded, quoted
from tre.airlock.tables.lexicon import Role, words_of
from tre.airlock.tables.model import SUMMING, Column, Sheet
from tre.airlock.tables.numbers import is_day
from tre.airlock.tables.roles import is_personal, looks_like_identifier
from tre.airlock.tables.sheets import sheets_of

_FEW = 3
_ROWS = 8
_MANY_ROWS = 40
_ENOUGH_PEOPLE = 20
_NEAR_PEOPLE = 0.02
_IDIOMS = (
    (re.compile(r"^'data\.frame':\s{1,9}\d+ obs\. of {1,3}\d+ variable", re.MULTILINE), "what str() prints"),
    (re.compile(r"^Rows: [\d,]{1,15}\nColumns: \d+\n\$ ", re.MULTILINE), "what glimpse() prints"),
    (re.compile(r"^# A tibble: [\d,]{1,15} × \d+\n", re.MULTILINE), ""),
    (
        re.compile(r"^\s{0,9}\+-{3,200}\+\n\s{0,9}\|[^\n]{3,400}\|\n\s{0,9}\|-{3,200}\|\n\s{0,9}1\. \|", re.MULTILINE),
        "what list prints",
    ),
)
_GROUPED = SUMMING - {Role.statistic}
"""What only groups have; a score or a probability may be one person's."""

_SUGGESTION = "Give a summary of it: counts, means, rates of groups; rows of people do not leave."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Row dumps among the tables and passages of a file."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet, around.people)]
    found += [item for passage in file.passages for item in _in_passage(passage)]
    return bounded(found, "such tables")


def _in_passage(passage: Passage) -> Iterator[Observation]:
    if passage.kind not in {"text", "output"}:
        return
    for pattern, what in _IDIOMS:
        found = pattern.search(passage.text)
        if found is not None and what:
            row = (passage.place.row or 1) + passage.text.count("\n", 0, found.start())
            message = f"The text looks like {what}: rows of single people."
            yield Observation("P06", message, _SUGGESTION, place=replace(passage.place, row=row))


def _in_sheet(sheet: Sheet, people: int) -> Iterator[Observation]:
    rows = len(sheet.table.rows)
    if rows < _FEW or len(sheet.columns) < 2 or sheet.row_roles:
        return
    why = _reason(sheet, rows, people)
    if why:
        shown = quoted(", ".join(title for title in sheet.table.header if title.strip()))
        message = f"{rows} rows of {shown} look like one row for each person: {why}."
        yield Observation("P06", message, _SUGGESTION, place=sheet.place(None))


def _reason(sheet: Sheet, rows: int, people: int) -> str:
    personal = [c for c in sheet.columns if is_personal(c.title) and not _sums_up(c)]
    identified = next((c for c in sheet.columns if _identifies(sheet, c)), None)
    beside = any(c.role in {Role.unknown, Role.statistic} and c.numbers() for c in sheet.columns)
    summed = any(c.role in _GROUPED for c in sheet.columns)
    if identified is not None and (personal or (beside and not summed)):
        return f"{quoted(identified.title)} is different in each"
    if _day_age_sex(sheet):
        return "a day stands beside age and sex"
    if summed or (sheet.aggregated and len(personal) < 2):
        return ""
    if people >= _ENOUGH_PEOPLE and abs(rows - people) <= max(1, _NEAR_PEOPLE * people):
        return f"there are about as many as people in the slice ({people})"
    if _is_personal_dump(sheet, personal, rows):
        return "what is recorded of single people stands side by side, unsummed"
    return "the same categories recur beside numbers that sum nothing up" if _is_nameless_dump(sheet, rows) else ""


def _sums_up(column: Column) -> bool:
    return column.role in SUMMING


def _identifies(sheet: Sheet, column: Column) -> bool:
    """An identifier by its title, different in each row; or by its values, where its title does not say otherwise."""
    texts = [row[column.index].strip() for row in sheet.table.rows]
    if len(set(texts)) < len(texts) or not all(texts):
        return False
    if column.role is Role.identifier:
        return len(texts) >= _FEW and not set(words_of(column.title)) & {"model", "run", "icd", "code", "trial", "gene"}
    return column.role is Role.label and len(texts) >= _ROWS and _is_token_column(texts)


def _is_token_column(texts: Sequence[str]) -> bool:
    same_length = len({len(text) for text in texts}) <= 2
    varied = sum(len(set(letters)) > 1 for letters in zip(*texts, strict=False)) >= 4
    return looks_like_identifier(texts) and same_length and varied and not any(is_day(text) for text in texts[:5])


def _day_age_sex(sheet: Sheet) -> bool:
    day = any(c.role is Role.date and c.cells and _mostly_days(sheet, c) for c in sheet.columns)
    words = {word for c in sheet.columns if not _sums_up(c) for word in words_of(c.title)}
    counted = any(c.role in {Role.counted, Role.percent, Role.rate, Role.mean} for c in sheet.columns)
    return day and "age" in words and bool(words & {"sex", "gender"}) and not counted


def _mostly_days(sheet: Sheet, column: Column) -> bool:
    texts = [row[column.index] for row in sheet.table.rows]
    return sum(is_day(text) for text in texts) >= 0.8 * len(texts)


def _is_personal_dump(sheet: Sheet, personal: Sequence[Column], rows: int) -> bool:
    """Three personal variables or more, at least one of them a number; few rows count where an index counts them."""
    measured = [c for c in personal if len(c.numbers()) >= 0.5 * rows]
    numbered = _is_numbered(sheet)
    beside = _recurring(sheet, personal) if numbered else 0
    if not measured or len(personal) + beside < _FEW - (rows >= _MANY_ROWS):
        return False
    return rows >= _ROWS or numbered


def _recurring(sheet: Sheet, personal: Sequence[Column]) -> int:
    """How many other columns of words there are whose words recur, two at most."""
    others = [c for c in sheet.columns if c.role is Role.label and c not in personal and c.index > 0]
    return min(2, sum(len({row[c.index] for row in sheet.table.rows}) < len(sheet.table.rows) for c in others))


def _is_numbered(sheet: Sheet) -> bool:
    """Whether the first column, without a title, numbers the rows, as a printed data frame does."""
    first = [row[0].strip() for row in sheet.table.rows]
    digits = all(text.isdigit() or text in {"...", ".."} for text in first)
    return digits and len(set(first)) == len(first) and not sheet.table.header[0].strip()


def _is_nameless_dump(sheet: Sheet, rows: int) -> bool:
    """Many rows, nearly all different, of several numbers without a role and categories that recur."""
    if rows < _MANY_ROWS:
        return False
    unknown = [c for c in sheet.columns if c.role is Role.unknown and len(c.numbers()) >= 0.5 * rows]
    labels = [c for c in sheet.columns if c.role in {Role.label, Role.unknown} and c.index != 0]
    different = [len({row[c.index] for row in sheet.table.rows}) for c in labels]
    recurring = sum(2 <= d <= 12 for d in different)
    whole = {tuple(row) for row in sheet.table.rows}
    return len(unknown) >= 2 and len(labels) >= 4 and recurring >= 1 and len(whole) >= 0.9 * rows
