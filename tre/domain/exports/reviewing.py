"""What checkers do: vote on each file, submit a review, return, reject, approve.

Guarantees: a vote names the bytes and the run of the checks that the checker saw, and is refused if they are not the
present ones; changes are never requested without a comment; nothing is approved past an unanswered finding; the step
to `Approved` needs every output approved by the quorum and a typed confirmation.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError
from tre.domain.exports.claims import seated, unseated
from tre.domain.exports.comments import cut_short
from tre.domain.exports.models import Choice, Confirmation, ExportRequest, RequestFile, Review, Vote
from tre.domain.exports.moves import check_phase, moved
from tre.domain.exports.permissions import check_review
from tre.domain.exports.policies import (
    check_approvable,
    check_confirmation,
    counted_reviews,
    counts,
    is_current,
    open_findings,
    quorum,
)
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import BlindPhase, ExportState
from tre.domain.people import Person, Role

_VOTING = (BlindPhase.INDEPENDENT, BlindPhase.CONSOLIDATING)


def record_vote(request: ExportRequest, person: Person, vote: Vote, situation: Situation) -> ExportRequest:
    """Keep a checker's vote on one output; a later vote on the same file replaces it.

    Raises `TREError(ContentChanged)` where the vote is about other bytes or another run than the present ones.
    """
    check_review(person, request, situation.grant)
    check_phase(request, *_VOTING)
    file = next((output for output in request.outputs if output.path == vote.path), None)
    if file is None:
        raise TREError(Reason.BadInput, "There is no such output in this request.")
    _check_vote(request, file, vote)
    request = seated(request, person.subject, person.subject, situation)
    old = request.review_of(person.subject) or Review(checker=person.subject, turn=request.turn)
    if old.submitted_at is not None and vote.choice is Choice.Undecided:
        raise TREError(Reason.StateForbids, "A submitted review has no undecided votes.")
    votes = tuple(other for other in old.votes if other.path != vote.path)
    run = request.check_run
    basis = run.basis(file) if run else ""
    stamped = Vote.model_validate({**dict(vote), "at": situation.now, "basis": basis, "kept": False})
    return _with_review(request, _changed(old, votes=(*votes, stamped)), situation)


def _check_vote(request: ExportRequest, file: RequestFile, vote: Vote) -> None:
    if not is_current(request, file, vote):
        raise TREError(
            Reason.ContentChanged,
            "The file, or what the checks found in it, is no longer what you saw.",
            remedy="Open the request again and look at the present content.",
        )
    if vote.choice is Choice.ChangesRequested and not vote.comment.strip():
        raise TREError(Reason.ContextMissing, "Asking for changes needs a comment.", remedy="Say what should change.")
    if vote.choice is Choice.Approved and vote.looked is None:
        raise TREError(
            Reason.ConfirmationWrong,
            "An approval says how much of the file was looked at.",
            why="Without it nobody could tell a look from a click.",
            remedy="Say `stated` if you looked at the whole of it, `covered` if you leave the rest to the checks.",
        )
    unanswered = open_findings(request, file, vote)
    if vote.choice is Choice.Approved and unanswered:
        raise TREError(
            Reason.FindingBlocks,
            f"{len(unanswered)} findings on this file are not answered.",
            remedy="Give each exception its reason and acknowledge the others, or ask for changes.",
        )


def _changed(review: Review, **changes: object) -> Review:
    return Review.model_validate({**dict(review), **changes})


def _with_review(request: ExportRequest, review: Review, situation: Situation) -> ExportRequest:
    others = tuple(r for r in request.reviews if (r.checker.key, r.turn) != (review.checker.key, review.turn))
    return request.changed(reviews=(*others, review), changed_at=situation.now)


def submit_review(request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Hand in a review with a decided vote on every output; enough of them complete the turn.

    Raises `TREError(QuorumMissing)` where a vote is missing.
    """
    check_review(person, request, situation.grant)
    check_phase(request, *_VOTING)
    review = request.review_of(person.subject)
    missing = [file for file in request.outputs if not _decided(request, file, review)]
    if review is not None and any(vote.kept for vote in review.votes):
        raise TREError(
            Reason.QuorumMissing,
            "Votes kept from the last round are not confirmed.",
            why="They count once you say that they still hold.",
            remedy="Confirm them together, or vote on those files again.",
        )
    if review is None or missing:
        raise TREError(Reason.QuorumMissing, f"{len(missing)} files lack your vote.", remedy="Vote on every output.")
    if review.submitted_at is not None:
        raise TREError(Reason.StateForbids, "Your review is already submitted.")
    request = seated(request, person.subject, person.subject, situation)
    handed = _changed(review, submitted_at=situation.now, role=Role.checker)
    updated = unseated(_with_review(request, handed, situation), person.subject, situation)
    return _advance(updated, situation)


def confirm_kept(request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Say of every vote kept from an earlier turn, in one act, that it still holds; those on what changed since go.

    Raises `TREError(StateForbids)` where none was kept.
    """
    check_review(person, request, situation.grant)
    check_phase(request, *_VOTING)
    review = request.review_of(person.subject)
    if review is None or not any(vote.kept for vote in review.votes):
        raise TREError(Reason.StateForbids, "No vote of yours was kept from an earlier round.")
    request = seated(request, person.subject, person.subject, situation)
    files = {file.path: file for file in request.outputs}
    votes = tuple(
        Vote.model_validate({**dict(vote), "kept": False, "at": situation.now}) if vote.kept else vote
        for vote in review.votes
        if not vote.kept or (vote.path in files and is_current(request, files[vote.path], vote))
    )
    return _with_review(request, _changed(review, votes=votes), situation)


def _decided(request: ExportRequest, file: RequestFile, review: Review | None) -> bool:
    vote = review.vote_on(file.path) if review else None
    return vote is not None and vote.choice is not Choice.Undecided and counts(request, file, vote)


def _advance(request: ExportRequest, situation: Situation) -> ExportRequest:
    enough = len(counted_reviews(request, situation.grant)) >= quorum(situation.policy, situation.grant)
    if request.state is ExportState.Submitted:
        return moved(request, ExportState.PartiallyReviewed, situation)
    if request.state is ExportState.PartiallyReviewed and enough:
        return moved(request, ExportState.Reviewed, situation)
    return request


def return_to_author(request: ExportRequest, person: Person, message: str, situation: Situation) -> ExportRequest:
    """Give the request back with words for the author. Before the turn is complete, its votes become void.

    Raises `TREError(ContextMissing)` without a message.
    """
    check_review(person, request, situation.grant)
    _need_words(message)
    returned = moved(request, ExportState.Returned, situation, message=message)
    if request.phase is not BlindPhase.INDEPENDENT:
        return returned.changed(confirmation=None)
    reviews = tuple(_changed(r, void=True) if r.turn == request.turn else r for r in request.reviews)
    return returned.changed(reviews=reviews, comments=cut_short(request), confirmation=None)


def reject(request: ExportRequest, person: Person, message: str, situation: Situation) -> ExportRequest:
    """Refuse the request for good, with words. Raises `TREError(ContextMissing)` without them."""
    check_review(person, request, situation.grant)
    _need_words(message)
    return moved(request, ExportState.Rejected, situation, message=message)


def _need_words(message: str) -> None:
    if not message.strip():
        raise TREError(Reason.ContextMissing, "The author must be told why.", remedy="Write a message.")


def approve(request: ExportRequest, person: Person, typed: str, situation: Situation) -> ExportRequest:
    """Confirm the release of every output; it begins after the delay, in which it can be stopped.

    Raises `TREError`: see `policies.check_approvable` and `policies.check_confirmation`.
    """
    check_review(person, request, situation.grant)
    check_phase(request, BlindPhase.CONSOLIDATING)
    check_approvable(request, situation)
    check_confirmation(request, typed)
    confirmation = Confirmation(by=person.subject, at=situation.now)
    return moved(request, ExportState.Approved, situation).changed(confirmation=confirmation)
