"""What is told before submitting, and how often."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.exports.world import START, finding
from tre.domain.exports.catalogue import CATALOGUE, Audience
from tre.domain.exports.models import Finding
from tre.domain.exports.preflight import MOST_TOLD, allowance, attempts, told
from tre.domain.exports.severity import Severity

HOUR = timedelta(hours=1)


def found(check: str, case: str = "", severity: Severity = Severity.E, message: str = "secret 4711") -> Finding:
    changes = {"check": check, "case": case, "message": message, "suggestion": "secret"}
    return finding(severity).model_copy(update=changes)


def test_what_everybody_may_read_is_told_whole_with_the_fixes_that_it_suggests() -> None:
    file = told("a.csv", "00", [found("S05", severity=Severity.A), found("S01")])
    assert [item.check for item in file.findings] == ["S01", "S05"], "the most serious first"
    assert file.findings[0].message == "secret 4711"
    assert file.findings[0].locator.row == 2
    assert file.worst is Severity.E
    assert [fix.id for fix in file.fixes] == ["round-counts", "midpoint-counts", "suppress-counts"]


def test_the_outline_is_one_sentence_for_each_check_however_many_were_found() -> None:
    file = told("a.csv", "00", [found("P01"), found("P01"), found("P02")])
    assert [item.check for item in file.findings] == ["P01", "P02"]
    assert all("secret" not in item.message + item.suggestion for item in file.findings)
    assert file.findings[0].message == CATALOGUE["P01"].statement
    assert file.findings[0].locator.row is None
    more = told("a.csv", "00", [found("P01")] * 40 + [found("P02")])
    assert more == file, "how many were found is not told either"


def test_what_is_for_the_checkers_alone_leaves_no_trace() -> None:
    assert told("a.csv", "00", [found("S04", "sibling", Severity.B)]) == told("a.csv", "00", [])
    assert told("a.csv", "00", []).worst is None


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=lambda entry: entry.id)
def test_no_entry_tells_more_than_its_audience_may_read(entry: object) -> None:
    for case in ("", *getattr(entry, "cases", ())):
        check = str(getattr(entry, "id", ""))
        shown = told("a.csv", "00", [found(check, case)]).findings
        audience = CATALOGUE[check].audience_of(case)
        assert bool(shown) is (audience is not Audience.checkers)
        assert any("secret" in item.message for item in shown) is (audience is Audience.everyone)


def test_a_thousand_findings_are_summed_up() -> None:
    file = told("a.csv", "00", [found("S01", message=str(number)) for number in range(MOST_TOLD + 7)])
    assert (len(file.findings), file.more) == (MOST_TOLD, 7)


def test_the_hour_and_what_is_left_of_it() -> None:
    asked = [START - 2 * HOUR, START - 0.5 * HOUR, START - 0.25 * HOUR]
    assert allowance(asked, 3, START).remaining == 1
    spent = allowance(asked, 2, START)
    assert (spent.remaining, spent.again) == (0, START + 0.5 * HOUR)
    assert allowance(asked, 2, START + 0.5 * HOUR).remaining == 1
    assert allowance([], 0, START).again == START + HOUR, "a policy that allows none"


@given(st.lists(st.integers(min_value=0, max_value=7200)), st.integers(min_value=1, max_value=30))
def test_asking_at_the_time_that_was_told_is_always_allowed(ago: list[int], per_hour: int) -> None:
    asked: list[datetime] = [START - timedelta(seconds=seconds) for seconds in ago]
    left = allowance(asked, per_hour, START)
    if left.again is not None:
        assert left.remaining == 0
        assert left.again > START
        assert allowance(asked, per_hour, left.again).remaining > 0
    else:
        assert left.remaining > 0


def test_attempts_are_counted_for_the_checkers() -> None:
    counted = attempts([START - timedelta(days=3), START - HOUR, START], START)
    assert (counted.total, counted.last_day) == (3, 2)
