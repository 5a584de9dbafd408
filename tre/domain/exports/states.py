"""The states of an export request, whose turn it is in each, and what the clock does there.

Guarantees: twelve states, changed only along the edges below; only `Approved` leads to `Releasing` and only
`Releasing` to `Released`; a release that fails goes back to be tried again, never to an end. Every state that waits
for somebody says for whom and what happens when the time is up, so that no request is stuck without a word.

Does not guarantee: that an edge may be taken now by this person. `permissions` and `policies` decide that.

Sources: the nine states of the OpenSAFELY airlock's published request states, to which `Blocked`, `Releasing` and
`Recalled` are added.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tre.domain.errors import Reason
from tre.domain.transitions import Edge, TransitionTable


class ExportState(StrEnum):
    """Where an export request is in its life."""

    Pending = "Pending"
    Submitted = "Submitted"
    PartiallyReviewed = "PartiallyReviewed"
    Reviewed = "Reviewed"
    Returned = "Returned"
    Approved = "Approved"
    Releasing = "Releasing"
    Released = "Released"
    Rejected = "Rejected"
    Withdrawn = "Withdrawn"
    Blocked = "Blocked"
    Recalled = "Recalled"


class Owner(StrEnum):
    """Who can move a request on."""

    author = "author"
    checker = "checker"
    system = "system"


_S = ExportState
_AUTHOR, _CHECKER, _SYSTEM = (owner.value for owner in Owner)
_OPERATOR = "operator"
_ENDED_DRAFT = "left alone until the deadline"
_NEW_BLOCK = "a new run of the checks found what nobody may release"

EXPORT_TRANSITIONS = TransitionTable(
    kind="export request",
    initial=_S.Pending,
    edges=(
        Edge(_S.Pending, _S.Submitted, _AUTHOR, "context given, checks run, nothing blocked"),
        Edge(_S.Returned, _S.Submitted, _AUTHOR, "submits again: a new turn"),
        Edge(_S.Blocked, _S.Submitted, _AUTHOR, "submits again without what was blocked: a new turn"),
        Edge(_S.Submitted, _S.PartiallyReviewed, _CHECKER, "first review submitted"),
        Edge(_S.PartiallyReviewed, _S.Reviewed, _CHECKER, "reviews enough for the quorum submitted"),
        Edge(_S.PartiallyReviewed, _S.Approved, _OPERATOR, "a release past a quorum out of reach, by two people"),
        Edge(_S.Submitted, _S.Returned, _CHECKER, "returned early: the turn's votes are void"),
        Edge(_S.PartiallyReviewed, _S.Returned, _CHECKER, "returned early: the turn's votes are void"),
        Edge(_S.Reviewed, _S.Returned, _CHECKER, "changes requested"),
        Edge(_S.Reviewed, _S.Rejected, _CHECKER, "refused for good"),
        Edge(_S.Reviewed, _S.Approved, _CHECKER, "every output approved by the quorum, confirmed"),
        Edge(_S.Approved, _S.Returned, _CHECKER, "stopped within the delay"),
        Edge(_S.Approved, _S.Reviewed, _SYSTEM, "the approval no longer holds: votes are cast anew"),
        Edge(_S.Approved, _S.Releasing, _SYSTEM, "the delay is over and all rules still hold"),
        Edge(_S.Releasing, _S.Released, _SYSTEM, "the bundle is written"),
        Edge(_S.Releasing, _S.Approved, _SYSTEM, "the release failed and is tried again"),
        Edge(_S.Released, _S.Recalled, _CHECKER, "found wrong afterwards: no further download"),
        Edge(_S.Pending, _S.Withdrawn, _AUTHOR, f"withdrawn, or {_ENDED_DRAFT}"),
        Edge(_S.Returned, _S.Withdrawn, _AUTHOR, f"withdrawn, or {_ENDED_DRAFT}"),
        Edge(_S.Blocked, _S.Withdrawn, _AUTHOR, f"withdrawn, or {_ENDED_DRAFT}"),
        Edge(_S.Submitted, _S.Withdrawn, _AUTHOR, "withdrawn"),
        Edge(_S.PartiallyReviewed, _S.Withdrawn, _AUTHOR, "withdrawn"),
        Edge(_S.Reviewed, _S.Withdrawn, _AUTHOR, "withdrawn"),
        Edge(_S.Approved, _S.Withdrawn, _AUTHOR, "withdrawn within the delay, or the grant was revoked"),
        Edge(_S.Submitted, _S.Blocked, _SYSTEM, _NEW_BLOCK),
        Edge(_S.PartiallyReviewed, _S.Blocked, _SYSTEM, _NEW_BLOCK),
        Edge(_S.Reviewed, _S.Blocked, _SYSTEM, _NEW_BLOCK),
        Edge(_S.Approved, _S.Blocked, _SYSTEM, _NEW_BLOCK),
        Edge(_S.Releasing, _S.Blocked, _SYSTEM, "the stored bytes are not the approved ones"),
    ),
)


class AtDeadline(StrEnum):
    """What happens when a waiting state's time is up."""

    withdraw = "withdraw"
    escalate = "escalate"
    release = "release"
    retry = "retry"


@dataclass(frozen=True)
class Waiting:
    """For whom a state waits, the reason that people read, and what its deadline brings."""

    owner: Owner
    reason: Reason
    at_deadline: AtDeadline


WAITING: dict[ExportState, Waiting] = {
    _S.Pending: Waiting(Owner.author, Reason.AwaitingAuthor, AtDeadline.withdraw),
    _S.Returned: Waiting(Owner.author, Reason.ChangesRequested, AtDeadline.withdraw),
    _S.Blocked: Waiting(Owner.author, Reason.FindingBlocks, AtDeadline.withdraw),
    _S.Submitted: Waiting(Owner.checker, Reason.AwaitingChecker, AtDeadline.escalate),
    _S.PartiallyReviewed: Waiting(Owner.checker, Reason.AwaitingChecker, AtDeadline.escalate),
    _S.Reviewed: Waiting(Owner.checker, Reason.AwaitingChecker, AtDeadline.escalate),
    _S.Approved: Waiting(Owner.system, Reason.AwaitingRelease, AtDeadline.release),
    _S.Releasing: Waiting(Owner.system, Reason.AwaitingRelease, AtDeadline.retry),
}
"""Every state that waits. The others are ends, or `Released`, which only a recall leaves."""


class BlindPhase(StrEnum):
    """Who sees whose votes: nobody else's while they are cast apart, one another's once all are cast."""

    AUTHOR = "AUTHOR"
    INDEPENDENT = "INDEPENDENT"
    CONSOLIDATING = "CONSOLIDATING"
    COMPLETE = "COMPLETE"


VOTING = frozenset({BlindPhase.INDEPENDENT, BlindPhase.CONSOLIDATING})
"""The phases in which checkers vote."""

PHASES: dict[ExportState, BlindPhase] = {
    _S.Pending: BlindPhase.AUTHOR,
    _S.Returned: BlindPhase.AUTHOR,
    _S.Blocked: BlindPhase.AUTHOR,
    _S.Submitted: BlindPhase.INDEPENDENT,
    _S.PartiallyReviewed: BlindPhase.INDEPENDENT,
    _S.Reviewed: BlindPhase.CONSOLIDATING,
    _S.Approved: BlindPhase.COMPLETE,
    _S.Releasing: BlindPhase.COMPLETE,
    _S.Released: BlindPhase.COMPLETE,
    _S.Rejected: BlindPhase.COMPLETE,
    _S.Withdrawn: BlindPhase.COMPLETE,
    _S.Recalled: BlindPhase.COMPLETE,
}
