"""A person's own page: who they are here, where they are signed in, signing out."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.portal.pages import render
from tre.portal.sessions import DESK_COOKIE, CurrentDesk, CurrentVisitor, Form, drop_cookie
from tre.portal.signing_in import end_session
from tre.store import people

router = APIRouter()


@router.get("/account")
def account(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Name, roles, and every sign-in in force."""
    with desk.database.read() as connection:
        sessions = people.sessions_of(connection, who.person.subject, desk.clock.now())
    return render(request, "account.html", sessions=sessions, now=desk.clock.now())


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
