"""`/api/v1/exports`, continued: comments, seats, labels, kept votes, stewards, links, and a release past the quorum.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events; what a data manager or an
operator is answered holds no vote and no comment.
"""

from __future__ import annotations

from fastapi import APIRouter

from tre.domain.exports import statistics
from tre.domain.exports.exceptions import consents_on, stewarded
from tre.domain.exports.states import ExportState
from tre.domain.exports.statistics import CheckFigures
from tre.portal import dialogue_actions, link_actions, review_actions, seat_actions
from tre.portal.api.export_desk_models import (
    AssignRequest,
    AwayAnswer,
    AwayRequest,
    CommentRequest,
    ConfirmRequest,
    ConsentRequest,
    LabelRequest,
    ReasonRequest,
    StewardAnswer,
    StewardFinding,
    WaitingAnswer,
)
from tre.portal.api.export_models import ExportAnswer, LinkAnswer
from tre.portal.api.exports import CHANGES, ExportPath, answer_of
from tre.portal.dialogue_actions import Said
from tre.portal.errors import responses
from tre.portal.export_actions import Found
from tre.portal.sessions import CurrentDesk, CurrentVisitor
from tre.store import exports

router = APIRouter(prefix="/api/v1", responses=responses(401, 403, 404, 409, 422))


@router.post("/exports/{export}/comments", **CHANGES)
def comment(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: CommentRequest) -> ExportAnswer:
    """Write a comment."""
    said = Said(body.group, body.path, body.readers, body.text)
    dialogue_actions.comment(desk, who.person, export, said)
    return answer_of(desk, who, export)


@router.post("/exports/{export}/comments/{name}/public", **CHANGES)
def publish(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, name: str) -> ExportAnswer:
    """Let the author read a comment of one's own."""
    dialogue_actions.publish(desk, who.person, export, name)
    return answer_of(desk, who, export)


@router.put("/exports/{export}/labels", **CHANGES)
def set_label(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: LabelRequest) -> ExportAnswer:
    """Say what a column holds; the files are checked again with it."""
    dialogue_actions.set_label(desk, who.person, export, body.title, body.role)
    return answer_of(desk, who, export)


@router.post("/exports/{export}/confirm-kept", **CHANGES)
def confirm_kept(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """Confirm every vote that was kept from an earlier turn."""
    review_actions.confirm_kept(desk, who.person, export)
    return answer_of(desk, who, export)


@router.post("/exports/{export}/claim", **CHANGES)
def claim(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """Take a seat at the review."""
    seat_actions.claim(desk, who.person, export)
    return answer_of(desk, who, export)


@router.post("/exports/{export}/give-back", **CHANGES)
def give_back(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> ExportAnswer:
    """Leave a seat."""
    seat_actions.give_back(desk, who.person, export)
    return answer_of(desk, who, export)


@router.post("/exports/{export}/assign", status_code=204, **CHANGES)
def assign(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: AssignRequest) -> None:
    """Give a checker a seat: an operator, or a reviewer where votes disagree."""
    seat_actions.assign(desk, who.person, export, body.checker)


@router.post("/exports/{export}/links", status_code=201, **CHANGES)
def make_link(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath) -> LinkAnswer:
    """Make a one-time link to the release; its address is told in this answer only."""
    token, link = link_actions.make(desk, who.person, export)
    return LinkAnswer(at=link.at, until=link.until, url=f"{desk.settings.origin('desk')}/release/{token}")


@router.post("/exports/{export}/emergency", **CHANGES)
def ask_emergency(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: ReasonRequest) -> ExportAnswer:
    """Ask for a release past a quorum that cannot be reached."""
    dialogue_actions.ask_emergency(desk, who.person, export, body.reason)
    return answer_of(desk, who, export)


@router.post("/exports/{export}/emergency/second", status_code=204, **CHANGES)
def second_emergency(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: ConfirmRequest) -> None:
    """Second it, as an operator."""
    dialogue_actions.second_emergency(desk, who.person, export, body.confirm)


@router.get("/consents", response_model_exclude_none=True)
def waiting_for_steward(desk: CurrentDesk, who: CurrentVisitor) -> list[StewardAnswer]:
    """What waits for this data manager's word."""
    return [_steward(found) for found, _ in dialogue_actions.waiting_for_steward(desk, who.person)]


def _steward(found: Found) -> StewardAnswer:
    request, situation = found.request, found.situation
    waiting = {item.id: item for item in stewarded(request, situation.policy)}
    return StewardAnswer(
        id=request.id,
        grant=request.grant,
        title=found.grant.spec.project.title,
        due=request.deadline,
        findings=[
            StewardFinding(
                finding=item,
                path=next(file.path for file in request.outputs if file.sha256 == item.sha256),
                said=list(consents_on(item, request, situation)),
            )
            for item in waiting.values()
        ],
    )


@router.put("/exports/{export}/consents", **CHANGES)
def consent(desk: CurrentDesk, who: CurrentVisitor, export: ExportPath, body: ConsentRequest) -> StewardAnswer:
    """Say yes or no to an exception, as a data manager from outside."""
    dialogue_actions.consent(desk, who.person, export, body.finding, (body.agrees, body.why))
    return _steward(dialogue_actions.steward_found(desk, who.person, export))


@router.get("/reviews/waiting", response_model_exclude_none=True)
def waiting(desk: CurrentDesk, who: CurrentVisitor) -> list[WaitingAnswer]:
    """For operators: what waits for checkers, the earliest deadline first."""
    return [
        WaitingAnswer(
            id=row.request.id,
            grant=row.request.grant,
            title=row.grant.spec.project.title,
            state=row.request.state,
            reason=row.request.reason,
            due=row.request.deadline,
            seats=row.seats,
            free=row.free,
            claims=list(row.request.claims),
            emergency=row.request.emergency,
        )
        for row in seat_actions.waiting(desk, who.person)
    ]


@router.post("/reviews/away", **CHANGES)
def be_away(desk: CurrentDesk, who: CurrentVisitor, body: AwayRequest) -> AwayAnswer:
    """Say when one is away; seats within that time are given back."""
    return AwayAnswer(given_back=seat_actions.be_away(desk, who.person, body.since, body.until))


@router.get("/checks")
def check_figures(desk: CurrentDesk, who: CurrentVisitor) -> list[CheckFigures]:
    """How right each check was: for checkers and operators; counts only."""
    review_actions.check_sees_figures(who.person)
    with desk.database.read() as connection:
        return list(statistics.figures(exports.by_state(connection, ExportState)))
