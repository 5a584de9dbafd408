"""The rule of scores: what gives 2, 1 and 0, and what capabilities come to."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from tests.unit.cli.satre.world import BROKEN, HELD, NOTHING, World
from tre.cli.satre import score as scores
from tre.cli.satre.page import as_html
from tre.cli.satre.place import Check, Found, Outcome, Place, run
from tre.cli.satre.score import Score, Scored, Verdict, as_json, score, scored, scored_capability
from tre.cli.satre.statements import Capability, Kind, Specification, Statement, load
from tre.domain.errors import Reason, TREError

HELD_2, BROKEN_0, NOTHING_YET = Found(HELD, "It held."), Found(BROKEN, "It did not."), Found(NOTHING, "Nothing yet.")


def statement(**changes: Any) -> Statement:
    values = {"id": "1.1.01", "importance": "Mandatory", "kind": "software", "line": "A statement.", "checks": ["a"]}
    return Statement.model_validate(values | changes)


@pytest.fixture
def place(world: World) -> Place:
    (world.pages / "docs").mkdir(parents=True)
    (world.pages / "docs" / "here.md").write_text("# Here\n", encoding="utf-8")
    return world.place


PAGE = {"documents": ["here.md#here"]}


@pytest.mark.parametrize(
    ("found", "changes", "points", "told"),
    [
        ([HELD_2], {}, 2, "It held."),
        ([HELD_2, HELD_2], PAGE, 2, "It held. It held."),
        ([HELD_2], {"gap": "But."}, 1, "It held. But."),
        ([HELD_2, NOTHING_YET], {}, 1, "It held. Nothing yet."),
        ([NOTHING_YET], PAGE, 1, "Nothing yet. Written down in here.md#here."),
        ([NOTHING_YET], {}, 0, "Nothing yet."),
        ([NOTHING_YET], {"documents": ["lost.md"]}, 0, "Nothing yet. lost.md is not here."),
        ([NOTHING_YET], {"documents": ["here.md#lost"]}, 0, "Nothing yet. here.md#lost is not here."),
        ([BROKEN_0], PAGE, 0, "It did not."),
        ([BROKEN_0, HELD_2], PAGE, 0, "It did not."),
        ([BROKEN_0], {"gap": "But."}, 0, "It did not. But."),
        ([], PAGE, 1, "Written down in here.md#here."),
        ([], PAGE | {"gap": "But."}, 1, "Written down in here.md#here. But."),
        ([], {"documents": ["here.md", "lost.md"]}, 0, "lost.md is not here."),
        ([], {"gap": "Not met."}, 0, "Not met."),
    ],
)
def test_what_gives_which_score(
    found: list[Found], changes: dict[str, Any], points: int, told: str, place: Place
) -> None:
    names = [f"check-{number}" for number in range(len(found))]
    result = scored(statement(checks=names, **changes), dict(zip(names, found, strict=True)), place)
    assert (result.score, result.reason) == (points, told)
    assert result.shown.startswith(str(points))


@pytest.mark.parametrize(("kind", "shown"), [("organisation", "organisation"), ("not-applicable", "not applicable")])
def test_what_is_not_scored_says_whose_it_is(kind: str, shown: str, place: Place) -> None:
    result = scored(statement(kind=kind, checks=[], why="Because."), {}, place)
    assert (result.score, result.shown, result.reason, result.blocks) == (None, shown, "Because.", False)


@pytest.mark.parametrize(
    ("changes", "points", "blocks"),
    [
        ({}, 0, True),
        ({"importance": "Mandatory*"}, 0, True),
        ({}, 1, False),
        ({"kind": "evidence"}, 0, False),
        ({"importance": "Recommended"}, 0, False),
    ],
)
def test_what_blocks(changes: dict[str, Any], points: int, blocks: bool) -> None:
    assert Scored(statement=statement(**changes), score=points, reason="").blocks is blocks


def result(points: int | None, **changes: Any) -> Scored:
    values = changes | ({"checks": [], "why": "x"} if points is None else {})
    return Scored(statement=statement(**values), score=points, reason="")


@pytest.mark.parametrize(
    ("statements", "verdict"),
    [
        ([result(1), result(2)], Verdict.met),
        ([result(1), result(0, importance="Recommended")], Verdict.met),
        ([result(1), result(0, kind="evidence")], Verdict.not_met),
        ([result(0, importance="Mandatory*")], Verdict.not_met),
        ([result(1), result(None, kind="organisation")], Verdict.organisation),
        ([result(1), result(None, kind="organisation", importance="Optional")], Verdict.met),
        ([result(0), result(None, kind="organisation")], Verdict.not_met),
        (
            [result(0, importance="Optional"), result(None, kind="organisation", importance="Optional")],
            Verdict.nothing_due,
        ),
        ([result(None, kind="not-applicable")], Verdict.not_applicable),
    ],
)
def test_what_a_capability_comes_to(statements: list[Scored], verdict: Verdict) -> None:
    capability = Capability(id="1.1", title="T", statements=(statement(),))
    assert scored_capability("P", capability, statements).verdict is verdict


def test_tallies_count_what_is_scored() -> None:
    capability = Capability(id="1.1", title="T", statements=(statement(),))
    statements = [result(2), result(0), result(1, importance="Mandatory*"), result(None, kind="organisation")]
    found = scored_capability("P", capability, statements)
    assert (str(found.mandatory), str(found.recommended), found.organisation) == ("2 of 3", "–", 1)


@pytest.mark.parametrize("error", [ValueError("two\nlines"), TREError(Reason.BadInput, "It is wrong."), RuntimeError()])
def test_a_check_that_crashes_is_a_zero_with_its_reason(error: Exception, place: Place) -> None:
    def crash(_place: Place) -> Found:
        raise error

    found = run(Check("x", crash), place)
    assert found.outcome is Outcome.broken
    assert type(error).__name__ in found.words
    assert "\n" not in found.words
    assert scored(statement(**PAGE), {"a": found}, place).score == 0


def test_a_check_cannot_write(world: World) -> None:
    """The record that the command opens refuses every change, whatever a check would do."""
    from tre.cli.satre.command import _place
    from tre.store.tables.grants import grants

    world.write("tre.yaml", "base: x.example")
    opened = _place(world.layout.root, world.pages)

    def write(place: Place) -> Found:
        with place.database.engine.connect() as connection:
            connection.execute(grants.delete())
        return Found(HELD, "It wrote.")

    found = run(Check("x", write), opened)
    opened.database.close()
    assert (found.outcome, "readonly" in found.words) == (BROKEN, True), found
    assert issubclass(SQLAlchemyError, Exception)


def whole(monkeypatch: pytest.MonkeyPatch, place: Place, words: str) -> Score:
    """A specification of one statement, whose check finds these words."""
    monkeypatch.setitem(scores.CHECKS, "a", Check("x", lambda _place: Found(BROKEN, words)))
    specification = {
        "specification": "SATRE",
        "version": "2.0.1",
        "licence": "CC BY 4.0",
        "pillars": [
            {"title": "P", "capabilities": [{"id": "1.1", "title": "C", "statements": [statement().as_plain()]}]}
        ],
    }
    return score(Specification.model_validate(specification), place)


def test_markup_is_text_on_the_page(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    found = whole(monkeypatch, place, "<script>alert(1)</script> is stored & 'not' known")
    page = as_html(found, "<b>x</b>", place.now)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<b>" not in page
    assert page.count('href="http') == 0


def test_programs_get_everything(monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    plain = as_json(whole(monkeypatch, place, "It did not."))
    assert plain["blocking"] == ["1.1.01"]
    assert plain["totals"]["mandatory"] == {"met": 0, "scored": 1}
    [one] = plain["capabilities"][0]["statements"]
    assert one["looked"] == [{"name": "a", "outcome": "broken", "words": "It did not."}]
    assert (one["id"], one["score"], one["kind"], one["reason"]) == ("1.1.01", 0, "software", "It did not.")


def test_an_empty_installation_is_scored_to_the_end(world: World) -> None:
    found = score(load(), world.place)
    assert len(found.statements) == 185
    assert {one.score for one in found.statements if one.statement.is_scored} <= {0, 1, 2}
    assert {one.statement.kind for one in found.statements if one.score is None} == {
        Kind.organisation,
        Kind.not_applicable,
    }
    assert "2.1.01" in [one.statement.id for one in found.blocking]
    assert all(one.reason for one in found.statements if one.score == 0)
