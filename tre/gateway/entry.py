"""How a person gets into a shell host: to the sign-in host and back with a one-time ticket.

Guarantees: a ticket is redeemed only in the browser that was sent to fetch it (a random word in a cookie of this host
must come back in the address), only for this host, and only by asking the portal, which spends it. Where a person
lands after signing in is decided here and never taken from an address.

Does not guarantee: who the person is. That is the sign-in host's.

Threat: a prepared link that signs a person in as somebody else, or sends them to a foreign page afterwards.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import parse_qs, quote

import aiohttp
from aiohttp import web
from pydantic import ConfigDict, ValidationError

from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.gateway.cookies import own_cookie
from tre.gateway.decisions import Session
from tre.gateway.refusals import RefusedError
from tre.gateway.sessions import CookieKind, Sessions

ENTRY_COOKIE = "__Host-tre-entry"
_ENTRY_SECONDS = 600
_ANSWER_SECONDS = 10.0


class _Redeemed(Record):
    model_config = ConfigDict(extra="ignore")  # roles are the portal's business

    session: Line
    subject: Subject
    display_name: Line
    expires_at: UtcTime


class Entry:
    """Signing in to shell hosts."""

    def __init__(self, enter_origin: str, portal: Path, sessions: Sessions) -> None:
        self._enter_origin = enter_origin
        self._portal = portal
        self._sessions = sessions

    def send_to_sign_in(self, request: web.BaseRequest) -> web.Response:
        """Send the browser to the sign-in host, with a word that must come back."""
        word = secrets.token_urlsafe(18)
        scheme = "https" if request.secure else "http"
        back = f"{scheme}://{request.headers['Host'].lower()}/?s={word}"
        response = web.Response(status=302, headers={"Location": f"{self._enter_origin}/?to={quote(back, safe='')}"})
        response.set_cookie(
            ENTRY_COOKIE, word, max_age=_ENTRY_SECONDS, path="/", secure=True, httponly=True, samesite="Lax"
        )
        return response

    async def take_ticket(self, request: web.BaseRequest, host: str) -> web.Response:
        """Redeem the ticket in the address and set this host's cookie. Raises `RefusedError`."""
        query = parse_qs(request.query_string, max_num_fields=10)
        ticket, landing = _single(query, "t"), _single(query, "next")
        word = own_cookie(request, ENTRY_COOKIE)
        if word is None:
            raise RefusedError(
                403, Reason.LoginRequired, "The browser kept no cookie of this page. Allow cookies, try again."
            )
        if not secrets.compare_digest(landing.encode(), f"/?s={word}".encode()):
            return self.send_to_sign_in(request)  # a link from elsewhere: begin properly, the ticket is left unspent
        session = await self._redeem(ticket, host)
        response = web.Response(status=303, headers={"Location": "/"})
        self._sessions.set(response, CookieKind.shell, host, session)
        response.del_cookie(ENTRY_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return response

    async def _redeem(self, ticket: str, host: str) -> Session:
        timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._portal)), timeout=timeout) as client,
                client.post("http://portal/internal/tickets", json={"ticket": ticket, "host": host}) as answer,
            ):
                if answer.status == 403:
                    raise RefusedError(
                        403, Reason.LoginRequired, "This sign-in was used before or is too old. Sign in again."
                    )
                answer.raise_for_status()
                found = _Redeemed.model_validate(await answer.json())
        except (aiohttp.ClientError, OSError, TimeoutError, ValidationError) as error:
            raise RefusedError(503, Reason.ServiceUnavailable, "Signing in is not possible at the moment.") from error
        return Session(found.session, found.subject, found.display_name, found.expires_at)


def _single(query: dict[str, list[str]], key: str) -> str:
    values = query.get(key, [])
    if len(values) != 1:
        raise RefusedError(400, Reason.BadInput, "This address is incomplete.")
    return values[0]
