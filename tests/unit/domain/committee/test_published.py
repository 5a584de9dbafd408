"""What the public reads of seats and of decisions: words that were meant for it, and nobody's vote."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.applications import POLICY, SEATS, TERMS, in_review, seat, submitted, vote
from tests.support.factories import NOON
from tre.domain.applications.models import Application
from tre.domain.committee.decision import Decided, decided
from tre.domain.committee.published import PublicDecision, PublicSeat, published, without_words
from tre.domain.committee.tally import Ballot, Outcome, tally

WORDS = {"clara": "Zebras first.", "adam": "All is well.", "connie": None, "pat": "We want to hear of it."}


def made(choice: str, application: Application | None = None) -> Decided:
    found = application or in_review()
    votes = [
        vote(found, one.subject.id, choice, for_the_public=WORDS[one.subject.id], reasons=f"Said by {one.subject.id}")
        for one in SEATS
    ]
    return decided(found, tally(found, Ballot(SEATS, votes), TERMS, NOON), POLICY, None, NOON)


def told(choice: str, application: Application | None = None) -> PublicDecision | None:
    found = made(choice, application)
    return published(found.record, found.application)


@pytest.mark.parametrize(("choice", "outcome"), [("approve", Outcome.approved), ("decline", Outcome.declined)])
def test_words_for_the_public_are_told_without_names_and_patients_apart(choice: str, outcome: Outcome) -> None:
    found = told(choice)
    assert found is not None
    assert (found.outcome, found.reasons) == (outcome, ("All is well.", "Zebras first."))
    assert found.patients == ("We want to hear of it.",)
    assert found.has_words
    plain = str(found.as_plain())
    for secret in ("Said by", "clara", "local", "University", "Alice", choice + "'"):
        assert secret not in plain.replace(f"'outcome': '{outcome}'", "")


def test_what_goes_back_is_not_told() -> None:
    assert told("defer") is None
    decision = made("decline")
    assert published(decision.record, decision.application) is not None
    assert published(decision.record, submitted().changed(content=None)) is None


def test_a_change_of_a_project_says_so() -> None:
    new, change = told("decline"), told("decline", in_review().changed(varies="nccid-1"))
    assert new is not None
    assert change is not None
    assert (new.change, change.change) == (False, True)


def test_a_vote_that_does_not_count_tells_nothing() -> None:
    found = in_review()
    votes = [vote(found, one.subject.id, "decline") for one in SEATS]
    stale = vote(found, "pat", "decline", matter="sha256:" + "0" * 64, for_the_public="Stale words.")
    counted = tally(found, Ballot(SEATS, [stale, *votes]), TERMS, NOON)
    decision = decided(found, counted, POLICY, None, NOON)
    shown = published(decision.record, decision.application)
    assert shown is not None
    assert not shown.has_words


def test_words_that_name_somebody_are_withheld_with_the_reason() -> None:
    found = told("decline")
    assert found is not None
    shown = without_words(found, "It named a person.")
    assert (shown.title, shown.has_words, shown.withheld) == ("", False, "It named a person.")
    assert (shown.application, shown.decided_at) == (found.application, found.decided_at)


def test_a_seat_is_told_without_its_account() -> None:
    ended = seat("pat", "patient", ended_at=NOON, ended_why="An illness", interests=("A fund",))
    shown = PublicSeat.of(ended)
    assert (shown.ends, shown.interests, shown.constituency) == (NOON, ("A fund",), "patient")
    moment = timedelta(seconds=1)
    assert (shown.is_over(NOON), shown.is_over(NOON - moment)) == (True, False)
    assert (shown.is_to_come(ended.begins - moment), shown.is_to_come(ended.begins)) == (True, False)
    assert set(shown.as_plain()) == {
        "name",
        "constituency",
        "organisation",
        "chair",
        "begins",
        "ends",
        "interests",
    }
