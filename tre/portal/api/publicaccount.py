"""`/api/v1/public-account`: what waits for the team, what may be done with it, and doing it.

Guarantees: the same functions as behind the pages, hence the same rules, clocks and events; every answer carries
`allowedActions`. An act names the version that it speaks of.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from tre.domain.model import Line, Record, UtcTime
from tre.domain.publicaccount import permissions
from tre.domain.publicaccount.models import ITEM_ID, LONGEST_TEXT, IncidentType
from tre.domain.publicaccount.states import ItemKind, ItemState, RefusalClass
from tre.portal import account_actions as do
from tre.portal.account_actions import ItemView
from tre.portal.errors import responses
from tre.portal.sessions import CurrentDesk, CurrentVisitor, checked_header
from tre.store import publicaccount as store

router = APIRouter(prefix="/api/v1/public-account", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {"dependencies": [Depends(checked_header)], "responses": responses(400)}
ItemPath = Annotated[str, Path(pattern=f"^{ITEM_ID}$")]
Act = Literal["answer", "publish", "refuse", "correct", "resolve", "reopen", "acknowledge", "close", "decide"]
Words = Annotated[str, Field(max_length=2 * LONGEST_TEXT)]


class ActRequest(Record):
    """An act: the version it speaks of, and what the form of the act would hold."""

    version: Annotated[int, Field(ge=1)]
    reply: Words = ""
    text: Words = ""
    done: Words = ""
    title: Words = ""
    correction: Words = ""
    refusal: RefusalClass | None = None
    type: IncidentType | None = None
    project: Annotated[str, Field(max_length=63)] | None = None


class ItemAnswer(Record):
    """One item; `body` holds its words, which are not public but for the states that say so."""

    id: Line
    kind: ItemKind
    state: ItemState
    version: int
    about: Line
    received_at: UtcTime
    closed_at: UtcTime | None = None
    due_at: UtcTime | None = None
    late: bool
    body: dict[str, Any]
    allowed_actions: list[str]


def _answer(view: ItemView) -> ItemAnswer:
    item = view.item
    return ItemAnswer(
        id=item.id,
        kind=item.kind,
        state=item.state,
        version=item.version,
        about=item.about,
        received_at=item.received_at,
        closed_at=item.closed_at,
        due_at=item.due_at,
        late=view.late,
        body=item.body.as_plain(),
        allowed_actions=list(view.actions),
    )


@router.get("")
def list_waiting(desk: CurrentDesk, who: CurrentVisitor) -> list[ItemAnswer]:
    """What waits for the team, the most urgent first."""
    permissions.check_team(who.person)
    with desk.database.read() as connection:
        found = [do.view_of(desk, connection, who.person, item) for item in store.waiting(connection)]
    return [_answer(view) for view in found]


@router.get("/{name}")
def get_item(desk: CurrentDesk, who: CurrentVisitor, name: ItemPath) -> ItemAnswer:
    """One item."""
    with desk.database.read() as connection:
        return _answer(do.view(desk, connection, who.person, name))


@router.post("/{name}/{act}", **CHANGES)
def act(desk: CurrentDesk, who: CurrentVisitor, name: ItemPath, act: Act, body: ActRequest) -> ItemAnswer:
    """Do one thing with an item."""
    fields = {key: str(value) for key, value in body.as_plain().items()}
    do.act(desk, who.person, name, act, fields)
    with desk.database.read() as connection:
        return _answer(do.view(desk, connection, who.person, name))
