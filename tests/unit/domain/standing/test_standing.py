"""What is held, from when until when, and who may record it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.factories import ALICE, BOB, NOON
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role, Subject
from tre.domain.standing.asked import AskedStanding, standing_of
from tre.domain.standing.models import (
    Holder,
    Requirement,
    Span,
    Standing,
    StandingKind,
    StandingPolicy,
    StandingRules,
    as_detail,
)
from tre.domain.standing.rules import WARNING_DAYS, can_record, check_new, check_record, due_warning, is_renewed

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
TRAINING = Requirement(kind=StandingKind.training, name="safe-researcher")


def standing(**changes: Any) -> Standing:
    values = {
        "holder": Holder(person=ALICE),
        "kind": "training",
        "name": "safe-researcher",
        "since": NOON,
        "until": NOON + 365 * DAY,
    }
    return Standing.model_validate(values | changes)


def test_a_holder_is_one_person_or_one_organisation() -> None:
    assert Holder(person=ALICE).object == "person/local:alice"
    assert Holder(organisation="org-1").object == "organisation/org-1"
    for wrong in ({}, {"person": ALICE, "organisation": "org-1"}):
        with pytest.raises(ValidationError, match="by a person or by an organisation"):
            Holder.model_validate(wrong)


def test_time_goes_forward() -> None:
    Span(since=NOON, until=NOON + MOMENT)
    with pytest.raises(ValidationError, match="until must lie after since"):
        Span(since=NOON, until=NOON)


def test_one_thing_is_required_once() -> None:
    assert str(TRAINING) == "training safe-researcher"
    other = Requirement(kind=StandingKind.accreditation, name="safe-researcher")
    StandingRules(people=(TRAINING, other), organisations=(TRAINING,))
    for place in ("people", "organisations"):
        with pytest.raises(ValidationError, match="required twice"):
            StandingRules.model_validate({place: (TRAINING, TRAINING)})


def test_by_default_nothing_is_required() -> None:
    plain = {"apiVersion": "tre.research/v1alpha1", "kind": "StandingPolicy", "metadata": {"name": "standing"}}
    policy = StandingPolicy.model_validate({**plain, "spec": {}})
    assert policy.spec == StandingRules()


@pytest.mark.parametrize(
    ("left", "days"),
    [
        (31 * DAY, None),
        (30 * DAY + MOMENT, None),
        (30 * DAY, 30),
        (14 * DAY + MOMENT, 30),
        (14 * DAY, 14),
        (7 * DAY, 7),
        (DAY + MOMENT, 7),
        (DAY, 1),
        (MOMENT, 1),
        (timedelta(0), None),
        (-DAY, None),
    ],
)
def test_ends_are_announced(left: timedelta, days: int | None) -> None:
    assert WARNING_DAYS == (30, 14, 7, 1)
    assert due_warning(NOON + left, NOON) == days


def test_what_is_renewed_without_a_gap_ends_for_nobody() -> None:
    old = standing()
    assert is_renewed(old, [old, standing(since=old.until, until=old.until + DAY)])
    assert is_renewed(old, [standing(until=old.until + MOMENT)])
    for other in (
        old,
        standing(since=old.until + MOMENT, until=old.until + DAY),
        standing(holder=Holder(person=BOB), until=old.until + DAY),
        standing(name="other", until=old.until + DAY),
        standing(kind="agreement", until=old.until + DAY),
    ):
        assert not is_renewed(old, [other])


def test_what_is_over_is_not_recorded() -> None:
    check_new(standing(until=NOON + MOMENT), NOON)
    with pytest.raises(TREError) as refused:
        check_new(standing(since=NOON - DAY, until=NOON), NOON)
    assert refused.value.reason is Reason.BadInput


def person(subject: Subject, *roles: Role) -> Person:
    return Person(subject=subject, display_name="Somebody", roles=frozenset(roles))


def test_operators_record_what_others_hold() -> None:
    operator = person(ALICE, Role.operator)
    check_record(operator, Holder(person=BOB))
    check_record(operator, Holder(organisation="org-1"))
    assert not can_record(operator, Holder(person=ALICE))
    others = frozenset(Role) - {Role.operator}
    with pytest.raises(TREError, match="It needs the role operator"):
        check_record(person(ALICE, *others), Holder(person=BOB))


def asked(**changes: Any) -> AskedStanding:
    values = {"kind": "training", "name": "safe-researcher", "until": "2027-06-30"}
    return AskedStanding.model_validate(values | changes)


def test_days_are_whole() -> None:
    found = standing_of(asked(reference="ONS 1"), Holder(person=ALICE), NOON)
    assert (found.since, found.until) == (NOON, datetime(2027, 7, 1, tzinfo=UTC))
    assert (found.reference, str(found.meets)) == ("ONS 1", "training safe-researcher")
    assert as_detail(found) == {
        "what": "training safe-researcher",
        "since": "2026-11-24T12:00:00+00:00",
        "until": "2027-07-01T00:00:00+00:00",
        "reference": "ONS 1",
    }
    earlier = standing_of(asked(since="2026-01-01", until="2026-11-24"), Holder(person=ALICE), NOON)
    assert earlier.since == datetime(2026, 1, 1, tzinfo=UTC)
    one_day = standing_of(asked(since="2027-06-30"), Holder(person=ALICE), NOON)
    assert one_day.until - one_day.since == DAY


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"until": "2026-11-23"}, "end before it begins"),
        ({"since": "2027-07-01"}, "end before it begins"),
        ({"since": "2026-01-01", "until": "2026-11-23"}, "over already"),
        ({"until": "2047-01-01"}, "twenty years"),
        ({"until": "2999-12-31"}, "twenty years"),
    ],
)
def test_mistaken_days(changes: dict[str, str], told: str) -> None:
    with pytest.raises(TREError, match=told):
        standing_of(asked(**changes), Holder(person=ALICE), NOON)


@pytest.mark.parametrize(
    "until", ["30.6.2027", "2027-6-30", "1798761600", "2027-02-30", "9999-12-31", " 2027-06-30", ""]
)
def test_only_days_are_days(until: str) -> None:
    with pytest.raises(ValidationError):
        asked(until=until)
    assert asked(until=datetime(2027, 6, 30, tzinfo=UTC).date()).until.isoformat() == "2027-06-30"
