"""The states of an import request: how code, packages and small reference data get in.

Guarantees: nine states, changed only along the edges below; only `Approved` leads to `Placing`, and only that to
`Placed`. Every state that waits says for whom.

Does not guarantee: that an edge may be taken now by this person; `permissions` and `acts` decide that.
"""

from __future__ import annotations

from enum import StrEnum

from tre.domain.errors import Reason
from tre.domain.exports.states import Owner
from tre.domain.transitions import Edge, TransitionTable


class ImportState(StrEnum):
    """Where an import request is in its life."""

    Pending = "Pending"
    Submitted = "Submitted"
    Approved = "Approved"
    Placing = "Placing"
    Placed = "Placed"
    Rejected = "Rejected"
    Blocked = "Blocked"
    Withdrawn = "Withdrawn"
    Removed = "Removed"


_S = ImportState
_AUTHOR, _CHECKER, _SYSTEM = (owner.value for owner in Owner)

IMPORT_TRANSITIONS = TransitionTable(
    kind="import request",
    initial=_S.Pending,
    edges=(
        Edge(_S.Pending, _S.Submitted, _AUTHOR, "files uploaded and checked, purpose given"),
        Edge(_S.Pending, _S.Blocked, _SYSTEM, "a check found what may not come in"),
        Edge(_S.Blocked, _S.Pending, _AUTHOR, "the file was taken out"),
        Edge(_S.Submitted, _S.Approved, _CHECKER, "enough people said yes"),
        Edge(_S.Submitted, _S.Rejected, _CHECKER, "refused, with words"),
        Edge(_S.Approved, _S.Submitted, _SYSTEM, "a yes does not count any more"),
        Edge(_S.Approved, _S.Placing, _SYSTEM, "everything still holds"),
        Edge(_S.Placing, _S.Placed, _SYSTEM, "the files stand in the inboxes"),
        Edge(_S.Placing, _S.Approved, _SYSTEM, "could not be placed, and is tried again"),
        Edge(_S.Placing, _S.Removed, _SYSTEM, "the project is over"),
        Edge(_S.Placed, _S.Removed, _CHECKER, "taken away again, or the project is over"),
        Edge(_S.Pending, _S.Withdrawn, _AUTHOR, "withdrawn, or left alone until the deadline"),
        Edge(_S.Blocked, _S.Withdrawn, _AUTHOR, "withdrawn, or left alone until the deadline"),
        Edge(_S.Submitted, _S.Withdrawn, _AUTHOR, "withdrawn"),
        Edge(_S.Approved, _S.Withdrawn, _AUTHOR, "withdrawn before the files were placed"),
    ),
)

WAITING: dict[ImportState, tuple[Owner, Reason]] = {
    _S.Pending: (Owner.author, Reason.AwaitingAuthor),
    _S.Blocked: (Owner.author, Reason.FindingBlocks),
    _S.Submitted: (Owner.checker, Reason.AwaitingChecker),
    _S.Approved: (Owner.system, Reason.AwaitingRelease),
    _S.Placing: (Owner.system, Reason.AwaitingRelease),
}
"""Every state that waits: for whom, and the reason that people read."""

DRAFTS = frozenset({_S.Pending, _S.Blocked})
"""What is still in its author's hands."""

LET_IN = frozenset({_S.Placing, _S.Placed})
"""What inboxes hold, or are about to."""
