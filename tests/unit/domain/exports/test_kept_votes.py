"""Resubmission: votes on what did not change lie ready, and count only once their caster says so in the new turn."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.domain.exports.world import AUTHOR, CHECKERS, World, file, finding
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, reviewing
from tre.domain.exports.models import Choice, FileKind, Vote
from tre.domain.exports.policies import Decision, approves, check_approvable, decision
from tre.domain.exports.severity import Severity
from tre.domain.people import Person, Role

CAROL, DAVE, ERIN = CHECKERS


def returned(*findings: Any) -> World:
    """Two files, reviewed by Carol and Dave, and given back."""
    world = World().with_files(file("a.csv", "1"), file("b.csv", "2")).checked(*findings).submit()
    answers = world.answers(*findings)
    for checker in (CAROL, DAVE):
        world.vote(checker, *(world.ballot(path, dispositions=answers) for path in ("a.csv", "b.csv"))).hand_in(checker)
    world.request = reviewing.return_to_author(world.request, CAROL, "words", world.situation)
    return world


def kept(world: World, who: Person) -> list[str]:
    review = world.request.review_of(who.subject)
    return [] if review is None else [vote.path for vote in review.votes if vote.kept]


def confirm(world: World, who: Person) -> World:
    world.request = reviewing.confirm_kept(world.request, who, world.situation)
    return world


def refused(act: Any, *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


def test_votes_on_the_same_bytes_stay_and_those_on_others_go() -> None:
    world = returned().with_files(file("b.csv", "3")).checked().submit()
    assert kept(world, CAROL) == kept(world, DAVE) == ["a.csv"]
    assert kept(world, ERIN) == []


def test_a_kept_vote_counts_nothing_until_it_is_confirmed_and_handed_in() -> None:
    world = returned().submit()
    a, b = world.request.outputs
    review = world.request.review_of(CAROL.subject)
    assert review is not None
    assert not approves(world.request, a, review.vote_on("a.csv"))
    assert refused(reviewing.submit_review, world.request, CAROL, world.situation) is Reason.QuorumMissing
    confirm(world, CAROL)
    assert decision(world.request, a, world.situation) is Decision.INCOMPLETE
    world.hand_in(CAROL)
    assert decision(world.request, b, world.situation) is Decision.INCOMPLETE
    assert refused(check_approvable, world.request, world.situation) is Reason.QuorumMissing
    confirm(world, DAVE).hand_in(DAVE)
    check_approvable(world.request, world.situation)


def test_even_a_review_that_was_forged_as_handed_in_counts_no_kept_vote() -> None:
    world = returned().submit()
    reviews = tuple(
        review.model_copy(update={"submitted_at": world.now, "role": Role.checker}) for review in world.request.reviews
    )
    world.request = world.request.changed(reviews=reviews)
    assert decision(world.request, world.request.outputs[0], world.situation) is Decision.INCOMPLETE


def test_one_act_confirms_all_and_says_when() -> None:
    world = returned().tick(hours=2).submit().tick(hours=1)
    confirm(world, CAROL)
    review = world.request.review_of(CAROL.subject)
    assert review is not None
    assert {(vote.kept, vote.at) for vote in review.votes} == {(False, world.now)}
    assert refused(reviewing.confirm_kept, world.request, CAROL, world.situation) is Reason.StateForbids
    assert refused(reviewing.confirm_kept, world.request, ERIN, world.situation) is Reason.StateForbids


def test_a_new_vote_replaces_a_kept_one() -> None:
    world = returned().submit()
    world.vote(CAROL, world.ballot("a.csv", Choice.ChangesRequested, kept=True))
    assert kept(world, CAROL) == ["b.csv"]


def test_other_findings_on_the_same_bytes_void_the_vote_and_those_on_another_file_do_not() -> None:
    world = returned().checked(finding(Severity.I, "2")).submit()
    assert kept(world, CAROL) == ["a.csv"]


def test_another_policy_or_tool_voids_them_all() -> None:
    world = returned()
    run = world.run()
    world.request = authoring.checked(
        world.request, run.model_validate({**run.as_plain(), "tools": {"tre": "2"}}), world.situation
    )
    assert kept(world.submit(), CAROL) == []


def test_undecided_votes_files_taken_back_and_people_who_joined_are_left_behind() -> None:
    world = returned()
    world.request = authoring.set_kind(world.request, AUTHOR, "b.csv", FileKind.withdrawn, world.situation)
    world.members = (*world.members, DAVE.subject)
    world.checked().submit()
    assert (kept(world, CAROL), kept(world, DAVE)) == (["a.csv"], [])
    open_ = World().with_files().checked().submit()
    open_.vote(CAROL, open_.ballot(choice=Choice.Undecided)).vote(DAVE).hand_in(DAVE)
    open_.checked(finding(Severity.B)).checked().submit()
    assert (kept(open_, CAROL), kept(open_, DAVE)) == ([], ["a.csv"])


def test_a_turn_that_was_cut_short_leaves_nothing() -> None:
    world = World().with_files().checked().submit().vote(CAROL).hand_in(CAROL)
    world.request = reviewing.return_to_author(world.request, DAVE, "early", world.situation)
    assert kept(world.submit(), CAROL) == []


def test_what_was_kept_and_not_confirmed_is_kept_on() -> None:
    world = returned().submit()
    world.tick(hours=9).reviewed(ERIN)
    confirm(world, DAVE).hand_in(DAVE)
    world.request = reviewing.return_to_author(world.request, DAVE, "again", world.situation)
    world.submit()
    assert (kept(world, ERIN), kept(world, DAVE), kept(world, CAROL)) == (
        ["a.csv", "b.csv"],
        ["a.csv", "b.csv"],
        ["a.csv", "b.csv"],
    )


def test_a_check_since_the_submission_voids_a_kept_vote_too() -> None:
    world = returned().submit().checked(finding(Severity.I, "2"))
    confirm(world, CAROL)
    review = world.request.review_of(CAROL.subject)
    assert review is not None
    assert review.votes == ()
    assert refused(reviewing.submit_review, world.request, CAROL, world.situation) is Reason.QuorumMissing


def test_their_casters_have_the_first_seats_until_the_clock_takes_them() -> None:
    world = returned().submit()
    assert [item.checker.id for item in world.request.claims] == ["carol", "dave"]
    assert refused(reviewing.record_vote, world.request, ERIN, world.ballot(), world.situation) is Reason.StateForbids
    world.tick(hours=8).vote(ERIN)


def test_a_vote_names_what_the_run_said_of_its_file() -> None:
    world = World().with_files().checked().submit().vote(CAROL)
    review = world.request.review_of(CAROL.subject)
    run = world.request.check_run
    assert review is not None
    assert run is not None
    assert review.votes[0].basis == run.basis(world.request.outputs[0])
    forged = world.ballot(basis="forged", kept=True)
    world.vote(CAROL, Vote.model_validate(dict(forged)))
    again = world.request.review_of(CAROL.subject)
    assert again is not None
    assert (again.votes[0].basis, again.votes[0].kept) == (run.basis(world.request.outputs[0]), False)
