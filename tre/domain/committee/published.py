"""What the public reads of the committee: who sits in it, and decisions that ended an application.

Guarantees: no account, no vote and no voter is named; of who was declined it says the kind of organisation and not
which one; reasons are those that members wrote for the public, patient members' apart. What goes back with questions
is not told: it is not decided yet.

Does not guarantee: that nobody can guess who wrote a text: where one patient member votes, everybody knows; nor who
asked for a change of a running project, whose title stands in the register.

Threat: a list of the declined that shames somebody by name; a page that shows how a named person voted.
"""

from __future__ import annotations

from datetime import datetime

from tre.domain.applications.models import Application
from tre.domain.committee.decision import DecisionRecord
from tre.domain.committee.models import Seat
from tre.domain.committee.policy import Constituency
from tre.domain.committee.tally import Outcome
from tre.domain.model import Line, Record, UtcTime


class PublicSeat(Record):
    """A seat as anybody reads of it: names are public by appointment. `ends` is when it ends, or ended."""

    name: Line
    constituency: Constituency
    organisation: Line
    chair: bool
    begins: UtcTime
    ends: UtcTime
    interests: tuple[Line, ...]

    @classmethod
    def of(cls, seat: Seat) -> PublicSeat:
        """What is told of a seat; why it ended is not."""
        values = {name: getattr(seat, name) for name in cls.model_fields}
        return cls.model_validate(values | {"ends": seat.last})

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended."""
        return self.ends <= now

    def is_to_come(self, now: datetime) -> bool:
        """Whether it has not begun."""
        return now < self.begins


class PublicDecision(Record):
    """A decision as anybody reads of it.

    `sector` and `commercial` say what kind of organisation asked; `change` that a project ran already; `withheld` why
    its words are not shown any more.
    """

    application: Line
    outcome: Outcome
    title: Line
    sector: Line
    commercial: bool
    change: bool
    body: Line
    decided_at: UtcTime
    reasons: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    withheld: Line = ""

    @property
    def has_words(self) -> bool:
        """Whether anybody wrote something for the public."""
        return bool(self.reasons or self.patients)


def published(record: DecisionRecord, application: Application) -> PublicDecision | None:
    """What is told of a decision on an application; `None` where it goes back to its author."""
    if record.outcome is Outcome.deferred or application.content is None:
        return None
    organisation = application.content.organisation
    return PublicDecision(
        application=record.application,
        outcome=record.outcome,
        title=record.title,
        sector=organisation.sector,
        commercial=organisation.commercial,
        change=application.varies is not None,
        body=record.body,
        decided_at=record.decided_at,
        reasons=record.public_reasons,
        patients=record.patient_reasons,
    )


def without_words(told: PublicDecision, why: str) -> PublicDecision:
    """The same without what people wrote, and why: a text that names somebody was found too late."""
    return PublicDecision.model_validate({**dict(told), "title": "", "reasons": (), "patients": (), "withheld": why})
