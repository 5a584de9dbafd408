"""Who sees whose votes and comments, and when.

Guarantees: until a checker's own review is submitted, that checker sees nobody else's votes; until the turn is over,
the author and the project see none at all, nor that one was cast; a void review is seen by its caster alone.

Threat: the second pair of eyes that only repeats what the first one wrote.
"""

from __future__ import annotations

from tre.domain.exports.audience import name_of, told
from tre.domain.exports.models import CheckRun, Comment, ExportRequest, Readers, Review, Vote
from tre.domain.exports.permissions import is_independent
from tre.domain.exports.situation import GrantFacts
from tre.domain.exports.states import VOTING, BlindPhase, ExportState
from tre.domain.people import Person, Role

_OVER = frozenset({BlindPhase.AUTHOR, BlindPhase.COMPLETE})


def visible_reviews(request: ExportRequest, viewer: Person, grant: GrantFacts) -> tuple[Review, ...]:
    """The reviews that a person may see now, with votes and comments."""
    return tuple(review for review in request.reviews if _visible(review, request, viewer, grant))


def _visible(review: Review, request: ExportRequest, viewer: Person, grant: GrantFacts) -> bool:
    if review.checker.key == viewer.subject.key:
        return True
    if review.void or review.submitted_at is None:
        return False
    turn_over = review.turn < request.turn or request.phase in _OVER
    if not is_independent(viewer.subject, request, grant):
        return turn_over and grant.is_member(viewer.subject)
    if not viewer.holds(Role.checker):
        return False
    return turn_over or (request.phase is BlindPhase.CONSOLIDATING and _has_submitted(request, viewer))


def _has_submitted(request: ExportRequest, viewer: Person) -> bool:
    own = request.review_of(viewer.subject)
    return own is not None and own.submitted_at is not None and not own.void


def seen_by(request: ExportRequest, viewer: Person, grant: GrantFacts) -> ExportRequest:
    """The request as a person may see it: without reviews that are none of their business.

    The author's side sees `Submitted` until the turn's votes are in, so that it does not learn when one was cast.
    """
    seen = request.changed(
        reviews=visible_reviews(request, viewer, grant), comments=visible_comments(request, viewer, grant)
    )
    if viewer.holds(Role.checker) and is_independent(viewer.subject, request, grant):
        return seen
    return _from_inside(seen)


def _from_inside(request: ExportRequest) -> ExportRequest:
    """What the author's side sees: findings as far as they are told, and nothing that would prove a guess at others."""
    run = told(request.check_run) if request.check_run else None
    told_ids = {finding.id for finding in run.findings} if run else set()
    reviews = tuple(
        Review.model_validate(
            {**dict(review), "votes": tuple(_vote_from_inside(v, request, run, told_ids) for v in review.votes)}
        )
        for review in request.reviews
    )
    blind = request.state is ExportState.PartiallyReviewed
    return request.changed(
        state=ExportState.Submitted if blind else request.state,
        check_run=run,
        reviews=reviews,
        claims=(),
        consents=(),
        ledger=(),
        emergency=None if request.phase in VOTING else request.emergency,
    )


def _vote_from_inside(vote: Vote, request: ExportRequest, run: CheckRun | None, told_ids: set[str]) -> Vote:
    said = tuple(answer for answer in vote.dispositions if answer.finding in told_ids)
    name = name_of(request.check_run, run, vote.run)
    return Vote.model_validate({**dict(vote), "dispositions": said, "run": name, "basis": ""})


def visible_comments(request: ExportRequest, viewer: Person, grant: GrantFacts) -> tuple[Comment, ...]:
    """The comments that a person may read now."""
    return tuple(item for item in request.comments if _readable(item, request, viewer, grant))


def _readable(item: Comment, request: ExportRequest, viewer: Person, grant: GrantFacts) -> bool:
    if item.by.key == viewer.subject.key:
        return True
    inside, by_author = not is_independent(viewer.subject, request, grant), item.by.key == request.author.key
    if item.void or (not viewer.holds(Role.checker) if not inside else not grant.is_member(viewer.subject)):
        return False
    turn_over = item.turn < request.turn or request.phase in _OVER
    if by_author or inside:
        return by_author or (turn_over and item.readers is Readers.public)
    return turn_over or (request.phase is BlindPhase.CONSOLIDATING and _has_submitted(request, viewer))
