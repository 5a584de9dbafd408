"""What people see of a plan: no small count, no exact one, nothing from which one could be worked out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.domain.slices.test_plan import make_identity, make_plan
from tre.domain.slices.dictionary import COLUMNS, entries
from tre.domain.slices.distance import distance
from tre.domain.slices.plan import (
    CellReport,
    Counts,
    Dimension,
    Drawn,
    KReport,
    Listed,
    Missing,
    OptOuts,
    Share,
    SlicePlan,
)
from tre.domain.slices.shown import HIDDEN, SmallNumbers, as_shown, rounded_bytes
from tre.domain.slices.spec import OnFail
from tre.domain.slices.vocabulary import CLINICAL_COLUMNS

RULE = SmallNumbers()
COUNTS = st.one_of(st.integers(0, 20), st.integers(0, 10_000))


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (1, "*"), (7, "*"), (8, 10), (12, 10), (13, 15), (100, 100)])
def test_small_counts_are_hidden_and_others_rounded(count: int, shown: object) -> None:
    assert RULE.shown(count) == shown


@given(COUNTS, st.integers(1, 12), st.integers(1, 50))
@example(3, 1, 10)
def test_shown_counts_are_near_and_never_small(count: int, below: int, base: int) -> None:
    shown = SmallNumbers(suppress_below=below, round_to=base).shown(count)
    assert (shown == HIDDEN) == (0 < count < below)
    if shown != HIDDEN:
        assert shown % base == 0
        assert abs(shown - count) <= base // 2


def test_the_rule_is_said_in_words() -> None:
    assert RULE.as_words() == "Counts from 1 to 7 are shown as *; other counts are rounded to the nearest 5."
    assert SmallNumbers(suppress_below=1, round_to=1).as_words() == "Counts are exact."
    assert SmallNumbers(suppress_below=1, round_to=10).as_words() == "Counts are rounded to the nearest 10."
    assert SmallNumbers(suppress_below=10, round_to=1).as_words() == "Counts from 1 to 9 are shown as *."


@given(st.integers(0, 10**15))
def test_sizes_keep_three_digits(size: int) -> None:
    shown = rounded_bytes(size)
    assert abs(shown - size) <= size / 199
    assert len(str(shown).rstrip("0")) <= 3


def dimension(*shares: tuple[str, int, int, int, int | None]) -> Dimension:
    made = tuple(
        Share(category=name, slice=mine, dataset=whole, with_opt_outs=before, reference_permille=reference)
        for name, mine, whole, before, reference in shares
    )
    return Dimension(name="sex", distance_permille=1, reference_permille=2, opt_outs_permille=3, shares=made)


SEX = dimension(("female", 3, 60, 5, 510), ("male", 97, 40, 120, 490), ("unknown", 13, 50, 13, None))
CELLS = CellReport(over=("sex",), cells=3, smallest_cell=3, patients_unique=1, patients_below_k=4)


def full_plan(**changes: Any) -> SlicePlan:
    values: dict[str, Any] = {
        "counts": Counts(patients=113, studies=226, series=231, instances=1004, files=1004, bytes=123_456_789),
        "extended": 2,
        "rejected": {"images.modality": 3, "withdrawn": 27},
        "k_report": KReport(k=5, on_fail=OnFail.report, asked=CELLS),
        "representativeness": (SEX,),
        "missing": (
            Missing(column="sex", group="everybody", missing=13, patients=113),
            Missing(column="sex", group="positive", missing=1, patients=20),
            Missing(column="sex", group="nobody", missing=0, patients=0),
        ),
        "opt_outs": OptOuts(patients=6, instances=27),
        "sample": Drawn(eligible=1001, drawn=119),
        "patient_list": Listed(pseudonyms=2003, unknown=4),
    }
    return make_plan(**(values | changes))


def test_every_count_goes_through_the_rule() -> None:
    shown = as_shown(full_plan(), RULE)
    assert [shown[name] for name in ("patients", "studies", "series", "instances", "files", "bytes")] == [
        115,
        225,
        230,
        1005,
        1005,
        123_000_000,
    ]
    assert shown["extended"] == "*"
    assert shown["rejected"] == {"images.modality": "*", "withdrawn": 25}
    assert shown["optOuts"] == {"patients": "*", "instances": 25}
    assert shown["sample"] == {"eligible": 1000, "drawn": 120}
    assert shown["patientList"] == {"pseudonyms": 2005, "unknown": "*"}
    assert shown["kReport"]["asked"] == {
        "over": ["sex"],
        "cells": "*",
        "smallestCell": "*",
        "patientsUnique": "*",
        "patientsBelowK": "*",
    }
    assert shown["kReport"]["met"] is False
    assert [one["missingPermille"] for one in shown["missing"]] == [130, "*", None]
    assert shown["tables"]["clinical"]["rows"] == "*"
    json.dumps(shown)


def test_nothing_confirms_a_guess_of_who_is_in_it() -> None:
    """Digests of rows and of files stay inside: the plan's digest cannot be worked out without both."""
    plan = full_plan()
    text = json.dumps(as_shown(plan, RULE))
    assert plan.identity.files_root not in text
    assert not [table.row_ids for table in plan.identity.tables.values() if table.row_ids in text]
    assert plan.plan_digest in text


def integers(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        for one in value.values():
            yield from integers(one)
    elif isinstance(value, list):
        for one in value:
            yield from integers(one)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield value


def test_no_exact_count_is_left_anywhere() -> None:
    """Numbers that no rule may change (thresholds, versions, shares) are known; all others are rounded."""
    plain = as_shown(full_plan(), RULE)
    plain = {key: value for key, value in plain.items() if key not in {"smallNumbers", "spec", "denyVersion"}}
    plain["kReport"].pop("k")
    rounded = [number for number in integers(plain) if number % 5]
    shares = plain["representativeness"][0]
    assert sorted(rounded) == sorted(number for number in integers(shares) if number % 5)


@given(st.lists(st.tuples(COUNTS, COUNTS), min_size=1, max_size=6), st.lists(st.integers(0, 6), min_size=6, max_size=6))
def test_plans_that_differ_by_hidden_numbers_only_look_the_same(
    counts: list[tuple[int, int]], moved: list[int]
) -> None:
    """What is shown is a function of shown counts: distances and flags tell nothing that stars hide."""

    def look(others: bool) -> Any:
        shares = []
        for number, (mine, whole) in enumerate(counts):
            hidden = moved[number] + 1 if 0 < mine < 8 and others else mine
            shares.append((f"c{number}", hidden, whole, hidden, 100))
        total = Counts(patients=500)
        return as_shown(full_plan(counts=total, representativeness=(dimension(*shares),)), RULE)["representativeness"]

    assert look(others=True) == look(others=False)


def test_distances_come_from_shown_counts_and_who_is_missing_is_pointed_out() -> None:
    (shown,) = as_shown(full_plan(), RULE)["representativeness"]
    assert shown["distancePermille"] == distance([4, 95, 15], [60, 40, 50])
    assert shown["referencePermille"] == distance([4, 95], [510, 490])
    assert shown["optOutsPermille"] == distance([4, 95, 15], [4, 120, 15])
    flags = {share["category"]: share["underRepresented"] for share in shown["shares"]}
    assert flags == {"female": False, "male": False, "unknown": False}, "a star is not judged"
    few = dimension(("female", 20, 60, 20, 510), ("male", 80, 40, 80, 490), ("unknown", 13, 500, 13, None))
    (shown,) = as_shown(full_plan(representativeness=(few,)), RULE)["representativeness"]
    assert [share["underRepresented"] for share in shown["shares"]] == [True, False, False]


def test_a_plan_without_reports_is_shown() -> None:
    shown = as_shown(make_plan(), RULE)
    assert shown["kReport"] is None
    assert shown["representativeness"] == []
    assert "sample" not in shown
    dated = KReport(k=5, on_fail=OnFail.report, asked=CELLS, coarser=CELLS, with_study_dates=CELLS)
    assert as_shown(make_plan(k_report=dated), RULE)["kReport"]["coarser"]["cells"] == "*"
    nobody = as_shown(make_plan(representativeness=(SEX,)), RULE)["representativeness"][0]["shares"]
    assert {share["slicePermille"] for share in nobody} == {None}
    unreferenced = Dimension(name="site", distance_permille=0, shares=())
    assert as_shown(make_plan(representativeness=(unreferenced,)), RULE)["representativeness"][0]["shares"] == []


def test_a_plan_of_an_earlier_version_loses_only_its_shares() -> None:
    plan = full_plan()
    old = plan.as_plain()
    old["representativeness"] = [
        {"name": "sex", "distancePermille": 5, "shares": [{"category": "female", "slicePermille": 5}]}
    ]
    read = SlicePlan.model_validate(old)
    assert read.plan_digest == plan.plan_digest
    assert read.representativeness == ()
    assert read.counts == plan.counts


def test_every_column_has_an_entry() -> None:
    assert set(COLUMNS) == set(CLINICAL_COLUMNS)
    assert entries(None) == ()
    table = {
        "columns": ["sex", "band", "month", "region", "north"],
        "derive": {
            "band": {"from": "age", "band": 10, "top": 80},
            "month": {"from": "first_study_date", "by": "month"},
            "region": {"from": "site", "groups": {"North": ["A"]}, "rest": "South"},
            "north": {"from": "site", "groups": {"North": ["A"]}},
        },
    }
    spec = make_identity(spec={"tables": {"clinical": table}}).spec
    found = {one.column: one for one in entries(spec.tables.clinical)}
    assert found["sex"].values == "female, male"
    assert found["band"].values == "0-9 to 70-79, 80+"
    assert "month" in found["month"].meaning
    assert (found["region"].values, found["north"].values) == ("North, South", "North")


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6), st.integers(1, 5))
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
