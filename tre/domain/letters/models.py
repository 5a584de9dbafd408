"""A letter, its states, and how somebody wants letters.

Guarantees: a letter is one per event and recipient; `Sent` and `Abandoned` lead nowhere but, for the latter, back to
`Waiting` by an operator's hand; what was not sent says why, how often it was tried and when it is tried next.

Does not guarantee: that a letter that was sent is read, or that it was not sent twice: a mail server that took a letter
and whose answer was lost is asked again. Both copies carry the same Message-ID.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason
from tre.domain.letters.address import Address
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.transitions import Edge, TransitionTable

PAGE = r"^/[A-Za-z0-9/_.-]{0,200}$"


class Pace(StrEnum):
    """How somebody wants letters."""

    at_once = "at-once"
    daily = "daily"
    action_only = "action-only"


class LetterState(StrEnum):
    """Where a letter is in its life."""

    Waiting = "Waiting"
    Failed = "Failed"
    Sent = "Sent"
    Abandoned = "Abandoned"


_S = LetterState

LETTER_TRANSITIONS = TransitionTable(
    kind="letter",
    initial=_S.Waiting,
    edges=(
        Edge(_S.Waiting, _S.Sent, "controller", "the mail server took it"),
        Edge(_S.Waiting, _S.Failed, "controller", "the mail server did not take it, or was not there"),
        Edge(_S.Failed, _S.Failed, "controller", "tried again in vain"),
        Edge(_S.Failed, _S.Sent, "controller", "the mail server took it"),
        Edge(_S.Failed, _S.Abandoned, "controller", "the recipient was refused too often"),
        Edge(_S.Failed, _S.Waiting, "operator", "to be tried now"),
        Edge(_S.Abandoned, _S.Waiting, "operator", "to be tried now"),
    ),
)

UNSENT = (_S.Waiting, _S.Failed)
"""What is still to be sent."""


class Letter(Record):
    """One thing that one person is told, as it is kept until it was sent and after that."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    event: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    recipient: Subject
    subject: Annotated[Line, Field(min_length=1, max_length=150)]
    text: Annotated[Line, Field(min_length=1, max_length=600)]
    page: Annotated[str, Field(pattern=PAGE)]
    at: UtcTime
    """When it happened."""

    together: bool = False
    """Whether it goes out with the day's others in one message."""

    state: LetterState = LetterState.Waiting
    reason: Reason = Reason.Requested
    attempts: Annotated[int, Field(ge=0)] = 0
    refusals: Annotated[int, Field(ge=0)] = 0
    next_at: UtcTime


class Correspondent(Record):
    """How somebody is reached."""

    subject: Subject
    address: Address | None = None
    pace: Pace = Pace.at_once


@dataclass(frozen=True)
class Draft:
    """What somebody is to be told: `acts` where it waits for them, `always` where it cannot be switched off."""

    recipient: Subject
    subject: str
    text: str
    page: str
    acts: bool = False
    always: bool = False
