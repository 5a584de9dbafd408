"""Texts, programs, Markdown and JSON: what is shown, what is searched, what is refused."""

from __future__ import annotations

import json
import time

import pytest

from tests.unit.airlock.looking import parsed, said_of, stops
from tre.airlock.formats.text import passages_of
from tre.airlock.identify import ENDINGS, parse
from tre.airlock.parsed import Bounds, Place

CODE = "import pandas as pd\n\n\ndef load():\n    return pd.read_parquet('a')\n"


@pytest.mark.parametrize("ending", [ending for ending, kind in ENDINGS.items() if kind == "code"])
def test_a_program_is_shown_whole_and_searched(ending: str) -> None:
    file = parsed(f"a{ending}", CODE.encode())
    assert [(card.kind, card.text) for card in file.cards] == [("code", CODE)]
    assert [(passage.kind, passage.place.row) for passage in file.passages] == [("code", 1), ("code", 4)]
    assert (file.tables, file.remarks) == ([], [])


@pytest.mark.parametrize(
    ("data", "check", "says"),
    [
        (b"x = 1\0", "F02", "nobody can see"),
        ("x = '\u202e'".encode(), "F03", "U+202E"),
        ("naïve".encode("latin-1"), "F02", "UTF-8"),
        (b"x\n" * 30_000, "F05", "lines"),
        (b"%PDF-1.7", "F03", "another type"),
        (b"", "F02", "empty"),
    ],
)
def test_a_program_is_text(data: bytes, check: str, says: str) -> None:
    assert stops("a.py", data, check, says)


def test_paragraphs_stand_where_they_begin_and_long_ones_in_pieces() -> None:
    text = "\none\ntwo\n\n" + "line\n" * 120
    found = list(passages_of(text, "output", Place(cell=2)))
    assert [(item.place.row, item.text.count("\n") + 1) for item in found] == [(2, 2), (5, 50), (55, 50), (105, 20)]
    assert {(item.kind, item.place.cell) for item in found} == {("output", 2)}


@pytest.mark.parametrize(
    ("name", "card", "kind"), [("a.txt", "text", "text"), ("a.log", "text", "text"), ("a.md", "markdown", "text")]
)
def test_a_text_is_one_card(name: str, card: str, kind: str) -> None:
    file = parsed(name, b"# Results\n\nAll well.\n")
    assert [(item.kind, item.text) for item in file.cards] == [(card, "# Results\n\nAll well.\n")]
    assert [(item.kind, item.text) for item in file.passages] == [(kind, "# Results"), (kind, "All well.")]


def test_a_table_of_cells_is_a_card_and_no_passage() -> None:
    file = parsed("a.csv", b"sex,n\nF,120\n")
    assert [(card.kind, card.table) for card in file.cards] == [("table", 0)]
    assert file.passages == []


@pytest.mark.parametrize(
    ("text", "check", "says"),
    [
        ("a <script>alert(1)</script>", "F06", "<script"),
        ("<iframe src=x>", "F06", "<iframe"),
        ("\\`<script>1</script>`", "F06", "<script"),
        ("``<script>1</script>`", "F06", "<script"),
        ("    ```<script>1</script>", "F06", "<script"),
        ("``` a`b <script>1</script>", "F06", "<script"),
        ("[a](javascript:alert(1))", "F06", "javascript"),
        ("![a](data:image/png;base64,iVBORw0KGgo=)", "F07", "a file of its own"),
    ],
)
def test_markdown_that_a_viewer_would_run_or_unfold(text: str, check: str, says: str) -> None:
    assert stops("a.md", f"# Results\n\n{text}\n".encode(), check, says)
    (remark,) = said_of("a.md", f"# Results\n\n{text}\n".encode())
    assert remark.place.row == 3
    assert said_of("a.txt", f"# Results\n\n{text}\n".encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "Write `<script>`.",
        "Write ``<script>``.",
        "````\n```\n<script>\n````\nwell",
        "```html\n<script>1</script>\n```",
        "~~~\ndata:text/plain,a\n~~~",
        "| a | b |\n|---|---|\n",
        "data: 5",
        "a < b",
    ],
)
def test_markdown_about_such_things_is_text(text: str) -> None:
    assert said_of("a.md", f"# Results\n\n{text}\n".encode()) == []


def test_every_string_of_a_json_text_has_its_place() -> None:
    file = parsed("a.json", json.dumps({"a": ["x", {"b/c": "y"}], "n": 1}).encode())
    assert [(item.text, item.place.pointer) for item in file.passages] == [("x", "/a/0"), ("y", "/a/1/b~1c")]
    assert [(card.kind, json.loads(card.text)) for card in file.cards] == [("text", file.value)]


@pytest.mark.parametrize(
    ("text", "check"), [('{"a": "\\u202e"}', "F03"), ('{"\\u0000": 1}', "F02"), ('["\\ud800"]', "F03")]
)
def test_an_escape_hides_nothing(text: str, check: str) -> None:
    (refusal,) = said_of("a.json", text.encode())
    assert refusal.check == check


def test_a_very_long_pointer_is_cut() -> None:
    (passage,) = parsed("a.json", json.dumps({"k" * 900: "x"}).encode()).passages
    assert passage.place.pointer is not None
    assert len(passage.place.pointer) == 300


@pytest.mark.parametrize("text", ["`" * 400_000, "```\n" * 5_000, "](" * 200_000, "data:" * 100_000, "<" * 400_000])
def test_markdown_takes_time_by_its_length_only(text: str) -> None:
    begun = time.process_time()
    assert parse("markdown", text.encode(), Bounds()).size == len(text)
    assert time.process_time() - begun < 3
