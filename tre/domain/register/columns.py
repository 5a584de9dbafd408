"""The 31 columns of the HDR UK Data Use Register's upload template, in its order.

Guarantees: a heading here is the template's, with its star where a value is due.

Source: HDR UK Innovation Gateway, template "Data Uses" (sheet `Data Uses Template`, headings on row 2, data from
row 3, columns by position); names of fields as in the Gateway's own service.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What stands in a column."""

    text = "text"
    names = "names"
    """Several values, joined by commas."""

    day = "day"


class Column(NamedTuple):
    """One column: its heading, the field of `RegisterEntry`, its kind, and whether a value is due."""

    heading: str
    field: str
    kind: Kind = Kind.text
    mandatory: bool = False


SHEET = "Data Uses Template"
HEADING_ROW = 2
"""Counted from 1; data begin on the row after it."""

COLUMNS = (
    Column("Project ID", "project_id_text"),
    Column("Organisation name*", "organisation_name", mandatory=True),
    Column("Organisation ID", "organisation_id"),
    Column("Organisation sector", "organisation_sector"),
    Column("Applicant name(s)", "applicants", Kind.names),
    Column("Applicant ID", "applicant_id", Kind.names),
    Column("Funders/ Sponsors", "funders_and_sponsors", Kind.names),
    Column("DEA accredited researcher?", "accredited_researcher_status"),
    Column("Sub-licence arrangements (if any)?", "sublicence_arrangements"),
    Column("Project title*", "project_title", mandatory=True),
    Column("Lay summary*", "lay_summary", mandatory=True),
    Column("Public benefit statement*", "public_benefit_statement", mandatory=True),
    Column("Request category type", "request_category_type"),
    Column("Technical summary", "technical_summary"),
    Column("Other approval committees", "other_approval_committees", Kind.names),
    Column("Project start date", "project_start_date", Kind.day),
    Column("Project end date", "project_end_date", Kind.day),
    Column("Latest approval date*", "latest_approval_date", Kind.day, mandatory=True),
    Column("Dataset(s) name*", "dataset_titles", Kind.names, mandatory=True),
    Column("Data sensitivity level", "data_sensitivity_level"),
    Column("Legal basis for provision of data under Article 6", "legal_basis_for_data_article6"),
    Column("Lawful conditions for provision of data under Article 9", "legal_basis_for_data_article9"),
    Column("Common Law Duty of Confidentiality", "duty_of_confidentiality"),
    Column("National data opt-out applied?", "national_data_opt_out"),
    Column("Request frequency", "request_frequency"),
    Column("For linked datasets, specify how the linkage will take place", "dataset_linkage_description"),
    Column("Description of the confidential data being used", "confidential_data_description"),
    Column("Release/Access date", "access_date", Kind.day),
    Column("Access type*", "access_type", mandatory=True),
    Column("How has data been processed to enhance privacy?", "privacy_enhancements"),
    Column("Link to research outputs", "research_outputs", Kind.names),
)
