"""Visas as a second confirmation: verified before anything in them is believed.

Guarantees: issuer and place of the keys are compared with the policy before a key is fetched; the key must be of the
kind that the algorithm takes and be named by the visa; one that is too large, forged, expired or of another make
confirms nothing, and says why.

Does not guarantee: that an entitlement is right. A visa that confirms nothing takes it away, none ever gives one.

Threat: `alg: none`, a public key taken for a shared secret, keys from an address that the visa itself names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import jwt

from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.sources.policy import VisaPolicy
from tre.domain.sources.truth import Entitlement
from tre.domain.sources.visas import ALGORITHMS, LARGEST_VISA, check_head, confirmed_until, refused
from tre.sources.rems.client import MAX_KEYS, Fetch

MOST_VISAS = 1000
PASSPORT = "ga4gh_passport_v1"
_UNREAD = {"verify_signature": False}
_REQUIRED = {"require": ["iss", "sub", "iat", "exp"], "verify_aud": False}


class Visas:
    """The visas of one round of asking: the keys are fetched once, when the first visa has said whose it is."""

    def __init__(self, policy: VisaPolicy, fetch: Fetch, now: datetime) -> None:
        self._policy, self._fetch, self._now = policy, fetch, now
        self._keys: dict[str, Mapping[str, Any]] | None = None

    def confirm(self, answer: object, wanted: list[Entitlement]) -> tuple[list[Entitlement], list[TREError]]:
        """Those of one user's entitlements that a visa confirms, ended where the visa ends, and what was refused."""
        claims, errors = [], []
        for token in _tokens(answer):
            try:
                claims.append(self.verified(token))
            except TREError as error:
                if error.reason is not Reason.SignatureInvalid:
                    raise
                errors.append(error)
        return [found for one in wanted if (found := self._confirmed(one, claims)) is not None], errors

    def _confirmed(self, one: Entitlement, claims: list[dict[str, Any]]) -> Entitlement | None:
        ends = [until for item in claims if (until := confirmed_until(item, one, self._policy, self._now)) is not None]
        if not ends:
            return None
        end = max(ends) if one.end is None else min(one.end, max(ends))
        return one.model_copy(update={"end": end})

    def verified(self, token: object) -> dict[str, Any]:
        """The claims of a visa that its issuer signed. Raises `TREError(SignatureInvalid)`."""
        if not isinstance(token, str) or len(token) > LARGEST_VISA:
            raise refused(f"a text of at most {LARGEST_VISA} characters is due")
        try:
            header = jwt.get_unverified_header(token)
            kid = check_head(header, jwt.decode(token, options=_UNREAD), self._policy)  # type: ignore[arg-type]
            key = self._key(kid, header["alg"])
            found: dict[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=[header["alg"]],
                issuer=self._policy.issuer,
                options=_REQUIRED,  # type: ignore[arg-type]
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise refused(f"{type(error).__name__}, {as_line(str(error), 200)}") from error
        return found

    def _key(self, kid: str, algorithm: str) -> jwt.PyJWK:
        if self._keys is None:
            self._keys = _by_name(self._fetch(self._policy.keys, MAX_KEYS))
        found = self._keys.get(kid)
        if found is None or found.get("kty") != ALGORITHMS[algorithm]:
            raise refused("its issuer has no such key for what it is signed with")
        return jwt.PyJWK(dict(found), algorithm=algorithm)


def _by_name(value: object) -> dict[str, Mapping[str, Any]]:
    """The issuer's keys by name; one named twice is none."""
    keys = value.get("keys") if isinstance(value, Mapping) else None
    if not isinstance(keys, list):
        raise TREError(Reason.ServiceUnavailable, "The issuer of visas shows no keys.", why="A set of keys is due.")
    named = [(str(key["kid"]), key) for key in keys if isinstance(key, Mapping) and "kid" in key]
    names = [name for name, _ in named]
    return {name: key for name, key in named if names.count(name) == 1}


def _tokens(answer: object) -> Iterator[object]:
    listed = answer.get(PASSPORT) if isinstance(answer, Mapping) else None
    if not isinstance(listed, list) or len(listed) > MOST_VISAS:
        raise TREError(
            Reason.ServiceUnavailable, "No visas were shown.", why=f"At most {MOST_VISAS} under {PASSPORT} are due."
        )
    yield from listed
