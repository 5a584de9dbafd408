"""The statements as data: all of them, each once, and everything that they name is there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from tests.docs.documents import DOCS, anchors
from tests.unit.cli.satre.world import World
from tre.cli.satre.place import project_directory
from tre.cli.satre.statements import FILE, Importance, Kind, Specification, Statement, load
from tre.cli.satre.table import CHECKS

STATEMENTS = list(load().statements)


def test_there_are_as_many_as_the_specification_has() -> None:
    assert len(STATEMENTS) == 185
    counted = Counter(one.importance.value for one in STATEMENTS)
    assert counted == {"Mandatory": 89, "Mandatory*": 6, "Recommended": 67, "Optional": 23}
    pillars = [
        Counter(one.importance.value for capability in pillar.capabilities for one in capability.statements)
        for pillar in load().pillars
    ]
    assert pillars == [
        {"Mandatory": 30, "Mandatory*": 5, "Recommended": 5, "Optional": 6},
        {"Mandatory": 25, "Recommended": 29, "Optional": 8},
        {"Mandatory": 16, "Recommended": 14, "Optional": 9},
        {"Mandatory": 4, "Recommended": 13},
        {"Mandatory": 14, "Mandatory*": 1, "Recommended": 6},
    ]


def test_each_stands_once_and_in_order() -> None:
    ids = [one.id for one in STATEMENTS]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert len({one.line for one in STATEMENTS}) == len(ids)


def test_every_check_that_is_named_exists_and_every_check_is_named() -> None:
    assert {name for one in STATEMENTS for name in one.checks} == CHECKS.keys()


@pytest.mark.parametrize("document", sorted({name for one in STATEMENTS for name in one.documents}))
def test_every_page_that_is_named_is_there_with_its_heading(document: str) -> None:
    name, _, fragment = document.partition("#")
    path = (DOCS / name).resolve()
    assert path.is_file()
    assert not fragment or fragment in anchors(path.read_text(encoding="utf-8"))


def test_pages_are_found_as_the_score_finds_them(world: World) -> None:
    folder = world.pages / "docs"
    folder.mkdir(parents=True)
    (folder / "a.md").write_text("# A page\n\n```\n# not a heading\n```\n\n## Who, and `why`\n", encoding="utf-8")
    (folder / "c.md").write_bytes(b"# \xff\n")
    has = world.place.has
    assert not has("c.md#c")  # no text, and no crash
    found = [has(one) for one in ("a.md", "a.md#a-page", "a.md#who-and-why", "a.md#not-a-heading", "b.md", "b.md#a")]
    assert found == [True, True, True, False, False, False]
    assert (project_directory() / "docs").resolve() == DOCS.resolve()


def test_whose_they_are_is_said() -> None:
    text = FILE.read_text(encoding="utf-8")
    for words in ("sa-tre/satre-specification", "CC BY 4.0", "creativecommons.org/licenses/by/4.0", "shorter"):
        assert words in text
    assert (load().version, load().licence) == ("2.0.1", "CC BY 4.0")


def test_what_nothing_can_meet_is_not_hidden() -> None:
    """Reading off a screen is not stopped, and the table must not say that it is."""
    clipboard = next(one for one in STATEMENTS if one.id == "2.1.01")
    assert (clipboard.kind, clipboard.checks, clipboard.documents) == (Kind.software, (), ())
    assert clipboard.gap.startswith("Not met")


@pytest.mark.parametrize(
    ("changes", "most"),
    [
        ({}, 2),
        ({"gap": "x"}, 1),
        ({"checks": (), "documents": ["a.md"]}, 1),
        ({"checks": (), "gap": "x"}, 0),
        ({"checks": (), "kind": "organisation"}, None),
    ],
)
def test_how_high_a_statement_can_come(changes: dict[str, Any], most: int | None) -> None:
    values = {"id": "1.1.01", "importance": "Mandatory", "kind": "software", "line": "x", "checks": ["tls"]}
    assert Statement.model_validate(values | changes).most == most


def test_a_star_counts_as_mandatory() -> None:
    assert [one.is_mandatory for one in Importance] == [True, True, False, False]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": "1.1.1"}, "id"),
        ({"importance": "Perhaps"}, "importance"),
        ({"checks": ()}, "needs checks, documents or a gap"),
        ({"why": "so"}, "no why"),
        ({"kind": "organisation"}, "neither checks nor documents"),
        ({"kind": "organisation", "checks": (), "gap": "x"}, "neither checks nor documents"),
        ({"kind": "not-applicable", "checks": ()}, "must say why"),
        ({"chekcs": ()}, "chekcs"),
    ],
)
def test_a_statement_that_does_not_fit_is_refused(changes: dict[str, Any], told: str) -> None:
    values = {"id": "1.1.01", "importance": "Mandatory", "kind": "software", "line": "x", "checks": ["tls"]}
    assert Statement.model_validate(values).is_scored
    with pytest.raises(ValidationError, match=told):
        Statement.model_validate(values | changes)


@pytest.mark.parametrize(("place", "number"), [(0, "1.2"), (1, "1.1")])
def test_what_is_out_of_order_is_refused(place: int, number: str) -> None:
    plain = load().as_plain()
    plain["pillars"][0]["capabilities"][place]["id"] = number
    with pytest.raises(ValidationError, match="each once and in order"):
        Specification.model_validate(plain)


def test_capabilities_are_numbered_by_their_pillar() -> None:
    plain = load().as_plain()
    del plain["pillars"][0]["capabilities"][2]
    with pytest.raises(ValidationError, match="numbered by their pillar"):
        Specification.model_validate(plain)
