"""Pages: hostile ones by name, near-misses, and what is shown of them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.assets.airlock.pages import HIDING, HONEST, HOSTILE, PANDAS, STATSMODELS, TABLE, TOLD, page, picture
from tests.unit.airlock.looking import parsed, said_of, stops
from tre.airlock.formats.markup import tokens_of
from tre.airlock.parsed import FileRefusedError, Place


@pytest.mark.parametrize("name", HOSTILE | HIDING | TOLD)
def test_hostile_page_is_stopped_or_told(name: str) -> None:
    hostile = (HOSTILE | HIDING | TOLD)[name]
    assert stops(name, hostile.make(), hostile.check, hostile.says)


@pytest.mark.parametrize("name", HONEST)
def test_honest_page_gives_no_finding(name: str) -> None:
    assert said_of(name, HONEST[name]()) == []


def test_text_and_tables_come_in_order() -> None:
    file = parsed("a.html", page(f"<h1>Results</h1><p>By sex.</p>{TABLE}<p>n = 250</p>"))
    assert [(card.kind, card.text) for card in file.cards] == [
        ("text", "Results\n\nBy sex."),
        ("table", ""),
        ("text", "n = 250"),
    ]
    (table,) = file.tables
    assert (list(table.header), [list(row) for row in table.rows]) == (
        ["sex", "n_patients"],
        [["F", "120"], ["M", "130"]],
    )


def test_two_rows_of_headings_become_one() -> None:
    (table,) = parsed("a.html", page(PANDAS)).tables
    assert (list(table.header), list(table.rows[0]), table.at(0).row) == (["sex", "n_patients"], ["F", "120"], 3)


def test_named_values_stand_below_one_another() -> None:
    named, coefficients = parsed("a.html", page(STATSMODELS)).tables
    assert list(named.header) == ["statistic", "value"]
    assert [list(row) for row in named.rows] == [
        ["Dep. Variable:", "y"],
        ["R-squared:", "0.009"],
        ["No. Observations:", "200"],
        ["AIC:", "79.11"],
        ["Df Residuals:", "196"],
    ]
    assert list(coefficients.header) == ["", "coef", "std err", "t", "P>|t|"]


def test_a_spanning_cell_stands_wherever_it_reaches() -> None:
    body = '<table><tr><th>a</th><th>b</th></tr><tr><td rowspan="2">x</td><td>1</td></tr><tr><td>2</td></tr></table>'
    (table,) = parsed("a.html", page(body)).tables
    assert [list(row) for row in table.rows] == [["x", "1"], ["x", "2"]]


def test_a_table_in_a_cell_is_a_table_of_its_own() -> None:
    inner, outer = parsed(
        "a.html", page(f"<table><tr><td>a</td><td>{TABLE}</td></tr><tr><td>b</td><td>c</td></tr></table>")
    ).tables
    assert list(inner.header) == ["sex", "n_patients"]
    assert list(outer.rows[0]) == ["b", "c"]
    assert [table.at(0, 1) for table in (inner, outer)] == [
        Place(row=2, column=2, pointer="/table/1"),
        Place(row=2, column=2, pointer="/table/2"),
    ]


def test_what_is_not_shown_is_still_looked_at() -> None:
    file = parsed("a.html", page('<!-- one --><p title="two" data-x="three">a</p>', head="<title>four</title>"))
    assert {passage.text.strip() for passage in file.passages if passage.kind == "metadata"} == {
        "one",
        "two",
        "three",
        "four",
    }


def test_an_embedded_picture_is_told_with_its_hash() -> None:
    file = parsed("a.html", page(picture()))
    (told,) = file.remarks
    assert "image/png" in told.message
    assert "SHA-256" in told.message


@pytest.mark.parametrize(
    "body",
    ["<!--" * 400_000, "<a " * 400_000, "<a b" * 400_000, "<" * 400_000, "<p " + " " * 400_000, "<p a=" * 300_000],
)
def test_time_grows_with_length_only(body: str) -> None:
    begun = time.process_time()
    with pytest.raises(FileRefusedError):
        list(tokens_of(body + "<p"))
    assert time.process_time() - begun < 3


@given(st.text(alphabet="<>/!-abp =\"'&;\n", max_size=60))
def test_no_markup_makes_the_parser_fail_in_another_way(text: str) -> None:
    for said in said_of("a.html", f"<p>{text}</p>".encode()):
        assert said.check in {"F02", "F03", "F05", "F06", "F07", "F08"}
