"""Judging the value of one element by what is due of its attribute.

Guarantees: every handling of `tre.slices.gate.attributes` has its judgement here; a value that cannot be decoded waits
for a person. Nothing of a value leaves this module but the names of rules.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Literal

from tre.domain.identifiers.health_numbers import scheme_of
from tre.slices.gate.attributes import Handling
from tre.slices.gate.text import TextReader, has_health_number

Order = Literal["little", "big"]
_CODES = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}
_NUMBER = re.compile(r"[+-]?(?:\d{1,16}(?:\.\d{0,24})?|\.\d{1,24})(?:[eE][+-]?\d{1,3})?")
_AGE = re.compile(r"\d{3}[DWMY]")
_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_TIME = re.compile(r"(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-5]\d(?:\.\d{1,6})?)?)?")
_MOMENT = re.compile(
    r"(?:19|20)\d\d(?:(?:0[1-9]|1[0-2])(?:(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])(?:[0-5]\d(?:[0-6]\d"
    r"(?:\.\d{1,6})?)?)?)?)?)?(?:[+-]\d{4})?"
)
_MOMENTS = {"DA": _DAY, "TM": _TIME, "DT": _MOMENT}
_BIRTH = re.compile(r"(?:(?:18|19|20)\d\d0101)?")
_UID = re.compile(r"\d+(?:\.\d+)*")
_UID_LENGTH = 64
_FIRST_HEALTH_NUMBER = 10_100_000
_RUN = re.compile(rb"[ -~]{8,}")
"""A run of printable signs in a table: text, unless it is the ramp that a table of grey values is."""

_META_VERSION = b"\0\1"


def text_of(value: bytes) -> str:
    """A value as text: one sign a byte, padding taken off. What is not ASCII waits for a person anyway."""
    return value.decode("latin-1").strip(" \0")


def is_empty(value: bytes | None, length: int) -> bool:
    """Whether an element says nothing."""
    return length == 0 if value is None else not value.strip(b" \0")


class ValueJudge:
    """One dataset's lists at work."""

    def __init__(self, reader: TextReader) -> None:
        self.read = reader.read
        self._by_handling: dict[Handling, Callable[[bytes, str, Order], Iterable[str]]] = {
            Handling.text: lambda value, _vr, _order: reader.read(text_of(value)),
            Handling.code: lambda value, _vr, _order: reader.read_code(text_of(value)),
            Handling.birth: _birth,
            Handling.moment: _moment,
            Handling.age: _age,
            Handling.number: _number,
            Handling.binary: _binary,
            Handling.uid: _uid,
            Handling.tag: lambda value, _vr, _order: ("form",) if len(value) % 4 else _table(value),
            Handling.bulk: lambda value, _vr, _order: _table(value),
            Handling.opaque: lambda _value, _vr, _order: ("binary",),
            Handling.absent: lambda _value, _vr, _order: ("absent-or-empty",),
            Handling.unknown: lambda _value, _vr, _order: ("unknown-attribute",),
        }

    def judge(self, handling: Handling, value: bytes, vr: str, order: Order) -> Iterable[str]:
        """The rules that a value which is not empty breaks."""
        judge = self._by_handling.get(handling)
        return judge(value, vr, order) if judge else ()


def _birth(value: bytes, _vr: str, _order: Order) -> Iterable[str]:
    return () if _BIRTH.fullmatch(text_of(value)) else ("birth-date",)


def _moment(value: bytes, vr: str, _order: Order) -> Iterable[str]:
    form = _MOMENTS.get(vr)
    good = form is not None and all(form.fullmatch(one.strip()) for one in text_of(value).split("\\") if one.strip())
    return () if good else ("form",)


def _age(value: bytes, _vr: str, _order: Order) -> Iterable[str]:
    return () if _AGE.fullmatch(text_of(value)) else ("form",)


def _number(value: bytes, _vr: str, _order: Order) -> Iterable[str]:
    text = text_of(value)
    found = [part.strip() for part in text.split("\\") if part.strip()]
    if not all(_NUMBER.fullmatch(part) for part in found):
        yield "form"
        if has_health_number(text):
            yield "nhs-number"
    elif any(_is_person(part) for part in found):
        yield "identifier-in-number"


def _is_person(text: str) -> bool:
    try:
        return bool(scheme_of(f"{float(text):010.0f}"))
    except (ValueError, OverflowError):
        return True


def _binary(value: bytes, vr: str, order: Order) -> Iterable[str]:
    if vr == "OB":
        return () if value == _META_VERSION else ("binary",)
    code = _CODES.get(vr)
    if code is None or len(value) % struct.calcsize(code):
        return ("form",)
    if code in "Hh":
        return _table(value)
    numbers = struct.unpack(f"{'<' if order == 'little' else '>'}{len(value) // struct.calcsize(code)}{code}", value)
    for number in numbers:
        if _FIRST_HEALTH_NUMBER <= number < 10**10 and scheme_of(f"{number:010.0f}"):
            return ("identifier-in-number",)
    return ("binary",) if _holds_text(value) else ()


def _uid(value: bytes, _vr: str, _order: Order) -> Iterable[str]:
    parts = [one for one in text_of(value).split("\\") if one]
    if not all(len(one) <= _UID_LENGTH and _UID.fullmatch(one) for one in parts):
        return ("identifier",)
    if any(scheme_of(component) for one in parts for component in one.split(".")):
        return ("identifier-in-uid",)
    return ()


def _table(value: bytes) -> Iterable[str]:
    return ("binary",) if _holds_text(value) else ()


def _holds_text(value: bytes) -> bool:
    """Whether bytes hold a run of letters or digits that is no ramp."""
    return any(_is_text(run) for run in _RUN.findall(value))


def _is_text(run: bytes) -> bool:
    """Whether a run is more than a table that rises or falls, of one byte or two."""
    if has_health_number(run.decode("ascii")):
        return True
    return not _is_ramp(run) and not (_is_ramp(run[::2]) and _is_ramp(run[1::2]))


def _is_ramp(run: bytes) -> bool:
    steps = {(after > before) - (after < before) for before, after in pairwise(run)} - {0}
    return len(steps) < 2
