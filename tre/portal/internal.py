"""The interface for the Hub and the gateway, on a socket that only they reach.

Guarantees: requests are read strictly (an unknown key is refused) and bounded; a refusal says no more than its
reason. Nothing here is reachable from a browser: the gateway passes no request to this socket.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import Field

from tre.domain.errors import TREError
from tre.domain.letters.address import Address
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Role, Subject
from tre.portal.context import PROGRAM
from tre.portal.metrics import count_sign_in
from tre.portal.reconciling import Told, take_in_round
from tre.portal.sessions import CurrentDesk
from tre.portal.signing_in import (
    Newcomer,
    TooManyAttemptsError,
    end_session,
    redeem_ticket,
    sign_in_locally,
    take_in_vouched,
)

router = APIRouter(prefix="/internal")


class LoginRequest(Record):
    """A name and a password, and where the attempt comes from."""

    name: Annotated[Line, Field(min_length=1, max_length=255)]
    password: Annotated[str, Field(min_length=1, max_length=1024)]
    address: Annotated[Line, Field(max_length=100)]


class LoginAnswer(Record):
    """A person who may sign in."""

    hub_name: Line
    display_name: Line
    subject: Subject
    roles: list[Role]


class PersonRequest(Record):
    """A person whom the identity provider vouched for."""

    issuer: Annotated[Line, Field(min_length=1, max_length=255)]
    id: Annotated[Line, Field(min_length=1, max_length=255)]
    display_name: Annotated[Line, Field(min_length=1, max_length=300)]
    groups: Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=500)]
    email: Address | None = None


class PersonAnswer(Record):
    """The Hub's name for a person, and their roles."""

    hub_name: Line
    roles: list[Role]


class RoundRequest(Record):
    """A part of a round of questions to the identity provider: for whom it vouches, and whom it refuses."""

    people: Annotated[list[PersonRequest], Field(max_length=200)]
    refused: Annotated[list[Subject], Field(max_length=200)]


class TicketRequest(Record):
    """A ticket and the host it was brought to."""

    ticket: Annotated[str, Field(min_length=1, max_length=200)]
    host: Annotated[Line, Field(min_length=1, max_length=300)]


class TicketAnswer(Record):
    """The session behind a ticket."""

    session: Line
    subject: Subject
    display_name: Line
    roles: list[Role]
    expires_at: UtcTime


@router.post("/login", response_model=LoginAnswer)
def login(body: LoginRequest, desk: CurrentDesk) -> LoginAnswer | JSONResponse:
    """Check a local account: 200, 401 `LoginFailed`, or 429 `RateLimited` with `retryAfter` in seconds."""
    try:
        person = sign_in_locally(desk, body.name, body.password, body.address)
    except TooManyAttemptsError as error:
        count_sign_in("local", error)
        answer = {"reason": error.reason.value, "retryAfter": error.seconds}
        return JSONResponse(answer, 429, headers={"Retry-After": str(error.seconds)})
    except TREError as error:
        count_sign_in("local", error)
        return _refusal(error)
    count_sign_in("local")
    return LoginAnswer(
        hub_name=person.hub_name,
        display_name=person.display_name,
        subject=person.subject,
        roles=sorted(person.roles),
    )


@router.post("/people", response_model=PersonAnswer)
def keep_person(body: PersonRequest, desk: CurrentDesk) -> PersonAnswer | JSONResponse:
    """Take in a person after a sign-in at the provider: 200, or 403 for an issuer that is not ours."""
    subject = Subject(issuer=body.issuer, id=body.id)
    try:
        newcomer = Newcomer(subject, body.display_name, tuple(body.groups), body.email)
        person = take_in_vouched(desk, newcomer)
    except TREError as error:
        count_sign_in("oidc", error)
        return JSONResponse({"reason": error.reason.value}, 403)
    count_sign_in("oidc")
    return PersonAnswer(hub_name=person.hub_name, roles=sorted(person.roles))


@router.post("/reconciled", response_model=dict[str, int])
def reconciled(body: RoundRequest, desk: CurrentDesk) -> dict[str, int] | JSONResponse:
    """Take in of whom the provider was asked again: 200, or 403 where one of them is not the provider's."""
    told = [Told(Subject(issuer=one.issuer, id=one.id), one.display_name, one.groups) for one in body.people]
    try:
        take_in_round(desk, told, body.refused)
    except TREError as error:
        return JSONResponse({"reason": error.reason.value}, 403)
    return {"people": len(told), "refused": len(body.refused)}


@router.post("/tickets", response_model=TicketAnswer)
def redeem(body: TicketRequest, desk: CurrentDesk) -> TicketAnswer | JSONResponse:
    """Spend a ticket: 200 with the session, or 403."""
    try:
        session = redeem_ticket(desk, body.ticket, body.host)
    except TREError as error:
        return JSONResponse({"reason": error.reason.value}, 403)
    return TicketAnswer(
        session=session.id,
        subject=session.subject,
        display_name=session.display_name,
        roles=sorted(session.roles),
        expires_at=session.expires_at,
    )


@router.post("/sessions/{identifier}/logout")
def logout(identifier: str, desk: CurrentDesk) -> dict[str, bool]:
    """End a session on every host; `ended` says whether it was in force."""
    return {"ended": end_session(desk, identifier, PROGRAM)}


def _refusal(error: TREError) -> JSONResponse:
    status = 401 if error.reason.value == "LoginFailed" else 429
    extra = {"retryAfter": 10} if status == 429 else {}
    return JSONResponse({"reason": error.reason.value, **extra}, status)
