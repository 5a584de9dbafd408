"""What the portal and the public pages count, for `/metrics`.

Guarantees: labels are reasons and ways of signing in; no name or address of anybody.
"""

from __future__ import annotations

from prometheus_client import Counter

from tre.domain.errors import TREError

REFUSED = Counter("tre_portal_refused", "Requests that were refused or failed, by what the person read.", ["reason"])
SIGN_INS = Counter("tre_portal_sign_ins", "Attempts to sign in that were looked at.", ["way", "outcome"])


def count_sign_in(way: str, error: TREError | None = None) -> None:
    """One attempt; `way` is `local` or `oidc`."""
    SIGN_INS.labels(way, "ok" if error is None else error.reason.value).inc()
