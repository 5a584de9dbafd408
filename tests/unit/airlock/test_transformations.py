"""Fix it for me: what each transformation makes, on both sides, and what holds for any table."""

from __future__ import annotations

import ast
import csv
import io
import json
import subprocess
import sys

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.assets.airlock.files import chunk, png
from tests.assets.airlock.transformed import GRID, jpeg, notebook, pdf, workbook
from tre.airlock.across.solver import Row, System
from tre.airlock.checks import small_counts
from tre.airlock.formats import delimited
from tre.airlock.formats import png as png_format
from tre.airlock.parsed import Bounds, FileRefusedError, Rules, Surroundings
from tre.airlock.transformations import TRANSFORMATIONS, Outcome, Source, UnfitError, documents
from tre.airlock.transformations.grids import HIDDEN, is_hidden, whole
from tre.airlock.transformations.ranges import Equation, Ranges
from tre.airlock.transformations.rounding import midpoint, nearest
from tre.domain.exports.fixes import BY_ID, FIXES
from tre.system.paths import CHECKOUT

ROUND, MIDDLE = {"base": 5, "threshold": 10}, {"base": 6, "threshold": 1}
HIDE = {"threshold": 10, "width": 5}


def make(fix: str, data: bytes, path: str = "t.csv", **parameters: int) -> Outcome:
    return TRANSFORMATIONS[fix].load()(Source(path, data, parameters=parameters))


def cells(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_every_offered_fix_can_be_done_and_none_is_left_out() -> None:
    assert list(TRANSFORMATIONS) == [fix.id for fix in FIXES]


def test_rounding_hides_small_counts_and_recomputes_the_shares_that_it_understands() -> None:
    outcome = make("round-counts", GRID, **ROUND)
    (product,) = outcome.products
    assert product.path == "t_rounded5.csv"
    rows = cells(product.data)
    assert rows[1] == ["F", "18-39", HIDDEN, HIDDEN]
    assert rows[2] == ["F", "40+", "1195", "79.7"], "79.8 would give 1197 back"
    assert "recomputed" in outcome.notes[1]


def test_a_share_that_is_not_understood_is_hidden_with_the_counts_beside_it() -> None:
    data = b"site,n,pct_female\nA,104,47.1\nB,208,51.4\n"
    outcome = make("round-counts", data, **ROUND)
    assert cells(outcome.products[0].data)[1:] == [["A", "105", HIDDEN], ["B", "210", HIDDEN]]
    assert "not clear" in outcome.notes[1]


def test_midpoints_stand_for_groups_of_six_and_zero_stays_zero() -> None:
    assert [midpoint(n, 6) for n in (0, 1, 6, 7, 12, 13)] == [0, 3, 3, 9, 9, 15]
    assert [nearest(n, 5) for n in (0, 2, 3, 7, 8)] == [0, 0, 5, 5, 10]
    data = make("midpoint-counts", b"sex,n\nF,7\nM,0\n", **MIDDLE).products[0].data
    assert cells(data)[1:] == [["F", "9"], ["M", "0"]]


@pytest.mark.parametrize("cell", ["=1+2", "+4", "-3", "@sum", "3.5", "1/2", "7 (3%)", "<7", "2026-01-02", ""])
def test_a_cell_that_is_no_plain_count_is_never_rewritten(cell: str) -> None:
    rows = [["n"], [cell], ["1203"], ["1307"], ["401"], ["502"], ["608"], ["707"]]
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([*rows, ["11"], ["12"], ["13"]])
    data = make("round-counts", target.getvalue().encode(), **ROUND).products[0].data
    assert (cells(data)[1] or [""])[0] == cell
    assert cells(data)[2] == ["1205"], "its neighbour was rounded"


def test_separator_line_ends_mark_and_thousands_stay_as_they_were() -> None:
    data = "\ufeffgroupe;n;moyenne\r\nA;1 234;1,5\r\nB;2 345;2,5\r\n".encode()
    made = make("round-counts", data, **ROUND).products[0].data
    assert made == "\ufeffgroupe;n;moyenne\r\nA;1 235;1,5\r\nB;2 345;2,5\r\n".encode()


def test_a_column_that_findings_point_at_counts_as_counts() -> None:
    data = b"sex,wert\nF,3\nM,403\n"
    with pytest.raises(UnfitError):
        make("round-counts", data, **ROUND)
    source = Source("t.csv", data, parameters=dict(ROUND), columns=(1,))
    made = TRANSFORMATIONS["round-counts"].load()(source).products[0].data
    assert cells(made)[1:] == [["F", HIDDEN], ["M", "405"]]


counts = st.integers(min_value=0, max_value=60)
tables = st.lists(st.tuples(counts, counts, counts), min_size=2, max_size=6)


def with_margins(body: list[tuple[int, int, int]]) -> bytes:
    rows = [["group", "n_a", "n_b", "n_c", "n_total"]]
    rows += [[f"g{number}", *map(str, row), str(sum(row))] for number, row in enumerate(body)]
    columns = [sum(column) for column in zip(*body, strict=True)]
    rows.append(["Total", *map(str, columns), str(sum(columns))])
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows(rows)
    return target.getvalue().encode()


@settings(max_examples=150, deadline=None)
@given(tables, st.sampled_from(("round-counts", "midpoint-counts")), st.sampled_from((1, 6, 10)))
def test_what_is_rounded_passes_the_policy_it_was_rounded_for(
    body: list[tuple[int, int, int]], fix: str, threshold: int
) -> None:
    base, data = (5 if fix == "round-counts" else 6), with_margins(body)
    try:
        made = make(fix, data, base=base, threshold=threshold).products[0].data
    except UnfitError:
        made = data
    again = Source("t.csv", made, parameters={"base": base, "threshold": threshold})
    with pytest.raises(UnfitError):
        TRANSFORMATIONS[fix].load()(again)
    for row in cells(made)[1:]:
        for cell in row[1:]:
            number = whole(cell)
            shown = -1 if number is None else number.value
            assert shown <= 0 or shown >= threshold
            assert shown < 0 or (
                shown % base == 0 if fix == "round-counts" else shown == 0 or shown % base == base // 2
            )
    around = Surroundings(Rules(threshold=threshold))
    assert small_counts.observe(delimited.parse("csv", made, Bounds()), around) == []


words = st.sampled_from(
    ["F", "=1+2", "-3", "+4", "@x", "3.5", "<10", HIDDEN, "", "7", "1,234", "99", "0", "a,b", '"', "x\ny"]
)
headers = st.sampled_from(["sex", "n", "count", "id", "mean", "pct", "year", "=n"])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(headers, min_size=1, max_size=4), st.data(), st.sampled_from([f.id for f in FIXES if f.works_on("t.csv")])
)
def test_whatever_the_table_only_plain_counts_and_shares_change(
    titles: list[str], data: st.DataObject, fix: str
) -> None:
    rows = data.draw(st.lists(st.lists(words, min_size=len(titles), max_size=len(titles)), min_size=1, max_size=6))
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\n").writerows([titles, *rows])
    before = target.getvalue().encode()
    try:
        made = make(fix, before, base=5, threshold=10, width=5).products[0].data
    except (UnfitError, FileRefusedError):
        return
    old, new = cells(before), cells(made)
    assert new[0] == old[0]
    for was, now in zip(old[1:], new[1:], strict=False):
        for title, a, b in zip(titles, was, now, strict=True):
            assert a == b or title in {"n", "count", "=n", "pct"}
            masked = fix == "suppress-counts" and is_hidden(a) and b == HIDDEN  # `<10` tells a bound, one mark none
            assert a == b or masked or (whole(a) if title != "pct" else a.strip()[:1].isdigit())


def audit(data: bytes, before: bytes) -> list[float]:
    """How wide the range of each small count is to somebody who knows how the table adds up; the fix itself asks no
    solver."""
    old, new = cells(before), cells(data)
    places = [(r, c) for r in range(1, len(new)) for c in range(1, 5)]
    rows: list[Row] = []
    groups = [([(r, c) for c in (1, 2, 3)], (r, 4)) for r in range(1, len(new))]
    groups += [([(r, c) for r in range(1, len(new) - 1)], (len(new) - 1, c)) for c in range(1, 5)]
    for parts, total in groups:
        rows.append(({n: 1 if p in parts else -1 for n, p in enumerate(places) if p in parts or p == total}, 0))
    for number, (r, c) in enumerate(places):
        if new[r][c] != HIDDEN:
            rows.append(({number: 1}, int(new[r][c])))
    found = []
    for number, (r, c) in enumerate(places):
        if 1 <= int(old[r][c]) < 10:
            assert new[r][c] == HIDDEN
            system = System([0] * len(places), [None] * len(places), rows)
            (least, _), (most, _) = (system.extreme(number, least=end) for end in (True, False))
            assert least is not None
            found.append(float("inf") if most is None else most - least)
    return found


@settings(max_examples=25, deadline=None)
@given(tables)
def test_totals_do_not_give_away_what_was_suppressed(body: list[tuple[int, int, int]]) -> None:
    data = with_margins(body)
    assume(any(1 <= count < 10 for row in body for count in row))
    made = make("suppress-counts", data, **HIDE).products[0].data
    assert all(width >= HIDE["width"] - 1e-6 for width in audit(made, data))
    for old, new in zip(cells(data), cells(made), strict=True):
        assert all(b in {a, HIDDEN} for a, b in zip(old, new, strict=True)), "nothing but hiding"


def test_without_further_suppression_the_totals_would_give_it_away() -> None:
    data = with_margins([(3, 40, 40), (50, 50, 50)])
    naive = data.replace(b"g0,3,", f"g0,{HIDDEN},".encode())
    assert audit(naive, data) == [0.0]
    made = make("suppress-counts", data, **HIDE).products[0].data
    assert made.decode().count(HIDDEN) == 4
    assert audit(made, data)[0] >= 5
    assert cells(made)[-1] == cells(data)[-1], "totals stay"


def test_nothing_more_is_hidden_where_nothing_adds_up() -> None:
    data = b"sex,n,mean\nF,3,1.5\nM,403,2.5\n"
    assert cells(make("suppress-counts", data, **HIDE).products[0].data)[1:] == [
        ["F", HIDDEN, "1.5"],
        ["M", "403", "2.5"],
    ]


def test_shares_that_would_give_a_hidden_count_back_are_hidden() -> None:
    """400 people that are 99.3 % tell that there are 403 in all, even where no row says so."""
    without = make("suppress-counts", b"sex,n,pct\nF,3,0.7\nM,400,99.3\n", **HIDE).products[0].data
    assert cells(without)[1:] == [["F", HIDDEN, HIDDEN], ["M", "400", HIDDEN]]
    rows = b"sex,n,n_all,pct\nF,3,300,1.0\nM,100,400,25.0\nX,90,300,30.0\n"
    of_its_own_row = make("suppress-counts", rows, **HIDE).products[0].data
    assert [row[-1] for row in cells(of_its_own_row)[1:]] == [HIDDEN, "25.0", "30.0"]
    shown_total = make("suppress-counts", GRID, **HIDE).products[0].data
    assert cells(shown_total)[-1] == ["Total", "Total", "1500", "100.0"]


def test_ranges_are_exact_where_sums_leave_one_value_and_endless_where_they_leave_many() -> None:
    a, b, c = (0, 0), (0, 1), (0, 2)
    whole_range = Ranges([Equation({a: 1, b: 1}, 7)])
    assert whole_range.is_wide(a, 7)
    assert not whole_range.is_wide(a, 8)
    assert not Ranges([Equation({a: 1, b: 1}, 7), Equation({b: 1}, 3)]).is_wide(a, 1)
    assert Ranges([Equation({a: 1, b: -1}, 7)]).is_wide(a, 1e9)
    assert not Ranges([Equation({a: 1, b: 1, c: 1}, 9), Equation({b: 1, c: 1}, 9)]).is_wide(a, 1)
    assert not Ranges([Equation({a: 1}, -2)]).is_wide(a, 0)
    assert Ranges([]).is_wide(a, 5)


def test_a_stripped_png_shows_the_same_and_carries_nothing_more() -> None:
    source = png(before=chunk(b"tEXt", b"Author\0somebody") + chunk(b"tIME", b"\x07\xea\1\1\0\0\0"), after=b"tail")
    made = make("strip-metadata", source, "f.png").products[0].data
    assert made == png()
    assert png_format.parse("png", made, Bounds()).remarks == []
    with pytest.raises(UnfitError):
        make("strip-metadata", made, "f.png")
    with pytest.raises(FileRefusedError):
        make("strip-metadata", source[:-20], "f.png")


def test_a_stripped_jpeg_is_turned_as_it_was_meant_and_carries_no_exif() -> None:
    source = jpeg()
    assert b"somebody's camera" in source
    product = make("strip-metadata", source, "f.jpeg").products[0]
    assert product.path == "f_stripped.jpeg"
    assert b"somebody" not in product.data
    assert b"Exif" not in product.data
    assert Image.open(io.BytesIO(product.data)).size == (30, 40), "was 40 × 30 and a quarter turn"
    with pytest.raises(FileRefusedError):
        make("strip-metadata", b"\xff\xd8\xff\xe0broken", "f.jpeg")


def test_a_notebook_keeps_its_cells_and_loses_the_rest() -> None:
    made = make("code-only", notebook(), "n.ipynb").products[0]
    assert made.path == "n_code.ipynb"
    plain = json.loads(made.data)
    assert [cell["source"] for cell in plain["cells"]] == [["import pandas\n", "df.head()"], ["# Results"]]
    assert b"secret" not in made.data, "outputs, attachments, identifiers, tags and widgets all say so"
    assert plain["metadata"] == {"language_info": {"name": "python"}}
    with pytest.raises(UnfitError):
        make("code-only", made.data, "n.ipynb")


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b'{"nbformat": 4, "cells": [3]}', b'{"nbformat": 4, "cells": [{"cell_type": "heading"}]}']
)
def test_what_is_no_notebook_is_refused(content: bytes) -> None:
    with pytest.raises(FileRefusedError):
        make("code-only", content, "n.ipynb")


def test_a_workbook_gives_its_visible_sheets_only() -> None:
    outcome = make("sheets-to-csv", workbook(), "b.xlsx")
    assert [product.path for product in outcome.products] == ["b_1_By-sex.csv", "b_3.csv"]
    assert outcome.products[0].data == b"sex,n,mean\nF,3,0.1\nM,400,12.25\n"
    assert outcome.products[1].data == b"=1+2\n", "as it is: check F10 points at it"
    assert not any(b"hidden" in product.data for product in outcome.products)
    with pytest.raises(FileRefusedError):
        make("sheets-to-csv", b"PK\3\4nothing", "b.xlsx")


def test_the_pages_of_a_document_become_pictures_that_hold_pixels_only() -> None:
    outcome = make("pdf-to-pixels", pdf(), "d.pdf")
    assert [product.path for product in outcome.products] == ["d_page1.png", "d_page2.png"]
    first, second = (product.data for product in outcome.products)
    assert png_format.parse("png", first, Bounds()).remarks == []
    assert first != second
    assert b"Secret" not in first
    with pytest.raises(FileRefusedError):
        make("pdf-to-pixels", b"%PDF-1.7\nnothing", "d.pdf")
    few = Source("d.pdf", pdf(), Bounds(pages=1))
    with pytest.raises(FileRefusedError):
        documents.pages_as_pictures(few)
    small = Source("d.pdf", pdf(), Bounds(image_pixels=1000))
    with pytest.raises(FileRefusedError):
        documents.pages_as_pictures(small)


DRAWN = """
import hashlib
from tests.assets.airlock.transformed import pdf
from tre.airlock.parsed import Bounds
from tre.airlock.transformations import TRANSFORMATIONS, Source
made = TRANSFORMATIONS["pdf-to-pixels"].load()(Source("d.pdf", pdf(), Bounds()))
print([hashlib.sha256(product.data).hexdigest() for product in made.products])
"""


def test_a_document_becomes_the_same_pictures_each_time() -> None:
    """In a program of its own, as in the confined child: what was drawn before leaves its glyphs in the library."""
    drawn = [
        subprocess.run([sys.executable, "-c", DRAWN], capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout
        for _ in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(ast.literal_eval(drawn[0]))) == 2


@pytest.mark.parametrize("fix", [fix for fix in FIXES if fix.works_on("t.csv")], ids=lambda fix: fix.id)
def test_a_table_that_its_parser_refuses_is_not_transformed(fix: object) -> None:
    name = getattr(fix, "id", "")
    with pytest.raises(FileRefusedError):
        make(name, b"a,n\n1,2,3\n", **dict.fromkeys(BY_ID[name].numbers, 5))
