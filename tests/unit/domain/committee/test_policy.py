"""The committee's policy: what it promises, and what no file can take away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.applications import POLICY, TERMS, policy
from tre.domain.committee.policy import PATIENT, PROMISED, CommitteeTerms, FastLane

FULL = TERMS.as_plain()


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in FULL["constituencies"].items() if key != name}


def test_as_it_stands_it_keeps_the_promise() -> None:
    assert set(PROMISED) <= set(TERMS.quorum)
    assert TERMS.quorum[PATIENT] == 1
    assert POLICY.sha256 != policy(members=5).sha256


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *(({"constituencies": without(name)}, "was promised") for name in PROMISED),
        ({"constituencies": FULL["constituencies"] | {PATIENT: {"title": "P", "quorum": 0}}}, "patient member"),
        ({"fastLane": {"quorum": {"clinician": 2}}}, "patient member"),
        ({"fastLane": {"quorum": {PATIENT: 0}}}, "patient member"),
        ({"fastLane": {"quorum": {PATIENT: 1, "wizard": 1}}}, "no constituency wizard"),
        ({"criteria": [{"id": "a", "words": "A"}, {"id": "a", "words": "B"}]}, "one id"),
        ({"majorityPercent": 40}, "greater than or equal to 50"),
    ],
)
def test_no_file_takes_it_away(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CommitteeTerms.model_validate(FULL | changes)


def test_other_constituencies_may_be_added_and_the_short_way_left_out() -> None:
    more = FULL["constituencies"] | {"industry": {"title": "Industry", "quorum": 2}}
    assert policy(constituencies=more).spec.quorum["industry"] == 2
    assert CommitteeTerms.model_validate(FULL | {"fastLane": None}).fast_lane is None
    assert FastLane().quorum == {PATIENT: 1}


def test_deadlines_count_working_days() -> None:
    friday = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
    assert TERMS.deadline(friday, 1) == datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
    holiday = policy(holidays=["2026-11-30"]).spec
    assert holiday.deadline(friday, 2) == datetime(2026, 12, 2, 17, 0, tzinfo=UTC)
    short = policy(hours="09:00-10:30").spec
    assert short.deadline(friday, 2) == datetime(2026, 12, 1, 10, 30, tzinfo=UTC)
