"""Clinical records: the real keys, and each kind of dirt on a set of the default size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.demodata.conftest import Made
from tre.demodata import NccidSpec, dirt
from tre.demodata.clinical import clinical_records
from tre.demodata.files import json_bytes
from tre.demodata.people import make_patient
from tre.demodata.randomness import Stream
from tre.slices.clinical import ClinicalRecord, clean, parse_record
from tre.slices.unfit import UnfitError

Record = dict[str, Any]


def dates(record: Record) -> list[str]:
    """Every date but the swab's, as text."""
    return [str(value) for key, value in record.items() if key.startswith("Date ")]


def dated(pattern: str) -> Callable[[Record], bool]:
    """Whether some date matches a pattern."""
    return lambda record: any(re.fullmatch(pattern, value) for value in dates(record))


def text(key: str) -> Callable[[Record], bool]:
    """Whether a value that should be a number is text."""
    return lambda record: isinstance(record.get(key), str)


SIGNS: dict[str, Callable[[Record], bool]] = {
    "age with decimals": lambda r: isinstance(r.get("Age"), float),
    "sex code 2": lambda r: r.get("Sex") == 2,
    "sex code 3": lambda r: str(r.get("Sex")) == "3",
    "sex as a letter": lambda r: r.get("Sex") in ("F", "M"),
    "ethnicity in words": lambda r: len(str(r.get("Ethnicity", ""))) > 5,
    "ethnicity 99": lambda r: r.get("Ethnicity") == "99",
    "ethnicity 0": lambda r: r.get("Ethnicity") == 0,
    "ethnicity sub-code": lambda r: r.get("Ethnicity") in ("CA", "C3", "GF"),
    "ethnicity missing": lambda r: "Ethnicity" not in r,
    "date in UK form": dated(r"(1[3-9]|2\d|3[01])/\d\d/\d{4}"),
    "date in ISO form": dated(r"\d{4}-\d\d-\d\d"),
    "date with two-digit year": dated(r"\d\d/\d\d/\d\d"),
    "date behind text": dated(r"\[Text\] - 202\d-\d\d-\d\d"),
    "date blank": lambda r: any(value.strip(". ") == "" for value in dates(r)),
    "date is no date": dated(r"[a-z ]{5,}"),
    "hypertension typo": lambda r: r.get("PMH h1pertension") in ("1", "1es", "2"),
    "hypertension out of range": lambda r: int(r.get("PMH hypertension", 0)) > 2,
    "kidney disease as text": text("PMH CKD"),
    "heart disease as text": text("PMH CVS disease"),
    "lung disease as text": lambda r: re.match(r"5\W*\w", str(r.get("PMH Lung disease"))) is not None,
    "diabetes as text": lambda r: r.get("PMH diabetes mellitus type II") == "Yes",
    "diabetes under its other key": lambda r: "PMH diabetes mellitus TYPE II" in r,
    "pack years as text": text("Pack year history"),
    "pack years under another key": lambda r: "Pack year History" in r,
    "medicine as text": text("Current NSAID used"),
    "dated value": text("Duration of symptoms"),
    "dated score": text("NEWS2 score on arrival"),
    "both pressures in one": lambda r: any(
        re.fullmatch(r"\[\d+/\d+\] - 202\d-\d\d-\d\d", str(r.get(key))) for key in ("Systolic BP", "Diastolic BP")
    ),
    "oxygen in litres": lambda r: str(r.get("FiO2")).endswith("L"),
    "oxygen in bare litres": lambda r: r.get("FiO2") in range(1, 16),
    "oxygen as a fraction": lambda r: isinstance(r.get("FiO2"), float),
    "oxygen as a mask colour": lambda r: str(r.get("FiO2")).isalpha() and "FiO2" in r,
    "oxygen under the old key": lambda r: "Any supplemental oxygen: FiO2" in r,
    "oxygen pressure with a zero": lambda r: "Pa02" in r,
    "test result in words": lambda r: r.get("1st RT-PCR result") == "RNA DETECTED (SARS-CoV-2)",
    "severity as text": text("CXR severity"),
    "covid code as text": lambda r: str(r.get("COVID CODE")).startswith("CVCX"),
    "outcome as text": text("ITU admission"),
    "numbers as text": text("Age"),
    "swab status present": lambda r: "SwabStatus" in r,
    "segmentation data": lambda r: "SegmentationData" in r.get("OtherDataSources", {}),
}
"""How to see each kind of dirt in a full record, written without looking at how it is made."""


@pytest.fixture(scope="module")
def records(default_set: Made) -> dict[str, Record]:
    """Every clinical record of the default set, by path below `data`."""
    folder = default_set.root / "training" / "data"
    paths = sorted(folder.rglob("*.json"))
    return {p.relative_to(folder).as_posix(): json.loads(p.read_bytes()) for p in paths}


def full(records: dict[str, Record]) -> list[Record]:
    """The records of positive patients."""
    return [record for name, record in records.items() if "/data_" in name]


def test_every_kind_of_dirt_has_a_sign() -> None:
    assert set(SIGNS) == {name for name, _ in dirt.DIRT}


@pytest.mark.parametrize("kind", SIGNS)
def test_every_kind_of_dirt_exists_at_the_default_size(records: dict[str, Record], kind: str) -> None:
    assert any(SIGNS[kind](record) for record in full(records))


def test_without_the_dirt_none_of_it_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dirt, "DIRT", (("none", lambda record, patient, stream: None),))
    spec = NccidSpec()
    people = [make_patient(spec, number) for number in range(1, 301)]
    written = [
        record
        for person in people
        if person.positive and person.centre != "TRUST-07"  # that trust always writes UK dates
        for name, record in clinical_records(spec.seed, person)
        if name.startswith("data_")
    ]
    seen = {kind for kind, sign in SIGNS.items() if any(map(sign, written))}
    assert len(written) > 80
    assert seen == {"ethnicity missing"}, "gaps are in every record"


def test_a_negative_patient_has_the_minimum_and_a_positive_the_full_record(
    records: dict[str, Record],
) -> None:
    for name, record in records.items():
        assert record["Pseudonym"] == name.split("/", maxsplit=1)[0]
        assert record["SubmittingCentre"].startswith("TRUST-")
        if "/status_" in name:
            assert set(record) - {"SwabDates"} <= {
                *("Pseudonym", "SubmittingCentre", "SwabDate", "SwabStatus"),
            }
        else:
            assert len(record) > 20


def test_swab_dates_are_in_uk_form_alone_or_in_a_list(records: dict[str, Record]) -> None:
    lists = [record["SwabDates"] for record in records.values() if "SwabDates" in record]
    singles = [record["SwabDate"] for record in records.values() if "SwabDate" in record]
    assert lists
    assert all(len(entries) == 2 for entries in lists)
    singles += [entry["SwabDate"] for entries in lists for entry in entries]
    assert all(re.fullmatch(r"[0-3]\d/[01]\d/20\d\d", day) for day in singles)
    assert any(int(day[:2]) > 12 for day in singles), "cannot be taken for US form"


def test_other_dates_are_in_us_form(records: dict[str, Record]) -> None:
    key = "Date of acquisition of 1st RT-PCR"
    written = [r[key] for r in full(records) if key in r and r["SubmittingCentre"] != "TRUST-07"]
    assert all(int(day[:2]) <= 12 for day in written)
    assert any(int(day[3:5]) > 12 for day in written), "cannot be taken for UK form"


def test_some_patients_have_several_records(records: dict[str, Record]) -> None:
    kinds: dict[str, list[str]] = {}
    for name in records:
        patient, file = name.split("/")
        kinds.setdefault(patient, []).append(file.split("_")[0])
    found = {tuple(sorted(files)) for files in kinds.values()}
    assert {("status",), ("status", "status"), ("data",), ("data", "data")} <= found
    assert any("status" in files and "data" in files for files in found)


def test_some_patients_were_seen_at_two_centres(records: dict[str, Record]) -> None:
    centres: dict[str, set[str]] = {}
    for name, record in records.items():
        centres.setdefault(name.split("/")[0], set()).add(record["SubmittingCentre"])
    assert any(len(seen) == 2 for seen in centres.values())


def test_hospitals_go_by_full_name_and_by_shorthand(records: dict[str, Record]) -> None:
    hospitals = {record.get("Hospital") for record in full(records)}
    assert {"Northbrook General Hospital", "NGH"} <= hospitals


def test_keys_are_spelled_as_the_schema_spells_them(records: dict[str, Record]) -> None:
    keys = {key for record in full(records) for key in record}
    assert {
        "Fibrinogen  if d-dimer not performed",
        "Current Angiotension receptor blocker use",
        "PMH diabetes mellitus type II",
        "If CKD, stage",
        "CXR severity 3",
        "Date of ITU admission",
        "APACHE score on ITU arrival",
        "Troponin T",
    } <= keys


def test_units_differ_by_trust(records: dict[str, Record]) -> None:
    urea = {r["SubmittingCentre"]: r["Urea on admission"] for r in full(records) if "Urea on admission" in r}
    assert urea["TRUST-04"] > 10_000
    assert urea["TRUST-01"] < 100


def test_further_dirt_comes_in_where_it_is_asked_for_and_is_survived() -> None:
    patients = [make_patient(NccidSpec(), number) for number in range(1, 400)]
    clean_ones = [list(clinical_records(2020, patient)) for patient in patients]
    dirty = [list(clinical_records(2020, patient, 500)) for patient in patients]
    changed = sum(one != other for one, other in zip(clean_ones, dirty, strict=True))
    assert len(patients) / 4 < changed < len(patients) * 9 / 10
    read, refused = [], 0
    for patient, records in zip(patients, dirty, strict=True):
        for name, record in records:
            try:
                values = parse_record(json_bytes(record))
            except UnfitError:  # holds what is no number
                refused += 1
            else:
                kind = name.partition("_")[0]
                read.append(ClinicalRecord(patient.pseudonym, kind, name, "training", values))
    found, done = clean(read)
    assert 0 < refused < len(patients) / 10
    assert len(found) >= len(patients) - refused
    assert all(one.age is None or 0 <= one.age <= 120 for one in found)
    assert {"Age", "Sex", "Ethnicity"} <= set(done.not_understood), "values that nobody understands are counted"


@pytest.mark.parametrize("kind", [name for name, _ in dirt.MORE_DIRT])
def test_each_further_kind_changes_the_record(kind: str) -> None:
    patient = make_patient(NccidSpec(positive_permille=1000), 4)
    *_, (_, record) = clinical_records(1, patient)
    spoilt = dict(record)
    dict(dirt.MORE_DIRT)[kind](spoilt, patient, Stream(1, kind))
    assert json_bytes(spoilt) != json_bytes(record)
