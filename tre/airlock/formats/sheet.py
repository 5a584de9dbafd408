"""The cells of one sheet as they are written, and what of them nobody sees. Standard library only.

Guarantees: each cell stands once and within bounds; values in hidden rows and columns, in styles that show nothing,
and whatever else a sheet carries beside its cells are put into words; formulas that reach out of the file are F06.

Does not guarantee: that a formula's value is what the formula gives: nothing is computed.

Threats: hidden rows and columns, formulas that call programs or other files (DDE), two cells in one place.
Source: ECMA-376 part 1, section 18.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from tre.airlock.formats.text import invisible_in
from tre.airlock.formats.workbook import REACHING, Sheet, Workbook
from tre.airlock.formats.xmlparts import Reader, read_part, words_of
from tre.airlock.parsed import INVISIBLE, Bounds, FileRefusedError, Observation, Place, quoted

MOST_CELLS = 500_000
_SLACK = 200
"""Rows above and beside a table that the bound for its rows leaves room for."""

_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_LEAVES = words_of("v f t oddHeader oddFooter evenHeader evenFooter firstHeader firstFooter formula")
_SHOWN = words_of(
    """
    worksheet sheetPr tabColor outlinePr pageSetUpPr dimension sheetViews sheetView pane selection
    sheetFormatPr cols col sheetData row c v f is t r rPr rPh phoneticPr b i u strike sz color rFont family
    charset scheme vertAlign sheetCalcPr sheetProtection autoFilter filterColumn filters filter customFilters
    customFilter top10 dynamicFilter colorFilter dateGroupItem sortState sortCondition mergeCells mergeCell
    conditionalFormatting cfRule formula colorScale cfvo dataBar iconSet hyperlinks hyperlink printOptions
    pageMargins pageSetup headerFooter oddHeader oddFooter evenHeader evenFooter firstHeader firstFooter
    rowBreaks colBreaks brk ignoredErrors ignoredError drawing legacyDrawing legacyDrawingHF tableParts
    tablePart picture protectedRanges outline shadow AlternateContent Choice Fallback
    """
)
_TRUE = {"1", "true"}
_OWN = {
    "c": words_of("r s t cm vm ph"),
    "row": words_of(
        "r spans s customFormat ht hidden customHeight outlineLevel collapsed thickTop thickBot ph dyDescent"
    ),
    "col": words_of("min max width style hidden bestFit customWidth phonetic outlineLevel collapsed"),
}
"""The attributes of what a sheet has most of."""


@dataclass
class Cells:
    """A sheet's cells by row and column, both from 1: texts as written, and which are errors."""

    texts: dict[tuple[int, int], str] = field(default_factory=dict)
    errors: set[tuple[int, int]] = field(default_factory=set)
    typed: dict[tuple[int, int], str] = field(default_factory=dict)
    formulas: int = 0
    captions: list[str] = field(default_factory=list)


class SheetReader:
    """Follows one sheet's part and keeps its cells."""

    def __init__(self, book: Workbook, sheet: Sheet, bounds: Bounds, used: set[int]) -> None:
        self.book, self.bounds, self.used = book, bounds, used
        self.place = Place(sheet=sheet.name)
        self.cells = Cells()
        self.row = self.column = 0
        self.kind, self.style, self.value, self.inline = "n", 0, "", list[str]()
        self.phonetic = 0
        self.hidden_rows: set[int] = set()
        self.hidden_columns: list[tuple[int, int]] = []
        self.rows_hidden_by_default = False
        self.rows_said: set[int] = set()
        self._opened = {"row": self._open_row, "col": self._open_column, "c": self._open_cell}

    def opened(self, element: str, attributes: dict[str, str]) -> None:
        """One element begins."""
        if (known := self._opened.get(element)) is not None:
            if not attributes.keys() <= _OWN[element]:
                name = min(attributes.keys() - _OWN[element])
                self._remark("F07", f"The sheet carries {quoted(name)}: {quoted(attributes[name])}.", about=name)
            known(attributes)
        elif element == "rPh":
            self.phonetic += 1
        elif element == "sheetFormatPr":
            self.rows_hidden_by_default = attributes.get("zeroHeight") in _TRUE
        elif element == "hyperlink" and (told := attributes.get("tooltip") or attributes.get("location")):
            self._remark("F07", f"A link carries {quoted(told)}.")
        elif element == "sheetPr" and attributes.get("codeName", "Sheet")[:5] not in {"Sheet", "Tabel", "Feuil"}:
            self._remark("F08", f"The sheet has a name for programs: {quoted(attributes['codeName'])}.")

    def _open_row(self, attributes: dict[str, str]) -> None:
        said = attributes.get("r", "")
        self.row = int(said) if said.isdecimal() and len(said) < 8 else self.row + 1
        self.column = 0
        self.rows_said.add(self.row)
        if attributes.get("hidden") in _TRUE or _is_tiny(attributes.get("ht"), 2):
            self.hidden_rows.add(self.row)

    def _open_column(self, attributes: dict[str, str]) -> None:
        if attributes.get("hidden") in _TRUE or _is_tiny(attributes.get("width"), 0.5):
            first, last = attributes.get("min", ""), attributes.get("max", "")
            if first.isdecimal() and last.isdecimal():
                self.hidden_columns.append((int(first), int(last)))

    def _open_cell(self, attributes: dict[str, str]) -> None:
        row, self.column = self.row, self.column + 1
        if (said := attributes.get("r")) is not None:
            found = _REFERENCE.fullmatch(said)
            if found is None:
                raise _refused("A cell stands in no place.", self.place)
            self.column, row = _column_number(found.group(1)), int(found.group(2))
        if row != self.row:
            raise _refused("A cell stands in another row than its own.", replace(self.place, row=row))
        if row > self.bounds.rows + _SLACK or self.column > self.bounds.columns:
            where = replace(self.place, row=row, column=self.column)
            raise _refused("A cell stands beyond the rows and columns that are allowed.", where, "F05")
        if (row, self.column) in self.cells.typed:
            raise _refused("Two cells stand in one place.", replace(self.place, row=row, column=self.column), "F03")
        if len(self.cells.typed) >= MOST_CELLS:
            raise _refused(f"A sheet has more than {MOST_CELLS:,} cells.", self.place, "F05")
        self.kind = attributes.get("t", "n")
        style = attributes.get("s", "0")
        self.style = int(style) if style.isdecimal() and len(style) < 8 else 0
        self.value, self.inline = "", []
        self.cells.typed[row, self.column] = self.kind

    def closed(self, element: str, text: str) -> None:
        """One element ends."""
        if element == "c":
            self._close_cell()
        elif element == "v":
            self.value = text
        elif element == "t" and not self.phonetic:
            self.inline.append(text)
        elif element == "rPh":
            self.phonetic -= 1
            self._remark("F07", "A cell has a reading aid that is not shown.")
        elif element == "f":
            self._formula(text)
        elif element in _LEAVES and text.strip():
            self._caption(element, text)

    def _caption(self, element: str, text: str) -> None:
        if element == "formula":
            if REACHING.search(text):
                self._remark("F06", f"A rule of the sheet's look reaches out of the file: {quoted(text)}.")
            if '"' in text and len(text) > 40:
                self._remark("F07", f"A rule of the sheet's look holds {quoted(text)}.")
            return
        self.cells.captions.append(text)
        self._remark("F08", f"The printed sheet carries {quoted(text)} at its edge.")

    def _formula(self, text: str) -> None:
        self.cells.formulas += 1
        if REACHING.search(text):
            self._remark("F06", f"A formula reaches out of the file: {quoted(text)}.", self._here())

    def _close_cell(self) -> None:
        text = self._text()
        if not text:
            return
        at = (self.row, self.column)
        if len(text) > self.bounds.cell_characters:
            raise _refused(f"A cell has more than {self.bounds.cell_characters} characters.", self._here(), "F05")
        if INVISIBLE.search(text) and (unseen := invisible_in(text, self._here())):
            raise FileRefusedError(unseen)
        self.cells.texts[at] = text
        if self.kind == "e":
            self.cells.errors.add(at)
        if (why := self.book.invisible.get(self.style)) is not None:
            self._remark("F07", f"Values stand {why}, the first of them {quoted(text)}.", self._here(), why)

    def _here(self) -> Place:
        return replace(self.place, row=self.row, column=self.column)

    def _text(self) -> str:
        if self.kind == "s":
            number = self.value.strip()
            if not number.isdecimal() or len(number) > 8 or int(number) >= len(self.book.texts):
                raise _refused("A cell refers to a text that is not there.", replace(self.place, row=self.row))
            self.used.add(int(number))
            return self.book.texts[int(number)]
        if self.kind == "inlineStr":
            if self.value:
                self._remark("F07", f"A cell holds a second value that is not shown: {quoted(self.value)}.")
            return "".join(self.inline)
        if self.inline:
            self._remark("F07", f"A cell holds a text that is not shown: {quoted(''.join(self.inline))}.")
        if self.kind == "b":
            return "TRUE" if self.value.strip() in _TRUE else "FALSE"
        return self.value if self.kind in {"str", "e", "d"} else self.value.strip()

    def _remark(self, check: str, message: str, place: Place | None = None, about: str = "") -> None:
        key = (check, f"{self.place.sheet} {about}" if about else f"{self.place.sheet} {message}")
        self.book.remarks.held.setdefault(
            key, Observation(check, message, "Save the visible values into a new file.", place or self.place)
        )

    def finish(self) -> Cells:
        """What was read; what is hidden of it is put into words."""
        rows = sorted({row for row, _ in self.cells.texts if self._is_hidden(row)})
        if rows:
            place = replace(self.place, row=rows[0])
            self._remark("F07", f"Hidden rows with values: {len(rows)}; the first is row {rows[0]}.", place)
        used = {column for _, column in self.cells.texts}
        columns = sorted(c for c in used if any(first <= c <= last for first, last in self.hidden_columns))
        if columns:
            place = replace(self.place, column=columns[0])
            self._remark("F07", f"Hidden columns with values: {len(columns)}; the first is column {columns[0]}.", place)
        return self.cells

    def _is_hidden(self, row: int) -> bool:
        return row in self.hidden_rows or (self.rows_hidden_by_default and row not in self.rows_said)


def read_sheet(book: Workbook, sheet: Sheet, bounds: Bounds, used: set[int]) -> Cells:
    """The cells of a sheet; `used` collects the shared texts that they refer to. Raises `FileRefusedError`."""
    if sheet.part not in book.parts:
        raise _refused("A sheet of the workbook is not there.", Place(sheet=sheet.name))
    reader = SheetReader(book, sheet, bounds, used)
    read_part(book.parts[sheet.part], Reader(reader.opened, reader.closed, _LEAVES, _SHOWN), book.remarks, reader.place)
    return reader.finish()


def _is_tiny(size: str | None, least: float) -> bool:
    return size is not None and re.fullmatch(r"\d{1,6}(?:\.\d{1,20})?", size) is not None and float(size) < least


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _refused(message: str, place: Place, check: str = "F02") -> FileRefusedError:
    return FileRefusedError(Observation(check, message, "Save the values into a new workbook, or ask for less.", place))
