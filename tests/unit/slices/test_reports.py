"""k-report, representativeness, distances."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.slices.conftest import Bench
from tre.domain.slices.plan import shown_count
from tre.slices.plan import plan
from tre.slices.reports import distance

COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=6)


@pytest.fixture
def crowd(bench: Bench) -> Bench:
    """30 patients: 20 women of 45, 9 men of 45, 1 man of 88; every second one with a CT."""
    for number in range(30):
        patient = f"Covid{number}"
        sex, age = (0, 45) if number < 20 else (1, 45 if number < 29 else 88)
        bench.maker.record(patient, Sex=sex, Age=age, Ethnicity="A")
        day = f"202004{number % 28 + 1:02}"
        bench.maker.image(patient, f"1.{number}", f"1.{number}.1", StudyDate=day)
        if number % 2:
            bench.maker.image(patient, f"1.{number}", f"1.{number}.2", Modality="CT", StudyDate=day)
    bench.ingest()
    return bench


def table(*columns: str, **more: Any) -> dict[str, Any]:
    return {"tables": {"clinical": {"columns": columns, **more}}}


def test_cells_count_people_not_images(crowd: Bench) -> None:
    report = plan(crowd.order(**table("pseudonym", "age", "sex"))).k_report
    assert report is not None
    assert report.k == 5
    asked = report.asked
    assert asked.over == ("age", "sex")
    assert (asked.cells, asked.smallest_cell, asked.patients_unique, asked.patients_below_k) == (3, 1, 1, 1)
    assert not report.met
    assert not report.refuses, "without a demand the report only reports"


def test_one_coarser_choice_and_the_dates_are_reported_beside(crowd: Bench) -> None:
    report = plan(crowd.order(**table("age", "sex"))).k_report
    assert report is not None
    assert report.coarser is not None
    assert report.coarser.over == ("age in 30-year bands", "sex")
    assert report.with_study_dates is not None
    assert report.with_study_dates.patients_unique > 20


def test_bands_make_cells_larger(crowd: Bench) -> None:
    spec = table("age_band", derive={"age_band": {"from": "age", "band": 10, "top": 80}})
    report = plan(crowd.order(**spec)).k_report
    assert report is not None
    assert (report.asked.cells, report.asked.smallest_cell) == (2, 1)
    only_sex = plan(crowd.order(**table("sex"))).k_report
    assert only_sex is not None
    assert only_sex.met
    assert only_sex.coarser is None


def test_a_demand_is_measured_over_its_own_columns(crowd: Bench) -> None:
    for over, met in ((["sex"], True), (["sex", "age"], False), (["first_study_date"], False)):
        report = plan(crowd.order(privacy={"k": 10, "over": over})).k_report
        assert report is not None
        assert report.met is met
        assert report.refuses is not met
        assert (report.with_study_dates is None) == ("first_study_date" in over)


def test_nothing_shown_nothing_reported(crowd: Bench) -> None:
    assert plan(crowd.order()).k_report is None
    assert plan(crowd.order(**table("pseudonym", "death"))).k_report is None


def test_an_empty_slice_has_an_empty_report(crowd: Bench) -> None:
    planned = plan(crowd.order(images=[], **table("sex")))
    assert planned.k_report is not None
    assert planned.k_report.asked.cells == 0
    assert {one.distance_permille for one in planned.representativeness} == {1000}


def test_shares_are_rounded_and_small_ones_hidden(crowd: Bench) -> None:
    found = {one.name: one for one in plan(crowd.order(patients={"sex": ["male"]})).representativeness}
    assert set(found) == {"sex", "age_band", "ethnicity_group", "covid_status", "site"}
    sex = {share.category: share for share in found["sex"].shares}
    assert (sex["male"].slice_permille, sex["male"].dataset_permille) == (1000, 333)
    assert (sex["female"].slice_permille, sex["female"].dataset_permille) == (0, 667)
    ages = {share.category: share for share in found["age_band"].shares}
    assert ages["80-89"].dataset_permille is None, "one person"
    assert found["sex"].distance_permille > 0
    assert found["covid_status"].distance_permille == 0


@given(COUNTS, st.integers(1, 5))
def test_distance_is_zero_for_equal_shares_and_symmetric(counts: list[int], factor: int) -> None:
    scaled = [factor * count for count in counts]
    assert distance(counts, scaled) == (0 if sum(counts) else 1000)
    other = counts[::-1]
    assert distance(counts, other) == distance(other, counts)
    assert 0 <= distance(counts, other) <= 1000


def test_distance_has_known_values() -> None:
    assert distance([5, 0], [0, 9]) == 1000
    assert distance([1, 1], [1, 0]) == 558  # sqrt(0.3113), from the definition
    assert distance([], []) == 1000


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, None), (7, None), (8, 10), (12, 10), (13, 15), (100, 100)])
def test_small_counts_are_hidden_and_others_rounded(count: int, shown: int | None) -> None:
    assert shown_count(count) == shown
