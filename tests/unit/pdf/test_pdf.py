"""Papers: every word arrives, nothing runs off the page, nothing runs at all, and the same page is the same bytes."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from html import escape

import pikepdf
import pypdfium2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.airlock.pictured import look
from tre.pdf import Paper, make_pdf
from tre.pdf.blocks import NEW_LINE, Heading, Paragraph, Rows, Run
from tre.pdf.letters import drawable, faces
from tre.pdf.lines import fitted, width_of, wrapped
from tre.pdf.reading import read
from tre.pdf.sheets import BOTTOM, INNER, MARGIN, WIDTH
from tre.system.paths import CHECKOUT

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
PAPER = Paper("A title <&>", "An author", "For you only.", NOON)
BAR = (
    '<div class="row"><div class="label">women</div><div class="bars"><svg><rect class="ground" width="100"/>'
    '<rect class="ours" width="{}"/></svg></div><div class="said">slice {}</div></div>'
)


def paper(markup: str) -> bytes:
    return make_pdf(f'<section data-part="Part" data-about="About">{markup}</section>', PAPER)


def pages(data: bytes) -> list[str]:
    """What each page says, its foot too."""
    document = pypdfium2.PdfDocument(data)
    said = []
    for page in document:
        text = page.get_textpage()
        said.append(" ".join(text.get_text_range().split()))
        text.close()
        page.close()
    document.close()
    return said


def words(text: str) -> str:
    return "".join(run.text for block in read(text) if isinstance(block, Paragraph) for run in block.text)


def test_every_word_of_many_pages_arrives_in_its_order() -> None:
    told = [f"word{number}" for number in range(3000)]
    said = pages(paper(f"<h1>Long</h1><p>{' '.join(told)}</p>"))
    assert len(said) > 3
    found = [word for page in said for word in page.split() if word.startswith("word")]
    assert found == told
    for number, page in enumerate(said, 1):
        assert page.endswith(f"Part Page {number} of {len(said)} For you only. About")


def test_the_same_page_at_the_same_moment_is_the_same_file() -> None:
    assert paper("<p>One</p>") == paper("<p>One</p>")
    assert paper("<p>One</p>") != paper("<p>Two</p>")
    later = Paper(PAPER.title, PAPER.author, PAPER.notice, NOON + timedelta(minutes=1))
    assert make_pdf("<p>One</p>", PAPER) != make_pdf("<p>One</p>", later)


def test_another_process_makes_the_same_file() -> None:
    told = "print(hashlib.sha256(paper('<p>a\\xa0b c</p>')).hexdigest())"
    said = f"import hashlib; from tests.unit.pdf.test_pdf import paper; {told}"
    found = {
        subprocess.run(
            [sys.executable, "-c", said],
            env={"PYTHONPATH": str(CHECKOUT), "PYTHONHASHSEED": seed, "PATH": os.environ["PATH"]},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {hashlib.sha256(paper("<p>a\xa0b c</p>")).hexdigest() + "\n"}


@pytest.mark.parametrize(
    ("typed", "drawn"),
    [
        ("Łukasz Ğül Nguyễn", "Łukasz Ğül Nguyễn"),
        ("Łukasz".replace("Ł", "L\N{COMBINING LONG SOLIDUS OVERLAY}"), "L\N{COMBINING LONG SOLIDUS OVERLAY}ukasz"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("≥ Ω ж", "≥ Ω ж"),
        ("中", "[U+4E2D]"),
        ("שלום", "[U+05E9][U+05DC][U+05D5][U+05DD]"),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", "a[U+202E]b"),
        ("a\N{ZERO WIDTH SPACE}b", "a[U+200B]b"),
        ("\N{PILE OF POO}", "[U+1F4A9]"),
        ("\x00\x07", "[U+0000][U+0007]"),
    ],
)
def test_no_letter_becomes_an_empty_box(typed: str, drawn: str) -> None:
    assert drawable(typed) == drawn


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_whatever_is_drawn_has_a_shape(text: str) -> None:
    assert all(face.has(letter) and face.glyph(letter) for letter in drawable(text) for face in faces())


@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=90), max_size=12), st.floats(20, 300))
@settings(max_examples=150, deadline=None)
def test_lines_fit_and_lose_nothing(texts: list[str], width: float) -> None:
    text = tuple(Run(drawable(one), number % 2 == 1) for number, one in enumerate(texts))
    lines = wrapped(text, width, 9.5)
    assert all(sum(width_of(run, 9.5) for run in line) <= width + 0.01 or len(line) == 1 for line in lines)
    kept = "".join(run.text for line in lines for run in line).replace(" ", "")
    assert kept == "".join(run.text for run in text).replace(" ", "")


def test_a_line_ends_where_it_was_ended() -> None:
    lines = wrapped((Run(f"one{NEW_LINE}{NEW_LINE}two three", bold=True), Run("", swatch="ours"), Run("four")), 200, 9)
    assert [[run.text for run in line] for line in lines] == [["one"], [], ["two three", "", "four"]]


def test_a_foot_has_one_line_of_a_title() -> None:
    assert fitted("Short", 100, 7) == "Short"
    cut = fitted("A very long title " * 20, 100, 7)
    assert cut.endswith("…")
    assert faces()[0].width(cut, 7) <= 100
    assert fitted("W", 1, 7) == "…"


def test_spaces_are_those_of_a_page() -> None:
    assert words("<p>  a\n  <strong>b </strong> c<br> d  </p>") == f"a b c{NEW_LINE}d"
    assert words('<p class="app-prose">a\nb  c\n</p>') == f"a{NEW_LINE}b c"
    assert words('loose <a href="/x">words</a>') == "loose words"
    assert read("<p> <br> </p>") == []


def test_typed_markup_is_text() -> None:
    typed = "</p><script>alert(1)</script> /JS (x) Tj ET"
    data = paper(f"<p>{escape(typed)}</p>")
    assert typed in pages(data)[0]
    with pikepdf.open(io.BytesIO(data)) as document:
        keys = {key for one in document.objects if isinstance(one, pikepdf.Dictionary) for key in one.keys()}  # noqa: SIM118
    assert not keys & {"/JS", "/AA", "/OpenAction", "/EmbeddedFiles", "/URI", "/Annots"}


@pytest.mark.parametrize(
    "markup",
    [
        "<script>x</script>",
        "<p><img></p>",
        "<form></form>",
        "<p>a",
        "<p>a</div>",
        "<ul>loose</ul>",
        "<dl><dt>a</dt></dl>",
        "<table><caption>lost</caption><tr><td>a</td></tr></table>",
        "<table><tr><td>a</td>lost</tr></table>",
    ],
)
def test_what_is_not_known_is_an_error(markup: str) -> None:
    with pytest.raises(ValueError, match="<"):
        read(markup)


def test_headings_lie_as_deep_as_they_are_told_to() -> None:
    found = read('<h1>a</h1><div data-deeper="2"><h1>b</h1><div><h3>c</h3><h6>d</h6></div></div>')
    assert [block.level for block in found if isinstance(block, Heading)] == [1, 3, 5, 5]


def test_bars_that_follow_one_another_are_one_table() -> None:
    found = read(f"<div>{BAR.format(30, 30)}{BAR.format(0, 0)}</div><p>x</p>{BAR.format(5, 5)}")
    assert [len(block.rows) for block in found if isinstance(block, Rows)] == [2, 1]
    assert "women slice 30" in pages(paper(BAR.format(250, 30)))[0]
    empty = io.BytesIO(paper(BAR.format(0, 0)))
    with pikepdf.open(empty) as document:
        drawn = document.pages[0].Contents.read_bytes()
    assert drawn.count(b"re f") == 3  # the ground and two rules: no thin line for nothing


def test_the_head_of_a_table_stands_on_each_of_its_pages() -> None:
    rows = "".join(f"<tr><th>row {number}</th><td>said {number}</td></tr>" for number in range(120))
    said = pages(paper(f"<table><thead><tr><th>Name</th><th>Value</th></tr></thead><tbody>{rows}</tbody></table>"))
    assert len(said) > 2
    assert all("Name Value" in page for page in said)
    assert [f"row {number} said {number} " in " ".join(said) for number in range(120)] == [True] * 120


def test_a_row_longer_than_a_page_goes_on() -> None:
    told = [f"part{number}" for number in range(2500)]
    long = f"<dl><div><dt>Key</dt><dd><p>{' '.join(told)}</p></dd></div><div><dt>Next</dt><dd></dd></div></dl>"
    said = pages(paper(long))
    assert len(said) > 2
    assert [word for page in said for word in page.split() if word.startswith("part")] == told
    assert "Next –" in said[-1]
    assert any(word in said[-1] for word in told)  # no page is turned for nothing


def test_nothing_runs_off_the_page() -> None:
    rows = "".join(f"<div><dt>{'K' * 90}</dt><dd>{'w' * 400}</dd></div>" for _ in range(30))
    items = f"<ol><li>{'x' * 500}</li><li>second</li></ol>"
    document = pypdfium2.PdfDocument(paper(f"<h2>{'H' * 200}</h2><dl>{rows}</dl>{items}"))
    for page in document:
        text = page.get_textpage()
        for number in range(text.count_rects()):
            left, bottom, right, _ = text.get_rect(number)
            assert left >= MARGIN - 1
            assert right <= WIDTH - MARGIN + 1.5
            assert bottom >= BOTTOM - 60
        text.close()
        page.close()
    document.close()
    assert INNER < WIDTH


def test_a_paper_without_parts_and_one_without_anything_have_a_page() -> None:
    assert "alone" in pages(make_pdf("<p>alone</p>", PAPER))[0]
    assert len(pages(make_pdf('<section data-part="P"></section>', PAPER))) == 1


def test_it_names_itself_and_its_parts() -> None:
    data = paper("<h1>Łódź</h1><h2>Second</h2><h3>Third</h3><ol><li>a</li></ol><table><tr><th>a</th></tr></table>")
    with pikepdf.open(io.BytesIO(data)) as document:
        assert str(document.docinfo.Title) == PAPER.title
        assert b"<dc:title><rdf:Alt>" in document.Root.Metadata.read_bytes()
        assert str(document.Root.Lang) == "en-GB"
        with document.open_outline() as outline:
            assert [(item.title, [one.title for one in item.children]) for item in outline.root] == [
                ("Łódź", ["Second"])
            ]
        parents = document.Root.StructTreeRoot.ParentTree.Nums
        (marks,) = [one for one in parents if isinstance(one, pikepdf.Array)]
        assert [str(one.S) for one in marks] == ["/H1", "/H2", "/H3", "/Lbl", "/LBody", "/TH"]
        assert str(marks[5].A.Scope) == "/Row"
    assert "1. a" in pages(data)[0]


def test_our_own_checks_of_what_leaves_find_nothing_that_stops_it() -> None:
    found = look("pdf", paper(f"<h1>One</h1><p>two</p>{BAR.format(3, 3)}"))
    assert {said.check for said in found} <= {"F08", "S09"}  # what it says of itself, and that it shows figures
