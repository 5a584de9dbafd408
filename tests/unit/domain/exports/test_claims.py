"""Seats at a review: never more than it takes, never for those inside, free again by the clock alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, OPERATOR, START, World, person
from tre.domain.errors import Reason, TREError
from tre.domain.exports import claims, reviewing
from tre.domain.exports.claims import Absence
from tre.domain.exports.models import Choice
from tre.domain.people import Person, Role

CAROL, DAVE, ERIN = CHECKERS
BOTH = person("olga", Role.operator, Role.checker)


def submitted() -> World:
    return World().with_files().checked().submit()


def refused(act: Any, *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


def claim(world: World, who: Person) -> World:
    world.request = claims.claim(world.request, who, world.situation)
    return world


def test_as_many_seats_as_the_quorum_and_each_person_one() -> None:
    world = claim(submitted(), CAROL)
    assert refused(claims.claim, world.request, CAROL, world.situation) is Reason.StateForbids
    claim(world, DAVE)
    assert claims.free_seats(world.request, world.situation) == 0
    assert refused(claims.claim, world.request, ERIN, world.situation) is Reason.StateForbids
    assert refused(reviewing.record_vote, world.request, ERIN, world.ballot(), world.situation) is Reason.StateForbids
    world.vote(CAROL).hand_in(CAROL).vote(DAVE)
    assert {item.checker.id for item in world.request.claims} == {"dave"}
    assert claims.holders(world.request, world.situation) == {CAROL.subject.key, DAVE.subject.key}


def test_a_vote_takes_a_free_seat_by_itself() -> None:
    world = submitted().vote(CAROL)
    assert [(item.checker.id, item.by.id) for item in world.request.claims] == [("carol", "carol")]
    assert world.request.claims[0].until == START + timedelta(hours=8)


def test_a_claim_lapses_by_the_clock_and_a_review_that_is_in_does_not() -> None:
    world = claim(claim(submitted(), CAROL), DAVE)
    world.tick(hours=8, seconds=-1)
    assert refused(claims.claim, world.request, ERIN, world.situation) is Reason.StateForbids
    world.tick(seconds=1)
    claim(world, ERIN)
    assert [item.checker.id for item in world.request.claims] == ["erin"]
    world.vote(ERIN).hand_in(ERIN).tick(hours=100)
    assert claims.holders(world.request, world.situation) == {ERIN.subject.key}


def test_who_let_a_claim_lapse_hands_in_only_into_a_free_seat() -> None:
    world = submitted().vote(CAROL).tick(hours=9)
    claim(claim(world, DAVE), ERIN)
    assert refused(reviewing.submit_review, world.request, CAROL, world.situation) is Reason.StateForbids
    world.request = claims.give_back(world.request, ERIN, world.situation)
    world.hand_in(CAROL)


def test_one_gives_back_what_one_has() -> None:
    world = claim(submitted(), CAROL)
    assert refused(claims.give_back, world.request, DAVE, world.situation) is Reason.StateForbids
    assert refused(claims.give_back, world.request, AUTHOR, world.situation) is Reason.NotPermitted
    world.request = claims.give_back(world.request, CAROL, world.situation)
    assert world.request.claims == ()
    assert claims.unseated(world.request, CAROL.subject, world.situation) is world.request


@pytest.mark.parametrize("who", [AUTHOR, COLLEAGUE, OPERATOR], ids=lambda who: who.subject.id)
def test_nobody_inside_and_no_other_role_claims(who: Person) -> None:
    world = submitted()
    assert refused(claims.claim, world.request, who, world.situation) is Reason.NotPermitted


def test_nothing_is_claimed_in_the_author_s_turn_and_claims_end_with_the_turn() -> None:
    world = World().with_files().checked()
    assert refused(claims.claim, world.request, CAROL, world.situation) is Reason.StateForbids
    world.submit()
    claim(world, CAROL)
    world.request = reviewing.return_to_author(world.request, DAVE, "words", world.situation)
    assert world.request.claims == ()


def test_a_seat_of_somebody_who_joined_the_project_is_free() -> None:
    world = claim(claim(submitted(), CAROL), DAVE)
    world.members = (*world.members, DAVE.subject)
    assert claims.free_seats(world.request, world.situation) == 1
    claim(world, ERIN)


def test_a_review_of_what_is_there_no_more_keeps_no_seat() -> None:
    world = submitted().reviewed(CAROL, DAVE)
    assert claims.free_seats(world.request, world.situation) == 0
    other = world.run()
    world.request = world.request.changed(check_run=other.model_validate({**other.as_plain(), "tools": {"tre": "2"}}))
    assert claims.free_seats(world.request, world.situation) == 2


def in_conflict() -> World:
    world = submitted().vote(CAROL).hand_in(CAROL)
    return world.vote(DAVE, world.ballot(choice=Choice.ChangesRequested)).hand_in(DAVE)


def test_a_conflict_names_its_files_and_opens_one_seat_more() -> None:
    calm, world = submitted().reviewed(CAROL, DAVE), in_conflict()
    assert (claims.conflicted(calm.request, calm.situation), claims.free_seats(calm.request, calm.situation)) == ((), 0)
    assert [file.path for file in claims.conflicted(world.request, world.situation)] == ["a.csv"]
    assert claims.free_seats(world.request, world.situation) == 1
    claim(world, ERIN)
    assert refused(claims.claim, world.request, BOTH, world.situation) is Reason.StateForbids


def test_operators_outside_assign_and_reviewers_in_conflict_ask() -> None:
    world = submitted()
    for who in (AUTHOR, COLLEAGUE, CAROL, person("zoe", Role.data_manager)):
        assert refused(claims.assign, world.request, who, DAVE, world.situation) is Reason.NotPermitted
    world.request = claims.assign(world.request, OPERATOR, DAVE, world.situation)
    assert [(item.checker.id, item.by.id) for item in world.request.claims] == [("dave", "oscar")]
    assert refused(claims.assign, world.request, OPERATOR, DAVE, world.situation) is Reason.StateForbids
    for wrong in (AUTHOR, COLLEAGUE, OPERATOR):
        assert refused(claims.assign, world.request, OPERATOR, wrong, world.situation) is Reason.NotPermitted
    disputed = in_conflict()
    assert (
        refused(
            claims.assign,
            disputed.request,
            BOTH.model_copy(update={"roles": frozenset({Role.checker})}),
            ERIN,
            disputed.situation,
        )
        is Reason.NotPermitted
    )
    disputed.request = claims.assign(disputed.request, CAROL, ERIN, disputed.situation)
    assert disputed.request.claims[0].checker == ERIN.subject


def test_an_operator_of_the_project_assigns_nobody_nor_does_anybody_out_of_turn() -> None:
    world = submitted()
    world.members = (*world.members, OPERATOR.subject)
    assert refused(claims.assign, world.request, OPERATOR, DAVE, world.situation) is Reason.NotPermitted
    draft = World().with_files().checked()
    assert refused(claims.assign, draft.request, OPERATOR, DAVE, draft.situation) is Reason.StateForbids


def test_nobody_is_given_a_seat_while_away() -> None:
    world = submitted()
    away = (Absence(checker=DAVE.subject, since=START, until=START + timedelta(days=7)),)
    assert refused(claims.assign, world.request, OPERATOR, DAVE, world.situation, away) is Reason.StateForbids
    claims.assign(world.request, OPERATOR, ERIN, world.situation, away)
    world.tick(days=7)
    claims.assign(world.request, OPERATOR, DAVE, world.situation, away)
    with pytest.raises(ValidationError):
        Absence(checker=DAVE.subject, since=START, until=START)


def test_the_load_of_a_checker() -> None:
    taken, free = claim(submitted(), CAROL), submitted()
    mine = [taken.request, free.request, claim(submitted(), DAVE).request, World().request]
    assert claims.load_of(mine, CAROL.subject, START) == 1
    assert claims.load_of(mine, CAROL.subject, START + timedelta(hours=8)) == 0
