"""The slice language: what part of a dataset somebody asks for, as the data manager writes it.

Guarantees: a specification that parses means one thing. No `images`, no data; an item without a condition is refused,
since it would match everything; unknown keys and words outside a closed set are refused with the nearest known one; a
truth value is never taken for a code. Lists of codes are sets: they are folded, sorted and freed of repetitions, so
that equal questions have equal digests.

Missing values never match, neither under `images` nor under `exclude` nor under `not`, unless `unknown` is listed.
`keep_whole` names the unit that is never split: a unit comes in whole when at least one of its images matches
`images` and none matches `exclude`, and stays out whole otherwise. A sample is drawn from the patients whom all other
conditions leave. Opt-outs are subtracted last, after the sample, so that nobody moves up into the place of somebody
who opted out; no key of the language can switch that off.

Does not guarantee: that a release holds what is asked for, or that the answer is safe to show: the plan says.
"""

from __future__ import annotations

from calendar import monthrange
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tre.domain.model import Line
from tre.domain.slices import vocabulary as words
from tre.domain.slices.derivations import ColumnName, Tables
from tre.domain.slices.values import (
    AgeRange,
    BodyParts,
    CovidStatuses,
    DayRange,
    EthnicityGroups,
    FreeCodes,
    MillimetreRange,
    Modalities,
    ReleaseName,
    ResourceName,
    Sexes,
    Sites,
    SliceRecord,
    ViewPositions,
    YesNo,
    meant,
)

__all__ = [
    "DirectoryLayout",
    "Headers",
    "ImageConditions",
    "OnFail",
    "PatientConditions",
    "PatientList",
    "Privacy",
    "ReleaseName",
    "ResourceName",
    "Sample",
    "SliceSpec",
    "Unit",
]

MAX_ITEMS = 50
"""Alternatives under `images` or `exclude`."""


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


class Sample(SliceRecord):
    """A part of the patients, drawn by a keyed hash of the pseudonym: nobody without the key can tell who is in it.

    `n` takes exactly so many (all, if there are fewer): those with the smallest hashes. `permille` takes everybody
    whose hash lies below that share of the range: about so many of a thousand. Both give the same people whenever they
    are asked of the same release. Of a later release with more patients, `permille` keeps everybody whom it took
    before and `n` need not: whoever means to refresh a sample asks for `permille`.

    `seed` tells samples of one dataset apart; take the reference of the application. Who plans may try several seeds:
    the committee sees the one that was chosen.
    """

    by: Literal["hash"] = "hash"
    seed: Annotated[Line, Field(min_length=1, max_length=100)]
    n: Annotated[int, Field(strict=True, ge=1, le=100_000_000)] | None = None
    permille: Annotated[int, Field(strict=True, ge=1, le=999)] | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Sample:
        if (self.n is None) == (self.permille is None):
            msg = "a sample needs one size: either `n` patients or `permille` of a thousand"
            raise ValueError(msg)
        return self


class PatientList(SliceRecord):
    """People whom a cohort tool chose, as a list of pseudonyms.

    `file` is where the list lies when it is planned, beside the specification. The plan names it by its `digest` only
    (SHA-256 over the sorted pseudonyms, a line each), and so does whatever is signed: a file that changes afterwards
    changes nothing.
    """

    file: Annotated[Line, Field(min_length=1, max_length=4096)] | None = None
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None

    @model_validator(mode="after")
    def _named(self) -> PatientList:
        if self.file is None and self.digest is None:
            msg = "a list needs its `file`, or the `digest` of one that was planned before"
            raise ValueError(msg)
        return self


class PatientConditions(_Conditions):
    """What a patient must be like: all that is named must hold."""

    covid_status: CovidStatuses | None = None
    age: AgeRange | None = None
    sex: Sexes | None = None
    ethnicity_group: EthnicityGroups | None = None
    site: Sites | None = None
    list: PatientList | None = None
    sample: Sample | None = None


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
    tier: Literal["dates-full", "dates-coarse"] = "dates-full"
    headers: Headers = Headers.none
    partition: Literal["training"] = "training"
    layout: DirectoryLayout = DirectoryLayout.nccid
    privacy: Privacy | None = None

    @model_validator(mode="after")
    def _privacy_over_known(self) -> SliceSpec:
        if self.privacy is None:
            return self
        derived = self.tables.clinical.derive if self.tables.clinical else {}
        offered = sorted({*words.QUASI_IDENTIFIERS, *derived, words.FIRST_STUDY_DATE})
        strange = sorted(set(self.privacy.over) - set(offered))
        if strange:
            msg = f"privacy.over: not known: {', '.join(strange)}{meant(strange, offered)}; known are "
            raise ValueError(msg + ", ".join(offered))
        if len(set(self.privacy.over)) < len(self.privacy.over):
            msg = "privacy.over names a column twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _no_finer_than_the_tier(self) -> SliceSpec:
        """Under coarse dates, asking by the day would tell the day."""
        if self.tier == "dates-coarse":
            entries = [("images", *one) for one in enumerate(self.images)]
            entries += [("exclude", *one) for one in enumerate(self.exclude)]
            for key, number, entry in entries:
                if entry.study_date is not None and not _whole_months(entry.study_date):
                    msg = f"{key}[{number}].study_date: under dates-coarse a range begins and ends with a month"
                    raise ValueError(msg)
        return self


def _whole_months(days: DayRange) -> bool:
    begins = days.first is None or days.first.day == 1
    return begins and (days.last is None or days.last.day == monthrange(days.last.year, days.last.month)[1])
