"""Asking the identity provider again about somebody who signed in before, by the refresh token of that sign-in.

Guarantees: there are three answers and no fourth. The provider vouches, and says for whom and in which groups; it
refuses the token (`invalid_grant`, RFC 6749, 5.2), and with it the person; or nothing is known, which is whatever else
happens: no answer, an error of its own, an answer that makes no sense, groups that are not in it. The person is the one
of the sign-in (OpenID Connect Core 1.0, 12.2 and 5.3.2), or nothing is known.

Does not guarantee: that the provider refuses the tokens of people who left. Providers of today do; the test signs in at
a real one.

Threat: a provider's outage read as everybody's dismissal, or as everybody's continued welcome.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.hub.oidc_claims import Expected, display_name, groups_of, read_id_token
from tre.hub.portal import Vouched


class Word(StrEnum):
    """What the provider says of somebody."""

    vouches = "vouches"
    refuses = "refuses"
    unknown = "unknown"


@dataclass(frozen=True)
class Again:
    """An answer: what was said, of whom where it vouches, why where nothing is known."""

    word: Word
    vouched: Vouched | None = None
    why: str = ""


@dataclass(frozen=True)
class Reply:
    """Status and body of an answer over HTTP."""

    status: int
    body: bytes

    def object(self) -> dict[str, Any]:
        """The JSON object in it; empty for anything else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Asked:
    """Of whom, and what must come back."""

    subject: Subject
    expected: Expected
    groups_claim: str


Exchange = Callable[[str], Awaitable[Reply]]
"""Sends a refresh token to the token endpoint."""

Userinfo = Callable[[str], Awaitable[Reply]]
"""Sends an access token to the userinfo endpoint."""

Keep = Callable[[str], Awaitable[None]]
"""Keeps a new refresh token before anything else is done: the old one may be spent."""


async def ask_again(asked: Asked, token: str, exchange: Exchange, userinfo: Userinfo, keep: Keep) -> Again:
    """Exchange a refresh token, keep its successor where there is one, and read who is vouched for."""
    reply = await exchange(token)
    given = reply.object()
    if reply.status in {400, 401} and given.get("error") == "invalid_grant":
        return Again(Word.refuses)
    access, after = given.get("access_token"), given.get("refresh_token")
    if reply.status != 200 or not isinstance(access, str):
        return _nothing(f"the token endpoint answered {reply.status} {str(given.get('error', ''))[:100]}".strip())
    if isinstance(after, str) and after and after != token:
        await keep(after)
    try:
        claims = _claims(given, asked)
    except TREError as error:
        return _nothing(error.why)
    return _read(asked, claims, await userinfo(access))


def _claims(given: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    if given.get("id_token") is None:
        return {}
    claims = read_id_token(given["id_token"], asked.expected)
    if claims["sub"] != asked.subject.id:
        raise TREError(Reason.LoginFailed, "Sign-in failed.", why="the ID token names another person")
    return claims


def _read(asked: Asked, claims: Mapping[str, Any], reply: Reply) -> Again:
    said = reply.object()
    if reply.status != 200:
        return _nothing(f"the userinfo endpoint answered {reply.status}")
    if said.get("sub") != asked.subject.id:
        return _nothing("the userinfo answer names another person")
    if not claims and asked.groups_claim not in said:
        return _nothing(f"the answer has no claim {asked.groups_claim}")
    groups = groups_of(said, claims, asked.groups_claim)
    return Again(Word.vouches, Vouched(asked.subject, display_name(said), groups))


def _nothing(why: str) -> Again:
    return Again(Word.unknown, why=why)
