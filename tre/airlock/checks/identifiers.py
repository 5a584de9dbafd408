"""P04: personal identifiers, judged as sets and in their context, not as bare patterns.

Guarantees: health-service numbers are found where half of ten or more different numbers of a column or text pass, or
where one stands beside a word for it or is written 3-3-4; unit postcodes, e-mail addresses and telephone numbers by
form and context; dates of birth by their column, and full dates beside columns of age and sex; names behind a title.
One finding for each kind in a column or kind of text, with how many; an identifier is never shown in full.

Does not guarantee: names without a title, addresses in prose, identifiers of other countries. Recognisers of names by
language models are right for one name in four on documents like these, and what is mostly wrong is not read.

Threat: a list of patients, a contact, an address line in a table or a log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tre.airlock.checks.pieces import Piece, pieces
from tre.airlock.parsed import Observation, ParsedFile, Surroundings, Table, bounded, quoted
from tre.airlock.tables.lexicon import words_of
from tre.domain.identifiers import postcodes
from tre.domain.identifiers.forms import MAIL, TITLED_NAME
from tre.domain.identifiers.health_numbers import Kind, scheme_of

_TEN = re.compile(r"(?<![\d.,\-+])(\d{3})([ -]?)(\d{3})\2(\d{4})(?![\d,]|\.\d|-\d)")
_WORD_FOR_IT = re.compile(
    r"\b(?:nhs|chi|h\s?&\s?c|hcn|health (?:and care )?number|patient (?:number|no))\b", re.IGNORECASE
)
_NEAR = 40
_MAIL_OF_NOBODY = re.compile(
    r"@(?:[a-z0-9\-]{1,63}\.){0,4}(?:example(?:\.[a-z]{2,3}){0,2}|invalid|test|localhost|users\.noreply\.github\.com)$"
)
_PHONE = re.compile(r"(?<![\w.+\-])(?:\+44[ -]?(?:\(0\)[ -]?)?|0)[1237]\d{1,4}[ -]?\d{3,4}[ -]?\d{3,4}(?![\w]|\.\d)")
_WORD_FOR_PHONE = re.compile(r"\b(?:tel|telephone|phone|mobile|mob|fax|call|contact)\b", re.IGNORECASE)
_NO_NAMES = frozenset({"and", "no", "the", "who", "rate", "rates", "ratio", "watson"})
_DAY = re.compile(r"(?:\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.\-]\d{1,2}[/.\-](?:19|20)\d{2})(?:[T ]\d{2}:\d{2}\S{0,20})?")
_BIRTH = frozenset({"dob", "birthdate", "dateofbirth", "birthday", "birth", "dateborn"})
_SEX, _AGE = frozenset({"sex", "gender"}), frozenset({"age", "ages"})
_SUMMARY = frozenset({"mean", "median", "average", "avg", "sd", "std", "min", "max", "percent", "rate"})
_MOSTLY = 0.5
_FEWEST_DAYS = 3
_MOST_DISTINCT = 20_000


@dataclass
class _Tally:
    """What of one kind stands in one piece: the first of them, how many, and each; told once, wherever it stands."""

    piece: Piece
    offset: int
    sample: str
    times: int = 0
    samples: set[str] = field(default_factory=set)


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Identifiers of people in a file."""
    found: list[Observation] = []
    told: set[str] = set()
    for piece in pieces(file, around.name):
        tallies: dict[str, _Tally] = {}
        for kind, sample, offset in _in(piece):
            tally = tallies.setdefault(kind, _Tally(piece, offset, sample))
            tally.times += 1
            tally.samples.add(sample)
        found += [_said(kind, tally) for kind, tally in tallies.items() if not tally.samples <= told]
        told.update(sample for tally in tallies.values() for sample in tally.samples)
        if _HEALTH not in tallies:
            found += _as_set(piece)
    found += [item for table in file.tables for item in _dates(table)]
    return bounded(found, "kinds of identifiers")


_HEALTH, _POSTCODE, _ADDRESS, _TELEPHONE, _PERSON = (
    "a health-service number",
    "a full postcode",
    "an e-mail address",
    "a telephone number",
    "the name of a person",
)
_ADVICE = {
    _HEALTH: "Take the numbers out.",
    _POSTCODE: "Show areas of many people instead, such as the first half of the postcode.",
    _ADDRESS: "Take the address out.",
    _TELEPHONE: "Take the number out.",
    _PERSON: "Take the name out, unless it is an author's or a method's.",
}


def _said(kind: str, tally: _Tally) -> Observation:
    times = f", {tally.times} times in all" if tally.times > 1 else ""
    message = f"In {tally.piece.where} stands what looks like {kind}: {masked(tally.sample)}{times}."
    return Observation("P04", message, _ADVICE[kind], tally.piece.at(tally.offset))


def masked(text: str) -> str:
    """A text by its first and last sign: an identifier is not repeated in a finding."""
    plain = text.strip()
    return quoted(f"{plain[0]}{'•' * min(len(plain) - 2, 8)}{plain[-1]}") if len(plain) > 2 else quoted("••")


def _in(piece: Piece) -> Iterator[tuple[str, str, int]]:
    """The identifiers that a piece shows by themselves: kind, text, and where it begins."""
    text = piece.text
    yield from ((_HEALTH, found[0], found.start()) for found in _single_numbers(piece))
    for place in postcodes.find(text, spaced=not piece.lines):
        yield _POSTCODE, place[0], place.start()
    yield from ((_TELEPHONE, found[0], found.start()) for found in _phones(piece))
    if "@" in text:
        for mail in MAIL.finditer(text):
            if not _MAIL_OF_NOBODY.search(mail[0].lower()):
                yield _ADDRESS, mail[0], mail.start()
    for name in TITLED_NAME.finditer(text):
        if name[1].lower() not in _NO_NAMES:
            yield _PERSON, name[0], name.start()


def _single_numbers(piece: Piece) -> Iterator[re.Match[str]]:
    """Numbers that their spelling or a word beside them makes more than digits."""
    for found in _TEN.finditer(piece.text):
        if scheme_of(found[1] + found[3] + found[4]) and (
            found[2] or _WORD_FOR_IT.search(piece.around(found.start(), found.end(), _NEAR))
        ):
            yield found


def _phones(piece: Piece) -> Iterator[re.Match[str]]:
    for found in _PHONE.finditer(piece.text):
        national = re.sub(r"\(0\)|\D", "", found[0].removeprefix("+44")).lstrip("0")
        if len(national) in {9, 10} and (
            found[0].startswith("+44") or _WORD_FOR_PHONE.search(piece.around(found.start(), found.end(), _NEAR))
        ):
            yield found


def _as_set(piece: Piece) -> Iterator[Observation]:
    """Numbers that are no coincidence together."""
    first, seen = 0, dict[str, str]()
    for found in _TEN.finditer(piece.text):
        number = found[1] + found[3] + found[4]
        first = first if seen else found.start()
        if len(seen) < _MOST_DISTINCT and number not in seen:
            seen[number] = scheme_of(number)
    passing = [number for number, scheme in seen.items() if scheme]
    if Kind(len(seen), len(passing)).is_set:
        schemes = [seen[number] for number in passing]
        scheme = max(sorted(set(schemes)), key=schemes.count)
        message = (
            f"In {piece.where}, {len(passing)} of {len(seen)} different ten-digit numbers are valid {scheme} numbers, "
            f"such as {masked(passing[0])}."
        )
        yield Observation("P04", message, _ADVICE[_HEALTH], piece.at(first))


def _dates(table: Table) -> Iterator[Observation]:
    """Days of birth, and full days in rows that also tell age and sex."""
    words = [frozenset(words_of(title)) for title in table.header]
    about_people = any(one & _SEX for one in words) and any(one & _AGE and not one & _SUMMARY for one in words)
    for column, title in enumerate(table.header):
        days = _days(row[column] for row in table.rows if column < len(row))
        birth = "".join(words_of(title)) in _BIRTH or {"birth", "date"} <= words[column]
        if days and (birth or about_people):
            what = "days of birth" if birth else "full dates beside age and sex"
            message = f"Column {quoted(title)} holds {days} {what}."
            yield Observation("P04", message, "Show years, or spans of time.", table.at(None, column))


def _days(cells: Iterable[str]) -> int:
    """How many full dates a column holds, where it mostly holds them."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    days = [cell for cell in filled if _DAY.fullmatch(cell)]
    return len(days) if len(set(days)) >= _FEWEST_DAYS and len(days) >= _MOSTLY * len(filled) else 0
