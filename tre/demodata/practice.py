"""A delivery of make-believe images that a specification takes: what a twin of a slice is made of.

Guarantees: everything comes from the specification (which a data manager wrote and a committee reads), the published
vocabularies and the seed; no function here is given a dataset, a release or a record, so none can reach the twin.
Pseudonyms have a form of their own, which no real one has. The same specification, number of people and seed give
the same bytes.

Does not guarantee: any likeness but in form: columns, codes, folders, headers. Shares, dates and values are drawn
from the specification's bounds; pictures are smaller than real ones. Kinds of images for which there is no generator
are left out.

Answers the months in which people wait for an approval before they can write a line of code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from tre.demodata.clinical import clinical_records
from tre.demodata.files import Writer, claim_target, group_of
from tre.demodata.headers import SOP_CLASSES, Study
from tre.demodata.nccid import write_series
from tre.demodata.people import CENTRES, Patient, make_patient
from tre.demodata.randomness import Stream
from tre.demodata.spec import NccidSpec, Summary, Tally
from tre.domain.canonical import digest
from tre.domain.slices.spec import ImageConditions, PatientConditions, SliceSpec
from tre.domain.slices.values import NoneOf
from tre.domain.slices.vocabulary import UNKNOWN

_FIRST, _LAST = date(2020, 3, 1), date(2021, 3, 31)
_OLDEST = 95
_CODES = {"white": "ABC", "multiple": "DEFG", "asian": "HJKLR", "black": "MNP", "other": "S"}
_TAGS = {
    "body_part": (0x00180015, "CS"),
    "view_position": (0x00185101, "CS"),
    "burned_in_annotation": (0x00280301, "CS"),
}
_TEXTS = {"manufacturer": (0x00080070, "LO"), "model": (0x00081090, "LO")}


@dataclass(frozen=True)
class TwinSpec:
    """What is made up: for which specification, how many people, from which seed."""

    spec: SliceSpec
    patients: int = 100
    seed: int = 1

    @property
    def draws(self) -> int:
        """The seed of everything drawn: no other specification and no other generator has the same."""
        return int(digest({"practice": self.spec.as_plain(), "seed": self.seed})[7:23], 16)


def generate_practice(target: Path, twin: TwinSpec) -> Summary:
    """Write a delivery into a directory that is missing or empty. Raises `TREError(AlreadyExists)`."""
    claim_target(target)
    tally = Tally()
    writer = Writer(target / "training", tally)
    offered = [one for one in twin.spec.images if _kinds(one)]
    for number in range(1, twin.patients + 1):
        _write_patient(twin, number, offered, writer)
    return tally.summary()


def _write_patient(twin: TwinSpec, number: int, offered: Sequence[ImageConditions], writer: Writer) -> None:
    stream = Stream(twin.draws, "practice", number)
    spec = NccidSpec(seed=twin.draws, patients=twin.patients, xray_pixels=(128,), ct_pixels=(64,))
    patient = _person(make_patient(spec, number), twin.spec.patients, stream)
    wanted = [offered[(number + turn) % len(offered)] for turn in range(min(2, len(offered)))]
    days = [_day(one, stream) for one in wanted]
    patient = replace(patient, swab=min(days, default=patient.swab), died=None)
    for name, record in clinical_records(twin.draws, patient):
        writer.clinical(patient.pseudonym, name, record)
    writer.tally.patients += 1
    writer.tally.by_covid_status["positive" if patient.positive else "negative"] += 1
    for place, (one, day) in enumerate(zip(wanted, days, strict=True), start=1):
        study = Study(patient, place, stream.pick(_kinds(one)), day, stream.clock_time(), patient.severity)
        write_series(spec, study, 1, writer, _shaper(one, stream))
        writer.tally.studies += 1
        writer.tally.series += 1
        writer.tally.studies_by_group[group_of(study.modality)] += 1


def _kinds(one: ImageConditions) -> list[str]:
    """The modalities of an alternative that can be made up."""
    return sorted(set(one.modality or ("CR", "CT", "DX")) & set(SOP_CLASSES))


def _person(patient: Patient, asked: PatientConditions | None, stream: Stream) -> Patient:
    """The person with what the conditions ask for; all else as drawn."""
    patient = replace(patient, pseudonym=f"CovidPractice{patient.number}", second_centre=None)
    if asked is None:
        return patient
    if asked.covid_status is not None:
        patient = replace(patient, positive=_one_of(asked.covid_status, stream) != "negative")
    elif asked.age or asked.sex or asked.ethnicity_group:
        patient = replace(patient, positive=True)  # of the others, records say no such thing
    if asked.age is not None:
        first, last = asked.age.first, asked.age.last
        low = first if first is not None else 0
        patient = replace(patient, age=stream.integer(low, last if last is not None else max(low, _OLDEST)))
    if asked.sex is not None:
        patient = replace(patient, sex={"female": "F"}.get(_one_of(asked.sex, stream), "M"))
    if asked.ethnicity_group is not None:
        codes = _CODES.get(_one_of(asked.ethnicity_group, stream), "A")
        patient = replace(patient, ethnicity=stream.pick(codes))
    return replace(patient, centre=_site(patient.centre, asked, stream))


def _site(drawn: str, asked: PatientConditions, stream: Stream) -> str:
    if isinstance(asked.site, NoneOf):
        others = [name for name, _ in CENTRES if name not in asked.site.codes]
        return stream.pick(others) if others else "PRACTICE-SITE"
    return drawn if asked.site is None else _one_of(asked.site, stream) or drawn


def _one_of(codes: Sequence[str], stream: Stream) -> str:
    """One of the codes; empty where only missing values are asked for."""
    known = [code for code in codes if code != UNKNOWN]
    return stream.pick(known) if known else ""


def _day(one: ImageConditions, stream: Stream) -> date:
    asked = one.study_date
    first = asked.first if asked and asked.first else None
    last = asked.last if asked and asked.last else None
    first = first or (min(_FIRST, last) if last else _FIRST)
    return stream.day(first, last or max(_LAST, first))


def _shaper(one: ImageConditions, stream: Stream) -> Callable[[Dataset], None]:
    """What gives a header the values that an alternative asks for."""

    def shape(header: Dataset) -> None:
        for name, (tag, form) in (_TAGS | _TEXTS).items():
            codes = getattr(one, name)
            if codes is not None:
                value = _one_of(codes, stream)
                header.add(DataElement(tag, form, value, validation_mode=config.IGNORE))
        if one.slice_thickness_mm is not None:
            header.SliceThickness = _plain(_thickness(one, stream))

    return shape


def _thickness(one: ImageConditions, stream: Stream) -> Decimal:
    """A thickness within the bounds, in whole micrometres."""
    assert one.slice_thickness_mm is not None
    asked = one.slice_thickness_mm
    low = int((asked.first if asked.first is not None else min(Decimal(1), asked.last or Decimal(1))) * 1000)
    high = int(asked.last * 1000) if asked.last is not None else low + 2000
    return Decimal(stream.integer(low, max(low, high))) / 1000


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
