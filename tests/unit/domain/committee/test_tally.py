"""Counting: what counts, what is missing, what follows; and that no order of events gets around it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.applications import ID, KINDS, SEATS, TERMS, ballot, in_review, policy, seat, vote, votes
from tests.support.factories import NOON
from tre.domain.applications.models import Application, Closing, Lane
from tre.domain.committee.models import APPROVING, Recusal, Seat, Vote
from tre.domain.committee.policy import PATIENT
from tre.domain.committee.tally import Ballot, Outcome, decide, needed, tally

YES, NO, ASK, IF = "approve", "decline", "defer", "approve-with-conditions"


@pytest.mark.parametrize(
    ("choices", "outcome"),
    [
        ((YES, YES, YES, YES), Outcome.approved),
        ((YES, YES, NO, IF), Outcome.approved),
        ((YES, YES, YES, NO), Outcome.deferred),
        ((YES, NO, NO, YES), Outcome.deferred),
        ((NO, NO, NO, YES), Outcome.declined),
        ((NO, NO, ASK, YES), Outcome.deferred),
        ((ASK, ASK, ASK, ASK), Outcome.deferred),
    ],
)
def test_what_votes_come_to(choices: tuple[str, ...], outcome: Outcome) -> None:
    found = tally(in_review(), ballot(in_review(), *choices), TERMS, NOON)
    assert found.outcome is outcome
    assert found.is_quorate
    assert found.why


def test_a_site_may_let_patients_be_outvoted_and_ask_for_more_than_half() -> None:
    all_but = votes(in_review(), YES, YES, YES, NO)
    assert decide(all_but, policy(patientsMustApprove=False).spec)[0] is Outcome.approved
    assert decide(votes(in_review(), YES, YES, NO, YES), policy(majorityPercent=80).spec)[0] is Outcome.deferred


def test_it_is_open_until_all_have_voted_and_says_why() -> None:
    found = tally(in_review(), ballot(in_review(), YES, YES, YES), TERMS, NOON)
    assert found.outcome is None
    assert [one.subject.id for one in found.waiting] == ["pat"]
    assert found.lacking == ("Patients and the public: 0 of 1 votes.", "Members altogether: 3 of 4 votes.")


def test_a_substitute_is_asked_for_where_nobody_may_take_part() -> None:
    without = [*SEATS[:3], seat("pat", PATIENT, ended_at=NOON), seat("dora", "academic")]
    found = tally(in_review(), ballot(in_review(), YES, YES, YES, seats=without), TERMS, NOON)
    assert "Only 0 may take part: a substitute is needed." in found.lacking[0]


def test_votes_of_those_who_left_since_do_not_count() -> None:
    cast = votes(in_review(), YES, YES, YES, YES)
    left = [*SEATS[:3], seat("pat", PATIENT, ended_at=NOON + timedelta(hours=1))]
    assert tally(in_review(), Ballot(left, cast), TERMS, NOON).outcome is Outcome.approved
    found = tally(in_review(), Ballot(left, cast), TERMS, NOON + timedelta(hours=1))
    assert found.outcome is None
    assert found.void[0].why == "the member no longer holds this seat"
    moved = [*SEATS[:3], seat("pat", "academic")]
    assert tally(in_review(), Ballot(moved, cast), TERMS, NOON).outcome is None


def test_the_same_vote_twice_counts_once() -> None:
    one = vote(in_review(), "clara")
    found = tally(in_review(), Ballot(SEATS, [one, one]), TERMS, NOON)
    assert len(found.counted) == 1
    assert found.void[0].why == "the member has voted before"


def test_the_short_way_asks_for_fewer_and_always_for_a_patient() -> None:
    fast = in_review().changed(lane="fast")
    assert needed(TERMS, Lane.fast).members == 2
    none_here = TERMS.model_copy(update={"fast_lane": None})
    assert needed(none_here, Lane.fast) == needed(TERMS, Lane.full)
    few = [SEATS[0], SEATS[3]]
    assert tally(fast, Ballot(few, votes(fast, YES, YES, YES, YES)), TERMS, NOON).outcome is Outcome.approved
    none = Ballot(SEATS[:3], votes(fast, YES, YES, YES))
    assert tally(fast, none, TERMS, NOON).outcome is None


def test_no_policy_does_without_a_patient_even_one_that_no_file_could_hold() -> None:
    rules = {name: rule.model_copy(update={"quorum": 0}) for name, rule in TERMS.constituencies.items()}
    broken = TERMS.model_copy(update={"constituencies": rules, "members": 0})
    none = Ballot(SEATS[:3], votes(in_review(), YES, YES, YES))
    assert tally(in_review(), none, broken, NOON).outcome is None
    one = Ballot([SEATS[3]], votes(in_review(), YES, YES, YES, YES))
    assert tally(in_review(), one, broken, NOON).outcome is Outcome.approved


NAMES = ("clara", "adam", "connie", "pat", "dora", "paul")
WHERE = dict(zip(NAMES, (*KINDS, "academic", "patient"), strict=True))
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("vote"), st.sampled_from(NAMES), st.sampled_from([YES, NO, ASK, IF])),
        st.tuples(st.just("aside"), st.sampled_from(NAMES)),
        st.tuples(st.just("end"), st.sampled_from(NAMES)),
        st.tuples(st.just("plan"), st.integers(0, 1)),
        st.tuples(st.just("close")),
        st.tuples(st.just("lane"), st.sampled_from(list(Lane))),
    ),
    max_size=14,
)


@given(EVENTS, st.booleans())
def test_no_order_of_events_approves_without_quorum_and_a_patient(events: list[tuple[str, ...]], strict: bool) -> None:
    """Votes are put in as they come, also those that casting would refuse: counting alone must hold."""
    rules = policy(patientsMustApprove=strict).spec
    seats = {name: seat(name, kind) for name, kind in WHERE.items()}
    application, now = in_review(), NOON
    cast: list[Vote] = []
    aside: list[Recusal] = []
    for number, event in enumerate(events):
        now = NOON + timedelta(minutes=number)
        application = _happen(event, application, seats, cast, aside, now)
        found = tally(application, Ballot(list(seats.values()), cast, aside), rules, now)
        if found.outcome is None:
            continue
        gone = {one.voter.key for one in aside}
        assert len({one.voter.key for one in found.counted}) == len(found.counted)
        for one in found.counted:
            assert one.matter == application.matter
            assert one.voter.key not in gone
            assert seats[one.voter.id].in_force(now)
        kinds = [one.constituency for one in found.counted]
        assert PATIENT in kinds
        if application.lane is Lane.full:
            assert set(KINDS) <= set(kinds)
            assert len(kinds) >= rules.members
        if found.outcome is Outcome.approved:
            yes = [one for one in found.counted if one.choice in APPROVING]
            assert 2 * len(yes) > len(kinds)
            assert not strict or any(one.constituency == PATIENT for one in yes)


def _happen(
    event: tuple[str, ...],
    application: Application,
    seats: dict[str, Seat],
    cast: list[Vote],
    aside: list[Recusal],
    now: object,
) -> Application:
    match event:
        case ("vote", name, choice):
            first = vote(application, "clara", choice)
            own = {"voter": seats[name].subject, "seat": seats[name].id, "constituency": WHERE[name], "at": now}
            cast.append(Vote.model_validate({**dict(first), **own}))
        case ("aside", name):
            who = seats[name].subject
            aside.append(
                Recusal.model_validate({"application": ID, "voter": who, "why": "w", "session": "s", "at": now})
            )
        case ("end", name):
            seats[name] = Seat.model_validate({**dict(seats[name]), "ended_at": now})
        case ("plan", number):
            digest = f"sha256:{str(number) * 64}"
            return application.changed(plans=[{"name": "cxr", "planDigest": digest}])
        case ("lane", lane):
            return application.changed(lane=lane)
        case _:
            closing = Closing.model_validate(
                {"by": SEATS[0].subject, "session": "s", "at": now, "matter": application.matter}
            )
            return application.changed(closing=closing)
    return application
