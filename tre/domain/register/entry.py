"""One line of the register: 31 columns, worked out from what was approved and what really happened.

Guarantees: a pure function of the facts, so the same facts give the same line; what is not known is said to be not
known, what is withheld is named, and neither is ever made up; no name in a list holds a comma; a mandatory column is
never withheld and never empty. Nobody is named but applicants whom the approval lists for publication.

Does not guarantee: that an approval that says little says enough. It shows what is not known instead.

Source: HDR UK Data Use Register, upload template; see `tre.domain.register.columns`.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.register import RegisterDetails
from tre.domain.model import Line, Record, UtcTime
from tre.domain.register.columns import COLUMNS, Kind

NOT_KNOWN = "Not known"
WITHHELD = "Withheld"
ACCESS_TYPE = "Trusted Research Environment"
BY_MAKE = (
    "Names and addresses are removed and people are known by a made-up code only. The data are read in a place "
    "without any network. Nothing leaves it but files that people outside the project have checked."
)
"""What holds for every project, whatever its approval says."""

_WITHHELD_FIELDS = {
    "applicants": "applicants",
    "applicantIds": "applicant_id",
    "funders": "funders_and_sponsors",
    "accredited": "accredited_researcher_status",
    "sublicence": "sublicence_arrangements",
    "technicalSummary": "technical_summary",
    "linkage": "dataset_linkage_description",
    "confidentialData": "confidential_data_description",
    "privacy": "privacy_enhancements",
}
"""What a grant may withhold, and the column that it is."""


class RegisterFacts(Record):
    """What a line is made from. `ends` is when access ended or will end; `outputs` are addresses of what it led to."""

    name: Line
    spec: AccessGrantSpec
    ends: UtcTime
    activated_at: UtcTime | None
    dataset_titles: tuple[Line, ...]
    outputs: tuple[Line, ...] = ()


class RegisterEntry(Record):
    """One line. `None` and an empty list mean not known; `withheld` names the columns that are not told."""

    project_id_text: Line
    organisation_name: Line
    organisation_id: Line
    organisation_sector: Line
    applicants: tuple[Line, ...]
    applicant_id: tuple[Line, ...]
    funders_and_sponsors: tuple[Line, ...]
    accredited_researcher_status: Line | None
    sublicence_arrangements: Line | None
    project_title: Line
    lay_summary: str
    public_benefit_statement: str
    request_category_type: Line | None
    technical_summary: str | None
    other_approval_committees: tuple[Line, ...]
    project_start_date: date
    project_end_date: date
    latest_approval_date: date
    dataset_titles: tuple[Line, ...]
    data_sensitivity_level: Line | None
    legal_basis_for_data_article6: Line | None
    legal_basis_for_data_article9: Line | None
    duty_of_confidentiality: Line | None
    national_data_opt_out: Line | None
    request_frequency: Line | None
    dataset_linkage_description: str | None
    confidential_data_description: str | None
    access_date: date | None
    access_type: Line
    privacy_enhancements: str | None
    research_outputs: tuple[Line, ...]
    withheld: tuple[Line, ...]


def entry_of(facts: RegisterFacts) -> RegisterEntry:
    """The line of one project."""
    details = facts.spec.register_details or RegisterDetails()
    withheld = {_WITHHELD_FIELDS[one.field] for one in details.withheld}
    values = _of_approval(facts) | _of_details(details)
    values |= {field: () if isinstance(values[field], tuple) else None for field in withheld}
    ordered = [column.field for column in COLUMNS if column.field in withheld]
    return RegisterEntry.model_validate(values | {"withheld": tuple(ordered)})


def _of_approval(facts: RegisterFacts) -> dict[str, Any]:
    spec, organisation = facts.spec, facts.spec.project.organisation
    return {
        "project_id_text": facts.name,
        "organisation_name": organisation.name,
        "organisation_id": organisation.id,
        "organisation_sector": organisation.sector,
        "project_title": spec.project.title,
        "lay_summary": spec.project.lay_summary,
        "public_benefit_statement": spec.project.public_benefit,
        "project_start_date": spec.not_before.date(),
        "project_end_date": facts.ends.date(),
        "latest_approval_date": spec.approval.approved_at.date(),
        "dataset_titles": tuple(dict.fromkeys(without_commas(one) for one in facts.dataset_titles)),
        "access_date": None if facts.activated_at is None else facts.activated_at.date(),
        "access_type": ACCESS_TYPE,
        "research_outputs": tuple(one.replace(",", "%2C") for one in facts.outputs),
    }


def _of_details(details: RegisterDetails) -> dict[str, Any]:
    return {
        "applicants": details.applicants,
        "applicant_id": details.applicant_ids,
        "funders_and_sponsors": details.funders,
        "accredited_researcher_status": details.accredited,
        "sublicence_arrangements": details.sublicence,
        "request_category_type": details.category,
        "technical_summary": details.technical_summary,
        "other_approval_committees": details.other_committees,
        "data_sensitivity_level": details.sensitivity,
        "legal_basis_for_data_article6": details.article6,
        "legal_basis_for_data_article9": details.article9,
        "duty_of_confidentiality": details.confidentiality,
        "national_data_opt_out": None if details.opt_outs is None else details.opt_outs.applied,
        "request_frequency": details.frequency,
        "dataset_linkage_description": details.linkage,
        "confidential_data_description": details.confidential_data,
        "privacy_enhancements": BY_MAKE if details.privacy is None else f"{BY_MAKE} {details.privacy}",
    }


def without_commas(name: str) -> str:
    """A name for a list that is split at commas."""
    return name.replace(",", ";")


Cell = str | date
"""What stands in a cell: a text or a day."""


def cells(entry: RegisterEntry) -> tuple[Cell, ...]:
    """The line's 31 cells: lists joined by commas, what is not known and what is withheld in words; no day, no text."""
    return tuple(_cell(getattr(entry, column.field), column.kind, column.field in entry.withheld) for column in COLUMNS)


def _cell(value: Any, kind: Kind, withheld: bool) -> Cell:
    if withheld:
        return WITHHELD
    if value is None or value == ():
        return "" if kind is Kind.day else NOT_KNOWN
    if isinstance(value, tuple):
        return ", ".join(value)
    return date.fromisoformat(value.isoformat()) if kind is Kind.day else str(value)
