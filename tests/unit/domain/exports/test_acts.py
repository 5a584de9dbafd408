"""What authors, checkers and the launcher do with a request, and what each act refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.domain.exports.world import (
    AUTHOR,
    CHECKERS,
    COLLEAGUE,
    OPERATOR,
    START,
    WORDS,
    World,
    file,
    finding,
    policy,
)
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, releasing, reviewing
from tre.domain.exports.models import Choice, ExportRequest, FileGroup, FileKind, Looking
from tre.domain.exports.policies import counted_reviews
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import WAITING, ExportState

S = ExportState


def refused(act: Callable[..., Any], *arguments: Any) -> Reason:
    with pytest.raises(TREError) as error:
        act(*arguments)
    return error.value.reason


def submitted() -> World:
    return World().with_files().checked().submit()


def test_a_new_request_is_the_author_s_and_says_so() -> None:
    request = World().request
    assert (request.state, request.reason, request.turn) == (S.Pending, Reason.AwaitingAuthor, 0)
    assert request.deadline is not None


def test_nobody_without_access_begins_one() -> None:
    world = World()
    world.author = Reason.GrantExpired
    draft = authoring.Draft(id="e-abcdefghijkl", grant="g", workspace="w", author=AUTHOR.subject)
    assert refused(authoring.begin, draft, world.situation) is Reason.GrantExpired


def test_words_of_a_group_can_be_changed_and_its_files_stay() -> None:
    world = World().with_files()
    other = FileGroup(name="tables", context="other", controls="words")
    world.request = authoring.describe(world.request, AUTHOR, other, world.situation)
    (group,) = world.request.groups
    assert (group.context, len(group.files)) == ("other", 1)


def test_a_file_under_a_known_path_replaces_it_whichever_group_it_was_in() -> None:
    world = World().with_files(file("a.csv", "1"), file("b.csv", "2")).with_files(file("a.csv", "3"), group="figures")
    assert [[f.path for f in group.files] for group in world.request.groups] == [["b.csv"], ["a.csv"]]
    assert world.request.files[1].sha256 == file("a.csv", "3").sha256


def test_files_need_their_group() -> None:
    world = World()
    assert refused(authoring.add_files, world.request, AUTHOR, "none", (file(),), world.situation) is Reason.BadInput


@pytest.mark.parametrize("limits", [{"files": 1}, {"requestBytes": "15"}])
def test_a_request_stays_within_its_policy(limits: dict[str, Any]) -> None:
    world = World(rules=policy(limits=limits)).with_files()
    arguments = (world.request, AUTHOR, "tables", (file("b.csv", "2"),), world.situation)
    assert refused(authoring.add_files, *arguments) is Reason.FileRefused
    world.rules = policy()
    authoring.add_files(*arguments[:-1], world.situation)


def test_a_request_may_be_as_large_as_its_policy_says() -> None:
    world = World(rules=policy(limits={"files": 2, "requestBytes": "20"})).with_files()
    after = authoring.add_files(world.request, AUTHOR, "tables", (file("b.csv", "2"),), world.situation)
    assert [found.path for found in after.outputs] == ["a.csv", "b.csv"]


def test_a_file_taken_back_is_shown_no_more_and_never_released() -> None:
    world = World().with_files(file("a.csv", "1"), file("b.csv", "2"))
    world.request = authoring.set_kind(world.request, AUTHOR, "a.csv", FileKind.withdrawn, world.situation)
    assert [f.path for f in world.request.outputs] == [f.path for f in world.request.shown] == ["b.csv"]
    assert refused(authoring.set_kind, world.request, AUTHOR, "c", FileKind.output, world.situation) is Reason.BadInput


AUTHORING: dict[str, Callable[[World], Any]] = {
    "describe": lambda w: authoring.describe(w.request, AUTHOR, FileGroup(name="x"), w.situation),
    "add_files": lambda w: authoring.add_files(w.request, AUTHOR, "tables", (file("z.csv"),), w.situation),
    "set_kind": lambda w: authoring.set_kind(w.request, AUTHOR, "a.csv", FileKind.code, w.situation),
    "submit": lambda w: authoring.submit(w.request, AUTHOR, w.situation),
}


@pytest.mark.parametrize("act", AUTHORING)
def test_an_author_changes_nothing_out_of_turn(act: str) -> None:
    AUTHORING[act](World().with_files().checked())
    assert refused(AUTHORING[act], submitted()) is Reason.StateForbids


def test_only_the_author_edits_and_submits() -> None:
    world = World().with_files().checked()
    for person in (COLLEAGUE, CHECKERS[0], OPERATOR):
        assert refused(authoring.submit, world.request, person, world.situation) is Reason.NotPermitted
        assert refused(authoring.withdraw, world.request, person, world.situation) is Reason.NotPermitted


def test_each_submission_is_a_new_turn_in_which_no_vote_counts() -> None:
    world = submitted().reviewed()
    world.request = reviewing.return_to_author(world.request, CHECKERS[0], "round it", world.situation)
    assert (world.request.state, world.request.reason) == (S.Returned, Reason.ChangesRequested)
    world.submit()
    assert world.request.turn == 2
    assert counted_reviews(world.request, world.grant) == ()
    for checker in CHECKERS[:2]:
        review = world.request.review_of(checker.subject)
        assert review is not None
        assert (review.submitted_at, [vote.kept for vote in review.votes]) == (None, [True])


def test_a_blocking_finding_is_met_before_submission() -> None:
    world = World().with_files().checked(finding(Severity.B))
    assert world.request.state is S.Pending
    assert refused(authoring.submit, world.request, AUTHOR, world.situation) is Reason.FindingBlocks
    world.checked().submit()


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_new_run_that_blocks_takes_the_request_from_the_checkers(steps: int) -> None:
    world = submitted()
    for checker in CHECKERS[:steps]:
        world.vote(checker).hand_in(checker)
    world.checked(finding(Severity.I))
    assert world.request.state is not S.Blocked
    world.checked(finding(Severity.B))
    assert (world.request.state, world.request.reason) == (S.Blocked, Reason.FindingBlocks)
    world.with_files(file(content="2")).checked().submit()
    assert world.request.state is S.Submitted


def test_an_approval_is_blocked_by_a_new_run_too() -> None:
    for world in (World().approved(), World().releasing()):
        world.checked(finding(Severity.B))
        assert world.request.state is S.Blocked
        assert world.request.confirmation is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: World().with_files(),
        submitted,
        lambda: submitted().reviewed(CHECKERS[0]),
        lambda: submitted().reviewed(),
        lambda: World().approved(),
    ],
)
def test_an_author_withdraws_until_the_release_begins(make: Callable[[], World]) -> None:
    world = make()
    request = authoring.withdraw(world.request, AUTHOR, world.situation)
    assert (request.state, request.reason, request.confirmation) == (S.Withdrawn, Reason.Requested, None)


def test_nothing_is_withdrawn_once_the_release_has_begun() -> None:
    for world in (World().releasing(), World().released()):
        assert refused(authoring.withdraw, world.request, AUTHOR, world.situation) is Reason.StateForbids


# Checkers.


def test_a_vote_is_bound_to_what_was_seen() -> None:
    world = submitted()
    for changes in ({"sha256": "0" * 64}, {"run": "another"}):
        vote = world.ballot(**changes)
        assert (
            refused(reviewing.record_vote, world.request, CHECKERS[0], vote, world.situation) is Reason.ContentChanged
        )
    world.vote(CHECKERS[0])


def test_a_vote_carries_the_launcher_s_time() -> None:
    world = submitted().tick(minutes=3)
    world.vote(CHECKERS[0], world.ballot(at=START))
    review = world.request.review_of(CHECKERS[0].subject)
    assert review is not None
    assert review.votes[0].at == world.now


def test_a_later_vote_replaces_the_earlier() -> None:
    world = submitted()
    world.vote(CHECKERS[0], world.ballot(choice=Choice.Undecided)).vote(CHECKERS[0])
    review = world.request.review_of(CHECKERS[0].subject)
    assert review is not None
    assert [vote.choice for vote in review.votes] == [Choice.Approved]


def test_there_are_no_votes_on_what_does_not_leave() -> None:
    world = World().with_files(file(), file("b.csv", kind=FileKind.supporting)).checked().submit()
    vote = world.ballot("b.csv")
    assert refused(reviewing.record_vote, world.request, CHECKERS[0], vote, world.situation) is Reason.BadInput


@pytest.mark.parametrize("looked", Looking)
def test_an_approval_says_how_much_was_looked_at(looked: Looking) -> None:
    world = submitted()
    unsaid = world.ballot(looked=None)
    assert (
        refused(reviewing.record_vote, world.request, CHECKERS[0], unsaid, world.situation) is Reason.ConfirmationWrong
    )
    world.vote(CHECKERS[0], world.ballot(choice=Choice.ChangesRequested, looked=None))
    world.vote(CHECKERS[0], world.ballot(looked=looked))
    review = world.request.review_of(CHECKERS[0].subject)
    assert review is not None
    assert [vote.looked for vote in review.votes] == [looked]


def test_changes_need_a_comment() -> None:
    world = submitted()
    vote = world.ballot(choice=Choice.ChangesRequested, comment="  ")
    assert refused(reviewing.record_vote, world.request, CHECKERS[0], vote, world.situation) is Reason.ContextMissing
    world.vote(CHECKERS[0], world.ballot(choice=Choice.ChangesRequested))


def test_an_unanswered_finding_stops_an_approval_and_no_other_vote() -> None:
    found = finding(Severity.E)
    world = World().with_files().checked(found).submit()
    assert (
        refused(reviewing.record_vote, world.request, CHECKERS[0], world.ballot(), world.situation)
        is Reason.FindingBlocks
    )
    world.vote(CHECKERS[0], world.ballot(choice=Choice.ChangesRequested))
    world.vote(CHECKERS[0], world.ballot(dispositions=world.answers(found)))


REVIEWING: dict[str, Callable[[World, Any], Any]] = {
    "vote": lambda w, who: reviewing.record_vote(w.request, who, w.ballot(), w.situation),
    "submit_review": lambda w, who: reviewing.submit_review(w.request, who, w.situation),
    "return": lambda w, who: reviewing.return_to_author(w.request, who, "words", w.situation),
    "reject": lambda w, who: reviewing.reject(w.request, who, "words", w.situation),
    "approve": lambda w, who: reviewing.approve(w.request, who, "1", w.situation),
}


@pytest.mark.parametrize("act", REVIEWING)
@pytest.mark.parametrize("who", [AUTHOR, COLLEAGUE, OPERATOR], ids=lambda p: p.subject.id)
def test_nobody_inside_and_no_other_role_decides(act: str, who: Any) -> None:
    world = submitted().reviewed()
    assert refused(REVIEWING[act], world, who) is Reason.NotPermitted


@pytest.mark.parametrize("act", REVIEWING)
def test_nobody_decides_while_the_author_works(act: str) -> None:
    world = World().with_files().checked()
    assert refused(REVIEWING[act], world, CHECKERS[0]) is Reason.StateForbids


def test_a_review_has_a_decided_vote_on_every_output() -> None:
    world = World().with_files(file("a.csv", "1"), file("b.csv", "2")).checked().submit()
    assert refused(reviewing.submit_review, world.request, CHECKERS[0], world.situation) is Reason.QuorumMissing
    world.vote(CHECKERS[0], world.ballot("a.csv"), world.ballot("b.csv", Choice.Undecided))
    assert refused(reviewing.submit_review, world.request, CHECKERS[0], world.situation) is Reason.QuorumMissing
    world.vote(CHECKERS[0], world.ballot("b.csv")).hand_in(CHECKERS[0])
    assert world.request.state is S.PartiallyReviewed


def test_votes_on_what_is_no_longer_so_are_cast_again_before_a_review_is_handed_in() -> None:
    world = submitted().vote(CHECKERS[0]).checked(finding(Severity.I))
    assert refused(reviewing.submit_review, world.request, CHECKERS[0], world.situation) is Reason.QuorumMissing
    world.vote(CHECKERS[0]).hand_in(CHECKERS[0])


def test_a_submitted_review_is_submitted_once_and_stays_decided() -> None:
    world = submitted().reviewed(CHECKERS[0])
    assert refused(reviewing.submit_review, world.request, CHECKERS[0], world.situation) is Reason.StateForbids
    undecided = world.ballot(choice=Choice.Undecided)
    assert refused(reviewing.record_vote, world.request, CHECKERS[0], undecided, world.situation) is Reason.StateForbids
    world.vote(CHECKERS[0], world.ballot(choice=Choice.ChangesRequested))
    assert world.request.state is S.PartiallyReviewed


def test_a_third_review_settles_a_conflict() -> None:
    world = submitted()
    world.vote(CHECKERS[0]).hand_in(CHECKERS[0])
    world.vote(CHECKERS[1], world.ballot(choice=Choice.ChangesRequested)).hand_in(CHECKERS[1])
    assert refused(reviewing.approve, world.request, CHECKERS[0], "1", world.situation) is Reason.QuorumMissing
    world.vote(CHECKERS[2]).hand_in(CHECKERS[2])
    assert world.request.state is S.Reviewed
    assert reviewing.approve(world.request, CHECKERS[0], "1", world.situation).state is S.Approved


def test_an_approval_is_typed() -> None:
    world = submitted().reviewed()
    assert refused(reviewing.approve, world.request, CHECKERS[0], "yes", world.situation) is Reason.ConfirmationWrong
    request = reviewing.approve(world.request, CHECKERS[0], "abcdef", world.situation)
    assert request.confirmation is not None
    assert (request.confirmation.by, request.confirmation.at) == (CHECKERS[0].subject, world.now)


@pytest.mark.parametrize("votes", [0, 1])
def test_an_early_return_voids_the_turn_s_votes(votes: int) -> None:
    world = submitted()
    world.vote(CHECKERS[1])
    if votes:
        world.hand_in(CHECKERS[1])
    world.request = reviewing.return_to_author(world.request, CHECKERS[0], "too early", world.situation)
    assert world.request.message == "too early"
    assert all(review.void for review in world.request.reviews)


def test_a_return_after_the_turn_voids_nothing() -> None:
    world = submitted().reviewed()
    world.request = reviewing.return_to_author(world.request, CHECKERS[0], "words", world.situation)
    assert not any(review.void for review in world.request.reviews)


def test_a_release_is_stopped_within_its_delay() -> None:
    world = World().approved()
    request = reviewing.return_to_author(world.request, CHECKERS[1], "wait", world.situation)
    assert (request.state, request.confirmation) == (S.Returned, None)


def test_return_and_rejection_have_words() -> None:
    world = submitted().reviewed()
    for act in (reviewing.return_to_author, reviewing.reject):
        assert refused(act, world.request, CHECKERS[0], " ", world.situation) is Reason.ContextMissing
    request = reviewing.reject(world.request, CHECKERS[0], "never", world.situation)
    assert (request.state, request.message, request.deadline) == (S.Rejected, "never", None)


# The launcher.


def test_the_whole_way() -> None:
    request = World().released().request
    assert (request.state, request.deadline) == (S.Released, None)
    assert request.release is not None


def test_a_release_that_failed_is_tried_again_and_says_why() -> None:
    world = World().releasing()
    error = TREError(Reason.ServiceUnavailable, "The disk is full.")
    request = releasing.release_failed(world.request, error, world.situation)
    assert (request.state, request.reason, request.message) == (
        S.Approved,
        Reason.ServiceUnavailable,
        "The disk is full.",
    )
    assert request.confirmation is not None


@pytest.mark.parametrize("make", [submitted, lambda: submitted().reviewed(), lambda: World().approved()])
def test_nothing_fails_that_did_not_begin(make: Callable[[], World]) -> None:
    """Else a failure that comes too late would approve what was only reviewed."""
    world = make()
    for reason in (Reason.ServiceUnavailable, Reason.ContentChanged):
        error = TREError(reason, "late")
        assert refused(releasing.release_failed, world.request, error, world.situation) is Reason.StateForbids


def test_only_an_approval_is_reopened() -> None:
    """Else a half-reviewed request would count as reviewed."""
    world = submitted().reviewed(CHECKERS[0])
    assert refused(releasing.reopen, world.request, world.situation) is Reason.StateForbids


def test_other_bytes_block_the_request() -> None:
    world = World().releasing()
    error = TREError(Reason.ContentChanged, "Other bytes.")
    request = releasing.release_failed(world.request, error, world.situation)
    assert (request.state, request.reason, request.confirmation) == (S.Blocked, Reason.ContentChanged, None)


def test_a_project_stopped_in_mid_release_releases_nothing() -> None:
    world = World().releasing()
    world.stopped = Reason.GrantRevoked
    assert refused(releasing.released, world.request, world.bundle(), world.situation) is Reason.GrantRevoked


def test_a_recall_says_why_and_is_for_checkers_and_operators() -> None:
    world = World().released()
    assert refused(releasing.recall, world.request, AUTHOR, "x", world.situation) is Reason.NotPermitted
    assert refused(releasing.recall, world.request, OPERATOR, " ", world.situation) is Reason.ContextMissing
    request = releasing.recall(world.request, OPERATOR, "a name in it", world.situation)
    assert (request.state, request.message) == (S.Recalled, "a name in it")


@pytest.mark.parametrize(
    ("make", "state", "reason"),
    [
        (World, S.Withdrawn, Reason.DeadlineReached),
        (submitted, S.Submitted, Reason.DeadlineReached),
        (lambda: submitted().reviewed(CHECKERS[0]), S.PartiallyReviewed, Reason.DeadlineReached),
        (lambda: World().approved(), S.Approved, Reason.AwaitingRelease),
        (lambda: World().releasing(), S.Approved, Reason.DeadlineReached),
        (lambda: World().released(), S.Released, Reason.Requested),
    ],
)
def test_what_a_deadline_brings(make: Callable[[], World], state: ExportState, reason: Reason) -> None:
    world = make()
    assert releasing.at_deadline(world.request, world.situation) == world.request
    world.tick(days=31)
    request = releasing.at_deadline(world.request, world.situation)
    assert (request.state, request.reason) == (state, reason)
    if state in {S.Submitted, S.PartiallyReviewed, S.Withdrawn}:
        assert releasing.at_deadline(request, world.tick(days=1).situation) is request, "told more than once"


def test_no_request_waits_without_a_clock() -> None:
    worlds = [World(), submitted(), submitted().reviewed(), World().approved(), World().releasing(), World().released()]
    for world in worlds:
        assert (world.request.deadline is not None) == (world.request.state in WAITING)


@pytest.mark.parametrize(
    "change",
    [
        {"groups": (FileGroup(name="a"), FileGroup(name="a"))},
        {"groups": (FileGroup(name="a", files=(file(),)), FileGroup(name="b", files=(file(),)))},
        {"id": "E-1"},
    ],
)
def test_a_request_holds_each_name_once(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        World().request.changed(**change)


def test_a_request_survives_being_written_down() -> None:
    request = World().released().request
    assert ExportRequest.model_validate(request.as_plain()) == request
    assert WORDS in request.groups[0].context
