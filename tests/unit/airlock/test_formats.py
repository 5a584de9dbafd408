"""Every strict parser against hostile files by name, and against honest ones."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.airlock.files import HONEST, HOSTILE, chunk, png
from tre.airlock.checks import run_all
from tre.airlock.formats.text import tables_in
from tre.airlock.identify import ENDINGS, UNKNOWN, parse, type_of
from tre.airlock.parsed import Bounds, FileRefusedError, Surroundings


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_file_is_refused_with_its_own_reason(name: str) -> None:
    hostile = HOSTILE[name]
    with pytest.raises(FileRefusedError) as refused:
        parse(type_of(name), hostile.make(), Bounds())
    assert refused.value.observation.check == hostile.check
    assert hostile.says in refused.value.observation.message


@pytest.mark.parametrize("name", HONEST)
def test_honest_file_gives_no_finding(name: str) -> None:
    data = HONEST[name]()
    parsed = parse(type_of(name), data, Bounds())
    assert run_all(parsed, Surroundings()) == []
    assert parsed.size == len(data)


@pytest.mark.parametrize(("name", "kind"), [(f"a{end.upper()}", kind) for end, kind in ENDINGS.items()])
def test_type_comes_from_the_ending(name: str, kind: str) -> None:
    assert type_of(f"folder.png/{name}") == kind


@pytest.mark.parametrize("name", ["a", ".csv", "a.csv.zip", "csv", "a.exe", "a."])
def test_other_endings_are_unknown_and_refused(name: str) -> None:
    assert type_of(name) == UNKNOWN
    with pytest.raises(FileRefusedError):
        parse(type_of(name), b"a,b\n1,2\n", Bounds())


def test_png_text_is_put_into_words() -> None:
    parsed = parse("png", png(before=chunk(b"tEXt", b"Author\0alice")), Bounds())
    (found,) = run_all(parsed, Surroundings())
    assert (found.check, found.message) == ("F08", "The image holds text: “Author: alice”.")


def test_png_time_is_put_into_words() -> None:
    parsed = parse("png", png(before=chunk(b"tIME", b"\x07\xea\1\1\0\0\0")), Bounds())
    assert [item.check for item in parsed.remarks] == ["F08"]


def test_matplotlib_text_with_a_rider_is_told() -> None:
    rider = b"Software\0Matplotlib version3.8.2, https://matplotlib.org/ 44F"
    assert run_all(parse("png", png(before=chunk(b"tEXt", rider)), Bounds()), Surroundings())


def test_png_chunk_twice_is_refused() -> None:
    twice = chunk(b"gAMA", b"\0\0\0\1") * 2
    with pytest.raises(FileRefusedError, match="stands once stands twice"):
        parse("png", png(before=twice), Bounds())


@pytest.mark.parametrize("body", [b"\0" * 7, b""])
def test_png_palette_of_wrong_length_is_refused(body: bytes) -> None:
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", body)
        + chunk(b"IDAT", zlib.compress(b"\0\0"))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(FileRefusedError, match="palette"):
        parse("png", data, Bounds())


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_png_with_changed_bytes_is_never_taken_for_clean_with_more_than_it_shows(at: int, junk: bytes) -> None:
    """Whatever is put behind, or in place of bytes of, a picture: it is refused, or is as long as before."""
    good = png()
    data = good[:at] + junk + good[at + len(junk) :] if at < len(good) else good + junk
    try:
        parsed = parse("png", data, Bounds())
    except FileRefusedError:
        return
    assert data == good
    assert parsed.size == len(good)


def judged(kind: str, data: bytes) -> str:
    """`clean`, or the check that refused; any other error is the test's failure."""
    try:
        run_all(parse(kind, data, Bounds()), Surroundings())
    except FileRefusedError as refused:
        return refused.observation.check
    return "clean"


@settings(deadline=None)  # the first look at a type loads its libraries
@given(st.binary(max_size=300), st.sampled_from(sorted(set(ENDINGS.values()))))
def test_no_bytes_make_a_parser_fail_in_another_way(data: bytes, kind: str) -> None:
    assert judged(kind, data) in {"clean", "F02", "F03", "F05"}


@given(st.text(max_size=300), st.sampled_from(sorted(set(ENDINGS.values()))))
def test_no_text_makes_a_parser_fail_in_another_way(text: str, kind: str) -> None:
    assert judged(kind, text.encode("utf-8", "surrogatepass")) in {"clean", "F02", "F03", "F05"}


def test_tables_hidden_in_text_are_found() -> None:
    lines = ["Table 1", "sex | n", "F | 4", "M | 120", "", "done"]
    (table,) = tables_in(lines)
    assert (list(table.header), [list(row) for row in table.rows], table.first_row) == (
        ["sex", "n"],
        [["F", "4"], ["M", "120"]],
        2,
    )


def test_two_lines_are_no_table() -> None:
    assert tables_in(["a,b", "1,2", "prose"]) == []


@pytest.mark.parametrize(
    ("bounds", "data", "says"),
    [
        (Bounds(rows=2), b"a,b\n1,2\n1,2\n1,2\n", "rows"),
        (Bounds(columns=2), b"a,b,c\n1,2,3\n", "columns"),
        (Bounds(cell_characters=3), b"a,b\n1,abcd\n", "characters"),
    ],
)
def test_each_bound_of_a_table_is_the_policy_s(bounds: Bounds, data: bytes, says: str) -> None:
    with pytest.raises(FileRefusedError, match=says) as refused:
        parse("csv", data, bounds)
    assert refused.value.observation.check == "F05"
    parse("csv", data, Bounds())
