"""Reading texts of a header: identifiers by their form, and every word against a closed list.

Guarantees: health-service numbers are found with and without blanks, dots and dashes, e-mail addresses, unit
postcodes, dates, titles and the site's own names by form; any other word that the lists do not hold, any number of
five to nine or of more than ten digits, and any sign that is not printable ASCII makes the text wait for a person.
The same text is read once however many files hold it.

Does not guarantee: ten digits in a row whose check digit is wrong pass, since they are nobody's number; words on the
list that are somebody's name pass (`tre.slices.gate.words`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from tre.domain.identifiers import postcodes
from tre.domain.identifiers.forms import MAIL, TITLED_NAME
from tre.domain.identifiers.health_numbers import scheme_of
from tre.slices.gate.words import WORDS

_TEN = re.compile(r"(?<!\d)(?=(\d(?:[ \-./_\\]{0,2}\d){9})(?!\d))")
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}"
    r"|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d|\d{1,2}[-/]\d{1,2}[-/]\d\d)(?!\d)"
)
_MANY_DIGITS = re.compile(r"(?<!\d)\d(?:[ \-./()]{0,2}\d){8,}+")
_CARET = re.compile(r"[^\W\d_]\^+[^\W\d_]")
_CODE = re.compile(r"[A-Za-z0-9.\-_:+\\]*")
_TOKEN = re.compile(r"[A-Za-z0-9]+")
_LETTERS = re.compile(r"[A-Za-z]+")
_SHORT = 2
_FEW_DIGITS = 4
_NUMBER_LENGTH = 10
_CACHED = 50_000


class TextReader:
    """Reads texts by one dataset's lists. The answers are rules, empty for a text that passes."""

    def __init__(
        self, words: Iterable[str] = (), gazetteer: Iterable[str] = (), *, known: frozenset[str] = WORDS
    ) -> None:
        self._words = known | {part for word in words for part in _LETTERS.findall(word.lower())}
        places = sorted({" ".join(one.split()) for one in gazetteer} - {""}, key=len, reverse=True)
        pattern = "|".join(re.escape(place).replace(r"\ ", r"\s+") for place in places)
        self._places = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE) if places else None
        self.read = lru_cache(_CACHED)(self._read)
        self.read_code = lru_cache(_CACHED)(self._read_code)

    def _read(self, text: str) -> tuple[str, ...]:
        found = list(self._identifiers(text))
        if found or not self._is_harmless(text):
            found.append("free-text")
        return tuple(found)

    def _read_code(self, text: str) -> tuple[str, ...]:
        """A code of a coding scheme: any digits, since schemes number their terms."""
        found = list(self._identifiers(text))
        plain = _CODE.fullmatch(text) and not _DATE.search(text)
        if found or not plain or not all(self._is_word(token) for token in _LETTERS.findall(text)):
            found.append("free-text")
        return tuple(found)

    def _identifiers(self, text: str) -> Iterable[str]:
        if has_health_number(text):
            yield "nhs-number"
        if "@" in text and MAIL.search(text):
            yield "e-mail"
        if postcodes.find(text, spaced=False):
            yield "postcode"
        if _CARET.search(text):
            yield "person-name"
        if self._places and self._places.search(" ".join(text.split())):
            yield "gazetteer"

    def _is_harmless(self, text: str) -> bool:
        if not text.isascii() or not (text.isprintable() or text.translate(_BREAKS).isprintable()):
            return False
        if _DATE.search(text) or TITLED_NAME.search(text) or _is_long_number(text):
            return False
        return all(self._is_token(token) for token in _TOKEN.findall(text))

    def _is_token(self, token: str) -> bool:
        if token.isdigit():
            return len(token) <= _FEW_DIGITS or len(token) == _NUMBER_LENGTH or token in self._words
        if sum(sign.isdigit() for sign in token) > _FEW_DIGITS:
            return False
        return token.lower() in self._words or all(self._is_word(run) for run in _LETTERS.findall(token))

    def _is_word(self, run: str) -> bool:
        return len(run) <= _SHORT or run.lower() in self._words


_BREAKS = {ord(sign): " " for sign in "\r\n\t\f"}


def has_health_number(text: str) -> bool:
    """Whether ten digits, with or without separators, are a number that a health service gives."""
    return any(scheme_of(re.sub(r"\D", "", found[1])) for found in _TEN.finditer(text))


def _is_long_number(text: str) -> bool:
    return any(len(found[0]) != _NUMBER_LENGTH or not found[0].isdigit() for found in _MANY_DIGITS.finditer(text))
