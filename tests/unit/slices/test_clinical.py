"""Reading clinical values as hospitals type them."""

from __future__ import annotations

from typing import Any

import pytest

from tre.slices.clinical import MAX_BYTES, ClinicalRecord, Patient, clean, parse_record
from tre.slices.unfit import UnfitError


def record(kind: str = "data", day: str = "2020-05-01", **values: Any) -> ClinicalRecord:
    return ClinicalRecord("Covid1", kind, day, "training", values)


def one(**values: Any) -> Patient:
    ((patient,), _) = clean([record(**values)])
    return patient


def problems(**values: Any) -> dict[str, int]:
    return dict(clean([record(**values)])[1].not_understood)


@pytest.mark.parametrize(
    ("value", "age"),
    [(78.876, 78), ("64", 64), ("64.9 ", 64), (0, 0), (120, 120), (121, None), (-1, None), ("old", None)],
)
def test_ages_are_rounded_down(value: Any, age: int | None) -> None:
    assert one(Age=value).age == age
    assert problems(Age=value) == ({} if age is not None else {"Age": 1})


@pytest.mark.parametrize(
    ("value", "age"), [(True, None), ([5], None), ("inf", None), ("nan", None), (None, None), ("", None)]
)
def test_ages_that_are_none(value: Any, age: int | None) -> None:
    assert one(Age=value).age == age


@pytest.mark.parametrize(
    ("value", "sex"),
    [
        (0, "female"),
        ("0", "female"),
        ("F", "female"),
        ("female", "female"),
        (1, "male"),
        ("m", "male"),
        (2, None),
        ("3", None),
    ],
)
def test_sex(value: Any, sex: str | None) -> None:
    assert one(Sex=value).sex == sex
    assert problems(Sex=value) == ({} if sex else {"Sex": 1})


@pytest.mark.parametrize(
    ("value", "group"),
    [
        ("A", "white"),
        ("c", "white"),
        ("C3", "white"),
        ("GF", "multiple"),
        ("L", "asian"),
        ("R", "asian"),
        ("N", "black"),
        ("S", "other"),
        ("White British", "white"),
        ("Any other White background", "white"),
        ("Asian or Asian British - Indian", "asian"),
        ("Chinese", "asian"),
        ("Black African", "black"),
        ("Mixed - White and Black Caribbean", "multiple"),
        ("Any other ethnic group", "other"),
    ],
)
def test_ethnicity(value: str, group: str) -> None:
    assert one(Ethnicity=value).ethnicity_group == group


@pytest.mark.parametrize("value", ["99", 0, "Z", "not stated"])
def test_ethnicity_that_is_not_understood_is_counted(value: Any) -> None:
    assert one(Ethnicity=value).ethnicity_group is None
    assert problems(Ethnicity=value) == {"Ethnicity": 1}


@pytest.mark.parametrize(("value", "admitted"), [(0, False), (1, True), ("Yes", True), ("no", False), ("N/A", None)])
def test_outcomes(value: Any, admitted: bool | None) -> None:
    assert one(**{"ITU admission": value}).itu_admission is admitted


def test_sites_are_folded_and_bounded() -> None:
    assert one(SubmittingCentre=" trust-07 ").site == "TRUST-07"
    assert one(SubmittingCentre="x" * 65).site is None
    assert one().site is None
    assert problems(SubmittingCentre="a\x00b") == {"SubmittingCentre": 1}


def test_the_latest_data_record_counts_and_hides_every_status_record() -> None:
    records = [
        record("status", "2020-09-01", Age=1),
        record("data", "2020-05-01", Age=2),
        record("data", "2020-06-01", Age=3),
    ]
    for order in (records, records[::-1]):
        ((patient,), _) = clean(order)
        assert (patient.age, patient.covid_status) == (3, "positive")


def test_without_a_data_record_the_patient_is_negative() -> None:
    ((patient,), found) = clean([record("status", "2020-09-01", SwabStatus=0)])
    assert patient.covid_status == "negative"
    assert not found.not_understood


def test_a_negative_record_that_says_positive_decides_nothing() -> None:
    ((patient,), found) = clean([record("status", "2020-09-01", SwabStatus=1)])
    assert patient.covid_status is None
    assert found.not_understood == {"SwabStatus": 1}


def test_every_conversion_is_reported_in_words_of_ours() -> None:
    records = [
        ClinicalRecord(
            name,
            "data",
            "2020-01-01",
            "training",
            {"Pseudonym": name, "Age": age, "Sex": sex, "Ethnicity": group, **more},
        )
        for name, age, sex, group, more in (
            ("a", 45.5, "f", "C3", {"Death": "no"}),
            ("b", 45, "F", "White, Mr Example of Leeds", {"SubmittingCentre": " trust-07"}),
            ("c", "old", 3, "Z", {"SubmittingCentre": "TRUST-08"}),
        )
    ]
    assert clean(records)[1].as_plain() == {
        "Age": {"not understood, now missing": 1, "rounded down to whole years": 1, "whole years, as they stand": 1},
        "Death": {"NO → no": 1},
        "Ethnicity": {"code C → white": 1, "not understood, now missing": 1, "words → white": 1},
        "Sex": {"F → female": 2, "not understood, now missing": 1},
        "SubmittingCentre": {"as it stands": 1, "blanks cut, in capitals": 1},
    }


def test_patients_come_in_order_and_each_once() -> None:
    records = [ClinicalRecord(name, "data", "2020-01-01", "training", {}) for name in ("b", "a", "b")]
    assert [patient.pseudonym for patient in clean(records)[0]] == ["a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"a": 1, "a": 1}',
        b'{"a": [{"b": 1, "b": 2}]}',
        b'"x"',
        b"\xff",
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
    ],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(UnfitError) as caught:
        parse_record(data)
    assert caught.value.rule == "clinical-record"
