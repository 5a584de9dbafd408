"""S10: rows (or columns) for single hospitals, practices, centres or small areas.

Guarantees: a column whose title names organisations and holds three or more different names or codes is pointed out
once; so are, under any title and in the titles themselves, codes of small census areas, names of trusts, hospitals and
practices, and columns of nothing but codes of practices or trusts.

Does not guarantee: that a name is recognised under a title that says nothing. Regions, countries and local authorities
are let pass: they are no organisations. A column of yes and no ("hospital": whether admitted) is none either.

Source of the codes: the national statistics geography codes (E01/W01/S01 lower, E02/W02/S02 middle layer areas) and the
Organisation Data Service (practices: a letter and five digits; trusts: R and two characters, sites five).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded, quoted
from tre.airlock.tables.categories import is_margin
from tre.airlock.tables.lexicon import Role, words_of
from tre.airlock.tables.model import Sheet
from tre.airlock.tables.sheets import sheets_of

_AREA = re.compile(r"(?:[EW]0[12]|S01|S02)\d{6}|95[A-Z]{2}\d{2}[SW]\d|N2[01]\d{6}")
_NAME = re.compile(
    r"\bNHS (?:foundation )?trust\b|\bhospital (?:of|nhs)\b|\binfirmary\b|\bgp (?:practice|surgery)\b"
    r"|\b(?:university|general|royal|community|county|district|children'?s|st\.?)\b.{0,40}\bhospitals?\b"
    r"|\b(?:medical|health) (?:centre|center|practice)\b|\b\w+ (?:surgery|hospital)$",
    re.IGNORECASE,
)
_PRACTICE = re.compile(r"[A-HJ-NPV-Y]\d{5}")
_TRUST = re.compile(r"R(?=[A-Z0-9]{0,4}\d)[A-Z0-9]{2}(?:[A-Z0-9]{2})?|R[A-Z]{2}")
_CODE = re.compile(r"(?:site|centre|center)?[ _-]?[A-Z0-9]{1,4}", re.IGNORECASE)
_NO_NAMES = frozenset(["yes", "no", "true", "false", "y", "n", "unknown", "missing", "other", "none", "na", "nan"]) | {
    ""
}
_NAMES_ENOUGH = 3
_CODES_ENOUGH = 5
_SUGGESTION = "Merge organisations into regions, or leave them out; naming them needs a permission of its own."


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Organisations in the tables of a file."""
    found = [item for sheet in sheets_of(file, around) for item in _in_sheet(sheet)]
    return bounded(found, "such columns")


def _in_sheet(sheet: Sheet) -> Iterator[Observation]:
    for column in sheet.columns:
        if column.numeric and column.role is not Role.unknown:
            continue
        texts = [row[column.index].strip() for row in sheet.table.rows]
        is_site = "site" in words_of(column.title) and all(_CODE.fullmatch(text) for text in _distinct(texts))
        said = _named_by_title(texts) if column.role is Role.organisation or is_site else ""
        said = said or _named_by_values(texts) if column.role is not Role.unknown else said
        if said:
            row = next(i for i, text in enumerate(texts) if text.lower() not in _NO_NAMES)
            message = f"{quoted(column.title)} names {said}, such as {quoted(texts[row])}."
            yield Observation("S10", message, _SUGGESTION, place=sheet.place(row, column.index))
    titles = [title.strip() for title in sheet.table.header]
    said = _named_by_values(titles)
    if said:
        column_number = next(
            i
            for i, title in enumerate(titles)
            if _AREA.fullmatch(title) or _NAME.search(title) or _PRACTICE.fullmatch(title) or _TRUST.fullmatch(title)
        )
        message = f"Columns stand for {said}, such as {quoted(titles[column_number])}."
        yield Observation("S10", message, _SUGGESTION, place=sheet.place(None, column_number))


def _distinct(texts: Sequence[str]) -> set[str]:
    return {text for text in texts if text.lower() not in _NO_NAMES and not is_margin(text)}


def _named_by_title(texts: Sequence[str]) -> str:
    different = _distinct(texts)
    return f"{len(different)} organisations" if len(different) >= _NAMES_ENOUGH else ""


def _named_by_values(texts: Sequence[str]) -> str:
    different = _distinct(texts)
    areas = sum(_AREA.fullmatch(text) is not None for text in different)
    if areas:
        return f"{areas} small areas"
    names = sum(len(text) <= 120 and _NAME.search(text) is not None for text in different)
    if names > 1 or any("nhs" in text.lower() and _NAME.search(text[:200]) for text in different):
        return f"{max(names, 1)} organisations"
    for pattern, what in ((_PRACTICE, "practices"), (_TRUST, "trusts")):
        codes = sum(pattern.fullmatch(text) is not None for text in different)
        if codes >= _CODES_ENOUGH and codes >= 0.8 * len(different):
            return f"{codes} codes of {what}"
    return ""
