"""Text: strict UTF-8 without anything a reader cannot see, and tables that hide in it.

Guarantees: no NUL, no control characters but tab and line ends, no marks that turn or hide text, no private
characters; no beginning that another program would take for a document of another kind.

Threats: UTF-16 or NUL bytes that a viewer skips, bidirectional marks that show digits in another order, text hidden
in tag characters, a text file that opens as a PDF.
"""

from __future__ import annotations

import re

from tre.airlock.parsed import INVISIBLE, Bounds, FileRefusedError, Observation, ParsedFile, Table

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PDF_WITHIN = 1024  # readers accept a PDF header anywhere in the first kilobyte
_OTHER_DOCUMENT = re.compile(r"\s*(?:\{\\rtf|<!doctype|<html|<\?xml|<svg|%!ps)", re.IGNORECASE)
_SEPARATORS = ("\t", ",", ";", "|")
_SHORTEST_TABLE = 3


def decode(data: bytes) -> str:
    """The text of a file. Raises `FileRefusedError`."""
    if not data:
        raise FileRefusedError(Observation("F02", "The file is empty."))
    if data.startswith(_UTF16):
        raise FileRefusedError(
            Observation("F02", "The file is UTF-16, which viewers read differently.", "Save it as UTF-8.")
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileRefusedError(
            Observation("F02", "The file is not UTF-8 text.", "Save it as UTF-8.", offset=error.start)
        ) from error
    text = text.removeprefix("\ufeff")
    _refuse_invisible(text)
    _refuse_other_document(text)
    return text


def _refuse_invisible(text: str) -> None:
    found = INVISIBLE.search(text)
    if found is None:
        return
    line = text.count("\n", 0, found.start()) + 1
    code = f"U+{ord(found.group()):04X}"
    check = "F02" if ord(found.group()) < 0xA0 else "F03"
    raise FileRefusedError(
        Observation(check, f"A character that nobody can see ({code}) stands in the text.", "Remove it.", row=line)
    )


def _refuse_other_document(text: str) -> None:
    if "%PDF-" in text[:_PDF_WITHIN] or _OTHER_DOCUMENT.match(text):
        raise FileRefusedError(
            Observation("F03", "The text begins like a document of another type.", "Keep one type a file.", offset=0)
        )


def parse_text(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A text file of any kind, with the tables printed in it. Raises `FileRefusedError`."""
    text = decode(data)
    lines = text.splitlines()
    if len(lines) > bounds.rows * 4:
        raise FileRefusedError(Observation("F05", f"{len(lines)} lines are more than the {bounds.rows * 4} allowed."))
    return ParsedFile(kind, len(data), tables=tables_in(lines))


def tables_in(lines: list[str]) -> list[Table]:
    """Runs of at least three lines that one separator splits into the same number of cells, two or more."""
    tables: list[Table] = []
    for separator in _SEPARATORS:
        start = 0
        while start < len(lines):
            width = lines[start].count(separator)
            end = start + 1
            while end < len(lines) and width and lines[end].count(separator) == width:
                end += 1
            if width and end - start >= _SHORTEST_TABLE:
                cells = [[cell.strip() for cell in line.split(separator)] for line in lines[start:end]]
                tables.append(Table(cells[0], cells[1:], first_row=start + 1))
            start = end
    return tables
