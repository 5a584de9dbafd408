"""One line of the register: in the template's columns, of what is known and of nothing else."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from tests.support.factories import END, LEGAL_END, START, spec_plain
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.register import MAY_BE_WITHHELD
from tre.domain.register.columns import COLUMNS, Kind
from tre.domain.register.entry import BY_MAKE, NOT_KNOWN, WITHHELD, RegisterEntry, RegisterFacts, cells, entry_of

FULL: dict[str, Any] = {
    "applicants": ["Dr Alice Able", "Prof Bob Baker"],
    "applicantIds": ["0000-0002-1825-0097"],
    "funders": ["A Council", "A Charity"],
    "accredited": "Yes",
    "sublicence": "None",
    "category": "Algorithm Development/Tool Evaluation",
    "technicalSummary": "A network is trained.",
    "otherCommittees": ["An ethics committee"],
    "sensitivity": "De-Personalised",
    "article6": "6(1)(e) public task",
    "article9": "9(2)(j) research",
    "confidentiality": "Not applicable: the data are pseudonymised",
    "optOuts": {"applied": "Yes", "explanation": "They are taken out at once."},
    "frequency": "One-off",
    "linkage": "None",
    "confidentialData": "None",
    "privacy": "Days are shifted.",
    "outputs": [{"what": "A paper", "due": "2027-06-01"}],
}


def line(**changes: Any) -> RegisterEntry:
    facts: dict[str, Any] = {
        "name": "nccid-00123",
        "spec": AccessGrantSpec.model_validate(spec_plain(**changes.pop("spec", {}))),
        "ends": END,
        "activated_at": START,
        "dataset_titles": ("National COVID-19 Chest Imaging Database",),
    }
    return entry_of(RegisterFacts.model_validate(facts | changes))


def by_heading(entry: RegisterEntry) -> dict[str, Any]:
    return dict(zip([column.heading for column in COLUMNS], cells(entry), strict=True))


def test_the_columns_are_the_templates() -> None:
    assert len(COLUMNS) == 31
    assert sum(column.mandatory for column in COLUMNS) == 7
    assert [column.mandatory for column in COLUMNS] == [column.heading.endswith("*") for column in COLUMNS]
    assert [column.field for column in COLUMNS] == [name for name in RegisterEntry.model_fields if name != "withheld"]
    assert {number for number, column in enumerate(COLUMNS, 1) if column.kind is Kind.day} == {16, 17, 18, 28}


def test_a_full_line() -> None:
    found = by_heading(line(spec={"register": FULL}, ends=LEGAL_END, outputs=("https://doi.org/10.1/a,b",)))
    assert found["Project ID"] == "nccid-00123"
    assert found["Organisation name*"] == "University"
    assert found["Applicant name(s)"] == "Dr Alice Able, Prof Bob Baker"
    assert found["DEA accredited researcher?"] == "Yes"
    assert found["Project start date"] == date(2026, 11, 1)
    assert found["Project end date"] == date(2027, 6, 30)
    assert found["Latest approval date*"] == date(2026, 11, 1)
    assert found["National data opt-out applied?"] == "Yes"
    assert found["Access type*"] == "Trusted Research Environment"
    assert found["Link to research outputs"] == "https://doi.org/10.1/a%2Cb"
    assert found["How has data been processed to enhance privacy?"] == f"{BY_MAKE} Days are shifted."
    assert NOT_KNOWN not in found.values()


def test_what_is_not_known_is_said_and_never_made_up() -> None:
    entry = line(activated_at=None)
    found = by_heading(entry)
    unknown = [heading for heading, value in found.items() if value == NOT_KNOWN]
    assert len(unknown) == 17
    assert not any(heading.endswith("*") for heading in unknown)
    assert found["Release/Access date"] == ""
    assert found["How has data been processed to enhance privacy?"] == BY_MAKE
    assert all(found[column.heading] != "" for column in COLUMNS if column.mandatory)


def test_what_is_withheld_is_named() -> None:
    withheld = [{"field": field, "reason": "An attacker could use it."} for field in reversed(MAY_BE_WITHHELD)]
    entry = line(spec={"register": FULL | {"withheld": withheld}})
    assert len(entry.withheld) == len(MAY_BE_WITHHELD)
    assert list(entry.withheld) == [column.field for column in COLUMNS if column.field in entry.withheld]
    found = by_heading(entry)
    assert sum(value == WITHHELD for value in found.values()) == len(MAY_BE_WITHHELD)
    assert "Able" not in str(entry)
    assert "An attacker" not in str(entry)


def test_names_in_lists_hold_no_comma_and_stand_once() -> None:
    entry = line(dataset_titles=("Chest, second wave", "Chest, second wave", "Heart"))
    assert entry.dataset_titles == ("Chest; second wave", "Heart")
    assert by_heading(entry)["Dataset(s) name*"].split(", ") == ["Chest; second wave", "Heart"]


def test_fields_are_called_as_the_gateway_calls_them() -> None:
    plain = line(spec={"register": FULL}).as_plain()
    assert {"projectIdText", "legalBasisForDataArticle6", "nationalDataOptOut", "accessType"} <= plain.keys()
    assert plain["projectStartDate"] == "2026-11-01"
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9]+", key) for key in plain)


def test_days_are_those_in_utc() -> None:
    late = datetime(2027, 1, 1, 0, 30, tzinfo=UTC)
    assert line(ends=late).project_end_date == date(2027, 1, 1)
