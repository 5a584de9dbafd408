"""The viewer's parts, each by itself: texts, leaves, marks, figures, orders, what was seen, sealed addresses."""

from __future__ import annotations

import struct
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from starlette.datastructures import QueryParams

from tests.support.factories import NOON
from tests.unit.portal.exports_world import sha
from tests.unit.portal.extracts_world import every_card, found_at, grid, png, table_extract
from tre.airlock.extract import Extract, encode
from tre.airlock.extracts import ExtractStore
from tre.airlock.parsed import Card, Place, Table
from tre.domain.exports.models import Locator
from tre.portal.preview import content as content_of
from tre.portal.preview import differences, pictures, reading, texts
from tre.portal.preview.asked import Asked
from tre.portal.preview.capabilities import LIFE, Capability, PartKind, mint, opened
from tre.portal.preview.content import Content
from tre.portal.preview.documents import document_of
from tre.portal.preview.looked import LONGEST, Glance, Track
from tre.portal.preview.marks import marks_of
from tre.portal.preview.profiles import figure, number_in, profile_of
from tre.portal.preview.reading import ExtractReader
from tre.portal.preview.sorted_tables import sorted_table
from tre.portal.preview.texts import LONGEST_LINE, lines_of, lines_of_value, visible
from tre.portal.preview.viewer import spans
from tre.portal.preview.views import LONGEST_CELL, MarkIndex, card_view
from tre.portal.seals import Sealer

SEALER = Sealer(b"k" * 32)


def text_content(text: str, kind: str = "text", **place: int) -> Content:
    return Content(Extract("text", len(text), cards=(Card(kind, text=text, place=Place(**place)),)))


class TestTexts:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("<b>&", "&lt;b&gt;&amp;"),
            ("a\u202eb", 'a<span class="view-hidden">U+202E</span>b'),
            ("\u200b", '<span class="view-hidden">U+200B</span>'),
            ("1\r2", '1<span class="view-hidden">U+000D</span>2'),
            ("\ud800", '<span class="view-hidden">U+D800</span>'),
            ("\u3164", '<span class="view-hidden">U+3164</span>'),
            ("é\tñ 中", "é\tñ 中"),
        ],
    )
    def test_what_is_invisible_is_written_out(self, text: str, shown: str) -> None:
        assert visible(text) == Markup(shown)
        assert str(visible(text)).encode()

    def test_lines_are_broken_never_cut(self) -> None:
        text = "a\r\nb\rc\n" + "x" * (2 * LONGEST_LINE + 1)
        lines = lines_of(text, first=7)
        assert [(line.number, line.continued) for line in lines] == [
            (7, False), (8, False), (9, False), (10, False), (10, True), (10, True),
        ]  # fmt: skip
        assert "".join(line.text for line in lines) == text.replace("\r\n", "").replace("\r", "").replace("\n", "")

    def test_a_value_is_laid_out_with_pointers(self) -> None:
        lines = lines_of_value({"a": [1, {"b/c": None}], "~": {}, "s": "<é>"})
        assert [(line.text, line.pointer) for line in lines] == [
            ("{", ""),
            ('  "a": [', "/a"),
            ("    1,", "/a/0"),
            ("    {", "/a/1"),
            ('      "b/c": null', "/a/1/b~1c"),
            ("    }", "/a/1"),
            ("  ],", "/a"),
            ('  "~": {},', "/~0"),
            ('  "s": "<é>"', "/s"),
            ("}", ""),
        ]

    def test_a_document_holds_text_alone(self) -> None:
        made = document_of("</title><script>", lines_of("<script>alert(1)</script>\n\u202e")).decode()
        assert "<script" not in made
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in made
        assert "U+202E" in made


class TestLeaves:
    @given(
        rows=st.integers(0, 260),
        columns=st.integers(1, 130),
        width=st.sampled_from([1, 900]),
        lines=st.integers(1, 700),
    )
    def test_everything_is_on_exactly_one_leaf(self, rows: int, columns: int, width: int, lines: int) -> None:
        table = Table([str(n) for n in range(columns)], [["x" * width] * columns] * rows)
        cards = (Card("text", text="\n".join(["line"] * lines)), Card("picture", data=b"x"))
        made = Content(Extract("x", 1, tables=(table,), roles=(("",) * columns,), cards=cards))
        pieces = [piece for leaf in made.leaves for piece in leaf]
        cells = [
            (row, column)
            for piece in pieces
            if made.table_of(piece.card)
            for row in range(piece.start, piece.stop)
            for column in (piece.columns[1:] if piece.columns[1:2] > (1,) else piece.columns)
        ]
        assert sorted(cells) == [(row, column) for row in range(rows) for column in range(columns)]
        shown = [place for piece in pieces if piece.card == 0 for place in range(piece.start, piece.stop)]
        assert shown == list(range(lines))
        assert [piece.card for piece in pieces if piece.card == 1] == [1]
        assert sum(piece.opens for piece in pieces) == 3
        for leaf in made.leaves:
            assert len(leaf) == 1 or sum(piece.weight for piece in leaf) <= content_of.LEAF_LINES

    def test_five_thousand_rows_are_fifty_leaves(self) -> None:
        assert len(Content(table_extract(grid(5000, 30))).leaves) == 50

    def test_small_things_share_a_leaf(self) -> None:
        assert len(Content(every_card()).leaves) == 1

    def test_a_table_without_a_card_gets_one_and_a_value_is_laid_out(self) -> None:
        cards = Content(every_card()).cards
        assert [card.kind for card in cards].count("table") == 1
        made = Content(Extract("json", 1, cards=(Card("text", text="{}"),), value={"n": 3}))
        assert [(card.kind, card.text) for card in made.cards] == [("code", "")]
        assert [line.text for line in made.lines(0)] == ["{", '  "n": 3', "}"]

    def test_nothing_at_all(self) -> None:
        assert Content(Extract("png", 1)).leaves == ()

    def test_what_goes_on_for_ever_is_cut_and_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert Content(table_extract(grid(450, 2))).lossy == ""
        monkeypatch.setattr(content_of, "MOST_LEAVES", 4)
        made = Content(table_extract(grid(450, 2), lossy="Charts are not shown."))
        assert len(made.leaves) == 4
        assert made.lossy == "Charts are not shown. No more than 4 pages of it are shown."
        assert Content(table_extract(grid(400, 2))).lossy == ""
        for module in (texts, content_of):
            monkeypatch.setattr(module, "MOST_LINES", 10)
        assert "No more than" in text_content("x\n" * 11).lossy
        assert text_content("x\n" * 10).lossy == ""
        assert len(lines_of("x" * (LONGEST_LINE * 20))) == 11
        assert len(lines_of_value(list(range(100)))) == 11

    def test_a_long_title_stands_in_full_below(self) -> None:
        made = Content(table_extract(Table(("t" * (LONGEST_CELL + 9),), [["1"]], title="u" * 5000)))
        view = card_view(made, made.leaves[0][0], MarkIndex(()), lambda *_: "")
        assert view.table is not None
        assert [(cell.row, len(cell.text)) for cell in view.table.long] == [(1, LONGEST_CELL + 9)]
        assert len(view.title) == LONGEST_CELL + 1


class TestMarks:
    @pytest.mark.parametrize(
        ("place", "card", "row", "column", "leaf"),
        [
            (Locator(row=2, column=2), 0, 0, 1, 1),
            (Locator(row=4001, column=3), 0, 3999, 2, 40),
            (Locator(row=1, column=3), 0, -1, 2, 1),
            (Locator(column=3), 0, -1, 2, 1),
            (Locator(row=5001), 0, 4999, None, 50),
            (Locator(row=5002), None, None, None, 0),
            (Locator(row=2, column=31), None, None, None, 0),
            (Locator(row=2, column=0), None, None, None, 0),
            (Locator(offset=7), None, None, None, 0),
            (Locator(), None, None, None, 0),
        ],
    )
    def test_in_a_table(self, place: Locator, card: int | None, row: int | None, column: int | None, leaf: int) -> None:
        made = Content(table_extract(grid(5000, 30)))
        [mark] = marks_of(made, [found_at(b"x", place)])
        assert (mark.card, mark.row, mark.column, mark.leaf) == (card, row, column, leaf)

    @pytest.mark.parametrize(
        ("place", "card", "row"),
        [
            (Locator(cell=2, output=1, row=2, column=2), 2, 0),
            (Locator(cell=2, output=2, row=3), 3, 2),
            (Locator(cell=2, row=2), 1, 1),
            (Locator(cell=4, output=1), 5, None),
            (Locator(cell=9), None, None),
            (Locator(page=1), None, None),
        ],
    )
    def test_in_the_card_that_stands_there(self, place: Locator, card: int | None, row: int | None) -> None:
        [mark] = marks_of(Content(every_card()), [found_at(b"x", place)])
        assert (mark.card, mark.row) == (card, row)

    def test_in_lines_that_begin_further_down_and_in_broken_ones(self) -> None:
        made = text_content("x" * 2500 + "\nsecond", row=10)
        assert [marks_of(made, [found_at(b"x", Locator(row=row))])[0].row for row in (9, 10, 11, 12)] == [
            None, 0, 3, None,
        ]  # fmt: skip

    def test_in_a_value(self) -> None:
        made = Content(Extract("json", 1, value={"n": [5, 3]}))
        marks = marks_of(made, [found_at(b"x", Locator(pointer=pointer)) for pointer in ("/n/1", "/m")])
        assert [mark.row for mark in marks] == [3, None]

    def test_without_content_they_are_numbered_all_the_same(self) -> None:
        [mark] = marks_of(None, [found_at(b"x", Locator(row=2))])
        assert (mark.number, mark.placed, mark.where) == (1, False, "row 2")

    def test_words_of_places(self) -> None:
        places = [Locator(cell=2, output=1, row=3, column=4), Locator(sheet="A", offset=1234), Locator(pointer="/n")]
        marks = marks_of(None, [found_at(b"x", place) for place in [*places, Locator()]])
        assert [mark.where for mark in marks] == [
            "cell 2, output 1, row 3, column 4", "sheet A, byte 1,234", "/n", "the whole file",
        ]  # fmt: skip

    def test_the_target_of_a_link_is_once_on_a_page(self) -> None:
        made = Content(table_extract(grid(3, 60)))
        index = MarkIndex(marks_of(made, [found_at(b"x", Locator(row=2, column=1))]))
        views = [card_view(made, piece, index, lambda *_: "") for leaf in made.leaves for piece in leaf]
        spots = [view.table.rows[0].cells[0].marks[0].target for view in views if view.table]
        assert spots == [True, False]


class TestFigures:
    def test_of_a_column(self) -> None:
        cells = ["5", "1,230", "", "*", "<7", "12%", "0", "3", "NA", "words"]
        [column] = profile_of(Table(("n",), [[cell] for cell in cells]), ("count",))
        assert (column.total, column.nulls, column.suppressed, column.whole) == (10, 2, 2, 5)
        assert (column.minimum, column.minimum_nonzero, column.maximum, column.sum) == (0, 3, 1230, 1250)
        assert (column.fives, column.sixes, column.midpoints) == (3, 3, 2)
        assert column.kind == "whole numbers and text"

    def test_kinds(self) -> None:
        table = Table(("a", "b", "c", "d"), [["1", "0.5", "word", ""], ["2", "1", "*", ""]])
        assert [column.kind for column in profile_of(table, ("",) * 4)] == ["whole numbers", "numbers", "text", "empty"]
        assert [column.kind for column in profile_of(Table(("a",), []), ("",))] == ["empty"]

    @pytest.mark.parametrize(
        ("cell", "number"),
        [
            ("7", 7), (" 1,234 ", 1234), ("1\u202f234.5", 1234.5), ("-3", -3), (".5", 0.5), ("1e-4", 1e-4), ("5 %", 5),
            ("1_000", None), ("inf", None), ("nan", None), ("1e999", None), ("1,23", None), ("e5", None), ("<7", None),
            ("", None), ("12-07-2020", None),
        ],
    )  # fmt: skip
    def test_numbers(self, cell: str, number: float | None) -> None:
        assert number_in(cell) == number

    @pytest.mark.parametrize(
        ("value", "shown"),
        [(None, "–"), (1234.0, "1,234"), (0.25, "0.25"), (1234.5, "1,234.5"), (1e-9, "1e-09"), (1e20, "1e+20")],
    )
    def test_shown(self, value: float | None, shown: str) -> None:
        assert figure(value) == shown


class TestOrders:
    made = Content(
        Extract(
            "csv", 1,
            tables=(Table(("g", "n"), [["b", "10"], ["a", "9"], ["c", ""], ["d", "x"], ["A", "1,000"]]),),
            roles=(("", ""),),
        )
    )  # fmt: skip

    def numbers(self, **asked: object) -> list[int]:
        shown = sorted_table(self.made, Asked(table=1, **asked), MarkIndex(()))  # type: ignore[arg-type]
        return [row.number for row in shown.table.rows]

    def test_sorting(self) -> None:
        assert self.numbers() == [2, 3, 4, 5, 6]
        assert self.numbers(sort=2) == [3, 2, 6, 5, 4]
        assert self.numbers(sort=-2) == [5, 6, 2, 3, 4]
        assert self.numbers(sort=1) == [3, 6, 2, 4, 5]
        assert self.numbers(sort=9) == [2, 3, 4, 5, 6]

    def test_searching_and_hiding(self) -> None:
        assert self.numbers(find="A") == [3, 6]
        assert self.numbers(find="nothing") == []
        shown = sorted_table(self.made, Asked(table=1, hide=frozenset({1, 7})), MarkIndex(()))
        assert ([column.number for column in shown.table.columns], shown.hidden) == ([2], 1)

    def test_pages_and_spans_are_bounded(self) -> None:
        made = Content(table_extract(grid(250, 60)))
        shown = sorted_table(made, Asked(table=1, page=99, span=99), MarkIndex(()))
        assert (shown.page, shown.pages, shown.span, shown.spans) == (3, 3, 2, 2)
        assert (len(shown.table.rows), len(shown.table.columns)) == (50, 10)

    def test_long_cells_stand_in_full_below(self) -> None:
        long = "y" * (LONGEST_CELL + 5)
        made = Content(table_extract(Table(("a",), [[long], ["z" * LONGEST_CELL]])))
        shown = sorted_table(made, Asked(table=1), MarkIndex(())).table
        assert [cell.cut for row in shown.rows for cell in row.cells] == [True, False]
        assert [(cell.row, str(cell.text)) for cell in shown.long] == [(2, long)]


class TestAddresses:
    def test_what_is_asked_comes_back(self) -> None:
        asked = Asked(page=3, table=2, sort=-4, hide=frozenset({5, 1}), find="a&b", span=2, against="a" * 64)
        assert Asked.of(QueryParams(asked.link().removeprefix("?").partition("#")[0])) == asked
        assert Asked().link() == "?page=1#content"

    @pytest.mark.parametrize(
        "query",
        ["page=x", "page=-1", "page=99999999", "table=-2", "sort=1;2", "hide=x&hide=0", "against=xyz", "page=٣"],
    )
    def test_what_makes_no_sense_is_the_beginning(self, query: str) -> None:
        assert Asked.of(QueryParams(query)) == Asked()

    def test_a_capability_is_what_was_sealed_and_for_ten_minutes(self) -> None:
        given_ = Capability("s", "e", "a.csv", "f" * 64, "csv", PartKind.drawing, 3)
        token = mint(SEALER, given_, NOON)
        assert opened(SEALER, token, NOON) == given_
        assert opened(SEALER, token, NOON + LIFE - timedelta(seconds=1)) == given_
        assert opened(SEALER, token, NOON + LIFE) is None
        assert opened(Sealer(b"o" * 32), token, NOON) is None
        assert opened(SEALER, token[:-1] + ("A" if token[-1] != "A" else "B"), NOON) is None
        assert opened(SEALER, SEALER.seal("desk", {"session": "s", "until": 9e12}), NOON) is None


class TestSeen:
    def track(self, session: str = "s", **kept: str) -> Track:
        return Track(SEALER, session, kept)

    def test_leaf_by_leaf(self) -> None:
        glance = self.track().glance("k", 9).with_leaf(1).with_leaf(9).with_leaf(None).with_leaf(1)
        assert glance.seen == {1, 9}
        assert Glance("k", 3, 0b1111).seen == {1, 2, 3}

    def test_a_form_adds_what_another_window_saw(self) -> None:
        carried = self.track().sealed(Glance("k", 3, 0b100))
        assert self.track(k="1").joined(Glance("k", 3, 0b1), carried).seen == {1, 3}
        assert self.track().joined(Glance("other", 3), carried).seen == frozenset()
        assert self.track("other").joined(Glance("k", 3), carried).seen == frozenset()
        assert self.track().joined(Glance("k", 3), "forged." + "A" * 43).seen == frozenset()

    def test_the_cookie_stays_short_and_forgets_the_first(self) -> None:
        from starlette.responses import Response

        kept = {f"file{n:08}": "f" * 12 for n in range(200)}
        response = Response()
        Track(SEALER, "s" * 64, kept).remember(response, Glance("latest", 500, 2**500 - 1), 60)
        value = response.headers["set-cookie"].partition("=")[2].partition(";")[0]
        assert len(value) <= LONGEST
        files = SEALER.open("looked", value)["files"]  # type: ignore[index]
        assert files["latest"] == f"{2**500 - 1:x}"
        assert "file00000199" in files
        assert "file00000000" not in files

    @pytest.mark.parametrize(
        ("numbers", "words"), [((), ""), ((1,), "1"), ((1, 2, 3, 7, 9, 10), "1 to 3, 7, 9 to 10"), ((1500,), "1,500")]
    )
    def test_in_words(self, numbers: tuple[int, ...], words: str) -> None:
        assert spans(numbers) == words


class TestPictures:
    def chunk(self, kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    def test_a_plain_one(self) -> None:
        assert pictures.size_of(png(30, 20)) == (30, 20)

    def test_anything_else(self) -> None:
        good = png()
        start = len(pictures.SIGNATURE)
        head = good[start : start + 25]
        hostile = {
            "empty": b"",
            "another kind": b"GIF89a" + good,
            "something behind": good + b"PK\x03\x04",
            "cut short": good[:-1],
            "a text chunk": good[: start + 25] + self.chunk(b"tEXt", b"a\0b") + good[start + 25 :],
            "an animation": good[: start + 25] + self.chunk(b"acTL", b"\0" * 8) + good[start + 25 :],
            "two heads": good[: start + 25] + head + good[start + 25 :],
            "no head": pictures.SIGNATURE + good[start + 25 :],
            "no data": pictures.SIGNATURE + head + self.chunk(b"IEND", b""),
            "too many pixels": pictures.SIGNATURE
            + self.chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0))
            + good[start + 25 :],
            "no pixels": pictures.SIGNATURE
            + self.chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 9, 8, 0, 0, 0, 0))
            + good[start + 25 :],
        }
        assert {name for name, data in hostile.items() if pictures.size_of(data) is not None} == set()


class TestReading:
    def test_read_once_and_anew_when_it_changed(self, tmp_path: Path) -> None:
        store, data = ExtractStore(tmp_path), sha(b"x")
        reader = ExtractReader(store)
        assert reader.find(data, "csv") is None
        store.keep(data, "csv", encode(table_extract(grid(2, 2))))
        first = reader.find(data, "csv")
        assert first is not None
        assert reader.find(data, "csv") is first
        assert reader.find(data, "tsv") is None
        store.keep(data, "csv", encode(table_extract(grid(3, 2))))
        second = reader.find(data, "csv")
        assert second is not None
        assert len(second.extract.tables[0].rows) == 3
        store.forget(data)
        assert reader.find(data, "csv") is None

    def test_what_is_none_is_not_shown(self, tmp_path: Path) -> None:
        store, data = ExtractStore(tmp_path), sha(b"x")
        store.keep(data, "csv", b'{"format": 1, "type": "csv"}')
        assert ExtractReader(store).find(data, "csv") is None
        store.path(data, "csv").unlink()
        store.path(data, "csv").symlink_to("/etc/hostname")
        assert ExtractReader(store).find(data, "csv") is None

    def test_one_that_unfolds_is_not_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store, data = ExtractStore(tmp_path), sha(b"x")
        raw = encode(Extract("json", 1, value=[[]] * 1000))
        store.keep(data, "json", raw)
        assert ExtractReader(store).find(data, "json") is not None
        monkeypatch.setattr(reading, "MOST_VALUES", 1500)
        assert ExtractReader(store).find(data, "json") is None

    def test_memory_is_bounded(self, tmp_path: Path) -> None:
        store, raw = ExtractStore(tmp_path), encode(table_extract(grid(50, 5)))
        reader = ExtractReader(store, most_kept=3 * len(raw))
        names = [sha(bytes([n])) for n in range(5)]
        for name in names:
            store.keep(name, "csv", raw)
            reader.find(name, "csv")
        assert [key[0] for key in reader._kept] == names[2:]


class TestDifferences:
    def said(self, old: Table, new: Table) -> list[tuple[str, str, str, str, str]]:
        before, after = Content(table_extract(old)), Content(table_extract(new))
        [found] = differences.difference(before, after)
        assert found.problem == ""
        return [(x.kind, str(x.row), str(x.column), str(x.before), str(x.after)) for x in found.changes]

    def test_cell_by_cell(self) -> None:
        old, new = (Table(("g", "<n>"), [["a", number], ["b", "2"]]) for number in ("1", "3\u202e"))
        hidden = '3<span class="view-hidden">U+202E</span>'
        assert self.said(old, new) == [("changed", "2: a", "&lt;n&gt;", "1", hidden)]
        assert self.said(old, old) == []

    def test_rows_and_columns_that_came_or_went_are_one_line_each(self) -> None:
        small, large = Table(("g",), [["a"]]), Table(("g", "n"), [["a", "1"], ["b", "2"]])
        assert self.said(small, large) == [
            ("added", "every row", "n", "", ""),
            ("added", "3: b", "the whole row", "", "b · 2"),
        ]
        assert [change[0] for change in self.said(large, small)] == ["removed", "removed"]

    def test_what_cannot_be_compared_is_said(self) -> None:
        one, none = Content(table_extract(grid(2, 2))), Content(Extract("text", 1))
        assert "Nothing was kept" in differences.difference(None, one)[0].problem
        assert "no table" in differences.difference(none, none)[0].problem

    def test_tables_come_and_go(self) -> None:
        def sheets(*names: str) -> Content:
            tables = tuple(Table(("a",), [["1"]], title=name) for name in names)
            return Content(Extract("xlsx", 1, tables=tables, roles=(("",),) * len(tables)))

        said = differences.difference(sheets("A", "B"), sheets("B", "C"))
        assert [(str(item.title), item.problem) for item in said] == [
            ("B", ""), ("C", "This table is new."), ("A", "This table is no longer there."),
        ]  # fmt: skip

    def test_long_lists_are_cut_and_counted(self) -> None:
        before, after = Content(table_extract(grid(0, 2))), Content(table_extract(grid(507, 2)))
        [said] = differences.difference(before, after)
        assert (len(said.changes), said.more) == (differences.MOST_CHANGES, 7)
