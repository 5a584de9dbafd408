"""A workbook as one CSV for each visible sheet.

Guarantees: each visible sheet gives one table of its values as text: whole numbers without a decimal point, other
numbers in the shortest form that reads back the same, dates as ISO 8601, truth values as TRUE and FALSE. Hidden
sheets, formulas, comments, names, formats and embedded documents are left behind. The same workbook always gives the
same files.

Does not guarantee: that hidden rows and columns of a visible sheet stay hidden: they are shown, so that nothing leaves
unseen. A text that a spreadsheet would take for a formula stays as it is, and check F10 points at it.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from tre.airlock.parsed import Bounds, FileRefusedError, Observation, quoted
from tre.airlock.transformations import Outcome, Product, Source, UnfitError

MOST_SHEETS = 50
_LONGEST_NAME = 40


def sheets_to_csv(source: Source) -> Outcome:
    """The visible sheets of a workbook. Raises `FileRefusedError` or `UnfitError`."""
    workbook = _open(source.data)
    visible = [
        (number, sheet.name)
        for number, sheet in enumerate(workbook.sheets_metadata, start=1)
        if sheet.visible == SheetVisibleEnum.Visible and sheet.typ == SheetTypeEnum.WorkSheet
    ]
    if len(visible) > MOST_SHEETS:
        raise _too_much(f"More than {MOST_SHEETS} visible sheets.")
    products, notes = [], []
    for number, name in visible:
        rows = _rows(workbook, name)
        if rows:
            _bound(rows, source.bounds, name)
            products.append(Product(source.named(_part(number, name), ".csv"), _write(rows)))
        else:
            notes.append(f"The sheet {quoted(name)} is empty.")
    left = len(workbook.sheets_metadata) - len(visible)
    if not products:
        raise UnfitError("The workbook shows no sheet with values.")
    notes.append(f"{left} sheets that are not shown were left behind. Hidden rows and columns are shown now.")
    return Outcome(tuple(products), tuple(notes))


def _open(data: bytes) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(data))
    except (CalamineError, ValueError, OSError) as error:
        raise FileRefusedError(Observation("F02", "The file is no workbook.", "Save it as XLSX.")) from error


def _rows(workbook: CalamineWorkbook, name: str) -> list[list[str]]:
    try:
        found = workbook.get_sheet_by_name(name).to_python(skip_empty_area=True)
    except (CalamineError, ValueError) as error:
        raise FileRefusedError(Observation("F02", f"The sheet {quoted(name)} cannot be read.")) from error
    rows = [[_text(value) for value in row] for row in found]
    while rows and not any(rows[-1]):
        rows.pop()
    return rows


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return str(value)


def _bound(rows: list[list[str]], bounds: Bounds, name: str) -> None:
    if len(rows) - 1 > bounds.rows or len(rows[0]) > bounds.columns:
        raise _too_much(f"The sheet {quoted(name)} has more rows or columns than allowed.")


def _too_much(message: str) -> FileRefusedError:
    return FileRefusedError(Observation("F05", message, "Ask for less, or for a summary of it."))


def _write(rows: list[list[str]]) -> bytes:
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\n").writerows(rows)
    return target.getvalue().encode("utf-8", "replace")


def _part(number: int, name: str) -> str:
    """What names a sheet in a file's name: its place, and the plain letters of its title."""
    plain = re.sub(r"[^0-9A-Za-z]+", "-", name)[:_LONGEST_NAME].strip("-")
    return f"{number}_{plain}" if plain else str(number)


def _warm_up() -> None:
    """Read a small workbook once: the library asks the system for random numbers at its first table."""
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="i" '
        f'Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}"><sheets>'
        '<sheet name="a" sheetId="1" r:id="i"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="i" '
        f'Type="{_LINKS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1"><c r="A1"><v>1</v></c>'
        "</row></sheetData></worksheet>",
    }
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as target:
        for part, text in parts.items():
            target.writestr(zipfile.ZipInfo(part), text, zipfile.ZIP_DEFLATED)
    assert _rows(_open(memory.getvalue()), "a") == [["1"]]


_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_warm_up()
