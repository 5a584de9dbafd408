"""The dirt of real clinical records, kind by kind, under names.

Guarantees: every kind listed in `DIRT` occurs in a set of the default size, because the n-th
positive patient always shows the n-th kind (counted round); beyond that, each kind occurs at
random with a chance of 25 in a thousand. The kinds are those that the real set's cleaners had to
cope with.

Does not guarantee: that these are all kinds there are, or that their frequency is the real one.

Answers the danger of a cleaner, an allow-list of keys or a disclosure check that fails open on
the first value it did not expect.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from tre.demodata.people import Patient
from tre.demodata.randomness import Stream

Record = dict[str, Any]
Spoiler = Callable[[Record, Patient, Stream], None]

_BACKGROUND = 25
_DATE_KEYS = (
    "Date of admission",
    "Date of 1st CXR",
    "Date of 2nd CXR",
    "Date of result of 1st RT-PCR",
)
_VERBOSE = {
    "A": "White British",
    "B": "White - Irish",
    "C": "Any other White background",
    "H": "Asian or Asian British - Indian",
    "J": "Asian/Asian British Pakistani",
    "N": "Black African",
    "R": "Chinese",
}


def _set(key: str, *values: Any) -> Spoiler:
    """A spoiler that replaces one key's value by one of several."""

    def spoil(record: Record, _: Patient, stream: Stream) -> None:
        record[key] = stream.pick(values)

    return spoil


def _renamed(key: str, wrong: str, *values: Any) -> Spoiler:
    """A spoiler that writes a value under a misspelt key and drops the right one."""

    def spoil(record: Record, _: Patient, stream: Stream) -> None:
        record.pop(key, None)
        record[wrong] = stream.pick(values)

    return spoil


def _date_as(pattern: str) -> Spoiler:
    """A spoiler that writes one of the dates in another form (a `strftime` pattern)."""

    def spoil(record: Record, patient: Patient, stream: Stream) -> None:
        day = patient.swab + timedelta(days=stream.integer(1, 3))
        numbers = {"%d": f"{day.day:02}", "%m": f"{day.month:02}", "%Y": f"{day.year:04}"}
        text = pattern.replace("%y", f"{day.year % 100:02}")
        for sign, number in numbers.items():
            text = text.replace(sign, number)
        record[stream.pick(_DATE_KEYS)] = text

    return spoil


def _dated(key: str, low: int, high: int) -> Spoiler:
    """A spoiler that writes a number as `[number] - YYYY-MM-DD`."""

    def spoil(record: Record, patient: Patient, stream: Stream) -> None:
        record[key] = f"[{stream.bell(low, high)}] - {patient.swab.isoformat()}"

    return spoil


def _pressure(record: Record, patient: Patient, stream: Stream) -> None:
    """Both blood pressures in one of the two fields."""
    both = f"[{stream.bell(110, 170)}/{stream.bell(60, 95)}] - {patient.swab.isoformat()}"
    record[stream.pick(("Systolic BP", "Diastolic BP"))] = both


def _fractional_age(record: Record, patient: Patient, stream: Stream) -> None:
    """An age computed from a date of birth."""
    record["Age"] = patient.age + stream.integer(1, 999) / 1000


def _sex_letter(record: Record, patient: Patient, _: Stream) -> None:
    """`F` or `M` instead of 0 or 1."""
    record["Sex"] = patient.sex


def _verbose_ethnicity(record: Record, patient: Patient, _: Stream) -> None:
    """Words instead of a code."""
    record["Ethnicity"] = _VERBOSE.get(patient.ethnicity, "Any other ethnic group")


def _numbers_as_text(record: Record, patient: Patient, stream: Stream) -> None:
    """Numbers in quotation marks, with a stray blank."""
    record["Heart rate on admission"] = f"{stream.bell(60, 120)} "
    record["Age"] = str(patient.age)


def _fraction_of_oxygen(record: Record, _: Patient, stream: Stream) -> None:
    """A fraction where per cent are due."""
    record["FiO2"] = stream.pick((0.21, 0.28, 0.4, 0.6))


def _old_oxygen_key(record: Record, _: Patient, stream: Stream) -> None:
    """The key that an older form had."""
    record.pop("FiO2", None)
    record["Any supplemental oxygen: FiO2"] = stream.pick((28, "35%", "2L", 21))


def _no_ethnicity(record: Record, _: Patient, __: Stream) -> None:
    """Nothing at all."""
    record.pop("Ethnicity", None)


def _segmentation(record: Record, patient: Patient, stream: Stream) -> None:
    """A nested object of another source, which a reader must flatten."""
    record["OtherDataSources"] = {
        "SegmentationData": {
            "LesionVolumePercent": stream.tenths(0, 150 * (1 + patient.severity)),
            "SegmentedOn": patient.last_known.isoformat(),
        }
    }


DIRT: tuple[tuple[str, Spoiler], ...] = (
    ("age with decimals", _fractional_age),
    ("sex code 2", _set("Sex", 2)),
    ("sex code 3", _set("Sex", "3")),
    ("sex as a letter", _sex_letter),
    ("ethnicity in words", _verbose_ethnicity),
    ("ethnicity 99", _set("Ethnicity", "99")),
    ("ethnicity 0", _set("Ethnicity", 0)),
    ("ethnicity sub-code", _set("Ethnicity", "CA", "C3", "GF")),
    ("ethnicity missing", _no_ethnicity),
    ("date in UK form", _date_as("%d/%m/%Y")),
    ("date in ISO form", _date_as("%Y-%m-%d")),
    ("date with two-digit year", _date_as("%m/%d/%y")),
    ("date behind text", _date_as("[Text] - %Y-%m-%d")),
    ("date blank", _set("Date of 2nd CXR", ".", "", " ")),
    ("date is no date", _set("Date of admission", "not known", "see notes")),
    ("hypertension typo", _renamed("PMH hypertension", "PMH h1pertension", "1", "1es", "2")),
    ("hypertension out of range", _set("PMH hypertension", 3, "4")),
    ("kidney disease as text", _set("PMH CKD", "Yes", "1 - stage 3a")),
    ("heart disease as text", _set("PMH CVS disease", "3, 1", "AF", "4 (MI + angina)")),
    (
        "lung disease as text",
        _set("PMH Lung disease", "5 – Lung Ca", "5 - OSA", "5 bronchiectasis"),
    ),
    ("diabetes as text", _set("PMH diabetes mellitus type II", "Yes")),
    (
        "diabetes under its other key",
        _renamed("PMH diabetes mellitus type II", "PMH diabetes mellitus TYPE II", 0, 1, "1"),
    ),
    ("pack years as text", _set("Pack year history", "approx 20", "20-30", "unknown")),
    ("pack years under another key", _renamed("Pack year history", "Pack year History", 10, 25)),
    ("medicine as text", _set("Current NSAID used", "No", "stopped")),
    ("dated value", _dated("Duration of symptoms", 1, 14)),
    ("dated score", _dated("NEWS2 score on arrival", 0, 12)),
    ("both pressures in one", _pressure),
    ("oxygen in litres", _set("FiO2", "10L", "2L", "15 L")),
    ("oxygen in bare litres", _set("FiO2", 2, 4, 15)),
    ("oxygen as a fraction", _fraction_of_oxygen),
    ("oxygen as a mask colour", _set("FiO2", "blue", "white", "yellow", "red", "green")),
    ("oxygen under the old key", _old_oxygen_key),
    ("oxygen pressure with a zero", _renamed("PaO2", "Pa02", 9.4, "10.1", 74)),
    ("test result in words", _set("1st RT-PCR result", "RNA DETECTED (SARS-CoV-2)")),
    ("severity as text", _set("CXR severity", "Moderate", "mild", "2-3")),
    ("covid code as text", _set("COVID CODE", "CVCX1", "CVCX3")),
    ("outcome as text", _set("ITU admission", "Yes", "N/A")),
    ("numbers as text", _numbers_as_text),
    ("swab status present", _set("SwabStatus", 1, "1")),
    ("segmentation data", _segmentation),
)
"""Every kind of dirt in a positive patient's record, with what makes it."""


def spoil_positive(record: Record, patient: Patient, stream: Stream) -> Record:
    """Spoil a full record: at random first, then with the one kind due to this patient."""
    for _, spoil in DIRT:
        if stream.chance(_BACKGROUND):
            spoil(record, patient, stream)
    DIRT[patient.rank % len(DIRT)][1](record, patient, stream)
    return record


def spoil_negative(record: Record, patient: Patient, swab: date, stream: Stream) -> Record:
    """Turn every fifth negative record's swab date into a list of swabs."""
    if patient.rank % 5 != 2:
        return record
    earlier = swab - timedelta(days=stream.integer(2, 14))
    swabs = [f"{d.day:02}/{d.month:02}/{d.year}" for d in (earlier, swab)]
    record = {k: v for k, v in record.items() if k not in ("SwabDate", "SwabStatus")}
    return record | {"SwabDates": [{"SwabDate": day, "SwabStatus": 0} for day in swabs]}


def _swapped_pressures(record: Record, _: Patient, stream: Stream) -> None:
    """The lower value where the higher belongs."""
    record["Systolic BP"], record["Diastolic BP"] = stream.bell(50, 90), stream.bell(110, 180)


def _swab_in_us_form(record: Record, patient: Patient, _: Stream) -> None:
    """The one date that should be in UK form, in US form."""
    record["SwabDate"] = f"{patient.swab.month:02}/{patient.swab.day:02}/{patient.swab.year}"


def _date_ahead(record: Record, patient: Patient, stream: Stream) -> None:
    """A date that lies years ahead: a slip of one digit."""
    record["Date of admission"] = f"{patient.swab.month:02}/{patient.swab.day:02}/{patient.swab.year + 10}"
    record["Date of death"] = stream.pick(("00/00/0000", "31/02/2020", "1900-01-01"))


def _lower_case_keys(record: Record, _: Patient, __: Stream) -> None:
    """Keys as another form wrote them: a blank at the end, lower case."""
    for key in ("Age", "Sex"):
        if key in record:
            record[f"{key.lower()} "] = record.pop(key)


def _blanks_around(record: Record, patient: Patient, _: Stream) -> None:
    """A name with blanks around it."""
    record["Hospital"] = f" {patient.hospital[0]}  "


MORE_DIRT: tuple[tuple[str, Spoiler], ...] = (
    ("no number", _set("CRP on admission", float("nan"), float("inf"))),
    ("age beyond people", _set("Age", 217, -4, "200", 1e300)),
    ("age in months", _set("Age", "18/12", "6 months", "4Y")),
    ("pressures swapped", _swapped_pressures),
    ("swab date in US form", _swab_in_us_form),
    ("date far ahead", _date_ahead),
    ("unit in the value", _set("Temperature on admission", "38.5C", "101.3 F", "38,5")),
    ("below what can be measured", _set("Troponin I", "<0.5", "< 3 ng/L", ">1000")),
    ("sample spoilt", _set("Creatinine on admission", "haemolysed", "insufficient", "#REF!")),
    ("a truth value", _set("PMH hypertension", True, False)),
    ("a list", _set("Ethnicity", ["A", "C"], [])),
    ("an object", _set("Sex", {"code": 1})),
    ("keys of another form", _lower_case_keys),
    ("blanks around", _blanks_around),
    ("no text at all", _set("SubmittingCentre", "", None, "\u200b")),
    ("letters that look alike", _set("Sex", "М", "Ｆ")),
    ("very long", _set("PMH Lung disease", "x" * 5000)),
)
"""Kinds that go beyond what the real set's cleaners met; a record gets one of them only where they are asked for."""


def spoil_more(record: Record, patient: Patient, stream: Stream) -> Record:
    """The record with one further fault."""
    spoilt = dict(record)
    stream.pick(MORE_DIRT)[1](spoilt, patient, stream)
    return spoilt
