"""The language in which somebody is answered: its catalogue, and the texts, numbers and names of months in it.

Guarantees: a catalogue is read when a program starts, and refused there as a whole if one of its translations could
break a page; what it does not translate is told in the source language. Outside of `speaking` everything is told in the
source language: the desk, the command line, logs and files for machines.

Does not guarantee: that a catalogue is complete, or right.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import GNUTranslations, NullTranslations
from itertools import pairwise
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.domain.languages import SOURCE, check_translation, direction

LARGEST_CATALOGUE = 4 * 2**20
"""Bytes. A full one has a twentieth of it."""

_MAGIC = b"\xde\x12\x04\x95"
_CONTEXT_ENDS = "\x04"

NAME = ("language", "English")
"""What a language is called in itself, and the context of that message."""

THOUSANDS = ("between thousands", ",")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class Language:
    """A language with its catalogue."""

    code: str
    catalogue: NullTranslations = field(default_factory=NullTranslations, compare=False)

    @property
    def tag(self) -> str:
        """How a page names it: the source is British."""
        return "en-GB" if self.code == SOURCE else self.code

    @property
    def direction(self) -> str:
        """Which way it is written."""
        return direction(self.code)

    @property
    def name(self) -> str:
        """What it is called in itself; its code where the catalogue does not say."""
        return self.code if self.code != SOURCE and self.told(*NAME) == NAME[1] else self.told(*NAME)

    @property
    def translates(self) -> bool:
        """Whether it says anything else than the source does."""
        return isinstance(self.catalogue, GNUTranslations)

    def told(self, context: str, message: str) -> str:
        """A message with a context."""
        return self.catalogue.pgettext(context, message)


@dataclass(frozen=True)
class Spoken:
    """In which language somebody is answered, where its pages stand, and in which language the record is kept."""

    language: Language
    prefix: str = ""
    record: str = SOURCE


_SOURCE = Spoken(Language(SOURCE))
_SPOKEN: ContextVar[Spoken] = ContextVar("spoken", default=_SOURCE)


@contextlib.contextmanager
def speaking(spoken: Spoken) -> Iterator[None]:
    """Answer in a language for a while."""
    before = _SPOKEN.set(spoken)
    try:
        yield
    finally:
        _SPOKEN.reset(before)


def spoken() -> Spoken:
    """In which language somebody is answered now."""
    return _SPOKEN.get()


def gettext(message: str, /, **values: object) -> str:
    """A message in the language of now, with its values put in."""
    return spoken().language.catalogue.gettext(message) % values


def ngettext(one: str, many: str, count: int, /, **values: object) -> str:
    """The form of a message that fits a count."""
    return spoken().language.catalogue.ngettext(one, many, count) % values


def pgettext(context: str, message: str, /, **values: object) -> str:
    """A message that means something else elsewhere."""
    return spoken().language.told(context, message) % values


def gettext_noop(message: str) -> str:
    """A message that is told later: it is named here, so that catalogues have it."""
    return message


def month(number: int) -> str:
    """A month's name, from 1."""
    return pgettext("month", MONTHS[number - 1])


def separated(count: int) -> str:
    """A count with separators."""
    text, language = f"{count:,}", spoken().language
    return text if len(text) < 4 or not language.translates else text.replace(THOUSANDS[1], language.told(*THOUSANDS))


def load_languages(codes: Sequence[str], places: Sequence[Path]) -> tuple[Language, ...]:
    """The languages of these codes; the first of the places that has a catalogue of a language comes before the others.

    Raises `TREError(PolicyMissing)` where a language other than the source has no catalogue, and `TREError(BadInput)`
    for one that cannot be used.
    """
    return tuple(_load(code, places) for code in codes)


def _load(code: str, places: Sequence[Path]) -> Language:
    files = [file for place in places for file in _files(place, code) if file.is_file()]
    if not files:
        if code == SOURCE:
            return Language(code)
        raise TREError(
            Reason.PolicyMissing,
            f"There is no catalogue of the language {code!r}.",
            why=f"tre.yaml names it, and there is neither {' nor '.join(str(place) for place in places)} with it.",
            remedy=f"Put {code}.mo into {places[0]}, or take the language out of tre.yaml.",
        )
    catalogues = [_read(file) for file in files]
    for first, second in pairwise(catalogues):
        first.add_fallback(second)
    return Language(code, catalogues[0])


def _files(place: Path, code: str) -> tuple[Path, Path]:
    return place / f"{code}.mo", place / code / "LC_MESSAGES" / "public.mo"


def _read(path: Path) -> GNUTranslations:
    try:
        if path.stat().st_size > LARGEST_CATALOGUE:
            msg = f"it is larger than {LARGEST_CATALOGUE:,} bytes"
            raise ValueError(msg)
        return read_catalogue(path.read_bytes())
    except TREError as error:
        raise TREError(error.reason, f"{path}: {error.what}", why=error.why, remedy=error.remedy) from error
    except (OSError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, struct.error) as error:
        raise TREError(
            Reason.BadInput,
            f"{path} is no catalogue.",
            why=f"It cannot be read: {error}.",
            remedy="Compile it anew from its .po file (docs/translating.md).",
        ) from error


def read_catalogue(data: bytes) -> GNUTranslations:
    """A compiled catalogue (GNU .mo, version 0, in UTF-8).

    Raises `TREError(BadInput)` where a translation could break a page, and the errors of its reader for what is none.
    """
    pairs = list(_pairs(data))
    found = GNUTranslations(io.BytesIO(data))
    for sources, translated in pairs:
        if sources != [""]:
            check_translation([source.rpartition(_CONTEXT_ENDS)[2] for source in sources], translated)
        if len(sources) > 1:
            _check_forms(found, sources[0], translated)
    return found


def _pairs(data: bytes) -> Iterator[tuple[list[str], list[str]]]:
    """Forms of each message and of its translation, as the file has them."""
    order = "<" if data[:4] == _MAGIC else ">"
    count, sources, translations = struct.unpack_from(f"{order}3I", data, 8)
    if count > LARGEST_CATALOGUE // 16:
        msg = "it says that it has more messages than fit into it"
        raise ValueError(msg)
    for number in range(count):
        yield (_forms(data, order, sources + 8 * number), _forms(data, order, translations + 8 * number))


def _forms(data: bytes, order: str, place: int) -> list[str]:
    length, start = struct.unpack_from(f"{order}2I", data, place)
    return data[start : start + length].decode("utf-8").split("\0")


def _check_forms(catalogue: GNUTranslations, one: str, translated: Sequence[str]) -> None:
    rule = catalogue.plural  # type: ignore[attr-defined]  # what the header says, compiled
    chosen = {rule(count) for count in (*range(1200), 10**6)}
    if not chosen <= set(range(len(translated))):
        raise TREError(
            Reason.BadInput,
            f"The translation of “{one[:200]}” lacks a form.",
            why=f"The rule for plurals chooses among {len(chosen)} forms; there are {len(translated)}.",
            remedy="Correct it in the catalogue, and compile it again.",
        )
