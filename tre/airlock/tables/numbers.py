"""Reading the cells of a table: numbers as people and programs write them. Standard library only.

Guarantees: thousands separators (comma, point, blank, no-break, thin), decimal commas, percent signs, exponents, bounds
(`<7`), stars of significance and the tokens of suppression are read; cells that hold several numbers, such as
`12 (3.4%)`, `44.2 (12.1)`, `1.23 (0.9-1.7)`, `39,893 / 17,487`, are taken apart in their order. Whether a comma parts
thousands or decimals is decided once for a table, by what its cells leave possible.

Does not guarantee: that an ambiguous table (`1,234` alone) is read as its author meant: a comma then parts thousands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import isfinite, nan
from typing import NamedTuple

LONGEST = 120
"""Characters of a cell beyond which it is prose."""

MOST = 6
"""Numbers in a cell beyond which it is prose."""


class Number(NamedTuple):
    """One number: its value, the digits written after the point, a percent sign, and a bound's sign."""

    value: float
    decimals: int = 0
    percent: bool = False
    bound: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is a whole number, also when written `3.0` or `~3`, and no bound or percentage."""
        return self.value.is_integer() and not self.percent and (not self.bound or self.bound in "~=")


class Cell(NamedTuple):
    """What a cell says: `number` (one), `several`, `suppressed`, `missing`, or `text`.

    `shape` is the cell with `#` for each number and without blanks: `#(#%)`.
    """

    kind: str
    numbers: tuple[Number, ...] = ()
    shape: str = ""


_MISSING = frozenset({"", "na", "nan", "n/a", "none", "null", "nat", "<na>", ".", "inf", "-inf", "#n/a", "#div/0!"})
_SUPPRESSED = frozenset(
    {
        *("*", "**", "c", "-", "--", "—", "–", "..", "...", "x", "xx", "s", "[c]", "[x]", "[z]", "(c)", "†", "‡"),
        *("[redacted]", "redacted", "suppressed", "[suppressed]", "masked", "small", "low"),
    }
)
_FAST = re.compile(r"[+-]?\d+(?:\.(\d*+))?(?:[eE][+-]?\d++)?")
_EXPONENT = r"(?:[eE][+-]?\d++)?"
_POINTED = re.compile(
    rf"(?<![\w.])[+\-\u2212]?(?:\d{{1,3}}(?:[, \u00a0\u2009\u202f]\d{{3}})+(?!\d)|\d++)(?:\.(\d*+))?{_EXPONENT}"
    rf"|(?<![\w.])[+\-\u2212]?\.(\d++){_EXPONENT}"
)
_COMMAED = re.compile(
    rf"(?<![\w,])[+\-\u2212]?(?:\d{{1,3}}(?:[. \u00a0\u2009\u202f]\d{{3}})+(?!\d)|\d++)(?:,(\d*+))?{_EXPONENT}"
)
_COMMA_DECIMAL = re.compile(
    rf"[+-]?(?:\d++|\d{{1,3}}(?:[. ]\d{{3}})+),(?!\d{{3}}\b)\d++{_EXPONENT}%?|[+-]?0,\d++%?"
    r"|[+-]?\d{1,3}(?:\.\d{3})+,\d++%?"
)
_POINT_DECIMAL = re.compile(
    rf"[+-]?(?:\d++|\d{{1,3}}(?:,\d{{3}})+)\.(?:\d{{1,2}}+|\d{{4,}}+){_EXPONENT}%?|[+-]?0?\.\d++%?"
    r"|[+-]?\d{1,3}(?:,\d{3})+\.\d++"
)
_GAP = re.compile(r"[ \u00a0\u2009\u202f]")
_STARS = re.compile(r"(?<=[\d)\]])\s*+[*†‡]{1,3}+$|(?<=[\d)\]])\s*+\.$")
_AROUND = re.compile(r"^[nN] ?= ?(?=\d)|(?<=\d) ?(?:patients?|people|persons?|participants?|cases?|deaths?|events?)$")
_KNOWN_SHAPE = re.compile(
    r"(?:[<>~≤≥=]*#%?)"
    r"(?:[(\[][<>≤≥]*#%?(?:(?:-|–|,|;|to|:)#%?)?[)\]]"
    r"|/#(?:[(\[]#%?[)\]])?|of#(?:[(\[]#%?[)\]])?|\u00b1#|\+/-#|(?:-|–|to|;)#|,#%?)?"
    r"(?:[(\[]#%?(?:(?:-|–|,|;|to)#%?)?[)\]])?(?:,?p[=<]#)?"
    r"|[(\[]#%?(?:-|–|,|;|to|:)#%?[)\]]|[(\[]#%?[)\]]"
)
_DATE_LIKE = re.compile(
    r"\d{4}[-/.]\d\d?(?:[-/.]\d\d?)?(?:[T ].*)?|\d\d?[-/.]\d\d?[-/.]\d{4}(?: .*)?|\d\d?[-/ ][A-Za-z]{3,9}[-/ ]\d{2,4}"
)
_DAY = re.compile(
    r"\d{4}[-/.]\d\d?[-/.]\d\d?(?:[T ][\d:.]++)?|\d\d?[-/.]\d\d?[-/.]\d{4}(?: [\d:.]++)?"
    r"|\d\d?[-/ ][A-Za-z]{3,9}[-/ ]\d{2,4}"
)
_AGES = re.compile(
    r"\d{1,3}(?:-|–| to )\d{1,3}|\d{1,3}\+|[<>≤≥]=? ?\d{1,3} ?(?:y\w*)|(?:\(|\[)-?[\d.]+, ?-?[\d.]+(?:\)|\])"
)


def is_day(text: str) -> bool:
    """Whether a text is a date to the day."""
    return _DAY.fullmatch(text.strip()) is not None


def is_range(text: str) -> bool:
    """Whether a text is a band, such as `18-39` or `90+`."""
    return _AGES.fullmatch(text.strip()) is not None


def decimal_comma(cells: Iterable[str]) -> bool:
    """Whether a comma parts decimals in these cells: one says so and none says otherwise."""
    comma = False
    for cell in cells:
        if "," not in cell and "." not in cell:
            continue
        text = cell.strip()
        if _POINT_DECIMAL.fullmatch(text):
            return False
        comma = comma or _COMMA_DECIMAL.fullmatch(text) is not None
    return comma


def read_cell(text: str, comma: bool = False) -> Cell:
    """What one cell says; `comma`: a comma parts decimals."""
    plain = _FAST.fullmatch(text)
    if plain is not None and not (comma and plain.group(1)):
        value = float(text)
        return Cell("number", (Number(value, len(plain.group(1) or "")),), "#") if isfinite(value) else Cell("text")
    short = text.strip()
    small = short.lower()
    if small in _MISSING:
        return Cell("missing")
    if small in _SUPPRESSED:
        return Cell("suppressed")
    if len(short) > LONGEST or not any(char.isdigit() for char in short):
        return Cell("text")
    if _DATE_LIKE.fullmatch(short):
        return Cell("text")
    return _several(_AROUND.sub("", _STARS.sub("", short)), comma)


def _several(short: str, comma: bool) -> Cell:
    numbers: list[Number] = []
    shape: list[str] = []
    end = 0
    for found in (_COMMAED if comma else _POINTED).finditer(short):
        between = _squeezed(short[end : found.start()])
        percent = short[found.end() : found.end() + 2].lstrip().startswith("%")
        decimals = next((len(group) for group in found.groups() if group is not None), 0)
        shape += [between, "#"]
        bound = "".join(char for char in between[-2:] if char in "<>≤≥~=")
        numbers.append(Number(_value(found.group(), comma), decimals, percent, bound))
        end = found.end()
    shape.append(_squeezed(short[end:]))
    drawn = "".join(shape)
    if not numbers or len(numbers) > MOST or _KNOWN_SHAPE.fullmatch(drawn) is None:
        return Cell("text")
    if not all(isfinite(number.value) for number in numbers):
        return Cell("text")
    first = numbers[0]
    if len(numbers) > 1:
        return Cell("several", tuple(numbers), drawn)
    hides = first.bound[:1] in {"<", "≤"} and not first.percent and not first.decimals
    return Cell("suppressed" if hides else "number", tuple(numbers), drawn)


def _squeezed(text: str) -> str:
    return "".join(text.split()).lower()


def _value(written: str, comma: bool) -> float:
    text = _GAP.sub("", written.replace("\u2212", "-"))
    text = text.replace(".", "").replace(",", ".") if comma else text.replace(",", "")
    try:
        return float(text)
    except ValueError:
        return nan


def read_column(cells: Sequence[str], comma: bool = False) -> tuple[Cell, ...]:
    """What the cells of one column say; equal texts are read once."""
    seen: dict[str, Cell] = {}
    read: list[Cell] = []
    for text in cells:
        cell = seen.get(text)
        if cell is None:
            cell = seen[text] = read_cell(text, comma)
        read.append(cell)
    return tuple(read)
