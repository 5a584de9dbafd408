"""The states of an application, for whom each waits, and who may change it.

Guarantees: seven states, changed only along the edges below; only `InReview` leads to `Approved` and `Declined`, by a
decision of the committee; what is decided stays decided. Every state that waits says for whom. A deadline that passes
is told and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tre.domain.errors import Reason
from tre.domain.transitions import Edge, TransitionTable


class ApplicationState(StrEnum):
    """Where an application is in its life."""

    Draft = "Draft"
    Submitted = "Submitted"
    InReview = "InReview"
    Deferred = "Deferred"
    Approved = "Approved"
    Declined = "Declined"
    Withdrawn = "Withdrawn"


class Party(StrEnum):
    """For whom an application waits."""

    applicant = "applicant"
    system = "system"
    committee = "committee"


_S = ApplicationState
_APPLICANT, _SYSTEM, _COMMITTEE = (party.value for party in Party)

APPLICATION_TRANSITIONS = TransitionTable(
    kind="application",
    initial=_S.Draft,
    edges=(
        Edge(_S.Draft, _S.Submitted, _APPLICANT, "complete, handed in"),
        Edge(_S.Submitted, _S.InReview, _SYSTEM, "every slice is planned"),
        Edge(_S.Submitted, _S.Deferred, _SYSTEM, "a slice cannot be planned"),
        Edge(_S.InReview, _S.Deferred, _COMMITTEE, "voted to ask questions, or no majority either way"),
        Edge(_S.Deferred, _S.Submitted, _APPLICANT, "answered and handed in again"),
        Edge(_S.InReview, _S.Approved, _COMMITTEE, "voted to approve, with quorum"),
        Edge(_S.InReview, _S.Declined, _COMMITTEE, "voted to decline, with quorum"),
        Edge(_S.Draft, _S.Withdrawn, _APPLICANT, "withdrawn"),
        Edge(_S.Submitted, _S.Withdrawn, _APPLICANT, "withdrawn"),
        Edge(_S.InReview, _S.Withdrawn, _APPLICANT, "withdrawn before it was decided"),
        Edge(_S.Deferred, _S.Withdrawn, _APPLICANT, "withdrawn"),
    ),
)


@dataclass(frozen=True)
class Waiting:
    """For whom a state waits, and the reason that people read."""

    party: Party
    reason: Reason


WAITING: dict[ApplicationState, Waiting] = {
    _S.Draft: Waiting(Party.applicant, Reason.AwaitingApplicant),
    _S.Submitted: Waiting(Party.system, Reason.AwaitingPlan),
    _S.InReview: Waiting(Party.committee, Reason.AwaitingCommittee),
    _S.Deferred: Waiting(Party.applicant, Reason.ChangesRequested),
}
"""Every state that waits. The others are ends."""

EDITABLE = frozenset({_S.Draft, _S.Deferred})
"""States in which the applicant writes."""

DECIDED = frozenset({_S.Approved, _S.Declined})
"""What the committee has brought to an end."""
