"""`/api/v1/committee`: what waits, one application with its count, votes, standing aside, closing, stopping, interests.

Guarantees: the same functions as behind the pages; how others voted is in an answer only where the page shows it.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from starlette.responses import Response

from tre.domain.committee.models import Seat, VoteText
from tre.domain.desk import permissions
from tre.portal import actions as desk_actions
from tre.portal.api.applying import CHANGES, Name
from tre.portal.api.applying_models import (
    BallotRequest,
    DecidingAnswer,
    InterestsRequest,
    MembersAnswer,
    StoppedAnswer,
    StopRequest,
    WhyRequest,
    deciding_answer,
)
from tre.portal.context import Desk
from tre.portal.deciding import actions as do
from tre.portal.deciding import pack as packs
from tre.portal.deciding.views import deciding_view
from tre.portal.errors import responses
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.store import applications, committee
from tre.store.applications import ApplicationLine

router = APIRouter(prefix="/api/v1", responses=responses(401, 403, 404, 409, 422))
Grant = Annotated[str, Path(max_length=63)]
SENT: dict[str, Any] = {**CHANGES, "dependencies": [Depends(checked_header)]}


def _answer(desk: Desk, who: Visitor, name: str) -> DecidingAnswer:
    with desk.database.read() as connection:
        return deciding_answer(deciding_view(desk, connection, who, name))


@router.get("/committee")
def list_handed_in(desk: CurrentDesk, who: CurrentVisitor) -> list[ApplicationLine]:
    """Everything that was handed in, newest first."""
    permissions.check_read_record(who.person)
    with desk.database.read() as connection:
        return applications.handed_in(connection)


@router.get("/committee/members")
def members(desk: CurrentDesk, who: CurrentVisitor) -> MembersAnswer:
    """Every seat, former ones too."""
    permissions.check_read_record(who.person)
    with desk.database.read() as connection:
        return MembersAnswer(body=do.policy_of(desk).spec.body, seats=committee.seats(connection))


PACK: dict[int | str, dict[str, Any]] = {
    **responses(401, 403, 409, 503),
    200: {"description": "The file.", "content": {packs.MEDIA_TYPE: {}}},
}


@router.post("/committee/packs", **(SENT | {"responses": PACK, "response_class": Response}))
def pack(desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Everything that a vote needs, without what concerns the member, as one PDF file; that it was fetched is kept."""
    made = packs.make(desk, do.act_of(desk, who))
    return Response(made.data, media_type=packs.MEDIA_TYPE)


@router.put("/committee/interests", **SENT)
def declare(desk: CurrentDesk, who: CurrentVisitor, body: InterestsRequest) -> Seat:
    """Declare one's interests, all of them."""
    return do.declare(desk, who, body.interests)


@router.get("/committee/{name}")
def get_handed_in(desk: CurrentDesk, who: CurrentVisitor, name: Name) -> DecidingAnswer:
    """One application, its count, and what the person may do."""
    return _answer(desk, who, name)


@router.post("/committee/{name}/votes", status_code=201, **SENT)
def vote(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: BallotRequest) -> DecidingAnswer:
    """Cast one's vote."""
    text = VoteText.model_validate({key: getattr(body, key) for key in VoteText.model_fields})
    do.vote(desk, who, name, text, body.matter)
    return _answer(desk, who, name)


@router.post("/committee/{name}/recusals", status_code=201, **SENT)
def recuse(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: WhyRequest) -> DecidingAnswer:
    """Stand aside."""
    do.recuse(desk, who, name, body.why)
    return _answer(desk, who, name)


@router.post("/committee/{name}/close", **SENT)
def close(desk: CurrentDesk, who: CurrentVisitor, name: Name) -> DecidingAnswer:
    """Close the vote; only for the chair, only with quorum."""
    do.close(desk, who, name)
    return _answer(desk, who, name)


@router.post("/grants/{grant}/emergency-votes", status_code=201, **SENT)
def stop(desk: CurrentDesk, who: CurrentVisitor, grant: Grant, body: StopRequest) -> StoppedAnswer:
    """Vote to stop a running project at once."""
    with desk.database.read() as connection:
        desk_actions.visible_grant(connection, who.person, grant)
    return StoppedAnswer(stopped=do.stop(desk, who, grant, body.confirm, body.why))
