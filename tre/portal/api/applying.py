"""`/api/v1/applications`: write, hand in, answer, withdraw: the same functions as behind the pages.

Guarantees: the same rules, errors and events; every answer carries `allowedActions`. A draft is replaced whole, from
the version that was read.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path

from tre.portal.api.applying_models import (
    AnswersRequest,
    ApplicationAnswer,
    BeginRequest,
    DraftRequest,
    VersionRequest,
    application_answer,
)
from tre.portal.applying import actions as do
from tre.portal.applying.views import view_of
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.guard import APPLICATION_ID
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.store import applications
from tre.store.applications import ApplicationLine

router = APIRouter(prefix="/api/v1/applications", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {"dependencies": [Depends(checked_header)], "responses": responses(400)}
Name = Annotated[str, Path(pattern=f"^{APPLICATION_ID}$")]


def _answer(desk: Desk, who: Visitor, name: str) -> ApplicationAnswer:
    with desk.database.read() as connection:
        return application_answer(view_of(desk, connection, who.person, do.find(connection, who.person, name)))


@router.get("")
def list_applications(desk: CurrentDesk, who: CurrentVisitor) -> list[ApplicationLine]:
    """What the person wrote or is named in, newest first."""
    with desk.database.read() as connection:
        return applications.of_person(connection, who.person.subject)


@router.post("", status_code=201, **CHANGES | {"responses": responses(400, 429)})
def begin(desk: CurrentDesk, who: CurrentVisitor, body: BeginRequest) -> ApplicationAnswer:
    """Begin a draft."""
    return _answer(desk, who, do.begin(desk, who.person, body.varies or None))


@router.get("/{name}")
def get_application(desk: CurrentDesk, who: CurrentVisitor, name: Name) -> ApplicationAnswer:
    """One application."""
    return _answer(desk, who, name)


@router.put("/{name}/draft", **CHANGES | {"responses": responses(400, 413)})
def save(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: DraftRequest) -> ApplicationAnswer:
    """Keep a draft, right or wrong; `problems` say what it lacks."""
    do.save(desk, who.person, name, body.version, body.draft)
    return _answer(desk, who, name)


@router.put("/{name}/answers", **CHANGES)
def answer(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: AnswersRequest) -> ApplicationAnswer:
    """Answer what the committee asked."""
    do.answer(desk, who.person, name, body.version, body.answers)
    return _answer(desk, who, name)


@router.post("/{name}/submit", **CHANGES)
def submit(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: VersionRequest) -> ApplicationAnswer:
    """Hand it in."""
    do.submit(desk, who.person, name, body.version)
    return _answer(desk, who, name)


@router.post("/{name}/withdraw", **CHANGES)
def withdraw(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: VersionRequest) -> ApplicationAnswer:
    """Take it back for good."""
    do.withdraw(desk, who.person, name, body.version)
    return _answer(desk, who, name)
