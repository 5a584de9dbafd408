"""How a request changes its state: along the table, with a reason, a clock and its time.

Guarantees: no other function sets `state`, `reason` or `deadline`.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.policies import deadline_of
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import EXPORT_TRANSITIONS, PHASES, VOTING, WAITING, BlindPhase, ExportState


def moved(
    request: ExportRequest,
    target: ExportState,
    situation: Situation,
    *,
    reason: Reason | None = None,
    message: str = "",
) -> ExportRequest:
    """The request in another state. Raises `TREError(StateForbids)` where the table has no such edge.

    Without a `reason`, a waiting state carries its own, and an end carries `Requested`: somebody asked for it. The
    checkers' clock runs from the submission to their decision: one review more does not set it back. Claims end with
    the turn.
    """
    EXPORT_TRANSITIONS.check(request.state, target)
    waiting = WAITING.get(target)
    stays = request.phase in VOTING and PHASES[target] in VOTING
    return request.changed(
        state=target,
        reason=reason or (waiting.reason if waiting else Reason.Requested),
        message=message,
        deadline=request.deadline if stays else deadline_of(target, situation),
        claims=request.claims if PHASES[target] in VOTING else (),
        changed_at=situation.now,
    )


def check_phase(request: ExportRequest, *phases: BlindPhase) -> None:
    """Raise `TREError(StateForbids)` unless the request is in one of these phases."""
    if request.phase not in phases:
        raise TREError(
            Reason.StateForbids,
            f"This cannot be done while the request is {request.state}.",
            why="It is not your turn.",
        )


def check_state(request: ExportRequest, state: ExportState) -> None:
    """Raise `TREError(StateForbids)` unless the request is in this state.

    For acts that go where another edge leads as well: the table alone would let them begin elsewhere.
    """
    if request.state is not state:
        raise TREError(
            Reason.StateForbids,
            f"This cannot be done while the request is {request.state}.",
            why=f"It is done while it is {state}.",
        )
