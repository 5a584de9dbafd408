"""The register as files for machines: CSV, JSON, and the workbook that HDR UK's Gateway takes.

Guarantees: the same lines give the same bytes. Every cell is a text or a day, never a formula: in CSV a text that a
spreadsheet would take for one begins with an apostrophe, in the workbook it is stored as text. Characters that XML has
no place for are left out of the workbook.

Does not guarantee: that a workbook keeps a text of more than 32,767 characters: it is cut there, with a mark.

Threat: a title that a spreadsheet runs.

Sources: HDR UK Data Use Register, upload template (`tre.domain.register.columns`); RFC 4180; OWASP, CSV injection.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import xlsxwriter

from tre.domain.register.columns import COLUMNS, HEADING_ROW, SHEET
from tre.domain.register.entry import Cell, RegisterEntry, cells
from tre.register.texts import for_xml

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MOST = 32_767
"""Characters in a cell of a workbook (ECMA-376 leaves it open; Excel's own bound)."""

_CUT = " […]"
_FIRST_DAY = date(1900, 3, 1)
"""Days before it have no serial number that every program reads alike (1900 counts as a leap year in workbooks)."""

_MADE = datetime(1980, 1, 1)  # noqa: DTZ001 - a workbook knows no zones; it is a constant, so that bytes are the same


def csv_bytes(entries: Iterable[RegisterEntry]) -> bytes:
    """Comma-separated values in UTF-8, headings on the first line."""
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow([column.heading for column in COLUMNS])
    for entry in entries:
        writer.writerow([_harmless(cell) for cell in cells(entry)])
    return made.getvalue().encode()


def _harmless(cell: Cell) -> str:
    text = cell.isoformat() if isinstance(cell, date) else cell
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_bytes(entries: Iterable[RegisterEntry]) -> bytes:
    """A JSON document: what it is, and a line for each project, called as the Gateway's service calls them."""
    document: dict[str, Any] = {
        "about": "Data uses of this research environment, one entry for each project that ever had access.",
        "columns": {column.field: column.heading for column in COLUMNS},
        "projects": [entry.as_plain() for entry in entries],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def xlsx_bytes(entries: Iterable[RegisterEntry]) -> bytes:
    """The upload template, filled in: sheet, headings and days as HDR UK's Gateway reads them."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"in_memory": True}) as book:
        book.set_properties({"created": _MADE, "title": "Data use register"})
        days, bold = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"bold": True})
        sheet = book.add_worksheet(SHEET)
        sheet.write_string(0, 0, "One line for each project. A star marks columns that are always filled.")
        for number, column in enumerate(COLUMNS):
            sheet.write_string(HEADING_ROW - 1, number, column.heading, bold)
        sheet.freeze_panes(HEADING_ROW, 0)
        sheet.set_column(0, len(COLUMNS) - 1, 24)
        for row, entry in enumerate(entries, HEADING_ROW):
            for number, cell in enumerate(cells(entry)):
                if isinstance(cell, date) and cell >= _FIRST_DAY:
                    sheet.write_datetime(row, number, datetime(cell.year, cell.month, cell.day), days)  # noqa: DTZ001
                elif cell != "":
                    sheet.write_string(row, number, _text(cell))
    return made.getvalue()


def _text(cell: Cell) -> str:
    text = for_xml(cell.isoformat() if isinstance(cell, date) else cell)
    return text if len(text) <= _MOST else text[: _MOST - len(_CUT)] + _CUT
