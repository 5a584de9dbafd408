"""Working time: days, hours, holidays, zones, and the nights on which the clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.exports.world import START, World, policy
from tre.domain.exports.clocks import Weekday, WorkingTime, zone_of
from tre.domain.exports.conduct import ReviewRules

OFFICE = WorkingTime(days=tuple(Weekday)[:5], hours="09:00-17:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-02 09:00", 8, "2026-11-02 17:00"),  # a Monday
        ("2026-11-02 09:00", 9, "2026-11-03 10:00"),
        ("2026-11-02 12:30", 8, "2026-11-03 12:30"),
        ("2026-11-02 03:00", 1, "2026-11-02 10:00"),
        ("2026-11-02 17:00", 1, "2026-11-03 10:00"),
        ("2026-11-02 23:59", 1, "2026-11-03 10:00"),
        ("2026-11-06 16:00", 2, "2026-11-09 10:00"),  # over a weekend
        ("2026-11-07 11:00", 8, "2026-11-09 17:00"),  # on a Saturday
        ("2026-11-02 09:00", 40, "2026-11-06 17:00"),
    ],
)
def test_office_hours(start: str, hours: int, due: str) -> None:
    assert OFFICE.after(at(start), hours) == at(due)


def test_holidays_do_not_count() -> None:
    closed = WorkingTime(days=OFFICE.days, hours=OFFICE.hours, holidays=(date(2026, 11, 3), date(2026, 11, 4)))
    assert closed.after(at("2026-11-02 16:00"), 2) == at("2026-11-05 10:00")


def test_always_is_always() -> None:
    assert WorkingTime().after(at("2026-11-07 23:30"), 48) == at("2026-11-09 23:30")


def test_a_zone_shifts_the_day_and_the_clock_change_costs_no_hour() -> None:
    london = WorkingTime(days=tuple(Weekday), hours="09:00-17:00", zone="Europe/London")
    assert london.after(at("2026-07-01 00:00"), 1) == at("2026-07-01 09:00"), "summer time is an hour ahead"
    assert london.after(at("2026-11-01 00:00"), 1) == at("2026-11-01 10:00")
    night = WorkingTime(zone="Europe/London")
    spring, autumn = at("2026-03-29 00:00"), at("2026-10-24 23:00")
    assert night.after(spring, 24) - spring == timedelta(hours=24)
    assert night.after(autumn, 26) - autumn == timedelta(hours=26)


@given(st.integers(0, 15 * 365 * 24 * 60), st.integers(1, 200), st.integers(1, 200))
def test_hours_add_up_and_time_never_runs_back(minutes: int, first: int, then: int) -> None:
    start = at("2020-01-01 00:00") + timedelta(minutes=minutes)
    middle = OFFICE.after(start, first)
    assert start < middle
    assert OFFICE.after(middle, then) == OFFICE.after(start, first + then)


@pytest.mark.parametrize("name", ["Nowhere/Land", "../../etc/passwd", "Europe", ""])
def test_a_zone_that_nobody_knows_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no time zone"):
        zone_of(name)


def test_a_policy_s_hours_are_the_deadline_s() -> None:
    rules = policy(
        review={"serviceLevelHours": 16, "workingDays": ["mon", "tue"], "hours": "09:00-17:00", "holidays": []}
    )
    assert rules.spec.review.working == WorkingTime(days=(Weekday.mon, Weekday.tue), hours="09:00-17:00")
    world = World(rules=rules).with_files().checked().submit()  # on a Monday at 9
    assert world.request.deadline == START + timedelta(days=1, hours=8)
    assert ReviewRules().working == WorkingTime()


def test_a_review_more_does_not_set_the_clock_back() -> None:
    world = World().with_files().checked().submit()
    due = world.request.deadline
    world.tick(hours=5).reviewed()
    assert world.request.deadline == due
