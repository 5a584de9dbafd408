"""The tables of a slice and the columns that are derived for them, so that less is shown than is known.

Guarantees: a derived column says from what it comes and how; only its result is written into a slice. Ages come in
bands of years with one band at the top, days as months, quarters or years, codes as groups with names of their own.
The name of a derived column is none that exists.

Does not guarantee: that a derived column hides enough. The plan's k-report counts who stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from tre.domain.model import BRANCH, Code, Line
from tre.domain.slices import vocabulary as words
from tre.domain.slices.values import MAX_CODES, SliceRecord, meant

MAX_GROUPS = 50
"""Groups of one column: with more, a reader cannot see what is one."""


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


class Step(StrEnum):
    """How coarse a day becomes."""

    month = "month"
    quarter = "quarter"
    year = "year"


class Period(SliceRecord):
    """The month, quarter or year of a patient's first examination in the slice."""

    source: Annotated[Literal["first_study_date"], Field(alias="from")]
    by: Step


GroupLabel = Annotated[Line, Field(min_length=1, max_length=64)]


def _folded(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({words.fold_code(value) for value in values}))


GroupCodes = Annotated[
    tuple[Annotated[Code, Field(min_length=1, max_length=64)], ...],
    Field(min_length=1, max_length=MAX_CODES),
    AfterValidator(_folded),
]


class Grouping(SliceRecord):
    """Sites under a few names, as regions are; every other known one under the name of `rest`, or empty without it."""

    source: Annotated[Literal["site"], Field(alias="from")]
    groups: Annotated[dict[GroupLabel, GroupCodes], Field(min_length=1, max_length=MAX_GROUPS)]
    rest: GroupLabel | None = None

    @model_validator(mode="after")
    def _each_code_once(self) -> Grouping:
        everything = [code for codes in self.groups.values() for code in codes]
        twice = sorted({code for code in everything if everything.count(code) > 1})
        if twice:
            msg = f"in two groups: {', '.join(twice)}"
            raise ValueError(msg)
        if self.rest in self.groups:
            msg = "`rest` is the name of a group"
            raise ValueError(msg)
        return self


_BAND, _PERIOD, _GROUPS = (f"{BRANCH}{name}" for name in ("band", "period", "groups"))
_BY_SOURCE = {"age": _BAND, "first_study_date": _PERIOD, "site": _GROUPS}


def _kind(value: Any) -> str | None:
    if isinstance(value, Band | Period | Grouping):
        source: Any = value.source
    else:
        source = value.get("from") if isinstance(value, Mapping) else None
    return _BY_SOURCE.get(source) if isinstance(source, str) else None


Derivation = Annotated[
    Annotated[Band, Tag(_BAND)] | Annotated[Period, Tag(_PERIOD)] | Annotated[Grouping, Tag(_GROUPS)],
    Discriminator(
        _kind,
        custom_error_type="derivation",
        custom_error_message="`from` must be age, first_study_date or site",
    ),
]
"""How a column comes about: told apart by what it is derived from."""

ColumnName = Annotated[Code, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]


class ClinicalTable(SliceRecord):
    """The clinical table of a slice: its columns in order, and how derived ones come about."""

    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=100)]
    derive: dict[ColumnName, Derivation] = {}

    @model_validator(mode="after")
    def _known_columns(self) -> ClinicalTable:
        reserved = {*words.CLINICAL_COLUMNS, words.FIRST_STUDY_DATE}
        offered = [*words.CLINICAL_COLUMNS, *self.derive]
        strange = set(self.columns) - set(offered)
        problems = [
            (f"no such column{meant(sorted(strange), offered)}", strange),
            ("named twice", {name for name in self.columns if self.columns.count(name) > 1}),
            ("derived but not among the columns", set(self.derive) - set(self.columns)),
            ("derived under the name of a column that exists", set(self.derive) & reserved),
        ]
        for message, found in problems:
            if found:
                msg = f"{message}: {', '.join(sorted(found))}; offered are {', '.join(words.CLINICAL_COLUMNS)}"
                raise ValueError(msg)
        return self


class Tables(SliceRecord):
    """The tables that come with the images."""

    clinical: ClinicalTable | None = None
