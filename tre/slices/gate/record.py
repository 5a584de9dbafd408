"""Judging a clinical record: every key against a closed list, every value by what is due behind its key.

Guarantees: a key that is not on the list waits for a person, at every depth, and so do words that the lists do not
hold, dates where none is due, numbers that are too long for what is measured, and values that are too long to be
looked at; numbers of health services, e-mail addresses, postcodes and names of persons by form refuse the record
wherever they stand, in keys too. A reason names the key, never the value; a stranger's key is spelt only where it is
made of harmless words, since it may be a name itself.

Does not guarantee: that a value is plausible (`tre.slices.clinical` reads them and counts what it does not
understand); a first name of one or two letters passes, and so does a site's shorthand of three capitals.

Threat: a clinic's free text, or a column of an export, that names the person whom a pseudonym was to hide.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tre.domain.gate import GateReason
from tre.domain.identifiers.health_numbers import scheme_of
from tre.slices.gate.manifest import TagRules
from tre.slices.gate.record_keys import KEY_WORDS, KEYS, WORDS, Due, folded
from tre.slices.gate.rules import reason
from tre.slices.gate.text import TextReader

MAX_DEPTH = 4
MAX_TEXT = 200
"""Characters of a value: the longest that forms of this kind hold are a few words."""

STRANGER = "(a key)"
"""What a report calls a key that it must not spell."""

_LARGEST = {Due.code: 1000, Due.age: 1000, Due.ethnicity: 1000, Due.oxygen: 1000}
_LARGEST_MEASURED = 10_000_000
_MOST_REASONS = 50
_SPELT = re.compile(r"[A-Za-z][A-Za-z0-9 .,:%()/-]{0,63}")
_IDENTIFIERS = frozenset({"nhs-number", "e-mail", "postcode", "person-name", "gazetteer"})
_BASIC_DAY = r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_DAY = (
    rf"(?:{_BASIC_DAY}|(?:\d\d){{1,2}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:\d\d){{1,2}})"
    r"(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?Z?)?"
)
_WHOLE_DAY = re.compile(rf"(?:\[?[Tt]ext\]? ?- ?)?{_DAY}")
_DATED = re.compile(rf"(\[[^\[\]]*\]) ?- ?{_DAY}")
"""A value that was copied with the day of its measurement: `[12] - 2020-03-04`."""

_ANY_DAY = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-/. ]\d{1,2}[-/. ]\d{1,2}|\d{1,2}[-/. ]\d{1,2}[-/. ](?:19|20)\d\d"
    rf"|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d\d|\d\d \d\d \d\d|{_BASIC_DAY})(?!\d)"
)
_LONG_NUMBER = re.compile(r"\d{8}")
_NUMBER = re.compile(r"[<>~+-]{0,2} ?\d{1,7}(?:[.,]\d{1,12})?")
_SHORTHAND = re.compile(r"[A-Z]{2,3}|R[A-Z0-9]{2}(?:[A-Z0-9]{2})?")
"""A site's initials, or its code in the health service's directory."""

_PLAIN = {ord("–"): "-", ord("—"): "-", 0xA0: " "}


class RecordJudge:
    """One dataset's rules, ready to judge its clinical records."""

    def __init__(self, rules: TagRules) -> None:
        more = frozenset(word for text in rules.words for word in re.findall(r"[a-z]+", text.lower()))
        self.keys = KEYS | {folded(key): Due.text for key in rules.clinical_keys or ()}
        self._readers = {due: TextReader(gazetteer=rules.gazetteer, known=words | more) for due, words in WORDS.items()}
        self._known = KEY_WORDS | more
        self._spelling = TextReader(gazetteer=rules.gazetteer, known=self._known)

    def judge(self, record: Mapping[str, Any]) -> tuple[GateReason, ...]:
        """What speaks against a record, each reason once."""
        found = set(_Judging(self, record.get("Pseudonym")).level(record, "", 0))
        return tuple(sorted(found, key=lambda one: (not one.refuses, one))[:_MOST_REASONS])

    def shown(self, key: str) -> str:
        """A stranger's key, if it can be spelt in a report."""
        words = re.findall(r"[a-z]+", key.casefold())
        harmless = _SPELT.fullmatch(key) and not re.search(r"\d{3}", key) and all(one in self._known for one in words)
        return key if harmless else STRANGER

    def key(self, key: str) -> Iterator[str]:
        """The rules that a stranger's key breaks by itself."""
        yield "unknown-key"
        yield from _IDENTIFIERS & set(self._spelling.read(key))

    def text(self, due: Due, value: str) -> Iterator[str]:
        """The rules that a text breaks behind a key."""
        text = " ".join(value.translate(_PLAIN).split())
        if len(text) > MAX_TEXT:
            yield "too-long"
        if due is Due.day and _WHOLE_DAY.fullmatch(text):
            return
        if dated := _DATED.fullmatch(text):
            text = dated[1]
        if due is Due.site and _SHORTHAND.fullmatch(text):
            return
        if _ANY_DAY.search(text):
            yield "date"
        elif _LONG_NUMBER.search(text):
            yield "form"
        broken = self._readers[due].read(text)
        if not _NUMBER.fullmatch(text):
            yield from broken
        else:
            yield from _IDENTIFIERS & set(broken)
            yield from _number(due, float(re.sub(r"[^\d.]", "", text.replace(",", "."))))


@dataclass(frozen=True)
class _Judging:
    """One record being judged, and who it says that it is about."""

    by: RecordJudge
    pseudonym: object

    def level(self, record: Mapping[str, Any], above: str, depth: int) -> Iterator[GateReason]:
        """The keys of one level and those below."""
        for key, value in record.items():
            due = self.by.keys.get(folded(key))
            name = above + (self.by.shown(key) if due is None else " ".join(key.split()))
            if due is None:
                yield from (reason(rule, name) for rule in self.by.key(key))
            yield from self._value(due, value, name, depth)

    def _value(self, due: Due | None, value: Any, name: str, depth: int) -> Iterator[GateReason]:
        if isinstance(value, Mapping | list):
            if depth >= MAX_DEPTH:
                yield reason("too-long", name)
            elif isinstance(value, Mapping):
                yield from self.level(value, f"{name}.", depth + 1)
            else:
                for one in value:
                    yield from self._value(due, one, name, depth + 1)
        elif value is not None and not isinstance(value, bool):
            yield from (reason(rule, name) for rule in self._plain(due, value))

    def _plain(self, due: Due | None, value: str | float) -> Iterator[str]:
        if due is Due.person:
            if value != self.pseudonym:
                yield "coded-identity"
            return
        read_as = due if due in WORDS else Due.text
        broken = self.by.text(read_as, value) if isinstance(value, str) else _number(read_as, value)
        # Of what stands behind a stranger's key only what refuses is told: the key waits anyhow.
        yield from (rule for rule in broken if due is not None or rule in _IDENTIFIERS)


def _number(due: Due, value: float) -> Iterator[str]:
    """The rules that a number breaks: it may be somebody's, or longer than what is measured or counted."""
    if not math.isfinite(value) or abs(value) >= _LARGEST.get(due, _LARGEST_MEASURED):
        yield "form"
    if math.isfinite(value) and scheme_of(f"{abs(value):010.0f}"):
        yield "nhs-number"
