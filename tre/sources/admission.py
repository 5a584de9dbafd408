"""How an approval comes into force, whatever source it comes from: one rule for files and for resources.

Guarantees: a grant that runs on verified evidence is never replaced by content whose evidence does not verify; each
member has a workspace, stopped, from the same transaction on.
"""

from __future__ import annotations

from datetime import datetime

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.store import grants as store
from tre.store import workspaces
from tre.store.database import Change


def admit(change: Change, grant: AccessGrant, source: str, now: datetime, *, verified: bool) -> int:
    """Put a grant into the record; return its generation there. `verified` says whether its evidence is good.

    Raises `TREError(EvidenceUnverified)` where that would replace verified content, and as `store.grants.apply`.
    """
    name = grant.metadata.name
    before = store.get(change.connection, name)
    if before is not None and before.evidence_verified and not verified:
        raise TREError(
            Reason.EvidenceUnverified,
            f"The grant {name!r} runs on verified evidence; this file carries none that verifies.",
            why="Without a signature, or changed after it was signed, anybody could have written it.",
            remedy="Sign the file with `tre grant sign`; nothing was changed.",
        )
    generation = store.apply(change, name, grant.spec, source, now)
    store.set_evidence(change, name, verified=verified)
    for member in grant.spec.members:
        workspaces.ensure(change, name, member.subject, now)
    return generation
