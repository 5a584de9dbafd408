"""What may follow what under one grant's name, whatever source it comes from.

Guarantees: signed content that a later approval replaced does not come back, and what has ended stays ended.

Threat: somebody who kept an old signed file, and with it a member who was removed.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, GrantRecord


def check_later(before: GrantRecord, grant: AccessGrant) -> None:
    """Raise `TREError(StateForbids)` for content that was approved before what is in force."""
    if grant.spec.approval.approved_at < before.spec.approval.approved_at:
        raise replaced(before.name)


def replaced(name: str) -> TREError:
    """Old content of a grant that was approved anew."""
    return TREError(
        Reason.StateForbids,
        f"The grant {name!r} was approved anew after what its resource says now.",
        why="Content that was replaced does not come back by its old signature.",
        remedy="Have the approving body approve and sign it again, with a later approvedAt.",
    )


def has_ended(name: str) -> TREError:
    """A grant that is over, for good."""
    return TREError(
        Reason.StateForbids,
        f"The grant {name!r} has ended.",
        why="What has ended stays ended.",
        remedy="A new approval needs a grant of a new name.",
    )
