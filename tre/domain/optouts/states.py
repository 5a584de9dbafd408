"""The steps of a withdrawal batch, in order, what each waits for and by when it is due.

Guarantees: a batch moves along the edges below only, so that nobody is unmounted before new plans bar them, nothing
is destroyed before the hold is over, and no receipt speaks of a step that was not taken. Each state says what has been
done; what comes next is done again after any interruption, and doing it twice changes nothing.

Does not guarantee: that a deadline is kept. A batch that is late is shown as late, with what it waits for.

Sources: deny first, then live copies, derived copies, proof, destruction and receipt is the order in which an opt-out
must travel so that no step can undo an earlier one. Deadlines are this launcher's: minutes for what machines do alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from tre.domain.errors import Reason
from tre.domain.transitions import Edge, TransitionTable


class BatchState(StrEnum):
    """What has been done about a list of opt-outs."""

    Counting = "Counting"
    Proposed = "Proposed"
    Accepted = "Accepted"
    Denied = "Denied"
    Unmounted = "Unmounted"
    Swept = "Swept"
    Held = "Held"
    Destroyed = "Destroyed"
    Receipted = "Receipted"
    Cancelled = "Cancelled"


_S = BatchState
_MANAGER, _KEEPER = "data manager", "storekeeper"

BATCH_TRANSITIONS = TransitionTable(
    kind="withdrawal batch",
    initial=_S.Counting,
    edges=(
        Edge(_S.Counting, _S.Proposed, _KEEPER, "the list was compared with the dataset: a dry run, nothing changed"),
        Edge(_S.Counting, _S.Cancelled, _MANAGER, "taken back, or the list cannot be used"),
        Edge(_S.Proposed, _S.Accepted, _MANAGER, "the count was typed, and confirmed by a second person where due"),
        Edge(_S.Proposed, _S.Cancelled, _MANAGER, "taken back, or nobody confirmed it in time"),
        Edge(_S.Accepted, _S.Proposed, _KEEPER, "the dataset changed meanwhile: the count is another"),
        Edge(_S.Accepted, _S.Denied, _KEEPER, "every new plan leaves these people out"),
        Edge(_S.Denied, _S.Unmounted, _KEEPER, "gone from every slice, its tables, manifests and index"),
        Edge(_S.Unmounted, _S.Swept, _KEEPER, "homes, shared folders and outboxes were searched, their owners told"),
        Edge(_S.Swept, _S.Held, _KEEPER, "no file of these people has a second name in any tier; the hold runs"),
        Edge(_S.Held, _S.Destroyed, _KEEPER, "the hold is over: what must be erased is erased"),
        Edge(_S.Destroyed, _S.Receipted, _KEEPER, "the custodian's receipt is written"),
    ),
)

ENDED = frozenset({_S.Receipted, _S.Cancelled})
"""States in which nothing is left to do."""

AT_WORK = frozenset({_S.Accepted, _S.Denied, _S.Unmounted, _S.Swept, _S.Held, _S.Destroyed})
"""States whose next step the storekeeper takes without anybody asking."""


class Owner(StrEnum):
    """Who moves a batch on."""

    manager = "manager"
    storekeeper = "storekeeper"


@dataclass(frozen=True)
class Waiting:
    """Whose turn it is, the reason that people read, and how long that may take; `None` for the hold's own length."""

    owner: Owner
    reason: Reason
    patience: timedelta | None


WAITING: dict[BatchState, Waiting] = {
    _S.Counting: Waiting(Owner.storekeeper, Reason.Requested, timedelta(minutes=10)),
    _S.Proposed: Waiting(Owner.manager, Reason.AwaitingConfirmation, timedelta(days=7)),
    _S.Accepted: Waiting(Owner.storekeeper, Reason.DataWithdrawn, timedelta(minutes=10)),
    _S.Denied: Waiting(Owner.storekeeper, Reason.DataWithdrawn, timedelta(hours=1)),
    _S.Unmounted: Waiting(Owner.storekeeper, Reason.DataWithdrawn, timedelta(days=1)),
    _S.Swept: Waiting(Owner.storekeeper, Reason.DataWithdrawn, timedelta(hours=1)),
    _S.Held: Waiting(Owner.storekeeper, Reason.AwaitingHold, None),
    _S.Destroyed: Waiting(Owner.storekeeper, Reason.DataWithdrawn, timedelta(hours=1)),
}
"""Every state that waits; the others are ends."""
