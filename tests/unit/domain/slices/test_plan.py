"""The digest of a plan covers everything that the design names."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.slices.plan import (
    CellReport,
    KReport,
    PlanIdentity,
    SlicePlan,
    TablePlan,
    check_buildable,
)
from tre.domain.slices.spec import OnFail, SliceSpec


def sha(text: str) -> str:
    return "sha256:" + (text * 64)[:64]


def make_identity(**changes: Any) -> PlanIdentity:
    spec = {"slice": 1, "dataset": "demo", "release": "r1", "images": [{"modality": ["DX"]}]}
    values: dict[str, Any] = {
        "spec": SliceSpec.model_validate(spec | changes.pop("spec", {})),
        "index_digest": sha("1"),
        "tier": "dates-full",
        "headers": "none",
        "layout": "nccid",
        "tables": {"clinical": make_table()},
        "files_root": sha("2"),
        "deny_version": 0,
    }
    return PlanIdentity(**(values | changes))


def make_table(**changes: Any) -> TablePlan:
    values = {"columns": ("pseudonym", "sex"), "derivations": {}, "rows": 3, "row_ids": sha("3")}
    return TablePlan.model_validate(values | changes)


BAND = {"age_band": {"from": "age", "band": 10, "top": 90}}
CHANGES: dict[str, dict[str, Any]] = {
    "spec": {"spec": {"keep_whole": "patient"}},
    "index": {"index_digest": sha("9")},
    "tier": {"tier": "dates-coarse"},
    "headers": {"headers": "sidecar"},
    "layout": {"layout": "flat"},
    "columns": {"tables": {"clinical": make_table(columns=("pseudonym",))}},
    "order of columns": {"tables": {"clinical": make_table(columns=("sex", "pseudonym"))}},
    "derivations": {"tables": {"clinical": make_table(derivations=BAND)}},
    "rows": {"tables": {"clinical": make_table(row_ids=sha("8"))}},
    "count of rows": {"tables": {"clinical": make_table(rows=4)}},
    "another table": {"tables": {"other": make_table()}},
    "no table": {"tables": {}},
    "files": {"files_root": sha("7")},
    "deny set": {"deny_version": 1},
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_field_that_changes_changes_the_digest(change: str) -> None:
    assert make_identity(**CHANGES[change]).digest() != make_identity().digest()


def test_no_two_changes_give_one_digest() -> None:
    digests = {make_identity(**change).digest() for change in CHANGES.values()}
    assert len(digests) == len(CHANGES)


def test_every_field_of_the_identity_is_tried() -> None:
    tried = {key for change in CHANGES.values() for key in change}
    assert tried == set(PlanIdentity.model_fields)


def test_the_digest_is_the_same_for_what_was_written_and_read() -> None:
    identity = make_identity(tables={"clinical": make_table(derivations=BAND)})
    assert PlanIdentity.model_validate(identity.as_plain()).digest() == identity.digest()


def make_plan(**changes: Any) -> SlicePlan:
    identity = make_identity()
    values: dict[str, Any] = {"plan_digest": identity.digest(), "identity": identity, "counts": {}}
    return SlicePlan(**(values | changes))


def test_a_plan_that_does_not_fit_its_digest_cannot_be_read() -> None:
    plan = make_plan()
    assert SlicePlan.model_validate(plan.as_plain()) == plan
    assert plan.spec.dataset == "demo"
    with pytest.raises(ValidationError, match="does not fit"):
        make_plan(plan_digest=sha("0"))
    with pytest.raises(ValidationError, match="does not fit"):
        make_plan(identity=make_identity(files_root=sha("5")))


@pytest.mark.parametrize("on_fail", list(OnFail))
@pytest.mark.parametrize("below", [0, 1])
def test_a_report_refuses_only_where_it_fails_and_is_told_to(on_fail: OnFail, below: int) -> None:
    cells = CellReport(over=("sex",), cells=2, smallest_cell=4, patients_unique=0, patients_below_k=below)
    report = KReport(k=5, on_fail=on_fail, asked=cells)
    assert report.met == (below == 0)
    assert report.refuses == (below == 1 and on_fail is OnFail.refuse)


def test_an_empty_plan_and_one_that_refuses_are_not_built() -> None:
    full = {"instances": 3}
    cells = CellReport(over=("sex",), cells=2, smallest_cell=4, patients_unique=0, patients_below_k=1)
    for changes, reason in (
        ({}, Reason.EmptySlice),
        ({"counts": full, "k_report": KReport(k=5, on_fail=OnFail.refuse, asked=cells)}, Reason.PrivacyNotMet),
    ):
        with pytest.raises(TREError) as caught:
            check_buildable(make_plan(**changes))
        assert caught.value.reason is reason
    check_buildable(make_plan(counts=full))
    check_buildable(make_plan(counts=full, k_report=KReport(k=5, on_fail=OnFail.report, asked=cells)))
