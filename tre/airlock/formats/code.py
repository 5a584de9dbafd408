"""Programs as text: Python, R, Stata, SAS, SQL, Julia, shell, R Markdown, Quarto.

Guarantees: what `formats.text` guarantees of text; the whole of it is shown as one piece of code.

Does not guarantee: anything of what the program does where somebody runs it.

Threats: those of text, and data that stands in a program as a literal, which the checks of passages look for.
"""

from __future__ import annotations

from tre.airlock.formats.text import decode, passages_of
from tre.airlock.parsed import Bounds, Card, FileRefusedError, Observation, ParsedFile, Place


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A program. Raises `FileRefusedError`."""
    text = decode(data)
    most = bounds.rows * 4
    if (lines := text.count("\n")) > most:
        raise FileRefusedError(Observation("F05", f"{lines} lines are more than the {most} allowed."))
    return ParsedFile(
        kind,
        len(data),
        passages=list(passages_of(text, "code")),
        cards=[Card("code", text=text, place=Place(row=1))],
    )
