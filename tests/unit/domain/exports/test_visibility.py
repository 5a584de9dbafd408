"""Who sees whose votes, and when: the blinding."""

from __future__ import annotations

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, COLLEAGUE, OPERATOR, World, person
from tre.domain.exports import reviewing
from tre.domain.exports.models import Choice
from tre.domain.exports.states import ExportState
from tre.domain.exports.visibility import seen_by, visible_reviews
from tre.domain.people import Person, Role

CAROL, DAVE, ERIN = CHECKERS
STRANGER = person("zoe", Role.researcher)


def sees(world: World, viewer: Person) -> set[str]:
    return {review.checker.id for review in visible_reviews(world.request, viewer, world.grant)}


def submitted() -> World:
    return World().with_files().checked().submit()


def test_votes_are_cast_apart() -> None:
    world = submitted().vote(CAROL).hand_in(CAROL).vote(DAVE)
    assert sees(world, CAROL) == {"carol"}
    assert sees(world, DAVE) == {"dave"}
    assert sees(world, ERIN) == set()
    assert sees(world, AUTHOR) == sees(world, COLLEAGUE) == sees(world, OPERATOR) == set()


def test_once_both_are_in_each_sees_the_other_and_the_author_still_nothing() -> None:
    world = submitted().reviewed(CAROL, DAVE)
    assert sees(world, CAROL) == sees(world, DAVE) == {"carol", "dave"}
    assert sees(world, AUTHOR) == sees(world, COLLEAGUE) == set()


def test_a_third_checker_stays_blind_until_the_own_review_is_in() -> None:
    world = submitted()
    world.vote(CAROL).hand_in(CAROL)
    world.vote(DAVE, world.ballot(choice=Choice.ChangesRequested)).hand_in(DAVE)
    assert sees(world, ERIN) == set()
    world.vote(ERIN)
    assert sees(world, ERIN) == {"erin"}
    world.hand_in(ERIN)
    assert sees(world, ERIN) == {"carol", "dave", "erin"}


def test_after_the_turn_the_project_sees_submitted_reviews() -> None:
    world = submitted().vote(CAROL).hand_in(CAROL)
    world.vote(DAVE, world.ballot(choice=Choice.ChangesRequested)).hand_in(DAVE).vote(ERIN)
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    for viewer in (AUTHOR, COLLEAGUE, CAROL):
        assert sees(world, viewer) == {"carol", "dave"}
    assert sees(world, STRANGER) == sees(world, OPERATOR) == set()


def test_the_turns_before_stay_open_while_the_next_is_blind() -> None:
    world = submitted().reviewed(CAROL, DAVE)
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    world.submit().tick(hours=9).vote(ERIN).hand_in(ERIN)
    turns = {review.turn for review in visible_reviews(world.request, AUTHOR, world.grant)}
    assert turns == {1}
    theirs = {(r.checker.id, r.turn) for r in visible_reviews(world.request, CAROL, world.grant)}
    assert theirs == {("carol", 1), ("dave", 1), ("carol", 2)}, "with the own kept votes, and nobody else's"


def test_a_void_review_is_its_caster_s_alone() -> None:
    world = submitted().vote(CAROL).hand_in(CAROL)
    world.request = reviewing.return_to_author(world.request, DAVE, "early", world.situation)
    assert sees(world, CAROL) == {"carol"}
    assert sees(world, AUTHOR) == sees(world, DAVE) == set()


def test_the_project_is_not_told_that_one_vote_is_in() -> None:
    world = submitted().vote(CAROL).hand_in(CAROL)
    assert seen_by(world.request, AUTHOR, world.grant).state is ExportState.Submitted
    assert seen_by(world.request, COLLEAGUE, world.grant).state is ExportState.Submitted
    assert seen_by(world.request, DAVE, world.grant).state is ExportState.PartiallyReviewed
    world.vote(DAVE).hand_in(DAVE)
    assert seen_by(world.request, AUTHOR, world.grant).state is ExportState.Reviewed


def test_when_it_is_over_the_project_sees_who_decided() -> None:
    world = World().released()
    assert sees(world, AUTHOR) == {"carol", "dave"}
    shown = seen_by(world.request, AUTHOR, world.grant).reviews
    assert [(r.checker, [v.choice for v in r.votes]) for r in shown] == [
        (r.checker, [v.choice for v in r.votes]) for r in world.request.reviews
    ]
    assert seen_by(world.request, CAROL, world.grant).reviews == world.request.reviews


def test_with_three_to_come_the_first_two_stay_apart() -> None:
    """A submitted review opens nobody else's while votes are still cast."""
    world = World(reviewers=3).with_files().checked().submit().reviewed(CAROL, DAVE)
    assert world.request.state is ExportState.PartiallyReviewed
    assert sees(world, CAROL) == {"carol"}
    assert sees(world, DAVE) == {"dave"}


def test_an_author_who_left_the_project_sees_no_votes() -> None:
    world = World().released()
    world.members = (COLLEAGUE.subject,)
    assert sees(world, AUTHOR) == set()
    assert sees(world, COLLEAGUE) == {"carol", "dave"}


def test_only_checkers_from_outside_are_told_that_one_vote_is_in() -> None:
    world = submitted().vote(CAROL).hand_in(CAROL)
    assert seen_by(world.request, OPERATOR, world.grant).state is ExportState.Submitted
    assert seen_by(world.request, ERIN, world.grant).state is ExportState.PartiallyReviewed
