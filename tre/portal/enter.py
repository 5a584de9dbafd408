"""`enter.<base>`: the one place where the Hub's word becomes a session of ours.

Guarantees: whoever has a session goes on at once with a ticket for the host they came from; whoever has none goes to
the Hub and comes back with a code that only this browser can use. Nobody is sent to a host that is not ours.

Threat: an open redirect; a callback that was begun in another browser (signing somebody in as the attacker).
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.portal.context import Desk
from tre.portal.hosts import Landing, find_landing
from tre.portal.hub_client import CALLBACK, Flow, authorize_url, who_signed_in
from tre.portal.sessions import ENTER_COOKIE, FLOW_COOKIE, CurrentDesk, drop_cookie, enter_session, set_cookie
from tre.portal.signing_in import issue_ticket, open_session
from tre.store.people import StoredSession

FLOW_LIFE = timedelta(minutes=15)

router = APIRouter()


@router.get("/")
def enter(request: Request, desk: CurrentDesk, to: Annotated[str, Query(max_length=4000)] = "") -> Response:
    """Go on to a host of ours: with a ticket, or by way of the Hub."""
    landing = find_landing(to or desk.settings.origin("desk"), desk.settings)
    session = enter_session(desk, request)
    if session is not None:
        return _go_on(desk, session, landing)
    flow = Flow.begin()
    response = RedirectResponse(authorize_url(desk.settings, flow), 302)
    kept = {
        "state": flow.state,
        "verifier": flow.verifier,
        "to": landing.origin + landing.path,
        "until": (desk.clock.now() + FLOW_LIFE).timestamp(),
    }
    set_cookie(response, FLOW_COOKIE, desk.sealer.seal("flow", kept), int(FLOW_LIFE.total_seconds()))
    return response


@router.get(CALLBACK)
async def callback(
    request: Request,
    desk: CurrentDesk,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=2000)] = "",
) -> Response:
    """The Hub sends people back here."""
    kept = desk.sealer.open("flow", request.cookies.get(FLOW_COOKIE, ""))
    begun_here = kept is not None and secrets.compare_digest(str(kept["state"]).encode(), state.encode())
    if kept is None or not begun_here or desk.clock.now().timestamp() >= kept["until"] or not code:
        raise TREError(
            Reason.LoginFailed,
            "This sign-in cannot be completed.",
            why="It was begun in another window or browser, took too long, or was refused.",
            remedy="Go to your projects and sign in again.",
        )
    hub = desk.layout.socket("hub")
    hub_name = await who_signed_in(hub, desk.settings, desk.hub_secret, code, kept["verifier"])
    secret, session = await run_in_threadpool(open_session, desk, hub_name)
    response = await run_in_threadpool(_go_on, desk, session, find_landing(kept["to"], desk.settings))
    lasts = int((session.expires_at - desk.clock.now()).total_seconds())
    set_cookie(response, ENTER_COOKIE, secret, lasts)
    drop_cookie(response, FLOW_COOKIE)
    return response


def _go_on(desk: Desk, session: StoredSession, landing: Landing) -> Response:
    ticket = issue_ticket(desk, session, landing.host)
    query = urlencode({"t": ticket, "next": landing.path})
    return RedirectResponse(f"{landing.origin}/.tre/ticket?{query}", 303)
