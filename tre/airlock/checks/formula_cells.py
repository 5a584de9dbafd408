"""F10: cells that a spreadsheet would take for a formula (CWE-1236).

Guarantees: a cell that begins with `=`, `+`, `-`, `@` and is no number is pointed out. Bytes are never changed for
it: putting an apostrophe before a cell breaks negative numbers.
"""

from __future__ import annotations

import re

from tre.airlock.parsed import Observation, ParsedFile, Surroundings, bounded, quoted

_FORMULA = re.compile(r"\s*+[=+\-@]")
_PLAIN = re.compile(r"[+-]?(?:\d[\d,. ]*+|\.\d++|inf|nan)(?:[eE][+-]?\d++)?\s*+%?|[-+]++|-[ \d.,\-–to()%]*+")
"""Numbers, signed or in per cent, ranges such as `-1.2 to -0.4`, and the dash that stands for "none"."""


def observe(file: ParsedFile, around: Surroundings) -> list[Observation]:  # noqa: ARG001 - one shape for all checks
    """Formula-like cells of CSV and TSV files, header included."""
    if file.type not in {"csv", "tsv"}:
        return []
    found = [
        Observation(
            "F10",
            f"A spreadsheet may take {quoted(cell)} for a formula.",
            "Begin the cell with another character.",
            place=table.at(row_number, column),
        )
        for table in file.tables
        for row_number, row in ((None, table.header), *enumerate(table.rows))
        for column, cell in enumerate(row)
        if _FORMULA.match(cell) and not _PLAIN.fullmatch(cell.strip())
    ]
    return bounded(found, "such cells")
