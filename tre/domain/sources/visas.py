"""What a GA4GH visa must say to confirm an entitlement: the duties of a clearinghouse, over claims that were verified.

Guarantees: a visa confirms exactly one person's right to exactly one resource, compared as whole strings by case; one
of another type, with conditions that nobody evaluates here, without saying who granted it, or of another person
confirms nothing. It confirms no longer than its expiry, nor than the policy allows after it was asserted. Addresses in
it are never followed.

Does not guarantee: the signature; that is `tre.sources.rems.visas`. A visa alone opens nothing.

Source: GA4GH Passport v1 (ga4gh_passport_v1.md) and the AAI OIDC profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tre.domain.errors import Reason, TREError
from tre.domain.sources.policy import VisaPolicy
from tre.domain.sources.truth import Entitlement

CLAIM = "ga4gh_visa_v1"
CONTROLLED = "ControlledAccessGrants"
BY = frozenset({"self", "peer", "system", "so", "dac"})
LARGEST_VISA = 16 * 1024
"""Characters of one visa in its compact form."""

ALGORITHMS = {"RS256": "RSA", "ES256": "EC"}
"""What may sign a visa, and the kind of key that each takes: one kind is never tried with the other's algorithm."""

TYPES = frozenset({None, "JWT", "vnd.ga4gh.visa+jwt"})


def check_head(header: Mapping[str, Any], claims: Mapping[str, Any], policy: VisaPolicy) -> str:
    """The identity of the key that must have signed a visa: asked before any key is fetched.

    Raises `TREError(SignatureInvalid)` unless issuer and place of the keys are those of the policy.
    """
    if header.get("alg") not in ALGORITHMS:
        raise refused("it is signed in a way that is not taken here: RS256 or ES256 is due")
    if header.get("typ") not in TYPES or header.get("crit") is not None:
        raise refused("it is some other kind of token")
    if claims.get("iss") != policy.issuer or header.get("jku") != policy.keys:
        raise refused("its issuer, or the place of its keys, is not the one that is trusted here")
    if not isinstance(kid := header.get("kid"), str) or not kid:
        raise refused("it does not name its key")
    return kid


def confirmed_until(claims: Mapping[str, Any], one: Entitlement, policy: VisaPolicy, now: datetime) -> datetime | None:
    """Until when a verified visa confirms an entitlement; `None` where it confirms nothing of it."""
    visa = claims.get(CLAIM)
    if claims.get("sub") != one.user or not isinstance(visa, Mapping):
        return None
    if visa.get("type") != CONTROLLED or visa.get("value") != one.resource or visa.get("by") not in BY:
        return None
    if visa.get("conditions") not in (None, [], ""):
        return None
    asserted, expires = _moment(visa.get("asserted")), _moment(claims.get("exp"))
    if asserted is None or expires is None or asserted > now or not visa.get("source"):
        return None
    until = min(expires, asserted + timedelta(days=policy.longest_days))
    return until if now < until else None


def _moment(value: object) -> datetime | None:
    """Seconds since 1970 as a moment; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**37:
        return None
    return datetime.fromtimestamp(value, UTC)


def refused(why: str) -> TREError:
    """A visa that does not count."""
    return TREError(Reason.SignatureInvalid, f"A visa was refused: {why}.", why="A visa that is not sure is none.")
