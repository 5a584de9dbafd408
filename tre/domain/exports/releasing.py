"""What the launcher does by itself: releases what was approved, and keeps requests from standing still.

Guarantees: a release begins only where `policies.check_releasable` lets it; one that fails goes back to `Approved`;
bytes that are not the approved ones block the request; an approval that no longer holds goes back to the checkers. A
draft left alone is withdrawn at its deadline; a review that is late says so and stays with the checkers.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError
from tre.domain.exports.exceptions import excepted
from tre.domain.exports.models import ExportRequest, Release
from tre.domain.exports.moves import check_state, moved
from tre.domain.exports.permissions import check_recall
from tre.domain.exports.policies import RELEASE_PATIENCE, check_approvable, check_releasable, is_overdue
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import WAITING, AtDeadline, ExportState
from tre.domain.people import Person


def begin_release(request: ExportRequest, situation: Situation) -> ExportRequest:
    """Start the release. Raises `TREError`: see `policies.check_releasable`."""
    check_releasable(request, situation)
    return moved(request, ExportState.Releasing, situation)


def released(request: ExportRequest, release: Release, situation: Situation) -> ExportRequest:
    """The bundle is written: the files have left.

    Raises `TREError` where the rules hold no longer: the bundle must then be destroyed, not handed out.
    """
    check_releasable(request, situation)
    counted = Release.model_validate({**dict(release), "exceptions": len(excepted(request))})
    return moved(request, ExportState.Released, situation).changed(release=counted)


def release_failed(request: ExportRequest, error: TREError, situation: Situation) -> ExportRequest:
    """The bundle could not be written: blocked where the bytes were not the approved ones, else tried again.

    Raises `TREError(StateForbids)` where no release had begun.
    """
    check_state(request, ExportState.Releasing)
    if error.reason is Reason.ContentChanged:
        blocked = moved(request, ExportState.Blocked, situation, reason=error.reason, message=error.what)
        return blocked.changed(confirmation=None)
    return moved(request, ExportState.Approved, situation, reason=error.reason, message=error.what)


def reopen(request: ExportRequest, situation: Situation) -> ExportRequest:
    """What becomes of an approval that cannot be released now.

    One that no longer holds goes back to the checkers. One whose project is stopped waits and says why; if the grant
    was revoked, it is withdrawn. Raises `TREError(StateForbids)` where nothing is in the way, or nothing approved.
    """
    check_state(request, ExportState.Approved)
    stopped = situation.grant.stopped
    if stopped is Reason.GrantRevoked:
        return moved(request, ExportState.Withdrawn, situation, reason=stopped).changed(confirmation=None)
    try:
        check_approvable(request, situation)
    except TREError as error:
        reopened = moved(request, ExportState.Reviewed, situation, reason=error.reason, message=error.what)
        return reopened.changed(confirmation=None, emergency=None)
    if stopped is None:
        raise TREError(Reason.StateForbids, "The approval still holds.")
    if request.reason is stopped and not is_overdue(request, situation.now):
        return request
    later = situation.now + RELEASE_PATIENCE
    return request.changed(reason=stopped, deadline=later, changed_at=situation.now)


def recall(request: ExportRequest, person: Person, message: str, situation: Situation) -> ExportRequest:
    """Call a release back: no further download. What was taken already is outside; the message says what to do.

    Raises `TREError(ContextMissing)` without a message.
    """
    check_recall(person, request, situation.grant)
    if not message.strip():
        raise TREError(Reason.ContextMissing, "A recall says why.", remedy="Write a message.")
    return moved(request, ExportState.Recalled, situation, message=message)


def at_deadline(request: ExportRequest, situation: Situation) -> ExportRequest:
    """What a deadline that has passed brings; the request itself where nothing is due.

    An approval is released by `begin_release`, which the controller calls: here it stays as it is.
    """
    waiting = WAITING.get(request.state)
    if waiting is None or not is_overdue(request, situation.now):
        return request
    late = Reason.DeadlineReached
    if waiting.at_deadline is AtDeadline.withdraw:
        return moved(request, ExportState.Withdrawn, situation, reason=late)
    if waiting.at_deadline is AtDeadline.retry:
        return moved(request, ExportState.Approved, situation, reason=late)
    if waiting.at_deadline is AtDeadline.escalate and request.reason is not late:
        return request.changed(reason=late, changed_at=situation.now)
    return request
