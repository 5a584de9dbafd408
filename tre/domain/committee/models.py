"""Seats, votes and recusals, as they are kept.

Guarantees: a vote says who cast it, in which seat, from which session, on exactly which matter, and why; conditions
come only with an approval under conditions, questions with a deferral, and each choice brings what it needs.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tre.domain.applications.models import ApplicationId
from tre.domain.applications.summary import plain_text, within_length
from tre.domain.committee.policy import Constituency
from tre.domain.grants.models import Digest, DuoCode, ResourceName
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

SeatId = Annotated[str, Field(pattern=r"^s-[a-z2-7]{12}$")]
Words = Annotated[str, Field(min_length=1, max_length=5000), AfterValidator(plain_text)]
PublicWords = Annotated[
    str, Field(min_length=1, max_length=1000), AfterValidator(plain_text), AfterValidator(within_length)
]
"""What anybody may read: short, plain, without links."""

Interest = Annotated[Line, Field(min_length=1, max_length=300)]
SessionId = Annotated[Line, Field(min_length=1, max_length=200)]


class Seat(Record):
    """A person in a constituency for a term. `interests` are names or identifiers of organisations and people."""

    id: SeatId
    subject: Subject
    name: Annotated[Line, Field(min_length=1, max_length=200)]
    constituency: Constituency
    organisation: Annotated[Line, Field(min_length=1, max_length=300)]
    organisation_id: Annotated[Line, Field(max_length=200)] = ""
    chair: bool = False
    begins: UtcTime
    ends: UtcTime
    interests: Annotated[tuple[Interest, ...], Field(max_length=200)] = ()
    ended_at: UtcTime | None = None
    ended_why: Annotated[Line, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _has_a_term(self) -> Seat:
        if self.ends <= self.begins:
            msg = "ends must lie after begins"
            raise ValueError(msg)
        return self

    def in_force(self, now: datetime) -> bool:
        """Whether its term runs now; the end is exclusive."""
        return self.begins <= now < self.last

    @property
    def last(self) -> datetime:
        """When it ends, or ended."""
        return self.ends if self.ended_at is None else min(self.ends, self.ended_at)


class Choice(StrEnum):
    """What a member says."""

    approve = "approve"
    conditions = "approve-with-conditions"
    decline = "decline"
    defer = "defer"


APPROVING = frozenset({Choice.approve, Choice.conditions})


class VoteText(Record):
    """What a member fills in. `reasons` are for colleagues and the record; `for_the_public` is published unnamed."""

    choice: Choice
    reasons: Words
    criteria: Annotated[tuple[ResourceName, ...], Field(max_length=30)] = ()
    conditions: Annotated[tuple[DuoCode, ...], Field(max_length=30)] = ()
    condition_texts: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    questions: Annotated[tuple[Words, ...], Field(max_length=20)] = ()
    for_the_public: PublicWords | None = None

    @model_validator(mode="after")
    def _brings_what_it_needs(self) -> VoteText:
        conditional = bool(self.conditions or self.condition_texts)
        if conditional != (self.choice is Choice.conditions):
            msg = "conditions are due with approve-with-conditions, and with nothing else"
            raise ValueError(msg)
        if bool(self.questions) != (self.choice is Choice.defer):
            msg = "questions to the applicant are due with defer, and with nothing else"
            raise ValueError(msg)
        return self


class Vote(VoteText):
    """A vote as it was cast. `session` names the signed-in session, or the command line, that it came from."""

    application: ApplicationId
    round: Annotated[int, Field(ge=1)]
    matter: Digest
    voter: Subject
    seat: SeatId
    constituency: Constituency
    session: SessionId
    at: UtcTime


class Recusal(Record):
    """A member who takes no part in one application, by their own word."""

    application: ApplicationId
    voter: Subject
    why: Annotated[Line, Field(min_length=1, max_length=500)]
    session: SessionId
    at: UtcTime


class EmergencyVote(Record):
    """A member's vote to stop a running project at once."""

    grant: ResourceName
    voter: Subject
    seat: SeatId
    reason: Annotated[Line, Field(min_length=1, max_length=500)]
    session: SessionId
    at: UtcTime
