"""Workbooks: hostile ones by name, near-misses, and what is shown of a sheet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assets.airlock.workbooks import (
    CELLS,
    HIDING,
    HONEST,
    HOSTILE,
    MAIN,
    TOLD,
    book,
    packed,
    parts,
    sheet,
    styles,
    two_sheets,
)
from tests.unit.airlock.looking import parsed, said_of, stops
from tre.airlock.identify import parse
from tre.airlock.parsed import Bounds, FileRefusedError, Place


@pytest.mark.parametrize("name", HOSTILE | HIDING | TOLD)
def test_hostile_workbook_is_stopped_or_told(name: str) -> None:
    hostile = (HOSTILE | HIDING | TOLD)[name]
    assert stops(name, hostile.make(), hostile.check, hostile.says)


@pytest.mark.parametrize("name", HONEST)
def test_honest_workbook_gives_no_finding(name: str) -> None:
    assert said_of(name, HONEST[name]()) == []


def test_a_sheet_is_a_table_with_places() -> None:
    file = parsed("a.xlsx", packed())
    (table,) = file.tables
    assert (list(table.header), [list(row) for row in table.rows]) == (
        ["sex", "n_patients"],
        [["F", "120"], ["M", "130"]],
    )
    assert table.at(0, 1) == Place(sheet="Results", row=2, column=2)
    assert [(card.kind, card.title, card.table) for card in file.cards] == [("table", "Results", 0)]


def test_a_table_within_a_sheet_keeps_its_place_and_its_title() -> None:
    cells = (
        '<row r="2"><c r="C2" t="str"><v>Table 1</v></c></row>'
        '<row r="3"><c r="C3" t="str"><v>sex</v></c><c r="D3" t="str"><v>n</v></c></row>'
        '<row r="4"><c r="C4" t="str"><v>F</v></c><c r="D4"><v>17</v></c></row>'
        '<row r="9"><c r="A9" t="str"><v>Source: register</v></c></row>'
    )
    file = parsed("a.xlsx", book(sheet('<row r="1"><c r="F1" t="s"><v>0</v></c></row>' + cells)))
    (table,) = file.tables
    assert table.title == "Results: Table 1"
    assert table.at(0, 1) == Place(sheet="Results", row=4, column=4)
    assert [card.text for card in file.cards if card.kind == "text"] == ["sex", "Source: register"]


def test_dates_are_shown_as_dates_and_numbers_as_written() -> None:
    cells = CELLS.replace("<v>120</v>", "<v>0.30000000000000004</v>").replace('<c r="B3">', '<c r="B3" s="1">')
    data = packed(parts(sheet(cells), more={"xl/styles.xml": styles(style='numFmtId="14"')}))
    (table,) = parsed("a.xlsx", data).tables
    assert [row[1] for row in table.rows] == ["0.30000000000000004", "1900-05-09"]


def test_a_hidden_sheet_is_shown_to_who_decides() -> None:
    file = parsed("a.xlsx", two_sheets("hidden"))
    assert [table.title for table in file.tables] == ["Results", "Raw (hidden)"]


def test_who_grants_an_exception_sees_for_what() -> None:
    records = (
        f'<pivotCacheRecords xmlns="{MAIN}"><r><s v="patient 17"/><n v="44"/></r><r><s v="b"/></r></pivotCacheRecords>'
    )
    comment = (
        f'<comments xmlns="{MAIN}"><authors><author>alice</author></authors><comment><t>a note</t></comment></comments>'
    )
    more = {
        "xl/pivotCache/pivotCacheRecords1.xml": records,
        "xl/comments1.xml": comment,
        "xl/vbaProject.bin": "a macro",
        "docProps/custom.xml": "<a>own words</a>",
    }
    file = parsed("a.xlsx", packed(parts(more=more)))
    shown = [card.text for card in file.cards if card.kind in {"text", "note"}]
    assert shown[:2] == ["patient 17\t44\nb", "alice\na note"]
    assert "xl/vbaProject.bin" in shown[2]
    assert "xl/vbaProject.bin" in file.lossy
    assert {"patient 17\t44\nb", "own words"} <= {passage.text for passage in file.passages}


@pytest.mark.parametrize(("bounds", "says"), [(Bounds(rows=1), "1 rows"), (Bounds(columns=1), "beyond")])
def test_bounds_of_a_sheet_are_the_policy_s(bounds: Bounds, says: str) -> None:
    with pytest.raises(FileRefusedError, match=says) as refused:
        parse("xlsx", packed(), bounds)
    assert refused.value.observation.check == "F05"


@settings(max_examples=60)
@given(st.integers(0, 2000), st.binary(min_size=1, max_size=3))
def test_changed_bytes_are_refused_or_change_what_is_said(at: int, junk: bytes) -> None:
    good = packed()
    data = good[:at] + junk + good[at + len(junk) :]
    try:
        file = parsed("a.xlsx", data)
    except FileRefusedError:
        return
    assert file.size == len(data)
    assert len(data) == len(good)
