"""The states of what stands in the public account, kind by kind.

Guarantees: nothing that a stranger typed is public without a person's act; what was taken down or refused stays so;
what waits for the team names its reason and its clock.

Does not guarantee: that an edge may be taken now by this person. `permissions` and `acts` decide that.
"""

from __future__ import annotations

from enum import StrEnum

from tre.domain.transitions import Edge, TransitionTable


class ItemKind(StrEnum):
    """What there is an account of."""

    enquiry = "enquiry"
    comment = "comment"
    outcome = "outcome"
    incident = "incident"
    complaint = "complaint"
    consultation = "consultation"


class ItemState(StrEnum):
    """Where an item is; each kind has some of these."""

    Waiting = "Waiting"
    Answered = "Answered"
    Published = "Published"
    Refused = "Refused"
    Open = "Open"
    Resolved = "Resolved"
    Received = "Received"
    Acknowledged = "Acknowledged"
    Closed = "Closed"
    Decided = "Decided"


_S = ItemState
_TEAM = "team"
_REFUSED = "refused with a class of reason; its text is erased"
_TAKEN_DOWN = "taken down with a class of reason; its text is erased"


def _submissions(kind: str) -> TransitionTable[ItemState]:
    """What somebody sends and the team publishes, or does not."""
    return TransitionTable(
        kind=kind,
        initial=_S.Waiting,
        edges=(
            Edge(_S.Waiting, _S.Published, _TEAM, "read and published"),
            Edge(_S.Waiting, _S.Refused, _TEAM, _REFUSED),
            Edge(_S.Published, _S.Refused, _TEAM, _TAKEN_DOWN),
        ),
    )


ITEM_TRANSITIONS: dict[ItemKind, TransitionTable[ItemState]] = {
    ItemKind.enquiry: TransitionTable(
        kind="question of the public",
        initial=_S.Waiting,
        edges=(
            Edge(_S.Waiting, _S.Answered, _TEAM, "an answer is written"),
            Edge(_S.Answered, _S.Published, _TEAM, "published with the answer"),
            Edge(_S.Waiting, _S.Refused, _TEAM, _REFUSED),
            Edge(_S.Answered, _S.Refused, _TEAM, _REFUSED),
            Edge(_S.Published, _S.Refused, _TEAM, _TAKEN_DOWN),
        ),
    ),
    ItemKind.comment: _submissions("comment on a change"),
    ItemKind.outcome: _submissions("outcome of a project"),
    ItemKind.incident: TransitionTable(
        kind="incident",
        initial=_S.Open,
        edges=(
            Edge(_S.Open, _S.Resolved, _TEAM, "everything is done"),
            Edge(_S.Resolved, _S.Open, _TEAM, "something more was found"),
        ),
    ),
    ItemKind.complaint: TransitionTable(
        kind="complaint",
        initial=_S.Received,
        edges=(
            Edge(_S.Received, _S.Acknowledged, _TEAM, "the person was told that it came"),
            Edge(_S.Received, _S.Closed, _TEAM, "answered at once"),
            Edge(_S.Acknowledged, _S.Closed, _TEAM, "answered"),
        ),
    ),
    ItemKind.consultation: TransitionTable(
        kind="change that is open for comment",
        initial=_S.Open,
        edges=(Edge(_S.Open, _S.Decided, _TEAM, "the time is over, and it was decided"),),
    ),
}

WAITS_FOR_TEAM = frozenset({_S.Waiting, _S.Answered, _S.Open, _S.Received, _S.Acknowledged})
"""States in which the team has to do something, each with a deadline."""

FROM_STRANGERS = frozenset({ItemKind.enquiry, ItemKind.comment})
"""Kinds that anybody may send, without an account."""

SHOWN_AT_ONCE = frozenset({ItemKind.incident, ItemKind.consultation})
"""Kinds that the team itself writes for the public: published as they begin."""


class RefusalClass(StrEnum):
    """Why something is not published, as the public reads it."""

    personal = "personal"
    abusive = "abusive"
    unrelated = "unrelated"
    repeated = "repeated"
    unlawful = "unlawful"
    incorrect = "incorrect"


REFUSAL_WORDS: dict[RefusalClass, str] = {
    RefusalClass.personal: "It tells something about a person.",
    RefusalClass.abusive: "It insults or threatens somebody.",
    RefusalClass.unrelated: "It is not about this service or its data.",
    RefusalClass.repeated: "It was asked and answered before.",
    RefusalClass.unlawful: "The law does not let us publish it.",
    RefusalClass.incorrect: "It is not correct, or cannot be checked.",
}
