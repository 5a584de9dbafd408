"""Airlock policies as documents: complete, known, and named by their content."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.domain.exports.world import policy
from tre.domain.exports.catalogue import KNOWN_CHECKS
from tre.domain.exports.models import CheckRun, Locator, PolicyRef, finding_id
from tre.domain.exports.rules import INBOUND_TYPES, KNOWN_TYPES, AirlockPolicy


def plain() -> dict[str, Any]:
    return policy().as_plain()


def changed(path: str, value: object) -> dict[str, Any]:
    document = plain()
    *way, last = path.split(".")
    place = document
    for key in way:
        place = place[key]
    place[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.review.minimumReviewers", 1, "greater than or equal to 2"),
        ("spec.review.minimumReviewer", 2, "Extra inputs"),
        ("spec.severities", {"S01": "E"}, "missing C01"),
        ("spec.severities", dict.fromkeys(KNOWN_CHECKS | {"Z99"}, "B"), "unknown Z99"),
        ("spec.severities.S01", "X", "'B', 'E', 'A' or 'I'"),
        ("spec.types", [], "at least 1 item"),
        ("spec.exceptions", {"Z99": "reason"}, "unknown Z99"),
        ("spec.exceptions", {"S01": "maybe"}, "'reason', 'steward' or 'never'"),
        ("spec.replies", [{"name": "a", "text": "b"}, {"name": "a", "text": "c"}], "replies: one name stands twice"),
        ("spec.review.timeZone", "Moon/Sea", "no time zone"),
        ("spec.review.timeZone", "../etc", "no time zone"),
        ("spec.review.hours", "17:00-09:00", "an hour at least"),
        ("spec.review.hours", "09:00-25:00", "within one day"),
        ("spec.review.workingDays", [], "at least 1 item"),
        ("spec.review.workingDays", ["monday"], "'mon'"),
        ("spec.review.holidays", ["Christmas"], "date"),
        ("spec.review.claimHours", 0, "greater than or equal to 1"),
        ("spec.types", ["csv", "docx"], "docx"),
        ("spec.types", ["csv", "csv"], "twice"),
        ("spec.types", ["csv", "wheel"], "wheel"),
        ("spec.imports", {"types": ["csv", "docx"]}, "docx"),
        ("spec.imports", {"types": ["wheel", "wheel"]}, "twice"),
        ("spec.imports", {"types": []}, "at least 1 item"),
        ("spec.limits.fileBytes", "16MB", "not an amount"),
        ("spec.limits.rows", 0, "greater than or equal to 1"),
        ("spec.counts.threshold", True, ""),
        ("spec.counts.zeros", "maybe", "disclosive"),
        ("metadata.name", "Default Policy", "lower-case"),
        ("kind", "Policy", "AirlockPolicy"),
        ("apiVersion", "v2", "tre.research"),
    ],
)
def test_a_wrong_policy_is_no_policy(path: str, value: object, says: str) -> None:
    AirlockPolicy.model_validate(plain())
    if says:
        with pytest.raises(ValidationError, match=says):
            AirlockPolicy.model_validate(changed(path, value))


def test_packages_may_come_in_and_never_leave() -> None:
    assert "wheel" in policy().spec.imports.types
    assert "wheel" not in KNOWN_TYPES
    assert {"wheel"} == INBOUND_TYPES - KNOWN_TYPES
    AirlockPolicy.model_validate(changed("spec.imports", {"types": sorted(INBOUND_TYPES)}))


def test_the_digest_is_of_the_content() -> None:
    one = policy()
    assert policy().ref == one.ref
    assert policy(counts={"threshold": 11}).ref != one.ref
    assert AirlockPolicy.model_validate(dict(reversed(plain().items()))).ref == one.ref
    assert AirlockPolicy.model_validate(changed("metadata.name", "other")).ref.sha256 != one.ref.sha256


def test_a_default_written_out_is_the_same_policy() -> None:
    assert policy(counts={"threshold": 10, "zeros": "disclosive"}).ref == policy().ref


def test_ids_of_findings_differ_with_what_is_found() -> None:
    base = ("S01", 1, "0" * 64, Locator(row=1), "x")
    others = [
        ("S02", *base[1:]),
        ("S01", 2, *base[2:]),
        (*base[:2], "1" * 64, *base[3:]),
        (*base[:3], Locator(row=2), "x"),
        (*base[:4], "y"),
    ]
    assert len({finding_id(*one) for one in (base, *others)}) == 6


def test_a_run_is_named_by_what_it_saw_and_not_by_when() -> None:
    ref = PolicyRef(name="default", sha256="0" * 64)
    runs = [
        CheckRun.model_validate({"policy": ref, "tools": tools, "at": f"2026-11-0{day}T00:00:00Z", "files": []})
        for tools, day in (({"tre": "1"}, 1), ({"tre": "1"}, 2), ({"tre": "2"}, 1))
    ]
    assert runs[0].id == runs[1].id != runs[2].id
