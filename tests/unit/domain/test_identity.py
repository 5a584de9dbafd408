"""Who is vouched for, what must be held: each rule closes by itself, at its very moment, for its person alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, NOON, grant_record
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.domain.identity import BARRING, MemberFacts, is_fresh, is_in_force, short_of, turning_points, unknown
from tre.domain.people import Subject
from tre.domain.standing.models import Required, Requirement, Span, StandingKind

MOMENT = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
CXR = frozenset({"cxr"})
TRAINING = Requirement(kind=StandingKind.training, name="safe-researcher")
AGREEMENT = Requirement(kind=StandingKind.agreement, name="data-use")


def held(*spans: tuple[datetime, datetime], what: Requirement = TRAINING) -> Required:
    return Required(requirement=what, spans=tuple(Span(since=since, until=until) for since, until in spans))


def grant_with(subject: Subject = ALICE, **facts: Any) -> GrantRecord:
    return grant_record(people=(MemberFacts(subject=subject, **facts),))


@pytest.mark.parametrize("mounted", [None, CXR])
@pytest.mark.parametrize("why", sorted(BARRING))
def test_who_is_barred_is_out(why: Reason, mounted: frozenset[str] | None) -> None:
    assert is_entitled(grant_with(barred=why), ALICE, NOON, mounted).reason is why
    assert is_entitled(grant_with(barred=why, confirmed_until=NOON + HOUR), ALICE, NOON, mounted).reason is why
    assert is_entitled(grant_with(), ALICE, NOON, mounted)


def test_facts_of_one_member_touch_no_other() -> None:
    everything = {"barred": Reason.NotVouchedFor, "confirmed_until": NOON - HOUR, "required": (held(),)}
    for other in (BOB, Subject(issuer="local", id="Alice"), Subject(issuer="https://idp", id="alice")):
        assert is_entitled(grant_with(other, **everything), ALICE, NOON)
    several = grant_record(people=(MemberFacts(subject=BOB, barred=Reason.NotVouchedFor), MemberFacts(subject=ALICE)))
    assert is_entitled(several, ALICE, NOON)
    assert not is_entitled(several, BOB, NOON)


def test_a_confirmation_counts_until_its_moment() -> None:
    grant = grant_with(fresh_until=NOON - HOUR, confirmed_until=NOON)
    assert is_entitled(grant, ALICE, NOON - MOMENT, CXR)
    assert is_entitled(grant, ALICE, NOON, CXR).reason is Reason.IdentityStale


def test_what_is_not_fresh_begins_nothing_and_ends_nothing() -> None:
    grant = grant_with(fresh_until=NOON, confirmed_until=NOON + HOUR)
    assert is_entitled(grant, ALICE, NOON - MOMENT)
    assert is_entitled(grant, ALICE, NOON).reason is Reason.IdentityStale
    assert is_entitled(grant, ALICE, NOON, CXR)
    assert is_entitled(grant_with(confirmed_until=NOON + HOUR), ALICE, NOON)


@pytest.mark.parametrize(
    ("spans", "holds"),
    [
        ((), False),
        (((NOON, NOON + HOUR),), True),
        (((NOON + MOMENT, NOON + HOUR),), False),
        (((NOON - HOUR, NOON),), False),
        (((NOON - HOUR, NOON + MOMENT),), True),
        (((NOON - 2 * HOUR, NOON - HOUR), (NOON - MOMENT, NOON + HOUR)), True),
        (((NOON - 2 * HOUR, NOON - HOUR), (NOON + HOUR, NOON + 2 * HOUR)), False),
    ],
)
@pytest.mark.parametrize("mounted", [None, CXR])
def test_what_is_required_is_held_now(
    spans: tuple[tuple[datetime, datetime], ...], holds: bool, mounted: frozenset[str] | None
) -> None:
    own = is_entitled(grant_with(required=(held(*spans),)), ALICE, NOON, mounted)
    theirs = is_entitled(grant_record(organisation_required=(held(*spans),)), ALICE, NOON, mounted)
    assert own.reason is (Reason.Entitled if holds else Reason.StandingMissing)
    assert theirs.reason is (Reason.Entitled if holds else Reason.OrganisationStandingMissing)


def test_each_thing_is_required() -> None:
    present, absent = held((NOON, NOON + HOUR)), held(what=AGREEMENT)
    for required in ((present, absent), (absent, present)):
        assert not is_entitled(grant_with(required=required), ALICE, NOON)
        assert not is_entitled(grant_record(organisation_required=required), ALICE, NOON)
    assert is_entitled(grant_with(required=(present,)), ALICE, NOON)


def test_the_smaller_questions() -> None:
    facts = MemberFacts(subject=ALICE)
    assert unknown(facts, NOON) is None
    assert is_fresh(facts, NOON)
    assert short_of(facts, NOON) is None
    assert is_in_force(None, None, NOON)
    assert is_in_force(None, NOON + MOMENT, NOON)
    assert not is_in_force(None, NOON, NOON)
    assert not is_in_force(Reason.AccountDisabled, None, NOON)
    assert turning_points(facts) == []
    times = {"fresh_until": NOON, "confirmed_until": NOON + HOUR, "required": (held((NOON - HOUR, NOON + 2 * HOUR)),)}
    assert turning_points(MemberFacts(subject=ALICE, **times)) == [NOON, NOON + HOUR, NOON - HOUR, NOON + 2 * HOUR]
