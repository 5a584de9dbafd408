"""Conditions in words: who reports, who rules, what a day that passes brings; and everybody who may not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.applications import PLAN, SEATS, act, in_review, member, seat, subject
from tests.support.factories import ALICE, BOB, EVE, NOON
from tre.domain.applications.models import Attachment
from tre.domain.committee import tracking
from tre.domain.committee.models import Seat
from tre.domain.committee.tally import Ballot
from tre.domain.committee.tracking import (
    CONDITION_TRANSITIONS,
    MOST_REPORTS,
    OVER,
    Around,
    ConditionParty,
    ConditionState,
    ConditionTerms,
    Report,
    TrackedCondition,
)
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role

S = ConditionState
DUE = NOON + timedelta(days=30)
ALICE_HERSELF = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.researcher}))
LETTER = Attachment(name="letter.pdf", digest=PLAN, bytes=4)


def condition(**changes: Any) -> TrackedCondition:
    values = {
        "id": "k-abcdefghijkl",
        "grant": "nccid-00123",
        "application": "a-abcdefghijkl",
        "decision": PLAN,
        "text": "Tell the ethics committee.",
        "created_at": NOON,
        "changed_at": NOON,
    }
    return TrackedCondition.model_validate(values | changes)


def around(*, running: bool = True, seats: tuple[Seat, ...] = SEATS, **changes: Any) -> Around:
    values: dict[str, Any] = {
        "members": [ALICE, BOB],
        "running": running,
        "application": in_review(),
        "ballot": Ballot(seats),
    }
    return Around(**(values | changes))


def why(attempt: Any) -> Reason | None:
    try:
        attempt()
    except TREError as error:
        return error.reason
    return None


def chair() -> Person:
    return member(next(one for one in SEATS if one.chair).subject.id)


def other() -> Person:
    return member(next(one for one in SEATS if not one.chair).subject.id)


def test_the_whole_way_of_a_condition() -> None:
    found = tracking.arrange(condition(), around(), ConditionTerms(due=DUE), act(chair().subject.id, NOON))
    found = tracking.report(found, ALICE_HERSELF, around(), ("Told.", [LETTER]), NOON)
    assert (found.state, found.papers) == (S.Reported, [LETTER])
    found = tracking.rule(found, around(), S.Open, "Whom?", act(chair().subject.id, NOON))
    assert found.state is S.Open
    found = tracking.report(found, ALICE_HERSELF, around(), ("The ethics committee.", [LETTER]), NOON)
    assert found.papers == [LETTER]
    found = tracking.rule(found, around(), S.Met, "Good.", act(chair().subject.id, NOON))
    assert (found.state, [one.outcome for one in found.rulings]) == (S.Met, [S.Open, S.Met])
    assert [one.id for one in found.speakers] == ["alice", "alice", chair().subject.id, chair().subject.id]
    assert why(lambda: tracking.rule(found, around(), S.Waived, "No.", act(chair().subject.id, NOON))) is (
        Reason.StateForbids
    )


def test_members_and_readers_see_it_and_nobody_else() -> None:
    assert why(lambda: tracking.check_see_condition(ALICE_HERSELF, around())) is None
    for role, seen in ((Role.committee, True), (Role.operator, True), (Role.data_manager, True), (Role.checker, False)):
        who = Person(subject=EVE, display_name="Eve", roles=frozenset({role}))
        assert (why(lambda who=who: tracking.check_see_condition(who, around())) is None) is seen


def test_only_the_project_reports() -> None:
    assert tracking.can_report(ALICE_HERSELF, condition(), around())
    assert why(lambda: tracking.check_report(chair(), condition(), around())) is Reason.NotPermitted
    eve = Person(subject=EVE, display_name="Eve", roles=frozenset({Role.researcher}))
    assert why(lambda: tracking.check_report(eve, condition(), around())) is Reason.ObjectNotFound


@pytest.mark.parametrize("state", list(S))
def test_what_waits_for_the_project_is_reported_on(state: ConditionState) -> None:
    may = state in {S.Open, S.Missed}
    assert tracking.can_report(ALICE_HERSELF, condition(state=state), around()) is may
    ended = why(lambda: tracking.check_report(ALICE_HERSELF, condition(state=state), around(running=False)))
    assert ended is Reason.StateForbids


def test_what_the_committee_must_do_is_not_reported_on() -> None:
    theirs = condition(terms=ConditionTerms(party=ConditionParty.committee))
    assert why(lambda: tracking.check_report(ALICE_HERSELF, theirs, around())) is Reason.StateForbids
    assert tracking.rule(theirs, around(), S.Met, "Done.", act(chair().subject.id, NOON)).state is S.Met


def test_reports_and_rulings_are_bounded() -> None:
    said = Report(words="x", by=ALICE, at=NOON)
    many = condition(reports=[said] * MOST_REPORTS)
    assert why(lambda: tracking.check_report(ALICE_HERSELF, many, around())) is Reason.RateLimited
    ruled = tracking.rule(condition(state=S.Reported), around(), S.Open, "No.", act(chair().subject.id, NOON))
    again = ruled.changed(rulings=ruled.rulings * MOST_REPORTS)
    assert why(lambda: tracking.check_rule(chair(), again, around(), NOON)) is Reason.RateLimited


def test_the_chair_rules_and_another_only_where_no_chair_can() -> None:
    reported = condition(state=S.Reported)
    assert tracking.can_rule(chair(), reported, around(), NOON)
    assert why(lambda: tracking.check_rule(other(), reported, around(), NOON)) is Reason.NotPermitted
    nobody = tuple(Seat.model_validate({**dict(one), "chair": False}) for one in SEATS)
    assert tracking.can_rule(other(), reported, around(seats=nobody), NOON)
    tied = tuple(
        Seat.model_validate({**dict(one), "organisation": "University"}) if one.chair else one for one in SEATS
    )
    assert tracking.can_rule(other(), reported, around(seats=tied), NOON)
    assert why(lambda: tracking.check_rule(chair(), reported, around(seats=tied), NOON)) is Reason.ConflictOfInterest
    left = tuple(Seat.model_validate({**dict(one), "ended_at": NOON}) if one.chair else one for one in SEATS)
    assert why(lambda: tracking.check_rule(chair(), reported, around(seats=left), NOON)) is Reason.SeatEnded
    assert tracking.can_rule(other(), reported, around(seats=left), NOON)


def test_nobody_rules_on_their_own_project() -> None:
    sitting = seat("bob", "patient", chair=True)
    bob = member("bob")
    reported = condition(state=S.Reported)
    outside = around(seats=(sitting,), members=[ALICE], application=in_review())
    assert why(lambda: tracking.check_rule(bob, reported, outside, NOON)) is Reason.ConflictOfInterest
    inside = around(seats=(sitting,), members=[subject("bob")])
    assert why(lambda: tracking.check_rule(bob, reported, inside, NOON)) is Reason.NotPermitted


def test_a_role_alone_rules_nothing() -> None:
    for role in (Role.operator, Role.data_manager, Role.committee):
        who = Person(subject=EVE, display_name="Eve", roles=frozenset({role}))
        assert not tracking.can_rule(who, condition(state=S.Reported), around(), NOON)


@pytest.mark.parametrize("outcome", [S.Reported, S.Missed])
def test_only_rulings_are_ruled(outcome: ConditionState) -> None:
    open_ = condition()
    assert why(lambda: tracking.rule(open_, around(), outcome, "x", act(chair().subject.id, NOON))) is Reason.BadInput


def test_an_open_one_is_not_sent_back() -> None:
    assert why(lambda: tracking.rule(condition(), around(), S.Open, "x", act(chair().subject.id, NOON))) is (
        Reason.StateForbids
    )


def test_a_day_lies_ahead_and_what_suspends_has_one() -> None:
    with pytest.raises(ValidationError):
        ConditionTerms(suspends=True)
    past = ConditionTerms(due=NOON)
    doing = act(chair().subject.id, NOON)
    assert why(lambda: tracking.arrange(condition(), around(), past, doing)) is Reason.BadInput
    missed = condition(state=S.Missed, terms=ConditionTerms(due=NOON), announced=True)
    again = tracking.arrange(missed, around(), ConditionTerms(due=DUE, suspends=True), doing)
    assert (again.state, again.terms.suspends, again.announced) == (S.Open, True, False)
    none = tracking.arrange(condition(state=S.Reported), around(), ConditionTerms(), doing)
    assert (none.state, none.terms.due) == (S.Reported, None)


def test_what_a_day_brings_and_when() -> None:
    found = condition(terms=ConditionTerms(due=DUE))
    second = timedelta(seconds=1)
    assert not tracking.is_missed(found, DUE - second)
    assert tracking.is_missed(found, DUE)
    assert not tracking.is_missed(condition(), DUE)
    assert not tracking.is_missed(found.changed(state=S.Reported), DUE)
    near = DUE - tracking.AHEAD
    assert not tracking.is_near(found, near - second)
    assert tracking.is_near(found, near)
    assert not tracking.is_near(found, DUE)
    assert not tracking.is_near(found.changed(announced=True), near)
    assert not tracking.is_near(found.changed(state=S.Reported), near)
    assert not tracking.is_near(condition(), near)
    assert tracking.next_look(found, NOON) == near
    assert tracking.next_look(found, near) == DUE
    assert tracking.next_look(found.changed(announced=True), NOON) == DUE
    assert tracking.next_look(found, DUE) is None
    assert tracking.next_look(condition(), NOON) is None
    assert tracking.next_look(found.changed(state=S.Met), NOON) is None


def test_what_is_due_already_is_not_asked_for_twice() -> None:
    standing = [condition(text="A"), condition(text="B", state=S.Met)]
    assert tracking.fresh(["A", "B", "B", "C"], standing) == ["B", "C"]


def test_who_reads_what_was_shown() -> None:
    eve = Person(subject=EVE, display_name="Eve", roles=frozenset({Role.operator}))
    assert tracking.can_read_reports(ALICE_HERSELF, around(), NOON)
    assert tracking.can_read_reports(other(), around(), NOON)
    assert why(lambda: tracking.check_read_reports(eve, around(), NOON)) is Reason.NotPermitted
    tied = tuple(Seat.model_validate({**dict(one), "organisation": "University"}) for one in SEATS)
    assert why(lambda: tracking.check_read_reports(other(), around(seats=tied), NOON)) is Reason.ConflictOfInterest


def test_what_is_over_stays_over() -> None:
    assert {state for state in S if CONDITION_TRANSITIONS.is_final(state)} == OVER
