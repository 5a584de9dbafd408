"""PDF: every hostile file by name, figures of matplotlib beside them, and pages as people are shown them."""

from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.assets.airlock.pictures import PAGE, figure, many_pages, pdf, stream
from tests.unit.airlock.pictured import DATED, changed, honest, hostile, is_told, judged, look, refusal, telling
from tre.airlock.formats import pdf as module
from tre.airlock.formats import pdf_pages
from tre.airlock.formats.pdf_bytes import walk
from tre.airlock.identify import parse
from tre.airlock.parsed import Bounds, FileRefusedError


@pytest.mark.parametrize("name", hostile("pdf"))
def test_hostile_file_is_refused_with_its_own_reason(name: str) -> None:
    item = hostile("pdf")[name]
    assert item.says in refusal(name, item)


@pytest.mark.parametrize("name", telling("pdf"))
def test_what_a_file_hides_is_told(name: str) -> None:
    assert is_told(name, telling("pdf")[name])


@pytest.mark.parametrize("name", honest("pdf"))
def test_honest_file_gives_no_finding_but_its_time(name: str) -> None:
    found = look("pdf", honest("pdf")[name]())
    assert [said.message for said in found if not said.message.endswith(DATED)] == []


def test_the_time_of_making_is_told() -> None:
    assert [said.check for said in look("pdf", figure("survival.pdf"))] == ["F08"]


def test_words_of_a_page_say_on_which_page_they_stand() -> None:
    parsed = parse("pdf", pdf(), Bounds())
    assert [(one.text.strip(), one.place.page) for one in parsed.passages] == [("Results", 1)]


def test_a_table_on_a_page_is_a_table() -> None:
    lines = (b"sex | n", b"F | 4", b"M | 120")
    content = b" ".join(b"BT /F1 12 Tf 72 %d Td (%s) Tj ET" % (700 - 20 * n, line) for n, line in enumerate(lines))
    parsed = parse("pdf", pdf(content), Bounds())
    (table,) = parsed.tables
    assert list(table.header) == ["sex", "n"]
    assert table.at(0, 1).page == 1
    assert [said.check for said in look("pdf", pdf(content))] == ["S01"]


def test_people_are_shown_every_page_as_pixels() -> None:
    parsed = parse("pdf", many_pages(3), Bounds())
    assert [(card.kind, card.place.page) for card in parsed.cards] == [("picture", 1), ("picture", 2), ("picture", 3)]
    assert parsed.lossy == ""
    with Image.open(io.BytesIO(parse("pdf", pdf(), Bounds()).cards[0].data)) as shown:
        assert shown.format == "PNG"
        assert max(shown.size) == 1600
        assert shown.convert("L").getextrema()[0] < 100, "the page's words are drawn"


def test_pages_that_are_not_shown_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CARD_BYTES", 1)
    parsed = parse("pdf", many_pages(3), Bounds())
    assert len(parsed.cards) == 1
    assert parsed.lossy == "Pages from 2 on are not shown."


def test_pages_are_bounded_by_the_policy() -> None:
    parse("pdf", many_pages(3), Bounds(pages=3))
    with pytest.raises(FileRefusedError, match="3 pages"):
        parse("pdf", many_pages(3), Bounds(pages=2))


def test_metadata_and_notes_are_given_to_the_checks() -> None:
    note = b"/Annots [<< /Type /Annot /Subtype /Text /Rect [0 0 9 9] /Contents (patient 44) >>]"
    parsed = parse("pdf", pdf(page=note, trailer=b"/Info << /Author (alice) >>"), Bounds())
    assert {one.text for one in parsed.passages if one.kind == "metadata"} == {"patient 44", "alice"}


def test_every_byte_between_objects_counts() -> None:
    layout = walk(pdf())
    assert layout.objects.keys() == {(number, 0) for number in range(1, 6)}
    assert layout.streams == {(4, 0): len(PAGE) + 1}
    for place in (9, len(pdf()) - 20):
        with pytest.raises(FileRefusedError):
            walk(pdf()[:place] + b"44F" + pdf()[place:])


def test_objects_of_pages_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that unfolds to many objects from a few bytes."""
    content = zlib.compress(b"0 0 1 1 re f " * 3000)
    words = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(content), content)
    data = pdf(page=b"/B 6 0 R", more=(words,)).replace(b"/Contents 4 0 R", b"/Contents 6 0 R")
    assert parse("pdf", data, Bounds()).marks["marks of one shape"] == 3000
    monkeypatch.setattr(pdf_pages, "_MOST_OBJECTS", 2999)
    with pytest.raises(FileRefusedError, match="more parts") as refused:
        parse("pdf", data, Bounds())
    assert refused.value.observation.check == "F05"


def test_fonts_of_this_machine_are_not_asked_for() -> None:
    """A font that is neither embedded nor known is drawn with a built-in one."""
    data = pdf().replace(b"/BaseFont /Helvetica", b"/BaseFont /Verdanana")
    assert "Results" in parse("pdf", data, Bounds()).passages[0].text


@pytest.mark.parametrize("contents", [b"/Contents 4 4 4", b"/Contents [7 7]", b"/Contents (a)  "])
def test_a_page_that_draws_no_stream_is_broken(contents: bytes) -> None:
    assert judged("pdf", pdf().replace(b"/Contents 4 0 R", contents)) == "F02"


def test_unused_streams_are_found_and_used_ones_are_not() -> None:
    extra = (stream(b"", b"words"),)
    assert [said.check for said in look("pdf", pdf(more=extra))] == ["F07"]
    assert look("pdf", pdf(page=b"/B 6 0 R", more=extra)) == []


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20_000), st.binary(min_size=1, max_size=3))
def test_no_change_makes_the_parser_fail_in_another_way(at: int, junk: bytes) -> None:
    assert judged("pdf", changed(figure("heat.pdf"), at, junk)) in {"clean", "F02", "F03", "F04", "F05", "F06"}
    assert judged("pdf", changed(pdf(), at, junk)) in {"clean", "F02", "F03", "F04", "F05", "F06"}
