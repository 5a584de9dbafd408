"""Casting, standing aside, closing, stopping at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.applications import (
    ID,
    SEATS,
    TERMS,
    act,
    ballot,
    content_plain,
    in_review,
    policy,
    seat,
    submitted,
    text,
    vote,
    votes,
)
from tests.support.factories import NOON
from tre.domain.committee import voting
from tre.domain.committee.models import Choice
from tre.domain.committee.tally import Ballot, Outcome, tally
from tre.domain.errors import Reason, TREError


def reason(act: Callable[[], object]) -> Reason:
    with pytest.raises(TREError) as caught:
        act()
    assert caught.value.remedy
    return caught.value.reason


def test_a_vote_says_whose_it_is_and_what_it_is_about() -> None:
    found = vote(in_review(), "pat", "approve-with-conditions")
    assert (found.voter.id, found.constituency, found.session) == ("pat", "patient", "session-of-pat")
    assert (found.matter, found.round, found.choice) == (in_review().matter, 1, Choice.conditions)


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "approve", "conditions": ["DUO:0000019"]},
        {"choice": "decline", "condition_texts": ["Yes."]},
        {"choice": "approve-with-conditions", "conditions": []},
        {"choice": "defer", "questions": []},
        {"choice": "approve", "questions": ["Why?"]},
        {"choice": "approve", "reasons": ""},
        {"choice": "approve", "reasons": "<b>Yes</b>"},
        {"choice": "maybe"},
        {"choice": "approve", "for_the_public": ""},
        {"choice": "approve", "for_the_public": " \n "},
        {"choice": "approve", "for_the_public": "x" * 1001},
        {"choice": "approve", "for_the_public": "See https://a.example"},
        {"choice": "approve", "for_the_public": "<b>Yes</b>"},
        {"choice": "approve", "for_the_public": "Yes\u202e"},
        {"choice": "approve", "for_the_public": "**Yes**"},
    ],
)
def test_each_choice_brings_what_it_needs(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        text(**wrong)


def cast(matter: str | None = None, votes: tuple[Any, ...] = (), **what: Any) -> object:
    found = in_review()
    said = text(**what)
    return voting.cast(found, said, matter or found.matter or "", Ballot(SEATS, votes), TERMS, act("pat"))


def test_a_vote_on_what_was_not_shown_is_refused() -> None:
    assert reason(lambda: cast("sha256:" + "0" * 64)) is Reason.ContentChanged
    planless = in_review().changed(plans=())
    assert reason(lambda: voting.cast(planless, text(), "", Ballot(SEATS), TERMS, act("pat"))) is Reason.ContentChanged


def test_a_vote_is_cast_once() -> None:
    assert reason(lambda: cast(votes=(vote(in_review(), "pat", "decline"),))) is Reason.AlreadyVoted


def test_conditions_are_such_as_can_hold() -> None:
    assert reason(lambda: cast(criteria=("magic",))) is Reason.BadInput
    assert cast(criteria=("benefit",))
    for code in ("DUO:9999999", "DUO:0000045"):  # nobody knows it; the organisation does not say it is not for profit
        unheld: dict[str, Any] = {"choice": "approve-with-conditions", "conditions": [code]}
        assert reason(partial(cast, **unheld)) is Reason.BadInput
    assert cast(choice="approve-with-conditions", conditions=["DUO:0000046"])


def test_who_stands_aside_takes_their_vote_along() -> None:
    found = in_review()
    aside = voting.recuse(found, "a friend", Ballot(SEATS), act("pat"))
    assert aside.application == ID
    counted = tally(found, Ballot(SEATS, votes(found, *["approve"] * 4), [aside]), TERMS, NOON)
    assert counted.outcome is None
    assert [void.vote.voter.id for void in counted.void] == ["pat"]
    again = Ballot(SEATS, (), [aside])
    assert reason(lambda: voting.recuse(found, "again", again, act("pat"))) is Reason.ConflictOfInterest


MORE = (*SEATS, seat("dora", "academic"))


def test_the_chair_closes_with_quorum_and_nobody_else_does() -> None:
    found = in_review()
    full = ballot(found, *["approve"] * 4, seats=MORE)
    assert tally(found, full, TERMS, NOON).outcome is None
    assert reason(lambda: voting.close(found, full, TERMS, act("pat"))) is Reason.NotPermitted
    few = ballot(found, "approve", seats=MORE)
    assert reason(lambda: voting.close(found, few, TERMS, act("clara"))) is Reason.QuorumMissing
    closed = voting.close(found, full, TERMS, act("clara"))
    assert voting.can_close(found, full, TERMS, act("clara"))
    assert tally(closed, full, TERMS, NOON).outcome is Outcome.approved
    assert reason(lambda: voting.close(closed, full, TERMS, act("clara"))) is Reason.VoteClosed
    assert reason(lambda: voting.close(submitted(), full, TERMS, act("clara"))) is Reason.VoteClosed


def test_a_chair_whom_it_concerns_does_not_close() -> None:
    people = [
        *content_plain()["people"],
        content_plain()["people"][0] | {"subject": {"issuer": "local", "id": "clara"}},
    ]
    found = in_review(people=people)
    assert reason(lambda: voting.close(found, Ballot(MORE), TERMS, act("clara"))) is Reason.ConflictOfInterest


def test_a_closing_is_about_one_matter() -> None:
    found = in_review()
    full = ballot(found, *["approve"] * 4, seats=MORE)
    closed = voting.close(found, full, TERMS, act("clara"))
    changed = closed.changed(plans=[{"name": "cxr", "planDigest": "sha256:" + "0" * 64}])
    counted = tally(changed, full, TERMS, NOON)
    assert counted.outcome is None
    assert len(counted.void) == 4


def test_one_member_stops_a_project_or_as_many_as_the_policy_says() -> None:
    first = voting.stop("nccid-1", "a breach", SEATS, act("pat"))
    assert voting.stops([first], TERMS)
    two = policy(emergency={"votes": 2}).spec
    assert not voting.stops([first, first], two)
    assert voting.stops([first, voting.stop("nccid-1", "a breach", SEATS, act("adam"))], two)
    assert reason(lambda: voting.stop("nccid-1", "a breach", SEATS, act("eve"))) is Reason.NotPermitted
