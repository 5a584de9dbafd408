"""XLSX: a strict container, every part known, every sheet's cells as tables; two readers must see the same cells.

Guarantees: what `container`, `xmlparts`, `workbook` and `sheet` guarantee; cells are read by our own walk through the
parts and by a second, independent library (calamine), and a workbook in which the two find different cells is
refused; dates are shown as the library reads them, numbers as they are written.

Does not guarantee: that the tables are cut as their author meant them: rows and columns without any value divide them.

Threats: those of its parts; a workbook that two programs show differently; cells so far out that a reader which keeps
the rectangle between them takes all memory (bounds are held before the library is asked).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook

from tre.airlock.formats.carried import show_carried
from tre.airlock.formats.container import members_of
from tre.airlock.formats.office import what_of
from tre.airlock.formats.sheet import Cells, read_sheet
from tre.airlock.formats.workbook import Sheet, Workbook, check_orphans, open_workbook, relations_of
from tre.airlock.formats.xlsxsample import sample
from tre.airlock.parsed import Bounds, Card, FileRefusedError, Observation, ParsedFile, Passage, Place, Table, quoted

_WIDEST_TITLE = 1
_MOST_BLOCKS = 1000
CalamineWorkbook.from_filelike(io.BytesIO(sample())).get_sheet_by_index(0).to_python()
# The library asks the system for random numbers when it is used first, which nothing may do behind the walls.


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A workbook. Raises `FileRefusedError`."""
    book = open_workbook(members_of(data))
    parsed = ParsedFile(kind, len(data))
    used: set[int] = set()
    sheets = []
    for sheet in book.sheets:
        folder, _, name = sheet.part.rpartition("/")
        relations_of(book, f"{folder}/_rels/{name}.rels")
        if what_of(sheet.part) is None:
            sheets.append((sheet, read_sheet(book, sheet, bounds, used)))
    _check_texts(book, used)
    check_orphans(book)
    _second_reader(data, sheets)
    for sheet, cells in sheets:
        _show(parsed, sheet, cells, bounds)
    show_carried(book, parsed, bounds)
    parsed.passages += book.passages
    parsed.remarks += book.remarks.all
    return parsed


def _check_texts(book: Workbook, used: set[int]) -> None:
    unused = [text for number, text in enumerate(book.texts) if number not in used and text.strip()]
    if unused:
        message = f"{len(unused)} texts of the workbook stand in no cell, the first of them {quoted(unused[0])}."
        book.remarks.add("F07", message)


def _second_reader(data: bytes, sheets: list[tuple[Sheet, Cells]]) -> None:
    """Compare with what the library finds; takes over how it reads dates. Raises `FileRefusedError`."""
    try:
        workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
        for sheet, cells in sheets:
            rows = workbook.get_sheet_by_name(sheet.name).to_python(skip_empty_area=False)
            _compare(sheet, cells, rows)
    except (CalamineError, ValueError, OSError) as error:
        message = "A second reader cannot read the workbook."
        raise FileRefusedError(Observation("F02", message, "Save the values into a new workbook.")) from error


def _compare(sheet: Sheet, cells: Cells, rows: list[list[Any]]) -> None:
    seen: set[tuple[int, int]] = set()
    for row, values in enumerate(rows, start=1):
        for column, value in enumerate(values, start=1):
            at = (row, column)
            if value == "" or (isinstance(value, str) and not value.strip()):
                continue
            seen.add(at)
            if isinstance(value, datetime | date | time | timedelta):
                cells.texts[at] = _moment(value)
    own = {at for at, text in cells.texts.items() if text.strip()}
    if different := (own ^ seen) - cells.errors:
        row, column = min(different)
        raise FileRefusedError(
            Observation(
                "F02",
                "Two readers of the workbook see different cells.",
                "Save the values into a new workbook.",
                Place(sheet=sheet.name, row=row, column=column),
            )
        )


def _moment(value: datetime | date | time | timedelta) -> str:
    return str(value)


def _show(parsed: ParsedFile, sheet: Sheet, cells: Cells, bounds: Bounds) -> None:
    """Tables, cards and passages of one sheet."""
    name = sheet.name if sheet.state == "visible" else f"{sheet.name} (hidden)"
    where = Place(sheet=sheet.name)
    for number, block in enumerate(_blocks(cells.texts)):
        if number >= _MOST_BLOCKS:
            message = f"The sheet falls into more than {_MOST_BLOCKS} separate tables and texts."
            raise FileRefusedError(Observation("F05", message, "Leave fewer rows and columns empty.", where))
        table = _table(block, cells, name, where)
        if table is None:
            (row, column), text = min(block), "\n".join(cells.texts[at] for at in sorted(block))
            place = Place(sheet=sheet.name, row=row, column=column)
            parsed.passages.append(Passage(text, place))
            parsed.cards.append(Card("text", name, text, place=place))
            continue
        if len(table.rows) > bounds.rows:
            raise FileRefusedError(Observation("F05", f"More than {bounds.rows} rows.", "Ask for less.", where))
        parsed.passages.append(Passage(table.title, table.at()))
        parsed.cards.append(Card("table", table.title, table=len(parsed.tables), place=table.at()))
        parsed.tables.append(table)
    parsed.passages += [Passage(caption, where) for caption in cells.captions]
    if cells.formulas:
        message = f"The sheet holds {cells.formulas} formulas, which leave with their values."
        parsed.remarks.append(Observation("F10", message, "Replace them by their values.", where))


Block = list[tuple[int, int]]


def _blocks(texts: dict[tuple[int, int], str]) -> Iterator[Block]:
    """Cells that hang together: cut at rows without any value, then at columns without any."""
    for part in _cut(sorted(texts), 0):
        yield from _cut(part, 1)


def _cut(cells: Block, axis: int) -> Iterator[Block]:
    ordered = sorted(cells, key=lambda at: (at[axis], at))
    held: Block = []
    for at in ordered:
        if held and at[axis] > held[-1][axis] + 1:
            yield held
            held = []
        held.append(at)
    if held:
        yield held


def _table(block: Block, cells: Cells, name: str, where: Place) -> Table | None:
    """A block of at least two rows and columns as a table; a first line with one value over it is its title."""
    top, bottom = min(row for row, _ in block), max(row for row, _ in block)
    left, right = min(column for _, column in block), max(column for _, column in block)
    title = [name]
    while top < bottom and right > left and len(first := [at for at in block if at[0] == top]) <= _WIDEST_TITLE:
        title.append(cells.texts[first[0]])
        block = [at for at in block if at[0] != top]
        top += 1
    if top == bottom or left == right:
        return None
    width = range(left, right + 1)
    rows = [[cells.texts.get((row, column), "") for column in width] for row in range(top, bottom + 1)]
    return Table(rows[0], rows[1:], top, ": ".join(title)[:200], where, left)
