"""SVG: every hostile file by name, drawings of matplotlib beside them, and how marks are counted."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.airlock.pictures import as_png, figure, radiograph, svg, svg_dots, svg_picture
from tests.unit.airlock.pictured import (
    A_SLICE,
    DATED,
    changed,
    honest,
    hostile,
    is_told,
    judged,
    look,
    refusal,
    telling,
)
from tre.airlock.checks.figure_marks import limit_of, observe
from tre.airlock.formats import svg_words as words
from tre.airlock.formats.marks import STEPS, Marks
from tre.airlock.formats.svg_geometry import Matrix, length, matrix_of, outlines
from tre.airlock.identify import parse
from tre.airlock.parsed import Bounds, ParsedFile, Rules, Surroundings


@pytest.mark.parametrize("name", hostile("svg"))
def test_hostile_file_is_refused_with_its_own_reason(name: str) -> None:
    item = hostile("svg")[name]
    assert item.says in refusal(name, item)


@pytest.mark.parametrize("name", telling("svg"))
def test_what_a_file_hides_is_told(name: str) -> None:
    assert is_told(name, telling("svg")[name])


@pytest.mark.parametrize("name", honest("svg"))
def test_honest_file_gives_no_finding_but_its_time(name: str) -> None:
    found = look("svg", honest("svg")[name]())
    assert [said.message for said in found if not said.message.endswith(DATED)] == []


def test_the_time_of_making_is_told() -> None:
    assert [said.check for said in look("svg", figure("survival.svg"))] == ["F08"]


def test_people_see_the_drawing_and_all_its_words() -> None:
    data = svg('<text y="9">Age</text><!-- patient 44 --><title>a title</title>')
    parsed = parse("svg", data, Bounds())
    assert [card.kind for card in parsed.cards] == ["drawing", "text"]
    assert parsed.cards[0].data == data
    assert set(parsed.cards[1].text.split("\n")) == {"Age", "a title", "patient 44"}
    assert {(one.text, one.kind) for one in parsed.passages} == {
        ("Age", "label"),
        ("a title", "metadata"),
        ("patient 44", "metadata"),
    }


def test_a_picture_in_a_drawing_is_shown_and_looked_at() -> None:
    parsed = parse("svg", svg(svg_picture(as_png(radiograph()))), Bounds())
    assert [card.kind for card in parsed.cards] == ["drawing", "picture"]
    assert parsed.pictures[0].full == (256, 256)


def test_comments_that_matplotlib_writes_beside_its_letters_are_words_that_show() -> None:
    parsed = parse("svg", figure("trends.svg"), Bounds())
    assert "rate per 1,000" in {one.text for one in parsed.passages if one.kind == "label"}
    assert [one for one in parsed.passages if one.kind == "metadata"] == []
    forged = figure("trends.svg").replace(b"<!-- week -->", b"<!-- 44 F -->")
    assert {said.check for said in look("svg", forged)} == {"F07"}
    other_letters = figure("trends.svg").replace(b"<!-- week -->", b"<!-- abcd -->")
    assert {said.check for said in look("svg", other_letters)} == {"F07"}


@pytest.mark.parametrize(
    ("style", "loads"),
    [
        ("fill: url(#a)", False),
        ("fill: url( '#a' )", False),
        ("fill: red", False),
        ("fill: url(a.svg#b)", True),
        ("fill: URL(//x)", True),
        ("@IMPORT 'a'", True),
        ("x: expression (1)", True),
        ("background: u\\72l(x)", True),
        ("src: url(data:font/woff;base64,AA)", True),
    ],
)
def test_styles_that_load_something(style: str, loads: bool) -> None:
    assert words.loads_something(style) is loads


def test_vocabulary_is_disjoint() -> None:
    assert not words.ACTIVE & (words.DRAWN | words.CONTAINERS)
    assert not any(name.lower().startswith("on") for name in words.ATTRIBUTES)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("M1 2L3 4", [("ML", [(1, 2), (3, 4)])]),
        ("m1,2 3,4", [("ML", [(1, 2), (4, 6)])]),
        ("M0 0h5v-2H1V7z", [("MHVHVZ", [(0, 0), (5, 0), (5, -2), (1, -2), (1, 7)])]),
        ("M0 0c1 1 2 2 3 3", [("MC", [(0, 0), (1, 1), (2, 2), (3, 3)])]),
        ("M0 0A5 5 0 0 1 9 9", [("MA", [(0, 0), (9, 9)])]),
        ("M0 0l1 1zm5 5l1 1", [("MLZ", [(0, 0), (1, 1)]), ("ML", [(5, 5), (6, 6)])]),
        ("M.5.5L1e1-2", [("ML", [(0.5, 0.5), (10, -2)])]),
        ("M1", []),
        ("nonsense", []),
    ],
)
def test_paths(path: str, expected: list[tuple[str, list[tuple[float, float]]]]) -> None:
    assert list(outlines(path)) == expected


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("translate(10 20)", (11, 22)),
        ("scale(2)", (2, 4)),
        ("scale(2,3)", (2, 6)),
        ("rotate(90)", (-2, 1)),
        ("rotate(90 1 2)", (1, 2)),
        ("matrix(1 0 0 1 5 5)", (6, 7)),
        ("translate(10) scale(2)", (12, 4)),
        ("nonsense(1)", (1, 2)),
        (None, (1, 2)),
    ],
)
def test_transformations(text: str | None, point: tuple[float, float]) -> None:
    assert matrix_of(text).at(1, 2) == pytest.approx(point)


def test_lengths() -> None:
    given_lengths = [length(text) for text in ("10", "10px", "3pt", "50%", "", None, "1e1")]
    assert given_lengths == [10, 10, 4, None, None, None, 10]
    assert Matrix(2, 0, 0, 8).scale == 4


def dots(places: list[tuple[float, float]]) -> dict[str, int]:
    marks = Marks()
    for place in places:
        marks.add("dot", "dots", place)
    return marks.counted()


CHANCE = random.Random(5)
SCATTERED = [(math.sin(n * 12.9898) * 200, math.cos(n * 78.233) * 200) for n in range(60)]


def test_scattered_marks_are_counted() -> None:
    assert dots(SCATTERED) == {"dots": 60}
    assert dots(SCATTERED[:9]) == {}


@pytest.mark.parametrize(
    ("what", "places"),
    [
        ("ticks", [(n * 10.0, 5.0) for n in range(60)]),
        ("months", [(n * 30.4 + n % 2, 5.0) for n in range(60)]),
        ("logarithmic ticks", [(100 * (d + math.log10(n)), 5.0) for d in range(7) for n in range(2, 10)]),
        ("one decade", [(100 * math.log10(n), 5.0) for n in range(2, 10)] * 1),
        ("cells", [(x * 5.0, y * 5.0) for x in range(20) for y in range(20)]),
        ("three series", [(n * 20.0, 100 + 30 * math.sin(n * (s + 1))) for n in range(30) for s in range(3)]),
        ("panels", [(p * 150.0 + n * 10.0, q * 97.3) for p in range(4) for q in range(3) for n in range(6)]),
    ],
)
def test_axes_cells_and_series_are_not(what: str, places: list[tuple[float, float]]) -> None:
    assert dots(places) == {}


@pytest.mark.parametrize(
    ("what", "places"),
    [
        ("people in order of their value", [(n * 5.0, 300 - n**1.1) for n in range(60)]),
        ("marks along an axis at uneven places", [(x, 5.0) for x, _ in SCATTERED]),
        ("the same places twice", [(n * 10.0, 5.0) for n in range(30)] * 2),
        ("more at some places than at others", [(n % 9 * 20.0, CHANCE.uniform(0, 300)) for n in range(58)]),
    ],
)
def test_people_are(what: str, places: list[tuple[float, float]]) -> None:
    assert dots(places)["dots"] >= 0.9 * len(places)


def test_steps_of_a_curve_are_counted() -> None:
    stairs, falling = Marks(), Marks()
    points = [(0.0, 0.0)]
    for n in range(60):
        points += [(n + 1.0, float(n)), (n + 1.0, n + 1.0)]
    stairs.add_outline("M" + "L" * (len(points) - 1), points)
    assert stairs.counted() == {STEPS: 60}
    falling.add_outline("M" + "L" * 99, [(float(n), n**1.5) for n in range(100)])
    assert falling.counted() == {}


@pytest.mark.parametrize(("people", "limit"), [(0, 200), (10, 50), (500, 50), (900, 90), (2000, 200), (30_000, 200)])
def test_the_limit_of_marks(people: int, limit: int) -> None:
    assert limit_of(Rules(), people) == limit
    file = ParsedFile("svg", 1, marks={"circles": limit, "squares": limit - 1})
    (found,) = observe(file, Surroundings(people=people))
    assert (found.check, found.case) == ("S09", "marks")
    assert f"{limit} circles" in found.message


def test_a_drawing_of_few_marks_is_near_but_no_finding() -> None:
    assert look("svg", svg_dots(49), A_SLICE) == []
    assert [said.case for said in look("svg", svg_dots(51), A_SLICE)] == ["marks"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60_000), st.binary(min_size=1, max_size=3))
def test_no_change_makes_the_parser_fail_in_another_way(at: int, junk: bytes) -> None:
    assert judged("svg", changed(figure("survival.svg"), at, junk)) in {"clean", "F02", "F03", "F05", "F06"}


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["d", "points", "transform", "style", "x", "viewBox", "opacity"]))
def test_no_value_of_an_attribute_does(text: str, name: str) -> None:
    escaped = "".join(f"&#{ord(letter)};" for letter in text)
    for tag in ("path", "polygon", "text", "use", "circle", "rect", "line"):
        data = svg(f'<{tag} {name}="{escaped}">a</{tag}>')
        assert judged("svg", data) in {"clean", "F02", "F03", "F05", "F06"}
