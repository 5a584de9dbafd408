"""Notebooks: hostile ones by name, near-misses, and what is shown of cells and outputs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.airlock.notebooks import (
    HIDING,
    HONEST,
    HOSTILE,
    TOLD,
    code,
    figure,
    notebook,
    prints,
    shows,
    words,
)
from tests.assets.airlock.pages import PANDAS
from tests.unit.airlock.looking import parsed, said_of, stops
from tre.airlock.checks import run_all
from tre.airlock.extract import decode, encode, extract_of
from tre.airlock.parsed import MAX_OBSERVATIONS, Place, Surroundings


@pytest.mark.parametrize("name", HOSTILE | HIDING | TOLD)
def test_hostile_notebook_is_stopped_or_told(name: str) -> None:
    hostile = (HOSTILE | HIDING | TOLD)[name]
    assert stops(name, hostile.make(), hostile.check, hostile.says)


@pytest.mark.parametrize("name", HONEST)
def test_honest_notebook_gives_no_finding(name: str) -> None:
    assert said_of(name, HONEST[name]()) == []


def test_cells_and_outputs_are_cards_in_order() -> None:
    file = parsed("a.ipynb", notebook(words("# Results"), code("df", prints("done"))))
    assert [(card.kind, card.text, card.place) for card in file.cards] == [
        ("markdown", "# Results", Place(cell=1)),
        ("code", "df", Place(cell=2)),
        ("text", "done", Place(cell=2, output=1)),
    ]


def test_a_table_shown_twice_is_one_table() -> None:
    table = "".join(PANDAS.partition("<table")[1:])
    file = parsed("a.ipynb", notebook(code("df", shows(text_html=table, text_plain="sex,n_patients\nF,120\nM,130"))))
    assert file.tables[0].within == Place(cell=1, output=1, pointer="/table/1")
    only = parsed(
        "a.ipynb", notebook(code("df", shows(text_html=PANDAS, text_plain="sex  n_patients\nF  120\nM  130")))
    )
    assert [list(table.header) for table in only.tables] == [["sex", "n_patients"]]


def test_a_text_that_says_more_than_its_page_is_looked_at() -> None:
    file = parsed("a.ipynb", notebook(code("df", shows(text_html="<p>a</p>", text_plain="sex,n\nF,3\nM,4"))))
    assert [list(table.rows[0]) for table in file.tables] == [["F", "3"]]


def test_colours_of_a_terminal_are_taken_out_and_progress_is_shown_line_by_line() -> None:
    file = parsed("a.ipynb", notebook(code("x", prints("\x1b[31m10 %\r20 %\x08\x0830 %\x1b[0m"))))
    assert file.cards[-1].text == "10 %\n20 %\n30 %"
    assert [remark.check for remark in file.remarks] == ["F09"]


def test_every_text_can_be_searched() -> None:
    data = notebook(
        words("one"),
        code("two", prints("three"), shows(application_json={"a": "four"}), x="five"),
        metadata={"kernelspec": {"name": "six"}},
    )
    texts = " ".join(passage.text for passage in parsed("a.ipynb", data).passages)
    assert all(word in texts for word in ("one", "two", "three", "four", "five", "six"))


def test_what_is_not_shown_is_said() -> None:
    file = parsed("a.ipynb", notebook(code("x", shows(**{"application_x-own": {"a": 1}}))))
    assert "application/x-own" in file.lossy
    assert file.cards[-1].kind == "note"


def test_a_picture_s_findings_stand_at_its_output() -> None:
    file = parsed("a.ipynb", notebook(code("x", figure())))
    assert {remark.place for remark in file.remarks} == {Place(cell=1, output=1)}


def test_many_outputs_are_summed_up() -> None:
    data = notebook(*[code("x", prints("1"), prints("2")) for _ in range(300)])
    found = run_all(parsed("a.ipynb", data), Surroundings())
    assert len(found) == MAX_OBSERVATIONS + 1
    assert all(len(item.message) <= 500 for item in found)


def test_the_longest_messages_fit_an_answer() -> None:
    odd = {("m" * 200 + str(n)): "x" * 999 for n in range(9)}
    data = notebook(code("x", {"output_type": "display_data", "metadata": {}, "data": odd}, **{"k" * 900: 1}))
    assert all(len(item.message) <= 500 for item in said_of("a.ipynb", data))


def test_an_extract_of_a_notebook_can_be_kept() -> None:
    file = parsed("a.ipynb", notebook(code("df", shows(text_html=PANDAS), figure())))
    kept = encode(extract_of(file, (("",) * 2,)))
    assert encode(decode(kept)) == kept


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


_WHOLE = notebook(
    words(attachments={"a.png": {"image/png": "aGk="}}),
    code("x", shows(text_plain="a", text_html="<p>b</p>", image_png="aGk=") | {"transient": {}}, prints("1"), id="b"),
    code("y", {"output_type": "error", "ename": "E", "evalue": "e", "traceback": ["t"]}),
    metadata={"widgets": {}, "authors": []},
)


def _places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *[place for key, item in inner for place in _places(item, (*path, key))]] if path or inner else [path]


@settings(max_examples=300)
@given(_JSON, st.sampled_from(_places(json.loads(_WHOLE))[1:]))
def test_no_value_in_any_place_makes_the_parser_fail_in_another_way(value: object, path: tuple[str | int, ...]) -> None:
    whole = json.loads(_WHOLE)
    at = whole
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    for said in said_of("a.ipynb", json.dumps(whole).encode()):
        assert said.check in {"F02", "F03", "F05", "F06", "F07", "F08", "F09"}
        assert len(said.message) <= 500
