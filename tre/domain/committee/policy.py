"""What a site says of its committee: who must be heard, by when, by which criteria, and what may go the short way.

Guarantees: the four constituencies that the public was promised (clinicians, academics, commissioners, patients) are
always there, and no policy lets anything be approved without a patient member's vote, on either lane; every value has
a default and bounds.

Does not guarantee: that the people in the seats are whom the public meant.

Threat: a policy edited so that one person decides, or that patients need not be asked.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from tre.domain.applications.papers import PaperTerms
from tre.domain.canonical import digest
from tre.domain.exports.clocks import DayHours, Weekday, WorkingTime, ZoneName
from tre.domain.grants.models import Metadata, ResourceName
from tre.domain.model import Line, Record

PATIENT = "patient"
PROMISED = ("clinician", "academic", "commissioner", PATIENT)
"""Who sits in the committee that the public was promised."""

Constituency = ResourceName
Heads = Annotated[int, Field(ge=0, le=50)]


class ConstituencyRule(Record):
    """One group of members: what people call it, and how many of it must vote."""

    title: Annotated[Line, Field(min_length=1, max_length=100)]
    quorum: Heads = 1


class Criterion(Record):
    """One question that a member answers by ticking it."""

    id: ResourceName
    words: Annotated[Line, Field(min_length=1, max_length=300)]


def _with_patients(quorum: dict[str, int]) -> dict[str, int]:
    if quorum.get(PATIENT, 0) < 1:
        msg = "at least one patient member votes, whatever else is set"
        raise ValueError(msg)
    return quorum


class FastLane(Record):
    """What a running project may be given by fewer people: more time, few members, a little more of the same.

    `growth_permille` bounds how many more people's data a later release may bring under the same specification.
    """

    quorum: Annotated[dict[Constituency, Heads], AfterValidator(_with_patients)] = {PATIENT: 1}
    members: Annotated[int, Field(ge=2, le=50)] = 2
    extension_days: Annotated[int, Field(ge=0, le=3660)] = 366
    added_people: Annotated[int, Field(ge=0, le=100)] = 3
    growth_permille: Annotated[int, Field(ge=0, le=1000)] = 100
    review_days: Annotated[int, Field(ge=1, le=250)] = 5


class Emergency(Record):
    """How many members stop a project at once by an emergency vote. Stopping only takes away, so one is enough."""

    votes: Annotated[int, Field(ge=1, le=9)] = 1


_CONSTITUENCIES = {
    "clinician": ConstituencyRule(title="Clinicians"),
    "academic": ConstituencyRule(title="Academics"),
    "commissioner": ConstituencyRule(title="Commissioners"),
    PATIENT: ConstituencyRule(title="Patients and the public"),
}
_CRITERIA = (
    Criterion(id="benefit", words="It benefits patients or the public."),
    Criterion(id="merit", words="The question is worth asking and the method can answer it."),
    Criterion(id="feasible", words="The people named can do it in the time asked for."),
    Criterion(id="minimal", words="It asks for no more data than it needs."),
    Criterion(id="lawful", words="The law allows it, and the basis is named."),
    Criterion(id="understood", words="The lay summary tells the public what will be done."),
)


class CommitteeTerms(Record):
    """The rules. `review_days` are working days; `majority_percent` must be exceeded by those who approve."""

    body: Annotated[Line, Field(min_length=1, max_length=300)] = "Data Access Committee"
    constituencies: Annotated[dict[Constituency, ConstituencyRule], Field(max_length=20)] = _CONSTITUENCIES
    members: Annotated[int, Field(ge=3, le=100)] = 4
    majority_percent: Annotated[int, Field(ge=50, le=99)] = 50
    patients_must_approve: bool = True
    criteria: Annotated[tuple[Criterion, ...], Field(min_length=1, max_length=30)] = _CRITERIA
    review_days: Annotated[int, Field(ge=1, le=250)] = 20
    working_days: Annotated[tuple[Weekday, ...], Field(min_length=1, max_length=7)] = tuple(Weekday)[:5]
    hours: DayHours = "09:00-17:00"
    holidays: Annotated[tuple[date, ...], Field(max_length=1000)] = ()
    time_zone: ZoneName = "UTC"
    fast_lane: FastLane | None = FastLane()
    emergency: Emergency = Emergency()
    papers: PaperTerms = PaperTerms()

    @model_validator(mode="after")
    def _as_promised(self) -> CommitteeTerms:
        if missing := [name for name in PROMISED if name not in self.constituencies]:
            msg = f"constituencies: the public was promised {', '.join(PROMISED)}; missing: {', '.join(missing)}"
            raise ValueError(msg)
        _with_patients(self.quorum)
        ids = [one.id for one in self.criteria]
        if len(set(ids)) < len(ids):
            msg = "criteria: two have one id"
            raise ValueError(msg)
        if self.fast_lane and (strange := sorted(set(self.fast_lane.quorum) - set(self.constituencies))):
            msg = f"fastLane.quorum: there is no constituency {', '.join(strange)}"
            raise ValueError(msg)
        return self

    @property
    def quorum(self) -> dict[str, int]:
        """How many of each constituency must vote on a new application."""
        return {name: rule.quorum for name, rule in self.constituencies.items()}

    @property
    def criteria_ids(self) -> frozenset[str]:
        """What a vote may tick."""
        return frozenset(one.id for one in self.criteria)

    def deadline(self, start: datetime, days: int) -> datetime:
        """The end of so many working days after a moment."""
        working = WorkingTime(days=self.working_days, hours=self.hours, holidays=self.holidays, zone=self.time_zone)
        begins, ends = self.hours.split("-")
        minutes = _minutes(ends) - _minutes(begins)
        return working.after(start, max(1, days * minutes // 60))


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


class CommitteePolicy(Record):
    """The policy as it is written in a file."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["CommitteePolicy"]
    metadata: Metadata
    spec: CommitteeTerms

    @property
    def sha256(self) -> str:
        """What a decision records of the policy it was made under."""
        return digest(self.spec.as_plain())
