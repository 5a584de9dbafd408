"""Who may vote, and whom an application concerns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.applications import (
    ID,
    SEATS,
    TERMS,
    act,
    content_plain,
    draft,
    in_review,
    member,
    seat,
    subject,
    submitted,
    vote,
)
from tests.support.factories import NOON
from tre.domain.applications.models import Closing
from tre.domain.committee import eligibility as rules
from tre.domain.committee.models import Recusal, Seat
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role

CLARA, PAT = SEATS[0], SEATS[3]


def reason(act: Callable[[], object]) -> Reason:
    with pytest.raises(TREError) as caught:
        act()
    assert caught.value.remedy
    return caught.value.reason


def may(name: str, seats: tuple[Seat, ...] = SEATS, recusals: tuple[Recusal, ...] = (), **changes: Any) -> Seat:
    return rules.check_may_vote(member(name), in_review(**changes), seats, recusals, NOON)


def test_a_member_in_their_term_votes() -> None:
    assert may("pat") == PAT
    assert rules.can_vote(member("pat"), in_review(), SEATS, (), NOON)
    assert not rules.can_vote(member("pat"), submitted(), SEATS, (), NOON)


def test_nobody_votes_without_a_seat_or_without_the_role() -> None:
    assert reason(lambda: may("eve")) is Reason.NotPermitted
    other = Person(subject=subject("pat"), display_name="Pat", roles=frozenset({Role.operator}))
    assert reason(lambda: rules.check_sits(other, SEATS, NOON)) is Reason.NotPermitted


@pytest.mark.parametrize(
    "changes",
    [
        {"ends": NOON},
        {"begins": NOON + timedelta(seconds=1)},
        {"ended_at": NOON, "ended_why": "moved away"},
        {"ended_at": NOON - timedelta(days=1)},
    ],
)
def test_former_and_coming_members_do_not_vote(changes: dict[str, Any]) -> None:
    assert reason(lambda: may("pat", (seat("pat", "patient", **changes),))) is Reason.SeatEnded


def test_a_renewed_term_counts() -> None:
    ended = seat("pat", "patient", ended_at=NOON - timedelta(days=1))
    renewed = seat("pat", "patient", id="s-aaaaaaaaaaaa", begins=NOON - timedelta(hours=1))
    assert may("pat", (ended, renewed)) == renewed


PEOPLE = content_plain()["people"]


@pytest.mark.parametrize(
    ("own", "changes"),
    [
        ({"organisation": "university"}, {}),
        ({"organisation_id": "ORG-1"}, {}),
        ({"organisation": "A  Fund"}, {}),
        ({"interests": ["a fund"]}, {}),
        ({"interests": ["University"]}, {}),
        ({"interests": ["bob baker"]}, {}),
        ({"name": "Alice archer"}, {}),
        ({}, {"people": [*PEOPLE, PEOPLE[0] | {"subject": {"issuer": "local", "id": "pat"}}]}),
        (
            {},
            {"people": [*PEOPLE, PEOPLE[0] | {"subject": {"issuer": "x", "id": "y"}, "organisation": "Trust of pat"}]},
        ),
    ],
)
def test_nobody_decides_on_what_concerns_them(own: dict[str, Any], changes: dict[str, Any]) -> None:
    concerned = (*SEATS[:3], seat("pat", "patient", **own))
    assert reason(lambda: may("pat", concerned, **changes)) is Reason.ConflictOfInterest


def test_the_author_never_votes() -> None:
    own = seat("alice", "academic")
    assert rules.conflict_of(own, draft()) == "wrote the application"
    assert reason(lambda: may("alice", (own,))) is Reason.ConflictOfInterest


def test_of_an_empty_draft_nothing_is_known() -> None:
    assert rules.conflict_of(PAT, draft()) == ""


def test_other_interests_keep_nobody_away() -> None:
    free = seat("pat", "patient", interests=["Another fund"], organisation_id="org-2")
    assert rules.conflict_of(free, in_review()) == ""


def test_who_stood_aside_stays_aside_in_this_application_only() -> None:
    aside = Recusal(application=ID, voter=PAT.subject, why="a friend", session="s", at=NOON)
    assert reason(lambda: may("pat", recusals=(aside,))) is Reason.ConflictOfInterest
    other = aside.model_copy(update={"application": "a-aaaaaaaaaaaa"})
    assert may("pat", recusals=(other,)) == PAT


def test_nothing_is_voted_on_outside_the_review_or_after_the_close() -> None:
    assert reason(lambda: rules.check_open(submitted())) is Reason.VoteClosed
    found = in_review()
    closed = found.changed(closing=Closing(by=CLARA.subject, session="s", at=NOON, matter=found.matter or ""))
    assert reason(lambda: rules.check_open(closed)) is Reason.VoteClosed


def test_a_second_vote_is_refused() -> None:
    found = in_review()
    cast = vote(found, "pat")
    rules.check_not_voted(CLARA, found, [cast])
    assert reason(lambda: rules.check_not_voted(PAT, found, [cast])) is Reason.AlreadyVoted
    rules.check_not_voted(PAT, found.changed(round=2), [cast])


def test_one_person_has_one_seat() -> None:
    second = seat("pat", "academic", id="s-aaaaaaaaaaaa")
    assert reason(lambda: rules.check_new_seat(SEATS, second, TERMS.constituencies)) is Reason.Conflict
    strange = seat("new", "wizard")
    assert reason(lambda: rules.check_new_seat(SEATS, strange, TERMS.constituencies)) is Reason.BadInput
    after = seat("pat", "academic", id="s-aaaaaaaaaaaa", begins=PAT.ends, ends=PAT.ends + timedelta(days=1))
    rules.check_new_seat(SEATS, after, TERMS.constituencies)
    before = seat("pat", "academic", begins=PAT.begins - timedelta(days=2), ends=PAT.begins)
    rules.check_new_seat(SEATS, before, TERMS.constituencies)
    rules.check_new_seat(SEATS, seat("new", "academic"), TERMS.constituencies)


def test_a_term_ends_after_it_begins() -> None:
    with pytest.raises(ValueError, match="after begins"):
        seat("pat", "patient", ends=NOON - timedelta(days=180))
    assert act("pat").person.holds(Role.committee)
