"""What counts, what is decided, and what may leave."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.domain.exports.world import (
    AUTHOR,
    CHECKERS,
    WORDS,
    World,
    file,
    finding,
    policy,
    sha,
)
from tre.domain.errors import Reason, TREError
from tre.domain.exports import authoring, releasing, reviewing
from tre.domain.exports.models import Choice, FileGroup, FileKind, Review
from tre.domain.exports.policies import (
    Decision,
    approves,
    check_approvable,
    check_checked,
    check_confirmation,
    check_releasable,
    check_submittable,
    counted_reviews,
    deadline_of,
    decision,
    findings_on,
    is_current,
    is_overdue,
    open_findings,
    quorum,
    releasable,
)
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState
from tre.domain.people import Role

A, C = Choice.Approved, Choice.ChangesRequested


def submitted(**world: Any) -> World:
    return World(**world).with_files().checked().submit()


def reason_of(world: World, check: Any, *arguments: Any) -> Reason | None:
    try:
        check(world.request, *(arguments or (world.situation,)))
    except TREError as error:
        return error.reason
    return None


@pytest.mark.parametrize(("minimum", "raised", "due"), [(2, None, 2), (2, 1, 2), (2, 3, 3), (3, 2, 3)])
def test_a_grant_raises_the_minimum_and_never_lowers_it(minimum: int, raised: int | None, due: int) -> None:
    world = World(reviewers=raised, rules=policy(review={"minimumReviewers": minimum}))
    assert quorum(world.rules, world.grant) == due


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([], Decision.INCOMPLETE),
        ([A], Decision.INCOMPLETE),
        ([A, A], Decision.APPROVED),
        ([A, C], Decision.CONFLICTED),
        ([C, A], Decision.CONFLICTED),
        ([C, C], Decision.CHANGES_REQUESTED),
        ([A, C, A], Decision.APPROVED),
        ([C, A, C], Decision.CONFLICTED),
    ],
)
def test_what_votes_say_about_a_file(votes: list[Choice], expected: Decision) -> None:
    world = submitted()
    for checker, choice in zip(CHECKERS, votes, strict=False):
        world.vote(checker, world.ballot(choice=choice)).hand_in(checker)
    assert decision(world.request, world.request.outputs[0], world.situation) is expected


def test_a_raised_quorum_needs_that_many() -> None:
    world = submitted(reviewers=3).reviewed(*CHECKERS[:2])
    assert world.request.state is ExportState.PartiallyReviewed
    assert decision(world.request, world.request.outputs[0], world.situation) is Decision.INCOMPLETE
    world.reviewed(CHECKERS[2])
    assert world.request.state is ExportState.Reviewed
    assert decision(world.request, world.request.outputs[0], world.situation) is Decision.APPROVED


def forged(world: World, **changes: Any) -> World:
    """The same request with one review changed as only a fault could."""
    first, *rest = world.request.reviews
    world.request = world.request.changed(reviews=(Review.model_validate({**dict(first), **changes}), *rest))
    return world


@pytest.mark.parametrize(
    "changes",
    [
        {"submitted_at": None},
        {"void": True},
        {"role": None},
        {"role": Role.operator},
        {"turn": 2},
        {"checker": AUTHOR.subject},
    ],
    ids=str,
)
def test_a_review_counts_only_with_everything_in_order(changes: dict[str, Any]) -> None:
    world = submitted().reviewed()
    assert len(counted_reviews(world.request, world.grant)) == 2
    assert reason_of(world, check_approvable) is None
    forged(world, **changes)
    assert len(counted_reviews(world.request, world.grant)) == 1
    assert reason_of(world, check_approvable) is Reason.QuorumMissing


def test_a_checker_who_joined_the_project_since_counts_no_more() -> None:
    world = World().approved().tick(seconds=5)
    assert releasable(world.request, world.situation)
    world.members = (*world.members, CHECKERS[1].subject)
    assert reason_of(world, check_releasable) is Reason.QuorumMissing


def test_a_changed_byte_voids_the_votes() -> None:
    world = World().approved().tick(seconds=5)
    assert releasable(world.request, world.situation)
    (group,) = world.request.groups
    swapped = FileGroup(name=group.name, context=WORDS, controls=WORDS, files=(file(content="2"),))
    world.request = world.request.changed(groups=(swapped,))
    assert reason_of(world, check_releasable) is Reason.CheckMissing
    world.checked()
    assert reason_of(world, check_releasable) is Reason.QuorumMissing


def test_another_run_with_other_findings_voids_the_votes_and_the_same_findings_do_not() -> None:
    world = World().approved().tick(seconds=5).checked()
    assert releasable(world.request, world.situation)
    world.checked(finding(Severity.I))
    assert reason_of(world, check_releasable) is Reason.QuorumMissing


def test_a_changed_policy_stops_the_release() -> None:
    world = World().approved().tick(seconds=5)
    world.rules = policy(counts={"threshold": 11})
    assert reason_of(world, check_releasable) is Reason.PolicyChanged


def test_a_blocking_finding_stops_whatever_votes_say() -> None:
    world = World().approved().tick(seconds=5)
    run = world.run(finding(Severity.B))
    reviews = tuple(
        Review.model_validate({**dict(r), "votes": tuple(v.model_copy(update={"run": run.id}) for v in r.votes)})
        for r in world.request.reviews
    )
    world.request = world.request.changed(check_run=run, reviews=reviews)
    assert decision(world.request, world.request.outputs[0], world.situation) is Decision.APPROVED
    assert reason_of(world, check_releasable) is Reason.FindingBlocks


def test_a_blocking_finding_on_a_file_that_stays_blocks_nothing() -> None:
    code = file("b.py", "code", kind=FileKind.code)
    world = World().with_files(file(), code).checked(finding(Severity.B, "code"))
    assert reason_of(world, check_submittable) is None


@pytest.mark.parametrize(
    ("severity", "why", "open_"),
    [
        (Severity.I, None, False),
        (Severity.A, None, True),
        (Severity.A, "", False),
        (Severity.E, None, True),
        (Severity.E, "  ", True),
        (Severity.E, "agreed", False),
    ],
)
def test_what_an_approval_must_answer(severity: Severity, why: str | None, open_: bool) -> None:
    found = finding(severity)
    world = World().with_files().checked(found).submit()
    answers = () if why is None else world.answers(found, why=why)
    vote = world.ballot(dispositions=answers)
    output = world.request.outputs[0]
    assert bool(open_findings(world.request, output, vote)) == open_
    assert approves(world.request, output, vote) != open_


def test_without_a_run_there_are_no_findings_and_no_yes() -> None:
    world = World().with_files()
    output = world.request.outputs[0]
    assert findings_on(world.request, output) == ()
    assert not approves(world.request, output, world.ballot())
    assert not approves(world.request, output, None)


def test_every_shown_file_must_be_checked() -> None:
    world = World().with_files()
    assert reason_of(world, check_checked, world.rules) is Reason.CheckMissing
    world.checked()
    assert reason_of(world, check_checked, world.rules) is None
    world.with_files(file("b.csv", "1"))
    assert reason_of(world, check_checked, world.rules) is Reason.CheckMissing


@pytest.mark.parametrize(
    ("missing", "too_thin"),
    [("context", "four words are few"), ("controls", "four words are few"), ("relation", "  "), ("people", None)],
)
def test_each_group_needs_its_words(missing: str, too_thin: str | None) -> None:
    world = World().with_files().checked()
    assert reason_of(world, check_submittable) is None
    full = {"name": "tables", "context": WORDS, "controls": WORDS, "relation": "None.", "people": 2500}
    thin = FileGroup.model_validate(full | {missing: too_thin})
    world.request = authoring.describe(world.request, AUTHOR, thin, world.situation)
    assert reason_of(world, check_submittable) is Reason.ContextMissing


def test_a_group_without_files_needs_no_words() -> None:
    world = World().with_files().checked()
    world.request = authoring.describe(world.request, AUTHOR, FileGroup(name="later"), world.situation)
    assert reason_of(world, check_submittable) is None


def test_a_request_needs_an_output_and_an_entitled_author() -> None:
    world = World()
    assert reason_of(world, check_submittable) is Reason.ContextMissing
    world.with_files(file(kind=FileKind.supporting)).checked()
    assert reason_of(world, check_submittable) is Reason.ContextMissing
    world.author = Reason.GrantExpired
    assert reason_of(world, check_submittable) is Reason.GrantExpired


def test_nothing_without_outputs_is_approvable() -> None:
    world = submitted().reviewed()
    (group,) = world.request.groups
    world.request = world.request.changed(groups=(FileGroup(name=group.name),))
    assert reason_of(world, check_approvable) is Reason.QuorumMissing


@pytest.mark.parametrize("typed", ["1", " 1 ", "abcdef", "ABCDEF "])
def test_the_confirmation_is_the_number_of_files_or_the_code(typed: str) -> None:
    check_confirmation(World().with_files().request, typed)


@pytest.mark.parametrize("typed", ["", "2", "yes", "abcdefghijkl"])
def test_anything_else_is_no_confirmation(typed: str) -> None:
    world = World().with_files()
    assert reason_of(world, check_confirmation, typed) is Reason.ConfirmationWrong


def test_a_release_waits_for_its_delay() -> None:
    world = World().approved()
    assert reason_of(world, check_releasable) is Reason.NotYetValid
    world.tick(seconds=5)
    assert reason_of(world, check_releasable) is None


@pytest.mark.parametrize("stopped", [Reason.GrantRevoked, Reason.GrantSuspended])
def test_nothing_leaves_a_stopped_project(stopped: Reason) -> None:
    world = World().approved().tick(seconds=5)
    world.stopped = stopped
    assert reason_of(world, check_releasable) is stopped


def test_only_what_was_approved_is_releasable() -> None:
    world = submitted().reviewed().tick(hours=1)
    assert reason_of(world, check_releasable) is Reason.StateForbids
    assert not releasable(world.request, world.situation)
    world.request = reviewing.approve(world.request, CHECKERS[0], "1", world.situation)
    world.tick(seconds=5)
    assert releasable(world.request, world.situation)
    world.request = world.request.changed(confirmation=None)
    assert reason_of(world, check_releasable) is Reason.StateForbids


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (ExportState.Pending, timedelta(days=30)),
        (ExportState.Blocked, timedelta(days=30)),
        (ExportState.Submitted, timedelta(hours=48)),
        (ExportState.Reviewed, timedelta(hours=48)),
        (ExportState.Approved, timedelta(seconds=5)),
        (ExportState.Releasing, timedelta(minutes=10)),
        (ExportState.Released, None),
        (ExportState.Rejected, None),
    ],
)
def test_every_waiting_state_has_a_deadline(state: ExportState, after: timedelta | None) -> None:
    world = World()
    due = deadline_of(state, world.situation)
    assert due == (None if after is None else world.now + after)


def test_a_deadline_is_over_at_its_moment() -> None:
    world = World()
    assert world.request.deadline is not None
    assert not is_overdue(world.request, world.request.deadline - timedelta(microseconds=1))
    assert is_overdue(world.request, world.request.deadline)
    assert not is_overdue(World().released().request, world.now + timedelta(days=999))


def test_a_vote_on_the_same_bytes_under_another_name_is_none() -> None:
    world = World().with_files(file("a.csv", "1"), file("b.csv", "1")).checked().submit()
    for checker in CHECKERS[:2]:
        world.vote(checker, world.ballot("a.csv"), world.ballot("b.csv", C)).hand_in(checker)
    a, b = world.request.outputs
    assert decision(world.request, a, world.situation) is Decision.APPROVED
    assert decision(world.request, b, world.situation) is Decision.CHANGES_REQUESTED
    assert a.sha256 == b.sha256 == sha("1")
    assert reason_of(world, check_approvable) is Reason.QuorumMissing


def test_reopening_is_for_approvals_that_no_longer_hold() -> None:
    world = World().approved()
    with pytest.raises(TREError, match="still holds"):
        releasing.reopen(world.request, world.situation)
    world.checked(finding(Severity.I))
    world.request = releasing.reopen(world.request, world.situation)
    assert (world.request.state, world.request.reason) == (ExportState.Reviewed, Reason.QuorumMissing)
    assert world.request.confirmation is None


def test_an_approval_of_a_suspended_project_waits_and_says_why() -> None:
    world = World().approved().tick(seconds=5)
    world.stopped = Reason.GrantSuspended
    held = releasing.reopen(world.request, world.situation)
    assert (held.state, held.reason) == (ExportState.Approved, Reason.GrantSuspended)
    assert held.deadline == world.now + timedelta(minutes=10)
    assert releasing.reopen(held, world.situation) is held
    world.tick(minutes=10)
    assert releasing.reopen(held, world.situation).deadline == world.now + timedelta(minutes=10)
    world.stopped = None
    assert releasable(held, world.situation)


def test_an_approval_of_a_revoked_grant_is_withdrawn() -> None:
    world = World().approved().tick(seconds=5)
    world.stopped = Reason.GrantRevoked
    ended = releasing.reopen(world.request, world.situation)
    assert (ended.state, ended.reason, ended.confirmation) == (ExportState.Withdrawn, Reason.GrantRevoked, None)


def test_a_vote_is_current_only_for_these_bytes_this_run_and_a_run_that_saw_them() -> None:
    world = submitted()
    output, vote = world.request.outputs[0], world.ballot()
    assert is_current(world.request, output, vote)
    assert not is_current(world.request, output, world.ballot(sha256=sha("2")))
    assert not is_current(world.request, output, world.ballot(run="another"))
    unseen = file("a.csv", "2")
    assert not is_current(world.request, unseen, world.ballot(sha256=unseen.sha256))
    assert not is_current(world.request.changed(check_run=None), output, vote)


def test_votes_that_are_no_longer_current_leave_a_file_undecided() -> None:
    world = submitted().reviewed()
    output = world.request.outputs[0]
    world.checked(finding(Severity.I))
    assert decision(world.request, output, world.situation) is Decision.INCOMPLETE
    world.vote(CHECKERS[0]).vote(CHECKERS[1], world.ballot(choice=C))
    assert decision(world.request, output, world.situation) is Decision.CONFLICTED


def test_a_review_without_a_vote_on_a_file_says_nothing_of_it() -> None:
    world = submitted().reviewed()
    first, second = world.request.reviews
    silent = Review.model_validate({**dict(first), "votes": ()})
    world.request = world.request.changed(reviews=(silent, second))
    assert decision(world.request, world.request.outputs[0], world.situation) is Decision.INCOMPLETE


def test_a_confirmation_alone_approves_nothing() -> None:
    world = World().approved().tick(seconds=5)
    world.request = world.request.changed(state=ExportState.Reviewed)
    assert reason_of(world, check_releasable) is Reason.StateForbids


def test_the_fewest_words_are_enough() -> None:
    world = World().with_files().checked()
    words = FileGroup(name="tables", context="just five words are enough", controls="just five words are enough")
    words = FileGroup.model_validate({**dict(words), "relation": "None.", "people": 0})
    world.request = authoring.describe(world.request, AUTHOR, words, world.situation)
    assert reason_of(world, check_submittable) is None


def test_no_release_begins_that_is_not_releasable() -> None:
    world = World().approved()
    with pytest.raises(TREError) as refused:
        releasing.begin_release(world.request, world.situation)
    assert refused.value.reason is Reason.NotYetValid


def test_a_stop_within_the_delay_is_told_at_once() -> None:
    world = World().approved()
    world.stopped = Reason.GrantSuspended
    assert releasing.reopen(world.request, world.situation).reason is Reason.GrantSuspended
