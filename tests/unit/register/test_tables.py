"""The register's files, read back by other programs than the ones that wrote them."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from tests.unit.domain.register.test_entry import FULL, line
from tre.domain.register.columns import COLUMNS
from tre.domain.register.entry import NOT_KNOWN, WITHHELD, RegisterEntry
from tre.register.tables import csv_bytes, json_bytes, xlsx_bytes

HEADINGS = [column.heading for column in COLUMNS]


def titled(title: str, **changes: Any) -> RegisterEntry:
    return line().model_copy(update={"project_title": title} | changes)


def sheet(data: bytes) -> list[list[Any]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(data))
    assert book.sheet_names == ["Data Uses Template"]
    return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


def xml_of(data: bytes) -> str:
    return zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml").decode()


def rows_of_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_the_workbook_is_the_template() -> None:
    rows = sheet(xlsx_bytes([line(spec={"register": FULL}), line(activated_at=None)]))
    assert rows[1] == HEADINGS
    assert len(rows) == 4
    full = dict(zip(HEADINGS, rows[2], strict=True))
    assert full["Applicant name(s)"].split(", ") == ["Dr Alice Able", "Prof Bob Baker"]
    assert full["Project start date"] == date(2026, 11, 1)  # a number with the form of a day, not a text
    assert full["Access type*"] == "Trusted Research Environment"
    bare = dict(zip(HEADINGS, rows[3], strict=True))
    assert bare["Release/Access date"] == ""
    assert bare["Technical summary"] == NOT_KNOWN


def test_days_are_serial_numbers() -> None:
    found = re.search(r'<c r="P3" s="\d+"><v>(\d+)</v></c>', xml_of(xlsx_bytes([line()])))
    assert found is not None
    assert date(1899, 12, 30) + timedelta(int(found[1])) == date(2026, 11, 1)


def test_csv_and_json_say_the_same() -> None:
    entries = [line(spec={"register": FULL}), line()]
    rows = rows_of_csv(csv_bytes(entries))
    assert rows[0] == HEADINGS
    assert [len(row) for row in rows] == [31, 31, 31]
    assert rows[1][15] == "2026-11-01"
    document = json.loads(json_bytes(entries))
    assert list(document["columns"].values()) == HEADINGS
    assert document["projects"][0]["applicants"] == ["Dr Alice Able", "Prof Bob Baker"]
    assert "applicants" in document["projects"][1]


def test_the_same_lines_give_the_same_bytes() -> None:
    entries = [line(spec={"register": FULL})]
    for write in (csv_bytes, json_bytes, xlsx_bytes):
        assert write(entries) == write(list(entries))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(start: str) -> None:
    nasty = f"{start}HYPERLINK(1)"
    entry = titled(nasty)
    assert rows_of_csv(csv_bytes([entry]))[1][9] == f"'{nasty}"
    data = xlsx_bytes([entry])
    assert sheet(data)[2][9].strip() == nasty.strip()
    assert "<f>" not in xml_of(data)


def test_a_plain_cell_is_left_alone() -> None:
    assert rows_of_csv(csv_bytes([titled("Lungs = hearts")]))[1][9] == "Lungs = hearts"


@given(st.text(min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_whatever_people_wrote_can_be_read_back(text: str) -> None:
    entry = titled(text)
    shown = rows_of_csv(csv_bytes([entry]))[1][9]
    assert shown in {text, f"'{text}"}
    assert json.loads(json_bytes([entry]))["projects"][0]["projectTitle"] == text
    assert len(sheet(xlsx_bytes([entry]))) == 3


@pytest.mark.parametrize("text", ["\ufffe x", "\x00x", "_x0041_", "\x0bx", "😀"])
def test_characters_that_xml_has_no_place_for(text: str) -> None:
    kept = text.replace("\ufffe", "").replace("\x00", "").replace("\x0b", "")
    assert sheet(xlsx_bytes([titled(text)]))[2][9].strip() == kept.strip()


def test_a_text_without_end_is_cut_and_says_so() -> None:
    found = sheet(xlsx_bytes([titled("x" * 40_000)]))[2][9]
    assert len(found) == 32_767
    assert found.endswith("[…]")


def test_a_day_before_workbooks_know_days_is_a_text() -> None:
    entry = line(ends=datetime(1800, 1, 2, tzinfo=UTC))
    assert sheet(xlsx_bytes([entry]))[2][16] == "1800-01-02"


def test_what_is_withheld_is_said() -> None:
    withheld = FULL | {"withheld": [{"field": "funders", "reason": "x"}]}
    assert rows_of_csv(csv_bytes([line(spec={"register": withheld})]))[1][6] == WITHHELD


def test_nothing_gives_a_template_without_lines() -> None:
    assert len(sheet(xlsx_bytes([]))) == 2
    assert rows_of_csv(csv_bytes([])) == [HEADINGS]
    assert json.loads(json_bytes([]))["projects"] == []
