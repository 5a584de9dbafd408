"""Who sees whose votes and comments, and when.

Guarantees: until a checker's own review is submitted, that checker sees nobody else's votes; until the turn is over,
the author and the project see none at all, nor that one was cast; a void review is seen by its caster alone.

Threat: the second pair of eyes that only repeats what the first one wrote.
"""

from __future__ import annotations

from tre.domain.exports.models import ExportRequest, Review
from tre.domain.exports.permissions import is_independent
from tre.domain.exports.situation import GrantFacts
from tre.domain.exports.states import BlindPhase, ExportState
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
    shown = request.changed(reviews=visible_reviews(request, viewer, grant))
    outside = viewer.holds(Role.checker) and is_independent(viewer.subject, request, grant)
    if request.state is ExportState.PartiallyReviewed and not outside:
        return shown.changed(state=ExportState.Submitted)
    return shown
