"""The record of a decision: it follows from its votes, and its grant is the application that was voted on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.applications import (
    OTHER_PLAN,
    PLAN,
    POLICY,
    SEATS,
    TERMS,
    ballot,
    content,
    content_plain,
    in_review,
    seat,
    slice_of,
    submitted,
    vote,
)
from tests.support.factories import EVE, NOON, access_grant, suspension
from tre.domain.applications.models import Application, Closing, PlannedSlice
from tre.domain.applications.states import ApplicationState
from tre.domain.canonical import digest
from tre.domain.committee.decision import Decided, DecisionRecord, check_grant, decided, recount
from tre.domain.committee.grants import Approving, grant_of, name_of
from tre.domain.committee.models import Recusal, Vote
from tre.domain.committee.signed import SignedDecision
from tre.domain.committee.tally import Ballot, Outcome, tally
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.names import grant_name, is_resource_name
from tre.domain.practice import is_practice

YES, NO, ASK, IF = "approve", "decline", "defer", "approve-with-conditions"


def made(*choices: str, application: Application | None = None, before: AccessGrantSpec | None = None) -> Decided:
    found = application or in_review()
    return decided(found, tally(found, ballot(found, *choices), TERMS, NOON), POLICY, before, NOON)


def test_an_approval_makes_the_grant_that_was_asked_for() -> None:
    found = made(YES, YES, IF, YES)
    record, grant = found.record, found.grant
    assert grant is not None
    assert (found.application.state, found.application.grant) == (ApplicationState.Approved, grant.metadata.name)
    assert found.application.decision == record.digest()
    assert recount(record) == []
    check_grant(record, grant)
    assert grant.spec.approval.plan_digest == PLAN
    assert grant.spec.conditions == ("DUO:0000019",)
    assert [member.subject.id for member in grant.spec.members] == ["alice", "bob"]
    assert grant.spec.approval.reference == "a-abcdefghijkl/1"


@pytest.mark.parametrize(
    ("choices", "state"),
    [((NO, NO, NO, NO), ApplicationState.Declined), ((YES, YES, NO, ASK), ApplicationState.Deferred)],
)
def test_nothing_else_makes_a_grant(choices: tuple[str, ...], state: ApplicationState) -> None:
    found = made(*choices)
    assert found.grant is None
    assert (found.application.state, found.record.grant, recount(found.record)) == (state, None, [])


def test_a_deferral_asks_what_members_asked_or_says_why() -> None:
    asked = made(YES, YES, NO, ASK).application
    assert [one.text for one in asked.questions] == ["How?"]
    tied = made(YES, YES, NO, NO).application
    assert "no majority" in tied.questions[0].text


def test_an_open_vote_decides_nothing() -> None:
    found = in_review()
    with pytest.raises(TREError) as caught:
        decided(found, tally(found, ballot(found, YES), TERMS, NOON), POLICY, None, NOON)
    assert caught.value.reason is Reason.QuorumMissing


def test_the_record_names_who_stood_aside_and_who_did_not_vote() -> None:
    found = in_review()
    seats = (*SEATS, seat("dora", "academic"), seat("nick", "clinician", organisation="University"))
    closing = Closing(by=SEATS[0].subject, session="s", at=NOON, matter=found.matter or "")
    closed = found.changed(closing=closing)
    aside = Recusal(application=found.id, voter=seats[4].subject, why="a friend", session="s", at=NOON)
    full = ballot(found, YES, YES, YES, YES)
    more = (*seats, seat("zoe", "clinician"))
    record = decided(closed, tally(closed, Ballot(more, full.votes, [aside]), TERMS, NOON), POLICY, None, NOON).record
    assert {(one.member.id, one.why) for one in record.stood_aside} == {
        ("dora", "stood aside: a friend"),
        ("nick", "belongs to an organisation that applies, takes part or pays"),
    }
    assert [one.id for one in record.not_voted] == ["zoe"]
    assert record.closing == closing
    assert recount(record) == []


def several() -> Application:
    first = submitted(slices=[slice_of("one"), slice_of("two")])
    plans = (PlannedSlice(name="one", plan_digest=PLAN), PlannedSlice(name="two", plan_digest=OTHER_PLAN))
    return first.changed(state="InReview", plans=plans)


def test_several_slices_are_signed_together() -> None:
    found = made(YES, YES, YES, YES, application=several())
    assert found.grant is not None
    assert found.record.plan_digest == found.grant.spec.approval.plan_digest == digest({"one": PLAN, "two": OTHER_PLAN})
    assert found.grant.spec.signed_plan_digest("two") == OTHER_PLAN


def test_a_change_of_a_project_keeps_its_conditions_and_suspensions() -> None:
    before = access_grant(conditions=["DUO:0000021"], suspensions=[suspension().as_plain()]).spec
    found = made(IF, YES, YES, YES, application=in_review().changed(varies="nccid-00123"), before=before)
    assert found.grant is not None
    assert found.grant.metadata.name == "nccid-00123"
    assert found.grant.spec.conditions == ("DUO:0000019", "DUO:0000021")
    assert found.grant.spec.suspensions == before.suspensions


def test_what_was_not_voted_on_makes_no_grant() -> None:
    for found in (submitted(), in_review().changed(content=None)):
        with pytest.raises(TREError) as caught:
            grant_of(found, Approving("B", NOON))
        assert caught.value.reason is Reason.StateForbids


def edited(record: DecisionRecord, **changes: Any) -> DecisionRecord:
    return DecisionRecord.model_validate({**dict(record), **changes})


def test_a_record_that_contradicts_itself_is_found_out() -> None:
    record = made(YES, YES, IF, YES).record
    first = record.votes[0]
    stranger = Vote.model_validate({**dict(first), "matter": OTHER_PLAN})
    aside = [{"member": first.voter, "constituency": "clinician", "why": "w"}]
    for changes, said in (
        ({"votes": (first, *record.votes)}, "twice"),
        ({"votes": (stranger, *record.votes[1:])}, "something else"),
        ({"stood_aside": aside}, "stood aside voted"),
        ({"votes": record.votes[:3]}, "patient: 0 of 1"),
        ({"votes": record.votes[1:]}, "3 of 4 votes"),
        ({"not_voted": (EVE,)}, "nobody closed"),
        ({"outcome": "declined"}, "do not come to declined"),
        ({"conditions": ()}, "conditions"),
        ({"grant_digest": None}, "a grant comes with"),
        ({"policy": dict(record.policy) | {"quorum": {}}, "votes": record.votes[:3]}, "patient: 0 of 1"),
    ):
        assert any(said in one for one in recount(edited(record, **changes))), said
        assert edited(record, **changes).digest() != record.digest()


def test_another_grant_is_not_what_was_decided() -> None:
    found = made(YES, YES, YES, YES)
    with pytest.raises(TREError) as caught:
        check_grant(found.record, access_grant())
    assert caught.value.reason is Reason.ContentChanged


@given(
    title=st.text(min_size=1, max_size=80).filter(lambda text: text.strip() == text and text.isprintable()),
    days=st.integers(1, 2000),
    people=st.integers(1, 5),
    choices=st.lists(st.sampled_from([YES, NO, ASK, IF]), min_size=4, max_size=4),
)
def test_a_decisions_grant_always_equals_what_was_voted_on(
    title: str, days: int, people: int, choices: list[str]
) -> None:
    base = content_plain()["people"][1]
    named = [base | {"name": f"P {n}", "subject": {"issuer": "local", "id": f"p{n}"}} for n in range(people)]
    ends = content().starts + timedelta(days=days)
    application = (
        in_review(title=title, people=named, ends=ends.isoformat(), outputs=[{"what": "A", "due": "2026-11-02"}])
        if ends > NOON
        else in_review(title=title, people=named)
    )
    found = made(*choices, application=application)
    assert recount(found.record) == []
    assert (found.grant is not None) == (found.record.outcome is Outcome.approved)
    if found.grant is None or application.content is None:
        return
    spec, asked = found.grant.spec, application.content
    assert (spec.project.title, spec.expires, spec.not_before) == (asked.title, asked.ends, asked.starts)
    assert [one.subject for one in spec.members] == [one.subject for one in asked.people]
    assert [one.spec for one in spec.slices] == [one.spec for one in asked.slices]
    assert [spec.signed_plan_digest(one.name) for one in application.plans] == [PLAN]
    assert found.record.content_digest == asked.digest()
    check_grant(found.record, found.grant)


@given(st.text(max_size=100))
def test_every_title_gives_a_name_that_practice_data_do_not_have(title: str) -> None:
    name = grant_name(title, "a-abcdefghijkl")
    assert is_resource_name(name)
    assert not is_practice(name)
    assert name != grant_name(title, "a-aaaaaaaaaaaa")


@pytest.mark.parametrize(
    ("title", "begins"),
    [
        ("Severity scoring of COVID-19 on chest X-rays", "severity-scoring-of-covid-19-"),
        ("Short", "short-"),
        ("x" * 60, "x" * 30 + "-"),
        ("Practice makes perfect", "project-practice-makes-perfect-"),
        ("2020 in pictures", "project-2020-in-pictures-"),
        ("…", "project-"),
    ],
)
def test_a_grants_name_begins_with_whole_words_of_its_title(title: str, begins: str) -> None:
    name = grant_name(title, "a-abcdefghijkl")
    assert name.startswith(begins)
    assert len(name) == len(begins) + 12


def test_a_project_of_practice_is_called_otherwise() -> None:
    assert not is_practice(name_of(in_review(title="Practice makes perfect")))
    assert vote(in_review(), "pat").application == in_review().id


def test_a_signed_record_is_read_as_strictly_as_any() -> None:
    record = made(YES, YES, YES, YES).record
    kept = SignedDecision(record=record, key="ab", signature="A" * 86 + "==")
    assert SignedDecision.model_validate(kept.as_plain()) == kept
    with pytest.raises(ValueError, match="signature"):
        SignedDecision(record=record, key="ab", signature="short")
