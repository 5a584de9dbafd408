"""CSV and TSV: one header, rows of the same width, within bounds.

Guarantees: every row has as many cells as the header; quoting is strict (RFC 4180; a quoted cell may hold a line
break); amounts are bounded before a row is split, so that a line of a million separators costs nothing.

Threats: ragged rows and overlong cells that a viewer does not show, quoting that two programs read differently.
"""

from __future__ import annotations

import csv
import io

from tre.airlock.formats.text import decode
from tre.airlock.parsed import Bounds, Card, FileRefusedError, Observation, ParsedFile, Place, Table


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A CSV or TSV file. Raises `FileRefusedError`."""
    text = decode(data)
    separator = "\t" if kind == "tsv" else _separator(text)
    _bound_lines(text, separator, bounds)
    rows = _rows(text, separator, bounds)
    if not rows:
        raise FileRefusedError(Observation("F02", "The table has no header."))
    header, body = rows[0], rows[1:]
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            raise FileRefusedError(
                Observation(
                    "F02",
                    f"Row {number} has {len(row)} cells, the header {len(header)}.",
                    "Give every row one cell for each column.",
                    place=Place(row=number),
                )
            )
    return ParsedFile(kind, len(data), tables=[Table(header, body)], cards=[Card("table", table=0, place=Place(row=1))])


def _separator(text: str) -> str:
    """A comma; a semicolon where the first line has no comma, as programs with a decimal comma write it."""
    first = text.split("\n", 1)[0]
    return ";" if "," not in first and ";" in first else ","


def _bound_lines(text: str, separator: str, bounds: Bounds) -> None:
    most = bounds.columns + bounds.cell_characters
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > most and line.count(separator) > most:
            raise _too_much(f"Line {number} has more than {bounds.columns} columns.", number)


def _rows(text: str, separator: str, bounds: Bounds) -> list[list[str]]:
    csv.field_size_limit(bounds.cell_characters)
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if len(row) > bounds.columns:
                raise _too_much(f"{len(row)} columns are more than the {bounds.columns} allowed.", len(rows) + 1)
            if len(rows) > bounds.rows:
                raise _too_much(f"More than {bounds.rows} rows.", len(rows) + 1)
            rows.append(row)
    except csv.Error as error:
        number = len(rows) + 1
        if "field larger" in str(error):
            raise _too_much(f"A cell has more than {bounds.cell_characters} characters.", number) from error
        raise FileRefusedError(
            Observation(
                "F02", "The quoting of the table is broken.", "Write it with a CSV library.", place=Place(row=number)
            )
        ) from error
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _too_much(message: str, row: int) -> FileRefusedError:
    return FileRefusedError(Observation("F05", message, "Ask for less, or for a summary of it.", place=Place(row=row)))
