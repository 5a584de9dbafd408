"""Reading YAML: what is hostile is refused, what is ambiguous stays text, and errors say where."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tre.domain.errors import Reason, TREError
from tre.system.yamlfile import (
    MAX_BYTES,
    FastReader,
    StrictReader,
    compose,
    load_yaml,
    only_document,
    parse_yaml,
    read_yaml,
)

ASSETS = Path(__file__).parents[2] / "assets" / "yaml"

REFUSED = {
    "alias-bomb": "anchors and aliases",
    "anchor": "anchors and aliases",
    "alias": "anchors and aliases",
    "alias-of-itself": "anchors and aliases",
    "merge-key": "merge is not allowed",
    "key-twice": "key-twice.yaml:2: the key 'reviewers' stands twice",
    "key-twice-quoted": "stands twice",
    "key-twice-tagged": "stands twice",
    "python-call": "is not allowed",
    "python-name": "is not allowed",
    "python-object": "is not allowed",
    "tag-set": "set is not allowed",
    "tag-omap": "omap is not allowed",
    "tag-binary": "binary is not allowed",
    "tag-timestamp": "timestamp is not allowed",
    "tag-own": "!mine is not allowed",
    "tag-own-mapping": "!mine is not allowed",
    "tag-bool-of-text": "'maybe' cannot be read",
    "tag-bool-of-yes": "'yes' cannot be read",
    "tag-int-of-nothing": "cannot be read",
    "tag-int-of-text": "'ten' cannot be read",
    "tag-float-nan": "cannot be read",
    "tag-float-nan-word": "cannot be read",
    "tag-float-infinite": "cannot be read",
    "tag-null-of-text": "cannot be read",
    "key-number": "the key 1 is not a text",
    "key-boolean": "the key True is not a text",
    "key-null": "the key None is not a text",
    "key-list": "is not a text",
    "key-mapping": "is not a text",
    "deep-flow": "nested too deeply",
    "deep-flow-bomb": "nested too deeply",
    "deep-block": "nested too deeply",
    "deep-key": "nested too deeply",
    "long-integer": "cannot be read",
    "two-documents": "holds 2 documents",
    "nul": "not YAML that can be read",
    "latin1": "not UTF-8",
    "utf16": "not UTF-8",
    "unfinished": "not YAML that can be read",
    "colon": "not YAML that can be read",
    "tab": "not YAML that can be read",
    "future-version": "not YAML that can be read",
    "tag-directive": "is not allowed",
    "tag-directive-override": "is not allowed",
}
ADMITTED: dict[str, Any] = {"escaped-nul": {"a": "\0"}, "tag-bare": {"a": "text"}}


def message(error: TREError) -> str:
    assert error.reason is Reason.BadInput
    return f"{error.what} {error.why}"


def test_every_asset_is_judged() -> None:
    names = {path.stem for path in ASSETS.glob("*.yaml")}
    assert names == {*REFUSED, *ADMITTED, "plain-text", "plain-values"}


@pytest.mark.parametrize("name", REFUSED)
def test_hostile_files_are_refused_quickly_and_by_name(name: str) -> None:
    before = time.monotonic()
    with pytest.raises(TREError) as caught:
        read_yaml(ASSETS / f"{name}.yaml")
    assert time.monotonic() - before < 5
    assert any(words in message(caught.value) for words in REFUSED[name].split("|")), message(caught.value)
    assert f"{name}.yaml" in caught.value.what


@pytest.mark.parametrize("name", ADMITTED)
def test_odd_files_that_mean_what_they_show_are_read(name: str) -> None:
    assert read_yaml(ASSETS / f"{name}.yaml") == ADMITTED[name]


def test_what_could_be_misread_stays_the_text_it_shows() -> None:
    path = ASSETS / "plain-text.yaml"
    shown = dict(line.split(": ", 1) for line in path.read_text("utf-8").splitlines())
    assert len(shown) > 25
    assert read_yaml(path) == shown
    guessed = yaml.safe_load(path.read_bytes().replace(b"value: =\n", b""))
    differing = [key for key, text in shown.items() if key != "value" and guessed.get(key) != text]
    assert len(differing) > 15  # what the usual reader makes of the same file


def test_plain_values_are_read_as_what_they_are() -> None:
    assert read_yaml(ASSETS / "plain-values.yaml") == {
        "truth": True,
        "falsehood": False,
        "zero": 0,
        "one": 1,
        "minus": -3,
        "plus": 3,
        "half": 0.5,
        "negative": -2.25,
        "scientific": 1500.0,
        "empty": None,
        "tilde": None,
        "nothing": None,
        "list": [1, "two", "3", "four"],
        "nested": {"a": {"b": ["c"]}},
        "quoted": "true",
        "quotedNumber": "12",
        "tagged": "12",
        "taggedInteger": 12,
        "text": "line one\nline two\n",
    }


def test_an_error_says_line_and_column() -> None:
    with pytest.raises(TREError) as caught:
        parse_yaml(b"a: 1\nb: [1, 2\nc: 3\n", "grant.yaml")
    assert caught.value.why.startswith("Line 3, column ")
    with pytest.raises(TREError, match=r"grant\.yaml:2: the key 'a' stands twice"):
        parse_yaml(b"a: 1\na: 2\n", "grant.yaml")
    with pytest.raises(TREError) as caught:
        parse_yaml(b"a: 1\nb: \x00", "grant.yaml")
    assert caught.value.what.startswith("grant.yaml:2: ")
    with pytest.raises(TREError) as caught:
        parse_yaml(b"a: 1\n\nb: \xe9", "grant.yaml")
    assert caught.value.what.startswith("grant.yaml:3: ")
    assert "0xe9" in caught.value.why


def test_several_documents_are_read_where_they_are_welcome(tmp_path: Path) -> None:
    path = tmp_path / "grants.yaml"
    path.write_text("---\na: 1\n---\n---\nb: 2\n...\n")
    assert list(load_yaml(path).values) == [{"a": 1}, {"b": 2}]
    path.write_text("a: 1\n---\n# nothing more\n")
    assert read_yaml(path) == {"a": 1}


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "~\n"])
def test_an_empty_file_holds_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    assert read_yaml(path) is None


def test_a_file_has_a_greatest_size(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * MAX_BYTES)
    assert read_yaml(path) is None
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(TREError, match="larger than 1 MiB"):
        read_yaml(path)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(TREError, match="cannot be read") as caught:
            read_yaml(path)
        assert caught.value.reason is Reason.BadInput


def test_depth_is_counted_exactly() -> None:
    assert parse_yaml(b"[" * 50 + b"]" * 50, "x")
    with pytest.raises(TREError, match="not YAML"):
        parse_yaml(b"[" * 51 + b"]" * 51, "x")


def test_nesting_that_exhausts_the_reader_itself_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tre.system.yamlfile.MAX_DEPTH", 10**9)
    with pytest.raises(TREError, match="nested too deeply"):
        parse_yaml(b"[" * 20_000, "x")


KEYS = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda key: len(json.dumps(key)) <= 1000)
"""What may stand before a colon on its line: YAML takes 1,024 characters."""

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner),
    max_leaves=15,
).filter(lambda value: value is not None)


@given(PLAIN)
def test_json_is_read_as_json(value: Any) -> None:
    """JSON is YAML: whatever a program wrote as JSON is the same value here."""
    assert parse_yaml(json.dumps(value).encode(), "x").values == (value,)


def test_a_key_longer_than_yaml_takes_is_refused_in_words() -> None:
    assert parse_yaml(json.dumps({"k" * 1000: 1}).encode(), "x").values == ({"k" * 1000: 1},)
    with pytest.raises(TREError, match="this is not YAML that can be read here"):
        parse_yaml(json.dumps({"k" * 1100: 1}).encode(), "x")


def outcome(data: bytes) -> str:
    try:
        parse_yaml(data, "x")
    except TREError as error:
        return error.reason
    return "read"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert outcome(data) in {"read", Reason.BadInput}


@given(st.text(alphabet=list("ab:-[]{}&*!?|>'\"%@`#,~ \n\t01.<="), max_size=60))
def test_any_punctuation_is_read_or_refused(text: str) -> None:
    assert outcome(text.encode()) in {"read", Reason.BadInput}


def shape(node: Any) -> Any:
    """What a node says, and where it begins; what is empty begins anywhere."""
    begin = (node.start_mark.line, node.start_mark.column) if node.value else None
    if isinstance(node, yaml.MappingNode):
        return node.tag, [(shape(key), shape(value)) for key, value in node.value], begin
    return node.tag, [shape(one) for one in node.value] if isinstance(node.value, list) else node.value, begin


def shapes(text: str, reader: Any = None) -> Any:
    try:
        return [shape(node) for node in (yaml.compose_all(text, Loader=reader) if reader else compose(text))]
    except yaml.YAMLError as error:
        return str(error)


@given(st.text(alphabet=list("ab:-[]{}&*!?|>'\"%@`#,~\\ \n\t01.<=é\u2028\x85\ufeff"), max_size=40))
@example("|#")
@example("a: !")
@example("a\t: 1\t")
@example("a: \ufeffb")
@example("[0?]")
def test_whichever_reader_is_taken_the_strict_one_would_say_the_same(text: str) -> None:
    assert shapes(text) == shapes(text, StrictReader)


def test_the_fast_reader_takes_more() -> None:
    """Else nothing need be kept from it."""
    assert shapes("|#", FastReader) == [("tag:yaml.org,2002:str", "", None)]
    assert "expected chomping or indentation indicators" in shapes("|#", StrictReader)


GRANT = """\
kind: AccessGrant
spec:
  members:
    - subject: {id: alice}
      role: researcher
    - role: owner
  project:
    title: x
---
kind: Other
"""


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("kind",), 1),
        (("spec",), 2),
        (("spec", "members"), 3),
        (("spec", "members", 0), 4),
        (("spec", "members", 0, "subject", "id"), 4),
        (("spec", "members", 1, "role"), 6),
        (("spec", "members", 1, "missing"), 6),
        (("spec", "members", 7), 3),
        (("spec", "members", "role"), 3),
        (("spec", "project", "title", "deeper"), 8),
        (("missing",), 1),
        ((), 1),
    ],
)
def test_the_line_of_a_key(tmp_path: Path, location: tuple[str | int, ...], line: int | None) -> None:
    path = tmp_path / "grant.yaml"
    path.write_text(GRANT)
    assert load_yaml(path).line_of(location) == line


def test_documents_are_counted_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "grants.yaml"
    path.write_text("---\n---\na: 1\n---\n~\n---\nb: 2\n")
    found = load_yaml(path)
    assert found.values == ({"a": 1}, {"b": 2})
    assert found.line_of(("b",), document=1) == 7
    assert found.place(("b", 0), document=1) == f"{path}:7: b[0]"
    assert found.place((), document=0) == f"{path}:3: the document"


def test_half_a_surrogate_pair_is_refused() -> None:
    assert parse_yaml(b'a: "\\ud83d\\ude00"', "x").values == ({"a": "\U0001f600"},)
    for text in (b'a: "\\ud83d"', b'a: "\\ude00\\ud83d"', b'"\\ud83d": 1'):
        with pytest.raises(TREError, match="cannot be read"):
            parse_yaml(text, "x")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"a: 1\na: 2\n", "line 2: the key 'a' stands twice."),
        (b"a: [\n", "line 2: this is not YAML that can be read here."),
        (b"a: 1\nb: \xff\n", "line 2: this is not UTF-8 text."),
        (b"a: 1\nb: \x01\n", "line 2: this is not YAML that can be read here."),
        (b"[" * 3000, "line 1: this is not YAML that can be read here."),
    ],
)
def test_a_text_that_is_no_file_is_told_by_line_alone(data: bytes, words: str) -> None:
    with pytest.raises(TREError) as caught:
        parse_yaml(data, "")
    assert caught.value.what == words
    with pytest.raises(TREError, match="line 3: a second document begins here") as caught:
        only_document(parse_yaml(b"a: 1\n---\nb: 1\n", ""))
    assert caught.value.why == "the text holds 2 documents."
