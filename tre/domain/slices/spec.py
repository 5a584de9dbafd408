"""The slice language: what part of a dataset somebody asks for, as the data manager writes it.

Guarantees: a specification that parses means one thing. No `images`, no data; an item without a condition is refused,
since it would match everything; unknown keys and words outside a closed set are refused; a truth value is never
taken for a code; what the language promises for later is refused by name, never skipped. Lists of codes are sets:
they are folded, sorted and freed of repetitions, so that equal questions have equal digests.

Missing values never match, neither under `images` nor under `exclude` nor under `not`, unless `unknown` is listed.
`keep_whole` names the unit that is never split: a unit comes in whole when at least one of its images matches
`images` and none matches `exclude`, and stays out whole otherwise. Opt-outs are subtracted last, and no key of the
language can switch that off.

Does not guarantee: that a release holds what is asked for, or that the answer is safe to show: the plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Literal

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
from tre.domain.model import Code, Line, Record
from tre.domain.slices import vocabulary as words

MAX_CODES = 1000
"""A list of codes longer than this is a patient list in disguise."""

MAX_ITEMS = 50
"""Alternatives under `images` or `exclude`."""


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
        msg = f"not known here: {', '.join(strange)}; known are {', '.join(sorted(known or ()))} and unknown"
        raise ValueError(msg)
    return tuple(sorted(folded))


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
    return "not" if isinstance(value, Mapping | NoneOf) else "list"


Sites = Annotated[Annotated[FreeCodes, Tag("list")] | Annotated[NoneOf, Tag("not")], Discriminator(_listed_or_not)]
"""Sites by their code: these, or all known ones but these."""


class _Conditions(SliceRecord):
    """Conditions that are joined by AND; at least one must stand."""

    @model_validator(mode="after")
    def _not_empty(self) -> _Conditions:
        if all(getattr(self, key) is None for key in type(self).model_fields):
            msg = "an entry without a condition would match everything: name at least one"
            raise ValueError(msg)
        return self


class ImageConditions(_Conditions):
    """What one image must be like: all that is named must hold."""

    modality: Modalities | None = None
    body_part: BodyParts | None = None
    study_date: DayRange | None = None
    slice_thickness_mm: MillimetreRange | None = None
    manufacturer: FreeCodes | None = None
    model: FreeCodes | None = None
    view_position: ViewPositions | None = None
    burned_in_annotation: YesNo | None = None


_LATER = {
    "sample": "taking a sample of the patients is not offered yet",
    "list": "a list of patients is not offered yet",
}


class PatientConditions(_Conditions):
    """What a patient must be like: all that is named must hold."""

    covid_status: CovidStatuses | None = None
    age: AgeRange | None = None
    sex: Sexes | None = None
    ethnicity_group: EthnicityGroups | None = None
    site: Sites | None = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_of_later(cls, value: Any) -> Any:
        for key in _LATER.keys() & (value.keys() if isinstance(value, dict) else set()):
            raise ValueError(_LATER[key])
        return value


class Band(SliceRecord):
    """Ages grouped into bands of so many years; from `top` on there is one band."""

    source: Annotated[Literal["age"], Field(alias="from")]
    band: Annotated[int, Field(strict=True, ge=2, le=50)]
    top: Annotated[int, Field(strict=True, ge=10, le=90)] = 90

    @model_validator(mode="after")
    def _whole_bands(self) -> Band:
        if self.top % self.band:
            msg = "top must be a multiple of band"
            raise ValueError(msg)
        return self


ColumnName = Annotated[Code, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class ClinicalTable(SliceRecord):
    """The clinical table of a slice: its columns in order, and how derived ones come about."""

    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=100)]
    derive: dict[ColumnName, Band] = {}

    @model_validator(mode="after")
    def _known_columns(self) -> ClinicalTable:
        offered = {*words.CLINICAL_COLUMNS, *self.derive}
        problems = [
            ("no such column", set(self.columns) - offered),
            ("named twice", {name for name in self.columns if self.columns.count(name) > 1}),
            ("derived but not among the columns", set(self.derive) - set(self.columns)),
            (
                "derived under the name of a column that exists",
                set(self.derive) & set(words.CLINICAL_COLUMNS),
            ),
        ]
        for message, found in problems:
            if found:
                msg = f"{message}: {', '.join(sorted(found))}; offered are {', '.join(words.CLINICAL_COLUMNS)}"
                raise ValueError(msg)
        return self


class Tables(SliceRecord):
    """The tables that come with the images."""

    clinical: ClinicalTable | None = None


class Unit(StrEnum):
    """What is never split."""

    patient = "patient"
    study = "study"
    series = "series"
    instance = "instance"


class Headers(StrEnum):
    """What comes beside the images; the images keep the headers they have in their tier."""

    none = "none"
    sidecar = "sidecar"
    full = "full"


class DirectoryLayout(StrEnum):
    """How the folder is arranged: as NCCID's, one folder a patient, or one folder."""

    nccid = "nccid"
    patient = "patient"
    flat = "flat"


class OnFail(StrEnum):
    """What happens when a cell is smaller than k."""

    refuse = "refuse"
    report = "report"


class Privacy(SliceRecord):
    """The least number of patients that share each combination of quasi-identifiers."""

    k: Annotated[int, Field(strict=True, ge=2, le=1000)]
    over: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=10)]
    on_fail: OnFail = OnFail.refuse


def _offered_headers(value: Headers) -> Headers:
    if value is Headers.full:
        msg = "a table of full headers is not offered yet: use none or sidecar"
        raise ValueError(msg)
    return value


class SliceSpec(SliceRecord):
    """What is asked of one release of one dataset.

    `images` are alternatives: an image matches when one entry's conditions all hold. See the module for what missing
    values, `exclude` and `keep_whole` mean.
    """

    slice: Literal[1]
    dataset: ResourceName
    release: ReleaseName
    keep_whole: Unit = Unit.series
    images: Annotated[tuple[ImageConditions, ...], Field(max_length=MAX_ITEMS)] = ()
    exclude: Annotated[tuple[ImageConditions, ...], Field(max_length=MAX_ITEMS)] = ()
    patients: PatientConditions | None = None
    tables: Tables = Tables()
    tier: Literal["dates-full"] = "dates-full"
    headers: Annotated[Headers, AfterValidator(_offered_headers)] = Headers.none
    partition: Literal["training"] = "training"
    layout: DirectoryLayout = DirectoryLayout.nccid
    privacy: Privacy | None = None

    @model_validator(mode="after")
    def _privacy_over_known(self) -> SliceSpec:
        if self.privacy is None:
            return self
        derived = self.tables.clinical.derive if self.tables.clinical else {}
        offered = {*words.QUASI_IDENTIFIERS, *derived, words.FIRST_STUDY_DATE}
        strange = sorted(set(self.privacy.over) - offered)
        if strange:
            msg = f"privacy.over: not known: {', '.join(strange)}; known are {', '.join(sorted(offered))}"
            raise ValueError(msg)
        if len(set(self.privacy.over)) < len(self.privacy.over):
            msg = "privacy.over names a column twice"
            raise ValueError(msg)
        return self
