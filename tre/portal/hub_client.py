"""Asking the Hub who signed in: the OAuth 2 code exchange of the client `enter`, over the Hub's unix socket.

Guarantees: the request carries a state and a proof key (RFC 7636, S256) that only this browser's sealed cookie knows;
the code is exchanged once, on this machine, never through the browser; of the token nothing is kept: it is asked for
the person's name and forgotten. Whatever the Hub answers beyond that name is ignored.

Threat: a code that somebody else obtained; a Hub that does not answer for ever.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from pydantic import ConfigDict, ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record
from tre.system.settings import Settings

CLIENT_ID = "service-enter"
CALLBACK = "/oauth_callback"
_TIMEOUT = aiohttp.ClientTimeout(total=15)
_MAX_ANSWER = 64 * 1024


class _Token(Record):
    model_config = ConfigDict(extra="ignore", alias_generator=None)

    access_token: Line


class _User(Record):
    model_config = ConfigDict(extra="ignore")

    name: Line


@dataclass(frozen=True)
class Flow:
    """One sign-in under way: what the Hub must send back, and what proves that we began it."""

    state: str
    verifier: str

    @classmethod
    def begin(cls) -> Flow:
        """A new one, unguessable."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        """The proof key's hash (RFC 7636, S256)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")


def authorize_url(settings: Settings, flow: Flow) -> str:
    """Where the browser is sent to sign in."""
    query = {
        "client_id": CLIENT_ID,
        "redirect_uri": settings.origin("enter") + CALLBACK,
        "response_type": "code",
        "state": flow.state,
        "code_challenge": flow.challenge,
        "code_challenge_method": "S256",
    }
    return f"{settings.origin('hub')}/hub/api/oauth2/authorize?{urlencode(query)}"


async def who_signed_in(socket: Path, settings: Settings, secret: str, code: str, verifier: str) -> str:
    """The Hub's name of the person behind a code.

    Raises `TREError(LoginFailed)` where the Hub does not take the code, `TREError(ServiceUnavailable)` where it does
    not answer.
    """
    fields = {
        "client_id": CLIENT_ID,
        "client_secret": secret,
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": settings.origin("enter") + CALLBACK,
        "code_verifier": verifier,
    }
    try:
        async with aiohttp.ClientSession(
            base_url="http://localhost", connector=aiohttp.UnixConnector(str(socket)), timeout=_TIMEOUT
        ) as client:
            async with client.post("/hub/api/oauth2/token", data=fields, allow_redirects=False) as answer:
                token = _Token.model_validate_json(await _body(answer)).access_token
            headers = {"Authorization": f"Bearer {token}"}
            async with client.get("/hub/api/user", headers=headers, allow_redirects=False) as answer:
                return _User.model_validate_json(await _body(answer)).name
    except (aiohttp.ClientError, OSError, TimeoutError, ValidationError) as error:
        raise TREError(
            Reason.ServiceUnavailable,
            "Sign-in is not available at the moment.",
            why=f"The Hub: {type(error).__name__}.",
            remedy="Try again in a few minutes.",
        ) from error


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    if answer.status in {400, 401, 403}:
        raise TREError(Reason.LoginFailed, "This sign-in was used before or is too old.", remedy="Sign in again.")
    answer.raise_for_status()
    data = await answer.content.read(_MAX_ANSWER + 1)
    if len(data) > _MAX_ANSWER:
        raise aiohttp.ClientPayloadError("the answer is too long")
    return data
