"""The tier `dates-coarse`: the same files with every date at the first of its month and every time at its full hour.

Guarantees: in an image exactly the bytes of its dates change, in place, at every depth; pixels, lengths and all other
elements stay byte for byte. The rule looks at nothing but the date, so what happened on one day in several files of a
patient is one day in the tier too, and what is in order stays in order. A sidecar's dates change as its image's do; of
a clinical record every value that reads as a date keeps year and month, and the year alone where day and month cannot
be told apart; the hospital is left out, and no age is above 90. Making a coarse copy again gives the same bytes on
every machine.

Does not guarantee: dates inside names of files or in unique identifiers, which stay; deflated images have no coarse
copy, since what a compressor writes differs between its versions.

Source: 76 % of the patients of a real archive are unique by year of birth, sex and day of the first study, 0.2 % by
ten-year band, sex and month.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, BinaryIO, Protocol

from tre.slices.gate.record_keys import AGES, FULL_ONLY, folded

_CHUNK = 1 << 20


class Target(Protocol):
    """Where a coarse copy is written to."""

    def write(self, data: bytes, /) -> object:
        """Write."""


_HOUR = 2
_MONTH = 6
_DAY = 8
_CLOCK = r"(?:[T ]\d\d:\d\d\S{0,20})?"
_YEAR_FIRST = re.compile(rf"(?<!\d)((?:19|20)\d\d)[-/.](\d{{1,2}})[-/.]\d{{1,2}}(?!\d){_CLOCK}")
_BASIC = re.compile(rf"(?<!\d)((?:19|20)\d\d)(0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d){_CLOCK}")
_DAY_FIRST = re.compile(rf"(?<!\d)(\d{{1,2}})[-/.](\d{{1,2}})[-/.]((?:\d\d){{1,2}})(?!\d){_CLOCK}")
TOP_AGE = 90
"""Whoever is older is this old here: few people are, and everybody knows them."""

_MONTHS = 12
_FORMS = {
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"\d{2,6}(?:\.\d{1,6})?"),
    "DT": re.compile(r"\d{4,14}(?:\.\d{1,6})?(?:[+-]\d{4})?"),
}


def coarse_moment(text: str, vr: str) -> str:
    """A value of DA, TM or DT with the month or the hour left; as long as it was."""
    return "\\".join(_one(part, vr) for part in text.split("\\"))


def _one(text: str, vr: str) -> str:
    if not _FORMS[vr].fullmatch(text.strip(" \0")):
        return _zeros(text)  # somebody let it in as it was: nobody can tell where its day stands
    if vr == "TM":
        return text[:_HOUR] + _zeros(text[_HOUR:])
    if vr == "DA":
        return text[:_MONTH] + "01" + text[_DAY:]
    body, sign, zone = re.match(r"([^+-]*)([+-]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    if len(body) >= _DAY:
        body = body[:_MONTH] + "01" + body[_DAY : _DAY + _HOUR] + _zeros(body[_DAY + _HOUR :])
    return body + sign + zone


def _zeros(text: str) -> str:
    return re.sub(r"\d", "0", text)


@lru_cache(4096)
def _coarse_bytes(value: bytes, vr: str) -> bytes:
    return coarse_moment(value.decode("latin-1"), vr).encode("latin-1")


def coarse_image(data: bytes, moments: Iterable[tuple[int, int, str]]) -> bytes:
    """The coarse copy of an image that is in memory; `moments` as for `write_coarse`."""
    made = bytearray(data)
    for offset, length, vr in moments:
        made[offset : offset + length] = _coarse_bytes(data[offset : offset + length], vr)
    return bytes(made)


def write_coarse(source: BinaryIO, target: Target, moments: Iterable[tuple[int, int, str]]) -> None:
    """Copy an image; `moments` are offset, length and representation of its dates, as the gate found them."""
    source.seek(0)
    for offset, length, vr in sorted(moments):
        _copy(source, target, offset - source.tell())
        target.write(_coarse_bytes(source.read(length), vr))
    while chunk := source.read(_CHUNK):
        target.write(chunk)


def _copy(source: BinaryIO, target: Target, count: int) -> None:
    while count > 0 and (chunk := source.read(min(count, _CHUNK))):
        target.write(chunk)
        count -= len(chunk)


def coarse_sidecar(model: dict[str, Any]) -> bytes:
    """A sidecar with its dates coarsened, in one byte form."""
    return (_as_text(_coarse_level(model)) + "\n").encode("utf-8", "surrogatepass")


_as_text = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode


def _coarse_level(model: dict[str, Any]) -> dict[str, Any]:
    changed = {
        key: _coarse_element(body, key)
        for key, body in model.items()
        if isinstance(body, dict) and body.get("vr") in _DATED
    }
    return model | changed


_DATED = frozenset({"DA", "TM", "DT", "SQ"})


def _coarse_element(body: dict[str, Any], key: str) -> dict[str, Any]:
    if not isinstance(body.get("Value"), list):
        return body
    vr, values = body["vr"], body["Value"]
    if vr == "SQ":
        return body | {"Value": [_coarse_level(item) if isinstance(item, dict) else item for item in values]}
    if key != _BIRTH_DATE:
        return body | {"Value": [coarse_moment(one, vr) if isinstance(one, str) else one for one in values]}
    return body


_BIRTH_DATE = "00100030"
"""The first of January of its year already."""


def coarse_record(values: dict[str, Any]) -> dict[str, Any]:
    """A clinical record whose dates are months or years, without the hospital, and with no age above the top one."""
    return {key: _coarse_value(value, folded(key)) for key, value in values.items() if folded(key) not in FULL_ONLY}


def _coarse_value(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return coarse_record(value)
    if isinstance(value, list):
        return [_coarse_value(one, key) for one in value]
    if key in AGES:
        return _top_coded(value)
    if not isinstance(value, str):
        return value
    return _DAY_FIRST.sub(_day_first, _BASIC.sub(r"\1-\2", _YEAR_FIRST.sub(_year_first, value)))


def _top_coded(age: Any) -> Any:
    try:
        return TOP_AGE if float(age) >= TOP_AGE else age
    except (TypeError, ValueError):
        return age


def _year_first(found: re.Match[str]) -> str:
    return f"{found[1]}-{int(found[2]):02}" if 1 <= int(found[2]) <= _MONTHS else found[1]


def _day_first(found: re.Match[str]) -> str:
    first, second, year = int(found[1]), int(found[2]), found[3] if len(found[3]) > 2 else f"20{found[3]}"
    months = {number for number in (first, second) if 1 <= number <= _MONTHS}
    return f"{year}-{months.pop():02}" if len(months) == 1 else year
