"""Text: strict UTF-8 without anything a reader cannot see, and tables that hide in it.

Guarantees: no NUL, no control characters but tab and line ends, no marks that turn or hide text, no private
characters; no beginning that another program would take for a document of another kind; in Markdown, nothing that a
viewer would run, load or unfold without being told.

Does not guarantee: that a viewer renders Markdown as it is shown here: people are shown its source.

Threats: UTF-16 or NUL bytes that a viewer skips, bidirectional marks that show digits in another order, text hidden
in tag characters, a text file that opens as a PDF, pictures folded into addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from tre.airlock.parsed import (
    INVISIBLE,
    Bounds,
    Card,
    FileRefusedError,
    Observation,
    ParsedFile,
    Passage,
    Place,
    Table,
    quoted,
)
from tre.airlock.tables.printed import tables_of

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_PDF_WITHIN = 1024  # readers accept a PDF header anywhere in the first kilobyte
_OTHER_DOCUMENT = re.compile(r"\s*(?:\{\\rtf|<!doctype|<html|<\?xml|<svg|%!ps)", re.IGNORECASE)
_ANYWHERE = Place()
_LONGEST_PASSAGE = 50  # lines: long enough for a sentence to stay whole, short enough to say where

_CODE_SPAN = re.compile(r"(?<![\\`])(`+)(?!`)[^`\n]+\1(?!`)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_ACTIVE_MARKUP = re.compile(
    r"<\s*+(?:script|iframe|object|embed)\b|(?:\]\(|href\s*=\s*[\"']?)\s*+javascript:", re.IGNORECASE
)
_DATA_ADDRESS = re.compile(r"\bdata:[a-z0-9.+-]+/[a-z0-9.+-]+[;,]", re.IGNORECASE)


def decode(data: bytes) -> str:
    """The text of a file that is no markup. Raises `FileRefusedError`."""
    text = read_text(data)
    if "%PDF-" in text[:_PDF_WITHIN] or _OTHER_DOCUMENT.match(text):
        raise FileRefusedError(
            Observation(
                "F03",
                "The text begins like a document of another type.",
                "Keep one type a file.",
                place=Place(offset=0),
            )
        )
    return text


def read_text(data: bytes) -> str:
    """UTF-8 that a reader sees all of; a byte order mark is taken off. Raises `FileRefusedError`."""
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
            Observation("F02", "The file is not UTF-8 text.", "Save it as UTF-8.", place=Place(offset=error.start))
        ) from error
    text = text.removeprefix("\ufeff")
    if unseen := invisible_in(text, _ANYWHERE):
        raise FileRefusedError(unseen)
    return text


def invisible_in(text: str, place: Place) -> Observation | None:
    """The first character that nobody can see; its line where the place names none of its own."""
    found = INVISIBLE.search(text)
    if found is None:
        return None
    code = f"U+{ord(found.group()):04X}"
    check = "F02" if ord(found.group()) < 0xA0 else "F03"
    where = replace(place, row=text.count("\n", 0, found.start()) + 1) if place == _ANYWHERE else place
    return Observation(
        check, f"A character that nobody can see ({code}) stands in the text.", "Remove it.", place=where
    )


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A text file of any kind, with the tables printed in it. Raises `FileRefusedError`."""
    text = decode(data)
    lines = text.splitlines()
    if len(lines) > bounds.rows * 4:
        raise FileRefusedError(Observation("F05", f"{len(lines)} lines are more than the {bounds.rows * 4} allowed."))
    return ParsedFile(
        kind,
        len(data),
        tables=tables_in(lines),
        passages=list(passages_of(text)),
        cards=[Card("markdown" if kind == "markdown" else "text", text=text, place=Place(row=1))],
        remarks=list(markdown_remarks(text)) if kind == "markdown" else [],
    )


def passages_of(text: str, kind: str = "text", place: Place = _ANYWHERE) -> Iterator[Passage]:
    """The paragraphs of a text, long ones in pieces, each with the line on which it begins."""
    begun, held = 1, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if held and (not line.strip() or len(held) == _LONGEST_PASSAGE):
            yield Passage("\n".join(held), replace(place, row=begun), kind)
            held = []
        if line.strip():
            begun = begun if held else number
            held.append(line)
    if held:
        yield Passage("\n".join(held), replace(place, row=begun), kind)


def markdown_remarks(text: str, place: Place = _ANYWHERE) -> Iterator[Observation]:
    """What a viewer of Markdown would run or unfold; code in it is text."""
    prose = "\n".join(_prose(text.splitlines()))

    def at(start: int) -> Place:
        return replace(place, row=prose.count("\n", 0, start) + 1)

    for active in _ACTIVE_MARKUP.finditer(prose):
        message = f"The Markdown holds {quoted(active.group())}, which a viewer may run."
        yield Observation("F06", message, "Remove it, or show it as code.", place=at(active.start()))
    for folded in _DATA_ADDRESS.finditer(prose):
        message = f"The Markdown holds a file of its own ({quoted(folded.group())})."
        yield Observation("F07", message, "Submit it as a file by itself.", place=at(folded.start()))


def _prose(lines: list[str]) -> Iterator[str]:
    """The lines of a Markdown text without code (CommonMark 0.31, sections 4.5 and 6.1); fenced lines are empty."""
    fence = ""
    for line in lines:
        found = _FENCE.fullmatch(line)
        mark, rest = (found.group(1), found.group(2)) if found else ("", "")
        if fence:
            fence = "" if mark.startswith(fence) and not rest.strip() else fence
            yield ""
        elif mark and ("`" not in mark or "`" not in rest):
            fence = mark
            yield ""
        else:
            yield _CODE_SPAN.sub("", line)


def tables_in(lines: list[str]) -> list[Table]:
    """The tables printed in a text; see `tre.airlock.tables.printed`."""
    return tables_of(lines)
