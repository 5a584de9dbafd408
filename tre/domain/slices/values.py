"""The words, days and ranges that conditions of the slice language are made of.

Guarantees: a list of codes is a set: folded, sorted, freed of repetitions; a word outside a closed set is refused with
the nearest one that is known; a truth value is never taken for a code; ranges include both ends and never end before
they begin.

Does not guarantee: that a code of an open set (a manufacturer, a site) exists in a release: the plan counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    model_validator,
)

from tre.domain import names
from tre.domain.errors import TREError
from tre.domain.model import BRANCH, Code, Line, Record
from tre.domain.slices import vocabulary as words

MAX_CODES = 1000
"""A list of codes longer than this is a patient list in disguise."""


class SliceRecord(Record):
    """A record of the slice language: keys outside are written with underscores, as in the file."""

    model_config = ConfigDict(alias_generator=None, populate_by_name=False)


def _checked(check: Callable[[str], str]) -> AfterValidator:
    def validate(text: str) -> str:
        try:
            return check(text)
        except TREError as error:
            raise ValueError(str(error)) from error

    return AfterValidator(validate)


def _codes(values: tuple[str, ...], known: frozenset[str] | None, fold: Callable[[str], str]) -> tuple[str, ...]:
    folded = {words.UNKNOWN if value.strip().lower() == words.UNKNOWN else fold(value) for value in values}
    strange = sorted(folded - known - {words.UNKNOWN}) if known is not None else []
    if strange:
        offered = sorted(known or ())
        msg = f"not known here: {', '.join(strange)}{meant(strange, [*offered, words.UNKNOWN])}"
        raise ValueError(f"{msg}; known are {', '.join(offered)} and unknown")
    return tuple(sorted(folded))


def meant(strange: Iterable[str], offered: Sequence[str]) -> str:
    """`; did you mean …?` for words that nobody knows, where a known one is near; else nothing."""
    near = [found for word in strange for found in difflib.get_close_matches(word, offered, n=1)]
    return f"; did you mean {', '.join(dict.fromkeys(near))}?" if near else ""


def _word_list(known: frozenset[str] | None, fold: Callable[[str], str] = words.fold_code) -> AfterValidator:
    return AfterValidator(lambda values: _codes(values, known, fold))


def _as_body_part(text: str) -> str:
    return words.body_part(text) or words.fold_code(text)


def _lower(text: str) -> str:
    return text.strip().lower()


CodeList = Annotated[
    tuple[Annotated[Code, Field(min_length=1, max_length=64)], ...],
    Field(min_length=1, max_length=MAX_CODES),
]
Modalities = Annotated[CodeList, _word_list(words.MODALITIES)]
BodyParts = Annotated[CodeList, _word_list(words.BODY_PARTS, _as_body_part)]
ViewPositions = Annotated[CodeList, _word_list(words.VIEW_POSITIONS)]
YesNo = Annotated[CodeList, _word_list(words.YES_NO)]
FreeCodes = Annotated[CodeList, _word_list(None)]
CovidStatuses = Annotated[CodeList, _word_list(words.COVID_STATUSES, _lower)]
Sexes = Annotated[CodeList, _word_list(words.SEXES, _lower)]
EthnicityGroups = Annotated[CodeList, _word_list(words.ETHNICITY_GROUPS, _lower)]
ResourceName = Annotated[Line, _checked(names.check_resource_name)]
ReleaseName = Annotated[Line, _checked(names.check_release_name)]


def _iso_day(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and len(value) == 10):
        return value
    msg = 'a day is due, in quotes, as "2020-03-01"'
    raise ValueError(msg)


def _millimetres(value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        msg = "a number of millimetres is due"
        raise ValueError(msg) from error
    if not (number.is_finite() and 0 <= number <= 10_000 and number == round(number, 3)):
        msg = "millimetres lie between 0 and 10000 and have at most three decimals"
        raise ValueError(msg)
    return number


def _plain_decimal(value: Decimal) -> str:
    return f"{value.normalize():f}"


Day = Annotated[date, BeforeValidator(_iso_day)]
Millimetres = Annotated[Decimal, BeforeValidator(_millimetres), PlainSerializer(_plain_decimal)]
Age = Annotated[int, Field(strict=True, ge=0, le=130)]


def _in_order(first: Any, last: Any) -> None:
    if first is None and last is None:
        msg = "a range needs at least one of its ends"
        raise ValueError(msg)
    if first is not None and last is not None and first > last:
        msg = "the range ends before it begins"
        raise ValueError(msg)


class DayRange(SliceRecord):
    """Days, both ends included."""

    first: Annotated[Day | None, Field(alias="from")] = None
    last: Annotated[Day | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _ordered(self) -> DayRange:
        _in_order(self.first, self.last)
        return self


class AgeRange(SliceRecord):
    """Whole years, both ends included."""

    first: Annotated[Age | None, Field(alias="from")] = None
    last: Annotated[Age | None, Field(alias="to")] = None

    @model_validator(mode="after")
    def _ordered(self) -> AgeRange:
        _in_order(self.first, self.last)
        return self


class MillimetreRange(SliceRecord):
    """Lengths, both ends included, to the micrometre."""

    first: Annotated[Millimetres | None, Field(alias="min")] = None
    last: Annotated[Millimetres | None, Field(alias="max")] = None

    @model_validator(mode="after")
    def _ordered(self) -> MillimetreRange:
        _in_order(self.first, self.last)
        return self


class NoneOf(SliceRecord):
    """Every known value but these; a missing value fails."""

    codes: Annotated[FreeCodes, Field(alias="not")]

    @model_validator(mode="after")
    def _without_unknown(self) -> NoneOf:
        if words.UNKNOWN in self.codes:
            msg = "`unknown` under `not` says nothing: a missing value fails there anyway"
            raise ValueError(msg)
        return self


def _listed_or_not(value: Any) -> str:
    return f"{BRANCH}not" if isinstance(value, Mapping | NoneOf) else f"{BRANCH}list"


Sites = Annotated[
    Annotated[FreeCodes, Tag(f"{BRANCH}list")] | Annotated[NoneOf, Tag(f"{BRANCH}not")], Discriminator(_listed_or_not)
]
"""Sites by their code: these, or all known ones but these."""
