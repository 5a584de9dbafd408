"""Tables in text: separated, ruled, printed by pandas, R, Stata, statsmodels, and pairs of a name and a number.

Guarantees: a line belongs to at most one table; each row knows its line. Time and memory grow with the text.

Does not guarantee: that every print is recognised. Prose is no table: what is taken for one has separators in equal
number, or numbers that stand under one another with gaps, or a name, a colon (or an equals sign) and a number.

Threat: results that leave in a log, where no check of tables would look.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tre.airlock.parsed import FileRefusedError, Observation, Place, Table
from tre.airlock.tables.fixed_width import aligned_tables, is_ruler, title_above
from tre.airlock.tables.numbers import read_cell
from tre.airlock.tables.roles import PAIR_TITLES

LONGEST_LINE = 5000
MOST_COLUMNS = 500
"""Columns of a table in text beyond which nobody can look at it, and checks would take too long: it is refused."""

_SEPARATORS = ("\t", "|", ",", ";")
_SHORTEST = 3
_MARKDOWN_RULE = re.compile(r"(?=[^-]*--)[\s:|+=-]++")
_SUMMARY = re.compile(r"(Min\.|1st Qu\.|Median|Mean|3rd Qu\.|Max\.|NA's) *: *([-+\d.,e]++)")
_PAIR = re.compile(
    r"(?:^|(?<=\s\s)|(?<=[|,;]\s))[\"'*\-# ]{0,4}(?P<name>[A-Za-z](?:[^:=|\t ]| (?! )){0,60}?)[\"'*]{0,3}"
    r"\s{0,30}(?::|=)[\"'*]{0,3}\s{0,60}"
    r"(?P<value>[<>≤~]?=?[+-]?\d[\d,.]*+(?:[eE][+-]?\d++)?%?(?: ?\([^()\n]{1,30}\))?|\[REDACTED\])"
    r"(?=[,;.]?(?:\s\s|\s*$|[,;|]\s))"
)
_COUNTER = re.compile(r"\b(?:counter|counts?|value_counts|freq\w{0,10})\W{1,5}\{", re.IGNORECASE)
_ITEM = re.compile(r"[\"']?([^\"':,{}()]{1,40})[\"']?: (\d{1,15})(?=[,}])")
"""What Python prints of counts in a dictionary: `Counter({'yes': 4996, 'no': 4})`."""

_CLOCK = re.compile(r"\d{1,2}:\d{2}")
_SENTENCE = re.compile(r"[a-z]{4}[.;!?] [A-Z]|\b(?:was|were|is|are|has|have)\b")


def tables_of(lines: Sequence[str]) -> list[Table]:
    """The tables printed in a text. Raises `FileRefusedError` for one that is wider than anybody can look at."""
    free = [len(line) <= LONGEST_LINE for line in lines]
    tables = [*_summaries(lines, free), *_separated(lines, free)]
    pairs = _pairs(lines, free)
    tables += aligned_tables(lines, [free[i] and not _is_paired(line) for i, line in enumerate(lines)])
    tables += pairs
    return sorted(tables, key=lambda table: (table.first_row, list(table.header)))


def _separated(lines: Sequence[str], free: list[bool]) -> list[Table]:
    """Runs of lines that one separator splits into the same number of cells, two or more."""
    tables: list[Table] = []
    for separator in _SEPARATORS:
        start = 0
        while start < len(lines):
            end = _run_end(lines, free, start, separator)
            if end - start >= _SHORTEST and lines[start].count(separator) >= MOST_COLUMNS:
                raise _too_wide(start)
            table = _of_run(lines, start, end, separator) if end - start >= _SHORTEST else None
            if table is not None:
                free[start:end] = [False] * (end - start)
                tables.append(table)
            start = end
    return tables


def _too_wide(line: int) -> FileRefusedError:
    message = f"A table in the text has more than {MOST_COLUMNS} columns."
    return FileRefusedError(Observation("F05", message, "Ask for less.", place=Place(row=line + 1)))


def _run_end(lines: Sequence[str], free: list[bool], start: int, separator: str) -> int:
    width = lines[start].count(separator) if free[start] else 0
    end = start + 1
    while width and end < len(lines) and free[end]:
        rule = separator == "|" and (_MARKDOWN_RULE.fullmatch(lines[end]) or is_ruler(lines[end]))
        if not rule and lines[end].count(separator) != width:
            break
        end += 1
    return end if width else start + 1


def _cells(line: str, separator: str) -> list[str]:
    if separator == "|":
        line = line.strip()
        line = line[1:] if line.startswith("|") else line
        line = line[:-1] if line.endswith("|") else line
    return [cell.strip().strip('*`"') if separator != "\t" else cell.strip() for cell in line.split(separator)]


def _of_run(lines: Sequence[str], start: int, end: int, separator: str) -> Table | None:
    numbers = [n for n in range(start, end) if not (_MARKDOWN_RULE.fullmatch(lines[n]) or is_ruler(lines[n]))]
    cells = [_cells(lines[n], separator) for n in numbers]
    width = max((len(row) for row in cells), default=0)
    if len(cells) < 2 or width < 2 or any(len(row) != width for row in cells):
        return None
    if separator == "|" and _is_stata(lines, start, end):
        return None
    if separator in ",;" and not _has_numbers(cells[1:]):
        return None
    spots = [n + 1 for n in numbers[1:]]
    follows = spots == list(range(numbers[0] + 2, numbers[0] + 2 + len(spots)))
    return Table(cells[0], cells[1:], numbers[0] + 1, title_above(lines, numbers[0]), lines=() if follows else spots)


def _is_stata(lines: Sequence[str], start: int, end: int) -> bool:
    """One bar behind the labels and numbers in columns: the bar parts labels from a table of fixed width."""
    inside = [line for line in lines[start:end] if not is_ruler(line)]
    wide = sum(re.search(r"\|.*\S {2,}\S", line) is not None for line in inside)
    return all(not line.strip().startswith("|") for line in inside) and wide >= 0.6 * len(inside)


def _has_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether half of the rows hold a number: lines of prose with as many commas do not."""
    return sum(any(read_cell(cell).numbers for cell in row) for row in rows) >= 0.5 * len(rows)


def _summaries(lines: Sequence[str], free: list[bool]) -> list[Table]:
    """What R's summary() prints of a data frame: cells such as `Min.   :18.00`."""
    tables: list[Table] = []
    start = 0
    while start < len(lines):
        end = start
        while end < len(lines) and free[end] and _SUMMARY.search(lines[end]):
            end += 1
        if end - start >= _SHORTEST:
            found = [_SUMMARY.findall(line) for line in lines[start:end]]
            width = len(found[0])
            rows = [[pairs[0][0], *(v for _, v in pairs), *[""] * (width - len(pairs))][: width + 1] for pairs in found]
            titles = lines[start - 1].split() if start else []
            header = ["statistic", *(titles if len(titles) == width else [f"column {i + 1}" for i in range(width)])]
            tables.append(Table(header, rows, first_row=start))
            free[start:end] = [False] * (end - start)
        start = max(end, start + 1)
    return tables


def _is_paired(line: str) -> bool:
    """Whether a line holds nothing but names with a colon, each with its value."""
    pieces = re.split(r" {2,}", line.strip())
    after = False
    for piece in pieces:
        if piece.endswith(":"):
            after = True
        elif not after and not re.match(r"[A-Za-z][^:]{0,40}: \S", piece):
            return False
        else:
            after = False
    return ":" in line


def _pairs(lines: Sequence[str], free: list[bool]) -> list[Table]:
    """One table of every `name: number` and `name = number` of a text that stands by itself or at a line's end."""
    rows: list[tuple[str, str]] = []
    places: list[int] = []
    for number, line in enumerate(lines):
        if not free[number] or (":" not in line and "=" not in line):
            continue
        for found in _PAIR.finditer(line):
            name = found["name"].strip()
            if not _SENTENCE.search(name) and not _CLOCK.search(found.group()[-12:]):
                rows.append((name, found["value"]))
                places.append(number + 1)
        if _COUNTER.search(line):
            counted = _ITEM.findall(line)
            rows += [(f"count of {name}", value) for name, value in counted]
            places += [number + 1] * len(counted)
    return [Table(PAIR_TITLES, rows, first_row=places[0], lines=places)] if rows else []
