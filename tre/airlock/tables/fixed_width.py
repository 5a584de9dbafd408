"""Tables of fixed width: numbers that stand under one another, as pandas, R, Stata and statsmodels print them.

Guarantees: a run of lines is a table only where columns of blanks part it and most lines have a gap of two blanks or
more; the header is what stands above it, in one to three lines, cell by cell over the columns. Labels that are printed
once for several rows are filled in. Rulers and the line of an index's name belong to the table.

Does not guarantee: that columns which touch are parted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tre.airlock.parsed import Table

_RULER = re.compile(r"(?=[^-=_─━]*[-=_─━]{3})[\s|+:┼┴┬=_─━-]++")
_TOKEN = re.compile(r"\S++")
_NUMERIC = re.compile(
    r"[(\[]?[<>≤≥~]?=?[+\-\u2212]?(?:\d[\d,.]*+|\.\d++)(?:[eE][+-]?\d++)?%?[)\]]?[,;]?[*†‡.]{0,3}"
    r"|nan|NaN|NA|<NA>|NaT|None|\.{2,3}|\[REDACTED\]|\[c\]|\*{1,3}|-|\.|inf|-inf"
)
_DIGITS = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*(?:[eE][+-]?\d++)?[^A-Za-z]*|\[REDACTED\]|\*|\[c\]")
_TYPES = re.compile(r"\s*(?:<[a-z]{3,5}>\s*)+")
_PHRASE = re.compile(r"\S+(?: \S+)*")
_GAP = re.compile(r"\S {2,}\S")
_STARS = re.compile(r"\s(?:\*{1,3}|\.)\s*$")
_BESIDE = re.compile(r" {3,}[A-Z](?:[A-Za-z.,()>0-9-]| (?! )){0,30} *= +[\d.,-]{1,20}$")
"""What Stata prints to the right of an analysis of variance: `Number of obs   =        74`."""

_ARRAY = re.compile(r" ?\[\[?[-+.\d\seE]+\]?\]")
"""A row of an array as numpy prints it: `[[2100    4]`."""

_BAR = re.compile(r"(?<!\|[tzfF])\|(?=\s|$)|(?<=\s)\|")
_SHORTEST = 2
_MOST_HEADER_LINES = 3
_MOST_COLUMNS = 300


def is_ruler(line: str) -> bool:
    """A line of dashes, equals signs or bars only."""
    return _RULER.fullmatch(line) is not None


@dataclass(frozen=True)
class _Run:
    """Body lines of a table, by number, and where it begins in the text (header excluded)."""

    numbers: list[int]
    start: int


def aligned_tables(lines: Sequence[str], free: list[bool]) -> list[Table]:
    """The tables of fixed width among the lines that are free; their lines are free no longer."""
    flat = [_flat(line) if free[i] else "" for i, line in enumerate(lines)]
    tables: list[Table] = []
    start = 0
    while start < len(flat):
        run, end = _run(flat, free, start)
        if run is not None:
            table, first = _table(lines, flat, run)
            if table is not None:
                free[first:end] = [False] * (end - first)
                tables.append(table)
        start = end
    return tables


def _flat(line: str) -> str:
    """The line with bars as blanks and without what stands behind the numbers only to mark them."""
    plain = _BAR.sub(" ", line.rstrip().removesuffix("\\")).expandtabs(8)
    plain = _STARS.sub("", plain).rstrip()
    if _ARRAY.fullmatch(plain):
        plain = plain.replace("[", " ").replace("]", " ").rstrip()
    return _BESIDE.sub("", plain) if "|" in line or plain.startswith("---") else plain


def _is_body(text: str) -> bool:
    """Whether a line holds a number behind or between gaps, and is no sentence."""
    tokens = text.split()
    numeric = sum(_NUMERIC.fullmatch(token) is not None for token in tokens)
    digits = any(_DIGITS.fullmatch(token) for token in tokens)
    return digits and (numeric >= 0.5 * len(tokens) or _GAP.search(text.strip()) is not None)


def _run(flat: Sequence[str], free: Sequence[bool], start: int) -> tuple[_Run | None, int]:
    """The run of body lines that begins here, if one does, and where to go on."""
    if not free[start] or not _is_body(flat[start]):
        return None, start + 1
    numbers = [start]
    end = start + 1
    while end < len(flat) and free[end]:
        if is_ruler(flat[end]):
            if end + 1 >= len(flat) or not free[end + 1] or not _is_body(flat[end + 1]):
                break
        elif _is_body(flat[end]) or _continues(flat, free, end):
            numbers.append(end)
        else:
            break
        end += 1
    gaps = sum(_GAP.search(flat[n].strip()) is not None for n in numbers)
    good = gaps >= 0.5 * len(numbers)
    return (_Run(numbers, start) if good else None), end


def _continues(flat: Sequence[str], free: Sequence[bool], number: int) -> bool:
    """A line with a label and nothing else, between lines with numbers: a heading inside the table."""
    text = flat[number].strip()
    if text and set(text) <= {".", " "}:
        return True
    if not text or len(text) > 60 or text.endswith((".", ":")) or number + 1 >= len(flat):
        return False
    return (
        free[number + 1]
        and _is_body(flat[number + 1])
        and len(text.split()) <= 4
        and number > 0
        and _is_body(flat[number - 1])
    )


def _spans(texts: Sequence[str]) -> list[tuple[int, int]]:
    """The columns: stretches that are not blank in every line, parted where a blank runs through all of them."""
    width = max(len(text) for text in texts)
    filled = bytearray(width)
    for text in texts:
        for token in _TOKEN.finditer(text):
            filled[token.start() : token.end()] = b"\1" * (token.end() - token.start())
    spans = [(found.start(), found.end()) for found in re.finditer(rb"\x01+", bytes(filled))]
    return _merged(spans, texts)


def _merged(spans: list[tuple[int, int]], texts: Sequence[str]) -> list[tuple[int, int]]:
    """Neighbours one blank apart that are both words are one column: labels of several words."""
    words = [_is_wordy(span, texts) for span in spans]
    merged: list[tuple[int, int]] = []
    last_wordy = False
    for span, wordy in zip(spans, words, strict=True):
        if merged and wordy and last_wordy and span[0] - merged[-1][1] == 1 and _touch(merged[-1], span, texts):
            merged[-1] = (merged[-1][0], span[1])
        else:
            merged.append(span)
        last_wordy = wordy
    return merged


def _touch(left: tuple[int, int], right: tuple[int, int], texts: Sequence[str]) -> bool:
    """Whether words run on from one column into the next in most lines, as they do in labels of several words."""
    both = [t for t in texts if t[left[0] : left[1]].strip() and t[right[0] : right[1]].strip()]
    runs_on = sum(t[left[1] - 1] != " " and t[right[0]] != " " for t in both)
    return runs_on == len(both)


def _is_wordy(span: tuple[int, int], texts: Sequence[str]) -> bool:
    cells = [text[span[0] : span[1]].strip() for text in texts]
    filled = [cell for cell in cells if cell]
    return sum(_NUMERIC.fullmatch(cell) is None for cell in filled) > 0.5 * len(filled)


def _table(lines: Sequence[str], flat: Sequence[str], run: _Run) -> tuple[Table | None, int]:
    """The table of a run, and its first line."""
    numbers = list(run.numbers)
    inside = _header_inside(lines, flat, numbers)
    numbers = [n for n in numbers if n not in inside]
    if not numbers:
        return None, run.start
    spans = _spans([flat[n] for n in numbers])
    rows = _filled_down([[flat[n][a:b].strip() for a, b in spans] for n in numbers])
    spots = [n + 1 for n in numbers]
    said = _log_titles(rows)
    if said:
        return Table(said, rows, spots[0], lines=spots), numbers[0]
    above = sorted({*inside, *_header_above(flat, run.start, spans, bool(inside))})
    if not 2 <= len(spans) <= _MOST_COLUMNS or (len(numbers) < _SHORTEST and not above):
        return None, run.start
    header = _header([flat[n] for n in above if not _TYPES.fullmatch(lines[n])], spans)
    first = above[0] if above else numbers[0]
    row = above[-1] + 1 if above else spots[0]
    return Table(header, rows, row, title_above(lines, first), lines=spots), first


def _log_titles(rows: Sequence[Sequence[str]]) -> list[str]:
    """The titles of a log whose lines name their numbers (`epoch 1 loss 0.69`); nothing where they do not."""
    columns = list(zip(*rows, strict=True))
    same = [len(rows) > 1 and len(set(c)) == 1 and c[0] != "" and _NUMERIC.fullmatch(c[0]) is None for c in columns]
    titles = ["", *(columns[i][0].strip(":=") if same[i] else "" for i in range(len(columns) - 1))]
    named = sum(bool(title) and not same[i] for i, title in enumerate(titles))
    return titles if named > 1 or (named == 1 and len(columns) == 2) else []


def _header_inside(lines: Sequence[str], flat: Sequence[str], numbers: list[int]) -> list[int]:
    """Lines of the run that are its header, though numbers: those over a ruler, or without the label others have."""
    ruled = numbers[0] > 0 and is_ruler(flat[numbers[0] - 1])
    for place, number in enumerate(
        numbers[:_MOST_HEADER_LINES] if not ruled or _is_wordy_line(flat[numbers[0]]) else ()
    ):
        if place + 1 < len(numbers) and numbers[place + 1] != number + 1 and is_ruler(flat[number + 1]):
            return numbers[: place + 1] if len(numbers) - place > 1 else []
    if len(numbers) < 2:
        return []
    if _names_index(lines, flat, numbers):
        return numbers[:2]
    indent = len(flat[numbers[0]]) - len(flat[numbers[0]].lstrip())
    return numbers[:1] if indent > max(_label_end(flat[n]) for n in numbers[1:]) else []


def _is_wordy_line(text: str) -> bool:
    tokens = text.split()
    return sum(_NUMERIC.fullmatch(token) is None for token in tokens) > 0.5 * len(tokens)


def _names_index(lines: Sequence[str], flat: Sequence[str], numbers: Sequence[int]) -> bool:
    """Whether the second line names the index only, as pandas prints it: padded to the width of the table."""
    if len(numbers) < 3 or any(map(_NUMERIC.fullmatch, flat[numbers[1]].split())):
        return False
    padded = len(lines[numbers[1]]) >= len(flat[numbers[0]]) - 1 > len(flat[numbers[1]])
    return padded or any(_NUMERIC.fullmatch(token) is None for token in flat[numbers[0]].split()[1:])


def _label_end(text: str) -> int:
    """Where the first word of a line ends."""
    stripped = text.lstrip()
    return len(text) - len(stripped) + len(stripped.split(" ", 1)[0])


def _header_above(flat: Sequence[str], start: int, spans: list[tuple[int, int]], begun: bool) -> list[int]:
    """Up to three lines above the run that stand over its columns; a ruler may lie between."""
    found: list[int] = []
    number = start - 1
    rulers = 0
    while number >= 0 and len(found) < _MOST_HEADER_LINES and start - number < 6:
        text = flat[number]
        if is_ruler(flat[number]):
            rulers += 1
            if found or begun or rulers > 1:
                break
        elif not text.strip() or not _stands_over(text, spans, begun or bool(found)):
            break
        else:
            found.append(number)
        number -= 1
    return found[::-1]


def _stands_over(text: str, spans: list[tuple[int, int]], above_another: bool) -> bool:
    """Whether a line can be a header: no sentence, not much wider than the table, over its columns."""
    stripped = text.strip()
    if stripped.endswith(":") and len(stripped.split()) > 1:
        return False
    if stripped.endswith((".", ";")) and len(stripped.split()) > 3 and _GAP.search(stripped) is None:
        return False
    if len(text) > spans[-1][1] + 30 or (stripped.startswith("[") and stripped.endswith("]") and len(spans) > 1):
        return False
    tokens = [token.start() for token in _TOKEN.finditer(text)]
    if len(tokens) > 4 * len(spans) + 2:
        return False
    over = any(token.end() > spans[0][1] for token in _TOKEN.finditer(text))
    is_prose = len(tokens) > 3 and _GAP.search(stripped) is None and len(spans) < 0.6 * len(tokens)
    return not is_prose and (over or not above_another)


def _header(texts: Sequence[str], spans: list[tuple[int, int]]) -> list[str]:
    """The titles of the columns, from one or more lines over them."""
    pieces: list[list[str]] = [[] for _ in spans]
    last = max((i for i, text in enumerate(texts) if len(text) > spans[1][0]), default=0)
    levels = [_over(text, spans, i >= last) for i, text in enumerate(texts)]
    full = sum(any(level[1:]) for level in levels)
    for place, level in enumerate(levels):
        said = level
        if full > 1 and place < len(levels) - 1 and sum(map(bool, level)) < len(spans):
            said = _spread(level)
        for column, words in enumerate(said):
            if words:
                pieces[column].append(words)
    if len(levels) > 1 and any(levels[-1][:1]) and not any(levels[-1][1:]):
        pieces[0] = [levels[-1][0]]
    return [" ".join(piece) for piece in pieces]


def _spread(level: list[str]) -> list[str]:
    """A title over several columns is printed over the first: the others take it from there."""
    spread: list[str] = []
    last = ""
    for column, words in enumerate(level):
        last = words or (last if column > 1 else "")
        spread.append(last)
    return spread


def _over(text: str, spans: list[tuple[int, int]], last: bool) -> list[str]:
    """The words of a header line, each given to the column that it overlaps most, or that ends next.

    Above the last line, a phrase over several columns is given to all of them. One word alone, flush with the labels,
    is the name of the index, however long.
    """
    words: list[list[str]] = [[] for _ in spans]
    if len(text.split()) == 1 and len(text) - len(text.lstrip()) <= spans[0][0]:
        return [text.strip(), *[""] * (len(spans) - 1)]
    for token in (_TOKEN if last else _PHRASE).finditer(text):
        over = [i for i, (a, b) in enumerate(spans) if not last and i and min(token.end(), b) > max(token.start(), a)]
        for column in over or [_nearest(token.start(), token.end(), spans)]:
            words[column].append(token.group())
    return [" ".join(parts) for parts in words]


def _nearest(start: int, end: int, spans: list[tuple[int, int]]) -> int:
    overlaps = [min(end, b) - max(start, a) for a, b in spans]
    best = max(range(len(spans)), key=lambda i: overlaps[i])
    if overlaps[best] > 0:
        return best
    following = [i for i, (_, b) in enumerate(spans) if b >= end]
    return following[0] if following else len(spans) - 1


def _filled_down(rows: list[list[str]]) -> list[list[str]]:
    """Labels that are printed once for several rows, as of a multi-index, stand in each."""
    if len(rows[0]) < 3:
        return rows
    wordy = [any(row[c] and _NUMERIC.fullmatch(row[c]) is None for row in rows) for c in range(len(rows[0]))]
    for column in range(len(rows[0]) - 2):
        if not (wordy[column] and (wordy[column + 1] or all(row[column + 1] for row in rows))) or not rows[0][column]:
            break
        if all(row[column] for row in rows) or not all(row[column + 1] for row in rows):
            break
        for above, row in itertools.pairwise(rows):
            row[column] = row[column] or above[column]
    return rows


def title_above(lines: Sequence[str], first: int) -> str:
    """The line above a table, or above one blank line, if it is short."""
    for above in (first - 1, first - 2):
        if above >= 0 and lines[above].strip():
            text = lines[above].strip().strip("#*=+- ")
            return text if len(text) <= 120 else ""
    return ""
