"""k-report, representativeness, distances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.slices.conftest import Bench
from tre.domain.slices.distance import distance
from tre.domain.slices.vocabulary import QUASI_IDENTIFIERS
from tre.slices.loaded import IMAGE_DIMENSIONS, PEOPLE_DIMENSIONS
from tre.slices.plan import plan
from tre.slices.populations import PopulationTerms


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


def test_shares_are_counted_and_compared(crowd: Bench) -> None:
    found = {one.name: one for one in plan(crowd.order(patients={"sex": ["male"]})).representativeness}
    assert set(found) == {*PEOPLE_DIMENSIONS, *IMAGE_DIMENSIONS}
    sex = {share.category: share for share in found["sex"].shares}
    assert (sex["male"].slice, sex["male"].dataset) == (10, 10)
    assert (sex["female"].slice, sex["female"].dataset) == (0, 20)
    assert found["sex"].distance_permille > 0
    assert found["covid_status"].distance_permille == 0
    assert {one.reference_permille for one in found.values()} == {None}


def test_a_patient_counts_in_each_kind_of_image(crowd: Bench) -> None:
    wanted = {"images": [{"modality": ["DX", "CT"]}], "keep_whole": "instance"}
    found = {one.name: one for one in plan(crowd.order(**wanted)).representativeness}
    kinds = {share.category: share.slice for share in found["modality"].shares}
    assert kinds == {"CT": 15, "DX": 30}
    only = {one.name: one for one in plan(crowd.order()).representativeness}
    assert {share.category: (share.slice, share.dataset) for share in only["modality"].shares} == {
        "CT": (0, 15),
        "DX": (30, 30),
    }


POPULATION = PopulationTerms(
    title="Made up", year=2021, source="nowhere", permille={"sex": {"female": 500, "male": 400, "other": 100}}
)


def test_a_reference_has_categories_that_nobody_has(crowd: Bench) -> None:
    planned = plan(replace(crowd.order(), population=POPULATION))
    assert planned.population == "Made up"
    sex = next(one for one in planned.representativeness if one.name == "sex")
    assert {share.category: share.reference_permille for share in sex.shares} == {
        "female": 500,
        "male": 400,
        "other": 100,
    }
    assert sex.reference_permille == distance([20, 10, 0], [500, 400, 100])
    assert sex.distance_permille == 0


def test_opt_outs_change_the_plan_and_the_plan_says_how(crowd: Bench) -> None:
    gone = frozenset(f"Covid{number}" for number in range(20, 28))
    planned = plan(crowd.order(gone, 1))
    assert (planned.opt_outs.patients, planned.opt_outs.instances) == (8, 8)
    found = {one.name: one for one in planned.representativeness}
    assert found["sex"].opt_outs_permille == distance([20, 2], [20, 10])
    assert [(share.slice, share.dataset) for share in found["sex"].shares] == [(20, 20), (2, 2)]
    assert {one.opt_outs_permille for one in plan(crowd.order()).representativeness} == {None}


def test_what_is_missing_is_told_by_covid_status(bench: Bench) -> None:
    make = bench.maker
    for number in range(4):
        name = f"Covid{number}"
        make.record(name, "data" if number < 2 else "status", **({"Age": 50} if number < 2 else {}))
        make.image(name, f"1.{number}", f"1.{number}.1")
    bench.ingest()
    found = plan(bench.order(**table("pseudonym", "age", "covid_status"))).missing
    assert [(one.column, one.group, one.missing, one.patients) for one in found] == [
        ("age", "everybody", 2, 4),
        ("age", "negative", 2, 2),
        ("age", "positive", 0, 2),
        ("covid_status", "everybody", 0, 4),
    ]
    assert {one.column for one in plan(bench.order()).missing} == set(QUASI_IDENTIFIERS)
    assert plan(bench.order(images=[])).missing == ()
