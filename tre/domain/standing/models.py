"""What people and organisations must hold before data are open to them, and what they hold.

Guarantees: a requirement is met by a standing of the same kind and the same name, compared exactly, within its dates;
the end is exclusive. A policy that asks for one thing twice, or for a thing it cannot name, is refused whole.

Does not guarantee: that a certificate is genuine. Who recorded it, and the reference they gave, stand in the log.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.slices.spec import ResourceName


class StandingKind(StrEnum):
    """What sort of thing is held."""

    training = "training"
    accreditation = "accreditation"
    agreement = "agreement"


OrganisationId = Annotated[Line, Field(min_length=1, max_length=200)]


class Requirement(Record):
    """One thing that must be held; `name` says which course, which scheme, which contract."""

    kind: StandingKind
    name: ResourceName

    def __str__(self) -> str:
        """For a person to read: `training safe-researcher`."""
        return f"{self.kind} {self.name}"


class StandingRules(Record):
    """What is required of each member of a project, and of its organisation. By default nothing is."""

    people: Annotated[tuple[Requirement, ...], Field(max_length=20)] = ()
    organisations: Annotated[tuple[Requirement, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _once(self) -> StandingRules:
        for listed in (self.people, self.organisations):
            if len({str(one) for one in listed}) < len(listed):
                msg = "one thing is required twice"
                raise ValueError(msg)
        return self


class _Metadata(Record):
    name: Literal["standing"]


class StandingPolicy(Record):
    """`policies/standing.yaml`."""

    api_version: Literal["tre.research/v1alpha1"]
    kind: Literal["StandingPolicy"]
    metadata: _Metadata
    spec: StandingRules


class Holder(Record):
    """Who holds a standing: one person, or one organisation."""

    person: Subject | None = None
    organisation: OrganisationId | None = None

    @model_validator(mode="after")
    def _one(self) -> Holder:
        if (self.person is None) == (self.organisation is None):
            msg = "a standing is held by a person or by an organisation"
            raise ValueError(msg)
        return self

    @property
    def object(self) -> str:
        """The holder as events name it."""
        return f"organisation/{self.organisation}" if self.person is None else f"person/{self.person}"


class Span(Record):
    """A time in which something holds; the end is exclusive."""

    since: UtcTime
    until: UtcTime

    @model_validator(mode="after")
    def _forward(self) -> Span:
        if self.until <= self.since:
            msg = "until must lie after since"
            raise ValueError(msg)
        return self


class Standing(Span):
    """Something held, from when until when; `reference` is the certificate's or the contract's own."""

    holder: Holder
    kind: StandingKind
    name: ResourceName
    reference: Annotated[Line, Field(max_length=200)] = ""

    @property
    def meets(self) -> Requirement:
        """The requirement that it meets."""
        return Requirement(kind=self.kind, name=self.name)


def as_detail(new: Standing) -> dict[str, str]:
    """A standing as the event that records it says."""
    times = {"since": new.since.isoformat(), "until": new.until.isoformat()}
    return {"what": str(new.meets), **times, "reference": new.reference}


class Required(Record):
    """A requirement, and every time in which its holder meets it."""

    requirement: Requirement
    spans: tuple[Span, ...] = ()
