"""What an identity provider says of a person, checked: pure functions over claims.

Guarantees: issuer and audience are compared exactly, the subject of the userinfo answer is the one of the ID token
(OpenID Connect Core 1.0, 5.3.2), an ID token for several audiences must name us as its authorised party (3.1.3.7),
and nothing is taken from an e-mail address. A second factor counts only if the provider says so in a way that a
specification defines.

Does not guarantee: the ID token's signature. It comes straight from the token endpoint over TLS, where the
specification allows to rely on the connection (3.1.3.7, item 6); `tre.hub.config` refuses provider addresses
without TLS beyond loopback.

Threat: a token made for another client or by another issuer; a userinfo answer of another person; a person without
a second factor where the data demand one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from jwt.types import Options
from pydantic import ValidationError

from tre.domain.errors import Reason, TREError
from tre.domain.letters.address import vouched_address
from tre.domain.people import Subject
from tre.hub.portal import MAX_GROUPS, Vouched

KNOWLEDGE = frozenset({"pwd", "pin", "kba"})
"""RFC 8176: something known."""

POSSESSION_OR_BODY = frozenset({"otp", "hwk", "swk", "sc", "pop", "fpt", "face", "iris", "retina", "vbm"})
"""RFC 8176: something had, or something one is; `sms` and `tel` are left out, since a number can be taken over."""

MFA_CONTEXTS = frozenset({"https://refeds.org/profile/mfa", "phr", "phrh"})
"""Context classes that stand for several factors: the REFEDS MFA profile; OpenID EAP ACR values, phishing-resistant."""

REFEDS_MFA = "https://refeds.org/profile/mfa"
_MAX_TEXT = 300
_OPTIONS: Options = {
    "verify_signature": False,
    "verify_aud": True,
    "verify_exp": True,
    "verify_iss": True,
    "verify_iat": True,
    "require": ["iss", "aud", "exp", "iat", "sub"],
}


@dataclass(frozen=True)
class Expected:
    """Who must have issued a token, and for whom."""

    issuer: str
    client_id: str
    require_mfa: bool = False


def read_id_token(token: object, expected: Expected) -> dict[str, Any]:
    """The claims of an ID token that is ours, of this issuer, and not expired. Raises `TREError(LoginFailed)`."""
    if not isinstance(token, str):
        raise _refused("The provider sent no ID token.")
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            audience=expected.client_id,
            issuer=expected.issuer,
            leeway=30,
            options=_OPTIONS,
        )
    except jwt.InvalidTokenError as error:
        raise _refused(f"The ID token does not hold: {error}.") from error
    audience = claims["aud"]
    several = isinstance(audience, list) and len(audience) > 1
    if (several or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise _refused("The ID token was made for another client.")
    return claims


def read_person(
    claims: Mapping[str, Any], userinfo: Mapping[str, Any], groups_claim: str, expected: Expected
) -> Vouched:
    """The person in an ID token and its userinfo answer.

    Raises `TREError(LoginFailed)`, or `TREError(SecondFactorRequired)` where a second factor is demanded and was
    not reported.
    """
    if userinfo.get("sub") != claims["sub"]:
        raise _refused("The provider's two answers name two people.")
    if expected.require_mfa and not has_second_factor(claims):
        raise TREError(
            Reason.SecondFactorRequired,
            "This service needs a second factor, and the sign-in reported none.",
            remedy="Turn on a second factor at your identity provider, then sign in again.",
        )
    try:
        subject = Subject(issuer=expected.issuer, id=claims["sub"])
    except ValidationError as error:
        raise _refused("The provider's name for this person cannot be used.") from error
    groups = groups_of(userinfo, claims, groups_claim)
    return Vouched(subject, display_name(userinfo), groups, email_of(userinfo, claims))


def has_second_factor(claims: Mapping[str, Any]) -> bool:
    """Whether the provider reports several factors, by `amr` (RFC 8176) or `acr`."""
    methods = _texts(claims.get("amr"))
    if "mfa" in methods or (methods & KNOWLEDGE and methods & POSSESSION_OR_BODY):
        return True
    return claims.get("acr") in MFA_CONTEXTS


def display_name(userinfo: Mapping[str, Any]) -> str:
    """What the screen calls a person: their name, else their user name at the provider, else a neutral word."""
    for key in ("name", "preferred_username"):
        value = userinfo.get(key)
        if isinstance(value, str):
            text = "".join(character if character.isprintable() else " " for character in value)
            if short := " ".join(text.split())[:_MAX_TEXT].strip():
                return short
    return "Signed-in person"


def email_of(userinfo: Mapping[str, Any], claims: Mapping[str, Any]) -> str | None:
    """The address that the provider says to have verified, from the answer that names one; else none."""
    source = userinfo if "email" in userinfo else claims
    return vouched_address(source.get("email"), source.get("email_verified"))


def groups_of(userinfo: Mapping[str, Any], claims: Mapping[str, Any], groups_claim: str) -> frozenset[str]:
    """The groups in the claim, from the userinfo answer or else the ID token; anything misshapen gives none."""
    value = userinfo.get(groups_claim, claims.get(groups_claim))
    groups = frozenset(group for group in _texts(value) if 0 < len(group) <= 255)
    return groups if len(groups) <= MAX_GROUPS else frozenset()


def _texts(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return frozenset()
    return frozenset(value)


def _refused(why: str) -> TREError:
    return TREError(Reason.LoginFailed, "Sign-in failed.", why=why, remedy="Try again; tell an operator if it stays.")
