"""What the public register tells of a project beyond what access to data needs.

Guarantees: a name that stands in a list holds no comma (the register's template splits lists at commas) and stands
there once; a field that is withheld is one that may be withheld, and says why. Nothing here gives access to anything.

Does not guarantee: that what is said is true. It is what the committee had before it when it said yes.

Source: HDR UK, Data Use Register, upload template (31 columns, seven of them mandatory).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic.alias_generators import to_camel

from tre.domain.model import Code, Line, Record


def _without_comma(text: str) -> str:
    if "," in text:
        msg = "a comma may not stand in a name here: the register splits lists at commas"
        raise ValueError(msg)
    return text


Said = Annotated[Line, Field(min_length=1, max_length=500)]
Told = Annotated[str, Field(min_length=1, max_length=5_000)]
Name = Annotated[Line, Field(min_length=1, max_length=200), AfterValidator(_without_comma)]
Names = Annotated[tuple[Name, ...], Field(max_length=100)]
Orcid = Annotated[Code, Field(pattern=r"^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")]


class Accredited(StrEnum):
    """Whether the researchers are accredited under the Digital Economy Act."""

    yes = "Yes"
    no = "No"


class Sensitivity(StrEnum):
    """How near the data are to a person, in the template's words."""

    identifiable = "Personally Identifiable"
    depersonalised = "De-Personalised"
    anonymous = "Anonymous"


class Frequency(StrEnum):
    """How often data are given, in the template's words."""

    once = "One-off"
    recurring = "Recurring"


class OptOutAnswer(StrEnum):
    """Whether national opt-outs are applied, in the template's words."""

    yes = "Yes"
    no = "No"
    not_applicable = "Not applicable"


class OptOutsHonoured(Record):
    """Whether opt-outs apply to the project, and why."""

    applied: OptOutAnswer
    explanation: Told


class ExpectedOutput(Record):
    """Something that the project means to give back, and by when."""

    what: Said
    due: date | None = None


class Withheld(Record):
    """A column of the register that is not told, and why."""

    field: Code
    reason: Said


class RegisterDetails(Record):
    """What the register's columns need; each may be missing, and is then said to be not known."""

    applicants: Names = ()
    applicant_ids: Annotated[tuple[Orcid, ...], Field(max_length=100)] = ()
    funders: Names = ()
    accredited: Accredited | None = None
    sublicence: Said | None = None
    category: Said | None = None
    technical_summary: Told | None = None
    other_committees: Names = ()
    sensitivity: Sensitivity | None = None
    article6: Said | None = None
    article9: Said | None = None
    confidentiality: Said | None = None
    opt_outs: OptOutsHonoured | None = None
    frequency: Frequency | None = None
    linkage: Told | None = None
    confidential_data: Told | None = None
    privacy: Told | None = None
    outputs: Annotated[tuple[ExpectedOutput, ...], Field(max_length=50)] = ()
    criteria: Annotated[tuple[Said, ...], Field(max_length=50)] = ()
    """What the committee looked at and found in order, a few words each."""

    patient_view: Told | None = None
    """What patient members said of it."""

    withheld: Annotated[tuple[Withheld, ...], Field(max_length=31)] = ()

    def as_told(self) -> RegisterDetails:
        """The same without what is withheld, but for the names of what that is."""
        names = {to_camel(name): name for name in type(self).model_fields}
        empty = RegisterDetails()
        gone = {name: getattr(empty, name) for name in (names[one.field] for one in self.withheld)}
        return self.model_copy(update=gone)

    @model_validator(mode="after")
    def _each_once(self) -> RegisterDetails:
        for key in ("applicants", "funders", "other_committees"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                msg = f"{key} names somebody twice"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _may_be_withheld(self) -> RegisterDetails:
        named = [one.field for one in self.withheld]
        if wrong := sorted(set(named) - set(MAY_BE_WITHHELD)):
            msg = f"withheld names {', '.join(wrong)}; these may be withheld: {', '.join(MAY_BE_WITHHELD)}"
            raise ValueError(msg)
        if len(set(named)) < len(named):
            msg = "withheld names a field twice"
            raise ValueError(msg)
        return self


MAY_BE_WITHHELD = (
    "applicants",
    "applicantIds",
    "funders",
    "accredited",
    "sublicence",
    "technicalSummary",
    "linkage",
    "confidentialData",
    "privacy",
)
"""Never who, why, which data, on what law, and whether opt-outs apply: without these a register tells nothing."""
