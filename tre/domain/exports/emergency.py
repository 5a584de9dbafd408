"""A release past a quorum that cannot be reached: two people from outside, each on record, and the public told.

Guarantees: it takes a checker whose submitted review says yes to every output and who writes why, then an operator,
another person from outside the project, who seconds it by typing; only once the service level is over and reviews are
missing; for the bytes and the run of the checks that both saw; never past a finding that blocks, nor without a
steward's word where one is due. The delay in which a release can be stopped holds as for any other.

Does not guarantee: two trained pairs of eyes: that is what is given up, and why each such release is published.

Threat: a rule that people go round in the database because it leaves no way out at night.
"""

from __future__ import annotations

from tre.domain.duties import Duty
from tre.domain.errors import Reason, TREError
from tre.domain.exports.exceptions import check_consents
from tre.domain.exports.models import Confirmation, Emergency, ExportRequest
from tre.domain.exports.moves import check_state, moved
from tre.domain.exports.permissions import check_review, is_independent
from tre.domain.exports.policies import check_checked, check_confirmation, check_emergency_votes, is_overdue
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import ExportState
from tre.domain.people import Person, Role


def _check_stuck(request: ExportRequest, situation: Situation) -> None:
    check_state(request, ExportState.PartiallyReviewed)
    if not is_overdue(request, situation.now):
        raise TREError(
            Reason.NotYetValid,
            "The reviewers still have time.",
            why=f"The service level is over at {request.deadline}.",
            remedy="Ask another checker, or have an operator give the request to one.",
        )


def ask(request: ExportRequest, person: Person, reason: str, situation: Situation) -> ExportRequest:
    """A checker whose review is in asks for the release, with the reason. Raises `TREError`."""
    check_review(person, request, situation.grant)
    _check_stuck(request, situation)
    check_checked(request, situation.policy)
    check_consents(request, situation)
    if not reason.strip():
        raise TREError(Reason.ContextMissing, "Such a release says why.", remedy="Write what cannot wait, and why.")
    run = request.check_run
    assert run is not None, "check_checked has seen a run"
    asked = Emergency(checker=person.subject, reason=reason, at=situation.now, turn=request.turn, run=run.id)
    wanted = request.changed(emergency=asked, changed_at=situation.now)
    check_emergency_votes(wanted, situation)
    return wanted


def check_second(person: Person, request: ExportRequest, situation: Situation) -> None:
    """An operator outside, other than the checker who asked, seconds. Raises `TREError`."""
    asked = request.emergency
    if not person.holds(Role.operator) or not is_independent(person.subject, request, situation.grant):
        raise TREError(
            Reason.NotPermitted,
            "You cannot second this release.",
            why="It takes an operator who stands outside the project.",
        )
    _check_stuck(request, situation)
    if asked is None:
        raise TREError(Reason.StateForbids, "Nobody has asked for this release.")
    if not situation.grant.keeps_apart(Duty.second_release, person.subject, request.author, (asked.checker,)):
        raise TREError(
            Reason.NotPermitted, "You cannot second your own request.", why="Two people answer for it, not one twice."
        )


def second(request: ExportRequest, person: Person, typed: str, situation: Situation) -> ExportRequest:
    """An operator seconds it by typing; it begins after the delay, in which it can be stopped. Raises `TREError`."""
    check_second(person, request, situation)
    check_checked(request, situation.policy)
    check_consents(request, situation)
    check_emergency_votes(request, situation)
    check_confirmation(request, typed)
    stamp = {"operator": person.subject, "seconded_at": situation.now}
    full = Emergency.model_validate({**dict(request.emergency or ()), **stamp})
    confirmation = Confirmation(by=person.subject, at=situation.now)
    return moved(request, ExportState.Approved, situation).changed(emergency=full, confirmation=confirmation)
