"""Changes of a running project: each kind of change, and which way it takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.applications import content, content_plain, slice_of
from tre.domain.applications.models import Lane
from tre.domain.applications.variations import Growth, classify
from tre.domain.committee.policy import FastLane

BOUNDS = FastLane()


def person(name: str, organisation: str = "University") -> dict[str, Any]:
    subject = {"issuer": "local", "id": name}
    return {"name": name, "jobTitle": "R", "organisation": organisation, "subject": subject}


PEOPLE = content_plain()["people"]
LATER = slice_of(spec=slice_of()["spec"] | {"release": "2027-01-01"})


@pytest.mark.parametrize(
    ("changes", "lane", "said"),
    [
        ({"ends": "2028-10-01T00:00:00Z"}, Lane.fast, "it ends later"),
        ({"ends": "2027-10-01T00:00:00Z"}, Lane.fast, "it ends earlier"),
        ({"ends": "2029-10-01T00:00:00Z"}, Lane.full, "more than 366 days"),
        ({"starts": "2026-12-01T00:00:00Z"}, Lane.fast, "begins later"),
        ({"starts": "2026-10-01T00:00:00Z"}, Lane.full, "begins earlier"),
        ({"people": [*PEOPLE, person("carl")]}, Lane.fast, "1 people join"),
        ({"people": [*PEOPLE, *(person(f"p{n}") for n in range(4))]}, Lane.full, "more than 3"),
        ({"people": [*PEOPLE, person("carl", "Company")]}, Lane.full, "people of Company join"),
        ({"people": PEOPLE[1:]}, Lane.fast, "1 people leave"),
        ({"people": [PEOPLE[0] | {"jobTitle": "Chief"}, PEOPLE[1]]}, Lane.fast, "what is said of 1 people"),
        ({"people": [PEOPLE[0] | {"organisation": "Company"}, PEOPLE[1]]}, Lane.full, "what is said of 1 people"),
        ({"slices": [slice_of(), slice_of("two")]}, Lane.full, "slice two is new"),
        ({"slices": [slice_of(minimisation="Because.")]}, Lane.fast, "reasons for slice cxr"),
        ({"slices": [slice_of(spec=slice_of()["spec"] | {"tier": "dates-coarse"})]}, Lane.full, "something else"),
        ({"slices": [LATER]}, Lane.full, "is not known"),
        ({"purpose": "Something else."}, Lane.full, "purpose changed"),
        ({"outputs": [{"what": "Two papers", "due": "2027-09-01"}]}, Lane.fast, "outputs changed"),
        ({"profile": "large"}, Lane.full, "profile changed"),
    ],
)
def test_each_change_takes_its_way(changes: dict[str, Any], lane: Lane, said: str) -> None:
    found = classify(content(), content(**changes), {}, BOUNDS)
    assert found.lane is lane
    assert any(said in text for text in found.why)


def test_a_slice_that_goes_is_less() -> None:
    before = content(slices=[slice_of(), slice_of("two")])
    assert classify(before, content(), {}, BOUNDS).why == ("the slice two goes",)


def test_growth_is_bound() -> None:
    after = content(slices=[LATER])
    small, large = Growth(1000, 1100), Growth(1000, 1101)
    assert classify(content(), after, {"cxr": small}, BOUNDS).lane is Lane.fast
    assert classify(content(), after, {"cxr": large}, BOUNDS).lane is Lane.full


def test_what_is_not_known_to_be_small_is_for_everybody() -> None:
    assert classify(content(), content(), {}, BOUNDS).lane is Lane.full
    assert classify(content(), content(ends="2028-10-01T00:00:00Z"), {}, None).lane is Lane.full
