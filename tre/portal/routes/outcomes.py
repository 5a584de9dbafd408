"""A member's page of what came of their project: what was reported, when a word is due, the form.

Guarantees: members alone see it; what is reported is public only after somebody of the team who is not in the project
has looked at it.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.people import Person
from tre.domain.publicaccount import permissions
from tre.domain.publicaccount.states import REFUSAL_WORDS, ItemKind
from tre.portal import account_actions as do
from tre.portal import account_words as say
from tre.portal import actions
from tre.portal.account_views import outcome_due_of
from tre.portal.context import Desk
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form
from tre.store import publicaccount as store

router = APIRouter()


@router.get("/projects/{name}/outcomes")
def outcomes(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """What was reported so far, and the form."""
    return _page(request, desk, who.person, name)


def _page(
    request: Request,
    desk: Desk,
    person: Person,
    name: str,
    error: TREError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, person, name)
        permissions.check_report(person, grant)
        reported = store.of_object(connection, ItemKind.outcome, grant.name)
        due = outcome_due_of(desk, grant, store.reported(connection, grant.name))
    values: dict[str, Any] = {"grant": grant, "reported": reported, "due": due, "refusals": REFUSAL_WORDS}
    values |= {"error": error, "typed": typed or {}, "now": desk.clock.now(), "say": say}
    return render(request, "account/report.html", status=HTTPStatus.BAD_REQUEST if error else HTTPStatus.OK, **values)


@router.post("/projects/{name}/outcomes")
def report(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Keep what came of it until the team has looked."""
    try:
        do.report_outcome(desk, who.person, name, form)
    except TREError as error:
        if error.reason is not Reason.BadInput:
            raise
        return _page(request, desk, who.person, name, error, form)
    return RedirectResponse(f"/projects/{name}/outcomes", 303)
