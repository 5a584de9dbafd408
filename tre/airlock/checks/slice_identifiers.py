"""P01: pseudonyms, unique identifiers and file names of the mounted slice, anywhere in a file.

Guarantees: every passage, cell, header, key, value and the file's own name is searched for what has the form of an
identifier, in any spelling that `sliceindex.normal` takes for the same; one finding for each column or kind of place,
with how many there are and where the first stands. A short identifier that looks like a word with a number (`Covid12`)
is believed where it is a whole cell, value or name, or where two different ones stand in one file.

An identifier of somebody who has opted out is a case of its own, which a policy blocks.

Does not guarantee: that an identifier is found which was encoded, reversed, split over cells or cut; nor a pseudonym
that is an ordinary word (`Covid19`).

Threat: a list of the people in the data among the outputs, or one name left in a log, a label or a file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from tre.airlock.checks.pieces import Piece, pieces
from tre.airlock.parsed import Observation, ParsedFile, Place, Surroundings, bounded
from tre.airlock.sliceindex.normal import identifier_form, strength
from tre.airlock.sliceindex.reading import SliceIndex, opened

_UID = re.compile(r"(?<![\d.])\d++(?:[._-]\d++){2,}+")
_UUID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_WORD_AND_NUMBER = re.compile(r"(?<![^\W\d_])([^\W\d_]{1,40}+)[-_ .:#]?(\d{1,18})(?!\d)")
_MIXED = re.compile(r"(?<![^\W_])[^\W_]{6,64}+(?![^\W_])")
_NUMBER = re.compile(r"(?<![\d.,])\d{7,30}+(?![\d.,])")
_RUN = re.compile(r"\d+(?:\.\d+)+|\d+(?:_\d+)+|\d+(?:-\d+)+")
_COMPANY = 2
_SUGGESTION = "Take it out: nothing that names a person or an image of the data may leave."


@dataclass
class _Found:
    """What stands in one kind of place."""

    first: Place
    times: int = 0
    forms: set[str] = field(default_factory=set)
    gone: bool = False


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:
    """Identifiers of the slice in a file."""
    indexes = opened(around.slice)
    if not indexes:
        return []
    everywhere: dict[str, _Found] = {}
    loose: dict[str, _Found] = {}
    for piece in pieces(file, around.name):
        if any(_believed(form, indexes) for form in candidates(piece.text, indexes)):
            for line, text in _lines(piece):
                _look(text, piece, line, indexes, (everywhere, loose))
    if len({form for found in loose.values() for form in found.forms}) >= _COMPANY:
        for where, found in loose.items():
            everywhere.setdefault(where, found)
    return bounded(list(_said(everywhere)), "places with identifiers")


def _said(everywhere: dict[str, _Found]) -> Iterator[Observation]:
    """One finding a place, unless all that stands there was found elsewhere: a printed table is text and columns."""
    told: set[str] = set()
    for where, found in everywhere.items():
        if not found.forms <= told:
            yield _observation(where, found)
        told |= found.forms


def _observation(where: str, found: _Found) -> Observation:
    case = "withdrawn" if found.gone else ""
    whose = "mounted data, some of people who have opted out" if found.gone else "mounted data"
    many = f"{found.times} texts, {len(found.forms)} different," if found.times > 1 else "one text"
    verb = "are identifiers" if found.times > 1 else "is an identifier"
    return Observation("P01", f"In {where}, {many} {verb} of the {whose}.", _SUGGESTION, found.first, case)


def _lines(piece: Piece) -> list[tuple[int, str]]:
    """The cells of a piece that is made of cells, and the whole of any other."""
    return list(enumerate(piece.text.split("\n"))) if piece.lines else [(0, piece.text)]


def _look(
    text: str, piece: Piece, line: int, indexes: list[SliceIndex], into: tuple[dict[str, _Found], dict[str, _Found]]
) -> None:
    """Put the identifiers of a text with those beyond doubt, or with those that need company."""
    whole = identifier_form(text) if piece.lines else ""
    forms = candidates(text, indexes) | ({whole} if whole else set())
    for form in sorted(forms):
        if believed := _believed(form, indexes):
            sure = believed > 1 or form == whole
            found = into[not sure].setdefault(piece.where, _Found(piece.place_of(line)))
            found.times += 1
            found.forms.add(form)
            found.gone = found.gone or any(index.withdrawn(form) for index in indexes)


def _believed(form: str, indexes: list[SliceIndex]) -> int:
    wanted = [index for index in indexes if len(form) in index.lengths]
    if not wanted or strength(form) == 0:
        return 0
    return max(max(index.identifies(form), index.withdrawn(form)) for index in wanted)


def candidates(text: str, indexes: list[SliceIndex]) -> set[str]:
    """The normal forms of everything in a text that could be an identifier."""
    found = {identifier_form(token) for token in _UUID.findall(text)}
    for token in set(_UID.findall(text)):
        found.add(identifier_form(token))
        found.update(identifier_form(run) for run in _RUN.findall(token))
    found.update(identifier_form(token) for token in set(_MIXED.findall(text)) if _is_mixed(token))
    lengths = sorted({length for index in indexes for length in index.prefixes})
    for letters, digits in set(_WORD_AND_NUMBER.findall(text)):
        number = digits.lstrip("0") or "0"
        found.add(letters.casefold() + number)
        found.update(letters[-length:].casefold() + number for length in lengths if length < len(letters))
    if any(index.numbers for index in indexes):
        found.update(number.lstrip("0") for number in _NUMBER.findall(text))
    return found


def _is_mixed(token: str) -> bool:
    """Whether letters and digits stand together."""
    return not token.isdigit() and any(sign.isdigit() for sign in token)
