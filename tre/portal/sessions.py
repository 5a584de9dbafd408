"""The cookies of `enter` and of the desk, and who a request comes from.

Guarantees: cookies are `__Host-` (no parent or sibling domain can set them), `Secure`, `HttpOnly`, `Path=/`. The
cookie of `enter` is the session's secret; the desk's is the session's id under the portal's seal: neither is worth
anything on the other host. Each request looks the session up, so a revoked one is refused at once. A change needs
the session's token as well. A ticket is taken only in the browser that was sent to fetch it: a random word in a
cookie of this host must come back in the address.

Threat: a stolen cookie used on another host; a prepared link that signs a person in as somebody else.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.errors import Reason, TREError
from tre.domain.people import Person
from tre.portal.context import Desk
from tre.portal.hosts import is_own_path
from tre.portal.seals import fingerprint
from tre.portal.signing_in import redeem_ticket
from tre.store import people
from tre.store.people import StoredSession

ENTER_COOKIE = "__Host-tre-enter"
FLOW_COOKIE = "__Host-tre-enter-flow"
DESK_COOKIE = "__Host-tre-desk"
ENTRY_COOKIE = "__Host-tre-desk-entry"
TOKEN_FIELD = "csrf"  # noqa: S105 - the name of a form field
TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105 - the name of a header
_MINUTES_TO_SIGN_IN = 15


class SignInNeededError(Exception):
    """Nobody is signed in: pages lead to the sign-in, everything else answers 401."""


@dataclass(frozen=True)
class Visitor:
    """Who a request comes from, and the token that their pages send along with changes."""

    session: StoredSession
    token: str

    @property
    def person(self) -> Person:
        """The signed-in person."""
        return self.session.person


def desk_of(request: Request) -> Desk:
    """The portal that serves a request."""
    desk: Desk = request.app.state.desk
    return desk


def set_cookie(response: Response, name: str, value: str, seconds: int) -> None:
    """Set a cookie of this host alone; `Lax`, so that a link in a mail opens the page."""
    response.set_cookie(name, value, max_age=seconds, path="/", secure=True, httponly=True, samesite="lax")


def drop_cookie(response: Response, name: str) -> None:
    """Remove a cookie of this host."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def enter_session(desk: Desk, request: Request) -> StoredSession | None:
    """The session in force whose secret `enter`'s cookie holds."""
    secret = request.cookies.get(ENTER_COOKIE)
    if not secret:
        return None
    with desk.database.read() as connection:
        return people.session(connection, fingerprint(secret), desk.clock.now())


def desk_session(desk: Desk, request: Request) -> StoredSession | None:
    """The session in force that the desk's cookie names."""
    value = desk.sealer.open("desk", request.cookies.get(DESK_COOKIE, ""))
    if value is None:
        return None
    with desk.database.read() as connection:
        return people.session(connection, str(value.get("session")), desk.clock.now())


def visitor(request: Request) -> Visitor:
    """Who asks. Raises `SignInNeededError`."""
    desk = desk_of(request)
    session = desk_session(desk, request)
    if session is None:
        raise SignInNeededError
    found = Visitor(session, desk.sealer.token(session.id))
    request.state.visitor = found
    return found


CurrentVisitor = Annotated[Visitor, Depends(visitor)]
CurrentDesk = Annotated[Desk, Depends(desk_of)]


def check_token(request: Request, who: Visitor, given: str) -> None:
    """A token fits the session. Raises `TREError(NotPermitted)`."""
    if not desk_of(request).sealer.token_fits(who.session.id, given):
        raise TREError(
            Reason.NotPermitted,
            "This form is out of date.",
            why="You signed in again since the page was opened, or it was not sent by the page it seems to come from.",
            remedy="Go back, load the page again and repeat what you did.",
        )


def check_still_in(desk: Desk, who: Visitor) -> None:
    """A session that a long request began with is in force still. Raises `TREError(LoginRequired)`."""
    with desk.database.read() as connection:
        if people.session(connection, who.session.id, desk.clock.now()) is None:
            raise TREError(Reason.LoginRequired, "You are not signed in any more.", remedy="Sign in, then try again.")


async def checked_form(request: Request, who: CurrentVisitor) -> dict[str, str]:
    """The fields of a form whose token fits the session. Raises `TREError(NotPermitted)`."""
    async with request.form(max_files=0, max_fields=400) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    check_token(request, who, fields.get(TOKEN_FIELD, ""))
    return fields


def checked_header(request: Request, who: CurrentVisitor) -> None:
    """A program's request carries the token in a header. Raises `TREError(NotPermitted)`."""
    check_token(request, who, request.headers.get(TOKEN_HEADER, ""))


Form = Annotated[dict[str, str], Depends(checked_form)]


def send_to_sign_in(desk: Desk, request: Request) -> Response:
    """Send the browser to `enter`, with a word that must come back, and remember here where it wanted to go."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    word = secrets.token_urlsafe(18)
    back = f"{desk.settings.origin('desk')}/?s={word}"
    response = RedirectResponse(f"{desk.settings.origin('enter')}/?{urlencode({'to': back})}", 302)
    entry = {"word": word, "next": wanted if is_own_path(wanted) else "/"}
    set_cookie(response, ENTRY_COOKIE, desk.sealer.seal("entry", entry), _MINUTES_TO_SIGN_IN * 60)
    return response


def take_ticket(desk: Desk, request: Request, ticket: str, landing: str) -> Response:
    """Redeem a ticket and set the desk's cookie. Raises `TREError(LoginRequired)` or `TREError(LoginFailed)`."""
    entry: dict[str, Any] | None = desk.sealer.open("entry", request.cookies.get(ENTRY_COOKIE, ""))
    if entry is None:
        raise TREError(
            Reason.LoginRequired,
            "The browser kept no cookie of this page.",
            why="Either cookies are off, or this link was made for somebody else.",
            remedy="Allow cookies for this service, then sign in again.",
        )
    if not secrets.compare_digest(landing.encode(), f"/?s={entry['word']}".encode()):
        return RedirectResponse("/", 303)  # a link from elsewhere: begin properly, the ticket is left unspent
    session = redeem_ticket(desk, ticket, request.url.hostname or "")
    response = RedirectResponse(str(entry["next"]), 303)
    lasts = int((session.expires_at - desk.clock.now()).total_seconds())
    set_cookie(response, DESK_COOKIE, desk.sealer.seal("desk", {"session": session.id}), lasts)
    drop_cookie(response, ENTRY_COOKIE)
    return response
