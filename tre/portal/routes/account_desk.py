"""The team's pages of the public account: what waits and since when, answering, publishing, refusing, declaring.

Guarantees: every act is one that the domain permits this person now; a refused form comes back with what was typed;
pages work without a script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.people import Person
from tre.domain.publicaccount import permissions
from tre.domain.publicaccount.models import ITEM_ID, Item
from tre.domain.publicaccount.states import FROM_STRANGERS, REFUSAL_WORDS
from tre.domain.readability import PUBLIC_AGE, reading_age
from tre.portal import account_actions as do
from tre.portal import account_words as say
from tre.portal.account_views import due_outcomes
from tre.portal.context import Desk
from tre.portal.errors import STATUS
from tre.portal.export_forms import Fault
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form
from tre.portal.site import NavigationItem
from tre.store import publicaccount as store

router = APIRouter()
NAVIGATION = (
    NavigationItem(
        "Public account",
        "/public",
        permissions.can_keep,
        "Questions of the public, outcomes, incidents, complaints, and changes open for comment.",
    ),
)
DONE = 30
"""Items shown below the queue."""

Identifier = Annotated[str, Path(pattern=f"^{ITEM_ID}$")]
_CHOSEN = re.compile(f"item-({ITEM_ID})")
Act = Annotated[str, Path(pattern="^[a-z]{4,12}$")]
Begun = Literal["incident", "complaint", "consultation"]
_ON_THE_PAGE = frozenset({Reason.BadInput, Reason.Conflict, Reason.StateForbids})
_BEGIN: dict[str, Callable[[Desk, Person, dict[str, str]], Item]] = {
    "incident": do.declare_incident,
    "complaint": do.receive_complaint,
    "consultation": do.open_consultation,
}


@router.get("/public")
def queue(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """What waits, the most urgent first; which projects owe a word; what is done."""
    return _queue(request, desk, who.person)


def _queue(request: Request, desk: Desk, person: Person, fault: Fault | None = None) -> Response:
    permissions.check_team(person)
    with desk.database.read() as connection:
        waiting = [do.view_of(desk, connection, person, item) for item in store.waiting(connection)]
        done = store.latest(connection, DONE)
        due = due_outcomes(desk, connection)
    values: dict[str, Any] = {"waiting": waiting, "done": done, "due": due, "now": desk.clock.now(), "say": say}
    values |= {"fault": fault, "refusals": REFUSAL_WORDS, "strangers": FROM_STRANGERS}
    return render(request, "account/queue.html", status=_status(fault), **values)


@router.post("/public/refuse")
def refuse_chosen(request: Request, desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Do not publish what is ticked."""
    marks = {found[1]: mark for key, mark in form.items() if (found := _CHOSEN.fullmatch(key))}
    try:
        do.refuse_chosen(desk, who.person, marks, form)
    except TREError as error:
        if error.reason not in _ON_THE_PAGE:
            raise
        return _queue(request, desk, who.person, Fault("refuse", error, "chosen", form))
    return RedirectResponse("/public", 303)


@router.get("/public/new/{kind}")
def new(request: Request, desk: CurrentDesk, who: CurrentVisitor, kind: Begun) -> Response:
    """A form: declare an incident, start a complaint's clock, open a change for comment."""
    permissions.check_team(who.person)
    return _form(request, desk, kind)


def _form(request: Request, desk: Desk, kind: str, fault: Fault | None = None) -> Response:
    values: dict[str, Any] = {"kind": kind, "clocks": desk.account.spec.clocks, "fault": fault, "say": say}
    return render(request, "account/new.html", status=_status(fault), **values)


def _status(fault: Fault | None) -> HTTPStatus:
    return HTTPStatus.OK if fault is None else STATUS.get(fault.error.reason, HTTPStatus.CONFLICT)


@router.post("/public/new/{kind}")
def begin(request: Request, desk: CurrentDesk, who: CurrentVisitor, kind: Begun, form: Form) -> Response:
    """Keep what was typed."""
    try:
        item = _BEGIN[kind](desk, who.person, form)
    except TREError as error:
        if error.reason not in _ON_THE_PAGE:
            raise
        return _form(request, desk, kind, Fault(kind, error, "new", form))
    return RedirectResponse(f"/public/{item.id}", 303)


@router.get("/public/{name}")
def one(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Identifier) -> Response:
    """One item, and what may be done with it."""
    return _one(request, desk, who.person, name)


def _one(request: Request, desk: Desk, person: Person, name: str, fault: Fault | None = None) -> Response:
    with desk.database.read() as connection:
        view = do.view(desk, connection, person, name)
        shown = store.wordings(connection, view.item.kind, item=name)
    values: dict[str, Any] = {"view": view, "shown": shown, "refusals": REFUSAL_WORDS, "fault": fault, "say": say}
    values |= {"age": reading_age(do.own_words(view.item)), "aim": PUBLIC_AGE}
    return render(request, "account/item.html", status=_status(fault), now=desk.clock.now(), **values)


@router.post("/public/{name}/{act}")
def change(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Identifier, act: Act, form: Form
) -> Response:
    """Do one thing with it."""
    try:
        do.act(desk, who.person, name, act, form)
    except TREError as error:
        if error.reason not in _ON_THE_PAGE:
            raise
        return _one(request, desk, who.person, name, Fault(act, error, "act", form))
    return RedirectResponse(f"/public/{name}", 303)
