"""A person's own page: who they are here, where they are signed in, how they are written to, signing out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.standing.models import Holder
from tre.portal.context import Desk
from tre.portal.letter_actions import choose, own_letters
from tre.portal.pages import render
from tre.portal.people_views import holder_view
from tre.portal.sessions import DESK_COOKIE, CurrentDesk, CurrentVisitor, Form, Visitor, drop_cookie
from tre.portal.signing_in import end_session
from tre.store import people

router = APIRouter()


@router.get("/account")
def account(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Name, roles, what must be held and is, every sign-in in force, and letters."""
    return _page(request, desk, who)


def _page(request: Request, desk: Desk, who: Visitor, error: TREError | None = None) -> Response:
    now, subject = desk.clock.now(), who.person.subject
    with desk.database.read() as connection:
        known = people.by_subject(connection, subject)
        values: dict[str, Any] = {
            "sessions": people.sessions_of(connection, subject, now),
            "view": holder_view(connection, who.person, Holder(person=subject), now),
            "confirmed_until": known.confirmed_until if known else None,
        }
    values |= {"letters": own_letters(desk, who.person), "now": now, "error": error}
    return render(request, "account.html", status=400 if error else 200, **values)


@router.post("/account/letters")
def choose_letters(request: Request, desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Say how one wants letters."""
    try:
        choose(desk, who.person, form.get("pace", ""))
    except TREError as error:
        if error.reason is not Reason.BadInput:
            raise
        return _page(request, desk, who, error)
    return RedirectResponse("/account#letters", 303)


@router.post("/account/sessions/{identifier}/end")
def end(desk: CurrentDesk, who: CurrentVisitor, identifier: str, form: Form) -> Response:
    """End one of one's own sign-ins, on every host."""
    del form
    with desk.database.read() as connection:
        own = {session.id for session in people.sessions_of(connection, who.person.subject, desk.clock.now())}
    if identifier not in own:
        raise TREError(Reason.NotPermitted, "This sign-in is over, or is not yours.")
    end_session(desk, identifier, who.person.subject)
    return RedirectResponse("/account", 303)


@router.post("/sign-out")
def sign_out(desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """End this sign-in on every host, then at the Hub."""
    del form
    end_session(desk, who.session.id, who.person.subject)
    response = RedirectResponse(desk.settings.origin("hub") + "/hub/logout", 303)
    drop_cookie(response, DESK_COOKIE)
    return response
