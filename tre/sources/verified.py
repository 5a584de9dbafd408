"""Remembering which content was found signed, so that looking again at what did not change costs nothing.

Guarantees: what is remembered is a digest of the grant's name, its whole content and the keys that counted when its
signature was checked; another byte, or another set of keys, is checked anew. What did not verify is not remembered.

Does not guarantee: anything beyond this process; after a restart everything is checked once.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tre.domain.grants.models import AccessGrant
from tre.sources.signed import check_evidence


class VerifiedEvidence:
    """May be asked by many threads."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def check(self, grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> None:
        """Raise `TREError(EvidenceUnverified)` unless a configured key signed exactly this content."""
        mark = _mark(grant, keys)
        if self._known.get(grant.metadata.name) != mark:
            check_evidence(grant, keys)
            self._known[grant.metadata.name] = mark


def _mark(grant: AccessGrant, keys: dict[str, Ed25519PublicKey]) -> bytes:
    content = f"{grant.model_dump_json()} {sorted(keys)}"
    return hashlib.blake2b(content.encode(), digest_size=32).digest()
