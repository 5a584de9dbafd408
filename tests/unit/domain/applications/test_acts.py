"""An application's life: who may do what, and what each act leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from tests.support.applications import (
    AUTHOR,
    OTHER_PLAN,
    PLAN,
    WAY,
    content_plain,
    draft,
    in_review,
    member,
    plans_for,
    submitted,
)
from tests.support.factories import ALICE, BOB, EVE, NOON
from tre.domain.applications import acts, permissions
from tre.domain.applications.models import Application, PlannedSlice
from tre.domain.applications.states import APPLICATION_TRANSITIONS, DECIDED, WAITING, ApplicationState
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role, Subject

_S = ApplicationState
LATER = NOON + timedelta(hours=1)


def person(subject: Subject, *roles: Role) -> Person:
    return Person(subject=subject, display_name="P", roles=frozenset(roles))


def reason(act: Callable[[], object]) -> Reason:
    with pytest.raises(TREError) as caught:
        act()
    return caught.value.reason


def test_only_the_committee_decides_and_only_in_review() -> None:
    into = [edge for edge in APPLICATION_TRANSITIONS.edges if edge.target in DECIDED]
    assert {(edge.source, edge.owner) for edge in into} == {(_S.InReview, "committee")}
    assert {state for state in _S if APPLICATION_TRANSITIONS.is_final(state)} == set(_S) - WAITING.keys()


def test_from_a_draft_to_the_review() -> None:
    handed = submitted()
    assert (handed.state, handed.round, handed.reason) == (_S.Submitted, 1, Reason.AwaitingPlan)
    reviewed = in_review()
    assert (reviewed.state, reviewed.deadline, reviewed.reason) == (_S.InReview, WAY.deadline, Reason.AwaitingCommittee)
    assert [plan.plan_digest for plan in reviewed.plans] == [PLAN]


def test_a_key_is_taken_out_of_a_draft() -> None:
    assert "title" not in acts.edit(draft(), AUTHOR, {"title": None}, NOON).draft


def test_nobody_begins_without_a_role() -> None:
    assert reason(lambda: acts.begin("a-abcdefghijkl", person(EVE), NOON)) is Reason.NotPermitted
    assert permissions.can_begin(AUTHOR)


def test_a_draft_is_its_authors_alone() -> None:
    for other in (person(EVE, Role.operator), person(BOB, Role.researcher), member("pat")):
        assert reason(partial(acts.edit, draft(), other, {}, NOON)) is Reason.ApplicationNotFound
    assert permissions.can_view(AUTHOR, draft())


def test_what_was_handed_in_is_read_by_those_concerned_and_written_by_its_author() -> None:
    found = submitted()
    assert not permissions.can_view(person(EVE, Role.researcher), found)
    for other in (person(EVE, Role.operator), person(BOB, Role.researcher), member("pat")):
        assert permissions.can_view(other, found)
        assert reason(partial(acts.withdraw, found, other, NOON)) is Reason.NotPermitted


def test_nothing_is_written_while_others_look_at_it() -> None:
    for found in (submitted(), in_review()):
        assert reason(partial(acts.edit, found, AUTHOR, {}, NOON)) is Reason.StateForbids
        assert not permissions.can_submit(AUTHOR, found)
        assert acts.withdraw(found, AUTHOR, NOON).state is _S.Withdrawn


def asked() -> Application:
    return acts.deferred(in_review(), ["Why so many?"], NOON, Reason.ChangesRequested)


def test_questions_are_answered_before_it_is_handed_in_again() -> None:
    found = asked()
    assert (found.state, found.reason, found.deadline) == (_S.Deferred, Reason.ChangesRequested, None)
    assert reason(lambda: acts.submit(found, AUTHOR, LATER)) is Reason.ApplicationIncomplete
    assert reason(lambda: acts.answer(found, AUTHOR, [], LATER)) is Reason.BadInput
    assert reason(lambda: acts.answer(found, AUTHOR, ["x" * 5001], LATER)) is Reason.BadInput
    again = acts.submit(acts.answer(found, AUTHOR, ["We need them."], LATER), AUTHOR, LATER)
    assert (again.round, again.plans, again.submitted_at) == (2, (), LATER)
    assert again.questions[0].answer == "We need them."


def test_what_is_typed_after_a_deferral_changes_nothing_that_was_voted_on() -> None:
    found = asked()
    edited = acts.edit(found, AUTHOR, {"title": "Another"}, LATER)
    assert edited.content == found.content
    assert edited.title == "Another"


def test_the_review_begins_with_a_plan_for_each_slice() -> None:
    found = submitted()
    assert reason(lambda: acts.taken_up(found, (), WAY, NOON)) is Reason.PlanNotCovered
    assert reason(lambda: acts.taken_up(draft(), (), WAY, NOON)) is Reason.PlanNotCovered


def test_a_plan_that_people_did_not_see_makes_another_matter_unless_it_is_covered() -> None:
    found = in_review()
    later = plans_for(found, OTHER_PLAN)
    assert acts.replanned(found, later, covered=True, now=LATER) == found
    assert acts.replanned(found, found.plans, covered=False, now=LATER) == found
    other = acts.replanned(found, later, covered=False, now=LATER)
    assert other.matter != found.matter
    strange = (PlannedSlice(name="ct", plan_digest=PLAN),)
    assert reason(lambda: acts.replanned(found, strange, covered=False, now=LATER)) is Reason.PlanNotCovered
    assert reason(lambda: acts.replanned(submitted(), later, covered=False, now=LATER)) is Reason.StateForbids


def test_a_deadline_is_told_once_and_decides_nothing() -> None:
    found = in_review()
    assert acts.told_late(found, NOON) == found
    late = acts.told_late(found, WAY.deadline)
    assert (late.state, late.late, late.reason) == (_S.InReview, True, Reason.DeadlineReached)
    assert acts.told_late(late, WAY.deadline + timedelta(days=9)) == late
    assert acts.told_late(submitted(), WAY.deadline).late is False


def test_a_plan_that_fails_gives_it_back() -> None:
    found = acts.deferred(submitted(), ["The release is retired."], NOON, Reason.DatasetRetired)
    assert (found.state, found.reason, found.message) == (_S.Deferred, Reason.DatasetRetired, "The release is retired.")
    assert found.author.key == ALICE.key
    assert content_plain()["title"] == found.title
