"""Conditions of use held against what a project says of itself: both sides of each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import grant_plain
from tre.domain.grants.conditions import KNOWN, unmet
from tre.domain.grants.models import AccessGrant
from tre.domain.model import parse_record
from tre.portal import words

PROFITING = {"commercial": True}
CHARITY = {"commercial": False, "notForProfit": True}


def found(*codes: str, organisation: dict[str, Any] | None = None, **project: Any) -> list[str]:
    plain = grant_plain(conditions=list(codes))
    plain["spec"]["project"] |= project
    plain["spec"]["project"]["organisation"] |= organisation or {}
    return [f"{one.number} {one.expected}" for one in unmet(parse_record(AccessGrant, plain).spec)]


@pytest.mark.parametrize(
    ("code", "holds", "fails", "word"),
    [
        ("DUO:0000046", {}, {"organisation": PROFITING}, "is commercial"),
        ("DUO:0000045", {"organisation": CHARITY}, {}, "state organisation.notForProfit"),
        ("DUO:0000045", {"organisation": CHARITY}, {"organisation": {"notForProfit": False}}, "is not"),
        ("DUO:0000018", {"organisation": CHARITY}, {"organisation": CHARITY | PROFITING}, "is commercial"),
        ("DUO:0000018", {"organisation": CHARITY}, {}, "not-for-profit"),
        ("DUO:0000021", {"ethicsReference": "REC 20/LO/0688"}, {}, "state project.ethicsReference"),
        ("DUO:0000022", {"organisation": {"country": "GB"}}, {}, "state organisation.country"),
    ],
)
def test_a_fact_decides(code: str, holds: dict[str, Any], fails: dict[str, Any], word: str) -> None:
    assert found(code, **holds) == []
    (problem,) = found("DUO:0000025", code, **fails)
    assert problem.startswith(f"1 {code}")
    assert word in problem


def test_what_holds_by_make_or_is_for_people_needs_no_fact() -> None:
    assert found("DUO:0000025", "DUO:0000026", "DUO:0000027", "DUO:0000007", "DUO:0000019") == []


def test_a_code_that_nobody_knows_is_not_passed_over() -> None:
    (problem,) = found("DUO:0000099")
    assert "nobody would hold it" in problem


def test_every_code_that_pages_explain_is_judged() -> None:
    assert set(words.CONDITIONS) == KNOWN


def test_a_project_without_these_facts_is_written_as_before() -> None:
    plain = grant_plain()
    spec = parse_record(AccessGrant, plain).spec.as_plain()
    assert not {"notForProfit", "country"} & set(spec["project"]["organisation"])
    assert "ethicsReference" not in spec["project"]
