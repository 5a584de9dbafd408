"""The statements of SATRE as data: which there are, who must see to each, what is looked at.

Guarantees: a file that parses holds each statement once, in order, below its capability; a statement that is not scored
says nothing of checks, one that does not apply says why.

Source: SATRE v2.0.1, CC BY 4.0; attribution and what was changed stand at the top of `statements.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from tre.domain.model import Code, Line, Record
from tre.system.resources import read_record

FILE = Path(__file__).with_name("statements.yaml")


class Importance(StrEnum):
    """How much a statement counts, in SATRE's words; with a star, in all but a stated case."""

    mandatory = "Mandatory"
    mandatory_but = "Mandatory*"
    recommended = "Recommended"
    optional = "Optional"

    @property
    def is_mandatory(self) -> bool:
        """Whether a TRE with data of people must meet it: the starred ones are optional for others only."""
        return self in {Importance.mandatory, Importance.mandatory_but}


class Kind(StrEnum):
    """Who must see to a statement."""

    software = "software"
    evidence = "evidence"
    organisation = "organisation"
    not_applicable = "not-applicable"


class Statement(Record):
    """One statement; `line` is our own shorter wording."""

    id: Annotated[Code, Field(pattern=r"^\d\.\d\.\d\d$")]
    importance: Importance
    kind: Kind
    line: Annotated[Line, Field(min_length=1, max_length=200)]
    checks: tuple[Code, ...] = ()
    documents: tuple[Line, ...] = ()
    gap: Annotated[Line, Field(max_length=300)] = ""
    why: Annotated[Line, Field(max_length=300)] = ""

    @property
    def is_scored(self) -> bool:
        """Whether the launcher has anything to do with it."""
        return self.kind in {Kind.software, Kind.evidence}

    @property
    def most(self) -> int | None:
        """The score that it can have at most, whatever the installation; `None` where it is not scored."""
        if not self.is_scored:
            return None
        if self.checks:
            return 1 if self.gap else 2
        return 1 if self.documents else 0

    @model_validator(mode="after")
    def _fits(self) -> Statement:
        if self.is_scored and (self.why or not (self.checks or self.documents or self.gap)):
            msg = f"{self.id} is scored: it needs checks, documents or a gap, and no why"
            raise ValueError(msg)
        if not self.is_scored and (self.checks or self.documents or self.gap):
            msg = f"{self.id} is not scored: it has neither checks nor documents nor a gap"
            raise ValueError(msg)
        if self.kind is Kind.not_applicable and not self.why:
            msg = f"{self.id} does not apply: it must say why"
            raise ValueError(msg)
        return self


class Capability(Record):
    """What a number of statements are about."""

    id: Annotated[Code, Field(pattern=r"^\d\.\d$")]
    title: Line
    statements: Annotated[tuple[Statement, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _in_order(self) -> Capability:
        due = [f"{self.id}.{number:02}" for number in range(1, len(self.statements) + 1)]
        if [item.id for item in self.statements] != due:
            msg = f"capability {self.id} must hold {due[0]} to {due[-1]}, each once and in order"
            raise ValueError(msg)
        return self


class Pillar(Record):
    """One of the five parts of the specification."""

    title: Line
    capabilities: Annotated[tuple[Capability, ...], Field(min_length=1)]


class Specification(Record):
    """The whole of it, and whose it is."""

    specification: Line
    version: Line
    licence: Line
    pillars: Annotated[tuple[Pillar, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _numbered(self) -> Specification:
        due = [
            f"{number}.{place}"
            for number, pillar in enumerate(self.pillars, 1)
            for place in range(1, len(pillar.capabilities) + 1)
        ]
        if [capability.id for pillar in self.pillars for capability in pillar.capabilities] != due:
            msg = "capabilities must be numbered by their pillar and place"
            raise ValueError(msg)
        return self

    @property
    def statements(self) -> Iterator[Statement]:
        """Every statement, in order."""
        for pillar in self.pillars:
            for capability in pillar.capabilities:
                yield from capability.statements


@cache
def load() -> Specification:
    """The statements that come with the launcher."""
    return read_record(Specification, FILE)
