"""When two spellings are one: normal forms of identifiers and of values. Standard library only.

Guarantees: an identifier keeps its normal form through upper and lower case, leading zeros, quotes and separators; a
value through quotes, case, thousands separators, trailing zeros and the common spellings of a day. What makes an index
and what reads one use these same functions.

Does not guarantee: that an identifier which somebody encodes, reverses or takes apart is recognised.
"""

from __future__ import annotations

import math
import re
from datetime import date

QUOTES = " \t\r\n\"'`\u2018\u2019\u201c\u201d<>()[]{}"
FEW_DIGITS = 4
"""An identifier with no more digits than this looks like a word with a number and is believed only in company."""

LONG_NUMBER = 10
"""A number stands for itself as an identifier from this many digits on; from `SHORT_NUMBER` on only in company."""

SHORT_NUMBER = 7
SIGNIFICANT = 3
"""Fewest significant characters of a value that can point to a record: shorter ones are everywhere."""

ORDINARY = frozenset({"covid19", *(f"covid{year}" for year in range(2019, 2040))})
"""Words that people write about everybody, whatever pseudonyms look like."""

_UID = re.compile(r"\d++(?:[._-]\d++){2,}+")
_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
_OTHER = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"[+\-\u2212]?(?:\d{1,3}(?:,\d{3})++|\d{1,18})?(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?")
_DAY = re.compile(r"(\d{1,4})[-/.](\d{1,2})[-/.](\d{1,4})(?:[T ]00:00(?::00(?:\.0{1,9})?)?Z?)?")
_COMPACT_DAY = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EMPTY = frozenset(
    {"", "nan", "na", "n/a", "none", "null", "nat", "inf", "-inf", "true", "false", "unknown", "missing"}
)


def identifier_form(text: str) -> str:
    """The normal form: `"COVID_0012"`, `covid-12` and `Covid12` are one; UIDs keep their components."""
    plain = text.strip(QUOTES).casefold()
    if _UID.fullmatch(plain):
        return _ZEROS.sub("", re.sub("[_-]", ".", plain))
    return _ZEROS.sub("", _OTHER.sub("", plain))


def strength(form: str) -> int:
    """2 for a form that speaks for itself, 1 for one that is believed in company, 0 for one that says nothing."""
    digits = sum(sign.isdigit() for sign in form)
    if "." in form:
        return 2 if digits >= LONG_NUMBER else 0
    if digits == len(form):
        return 2 if digits >= LONG_NUMBER else int(digits >= SHORT_NUMBER)
    if form in ORDINARY or digits == 0 or len(form) < SIGNIFICANT:
        return 0
    return 2 if digits > FEW_DIGITS else 1


def column_form(title: str) -> str:
    """The normal form of a column's title: letters and digits."""
    return _OTHER.sub("", title.casefold())


def value_form(text: str) -> str:
    """The normal form of a cell; empty where it can point to nobody."""
    plain = text.strip(QUOTES)
    if not plain or len(plain) > 200:
        return ""
    first = plain[0]
    if first.isdigit() or first in "+-.\u2212":
        if _NUMBER.fullmatch(plain):
            return _number(plain)
        if (day := _day(plain)) is not None:
            return day.isoformat()
    plain = plain.casefold()
    return "" if plain in _EMPTY else plain


def number_form(number: float) -> str:
    """The normal form of a number: at most ten significant digits."""
    return format(number + 0.0, ".10g") if math.isfinite(number) else ""


def _number(plain: str) -> str:
    if _COMPACT_DAY.fullmatch(plain):  # DICOM writes days so
        return f"{plain[:4]}-{plain[4:6]}-{plain[6:]}"
    try:
        return number_form(float(plain.replace(",", "").replace("\u2212", "-")))
    except ValueError:
        return ""


def _day(plain: str) -> date | None:
    """A day as ISO, or day first as in Britain, or month first where only that makes sense."""
    found = _DAY.fullmatch(plain)
    if found is None:
        return None
    one, two, three = (int(part) for part in found.groups())
    orders = ((one, two, three),) if len(found[1]) == 4 else ((three, two, one), (three, one, two))
    for year, month, day in orders:
        try:
            return date(year + 2000 if year < 100 else year, month, day)
        except ValueError:
            continue
    return None


def significant(form: str) -> bool:
    """Whether a value has enough characters to point to a record."""
    if form[:1].isdigit() or form[:1] == "-":
        return sum(sign.isdigit() for sign in form.partition("e")[0].lstrip("-0.")) >= SIGNIFICANT
    return len(form) >= SIGNIFICANT


def rounded_forms(form: str) -> list[str]:
    """How a number looks after rounding to fewer decimals, none included."""
    try:
        number = float(form)
    except ValueError:
        return []
    _, _, decimals = form.partition(".")
    if "e" in form:
        return []
    found = (number_form(round(number, places)) for places in range(min(len(decimals), 4)))
    return [other for other in dict.fromkeys(found) if other != form]
