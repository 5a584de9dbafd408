"""What an office document (zip with XML inside) carries beside what its reader sees, judged by the names of its parts.

Guarantees: the parts named below are put into words with the check that they fall under: macros, embedded documents,
external data, comments, pivot caches, custom properties. Used for workbooks, and to explain refused documents.

Does not guarantee: that other parts are harmless. The parser of workbooks has its own list of parts that it reads;
whatever is on neither list is refused there.

Threats: a hidden sheet, a pivot table that brings all source rows, a chart with its workbook, tracked changes.
Source: ECMA-376 parts 1 and 2; the report of the information regulator on a hidden tab with 9,483 people in it.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

from tre.airlock.formats.signatures import zip_names
from tre.airlock.parsed import Observation, quoted

_LARGEST_TEXT = 32 << 20

SAVE_AGAIN = "Copy the visible values into a new file, or save each visible sheet as CSV."

CARRIED: tuple[tuple[str, str, str], ...] = (
    (r"(?:xl|word|ppt)/vba\w*\.(?:bin|xml)|.*/vbaProject.*", "F06", "macros"),
    (r"xl/(?:macrosheets|dialogsheets|intlMacrosheets)/.*", "F06", "an old macro sheet"),
    (r".*/activeX/.*|.*/ctrlProps/.*", "F06", "active controls"),
    (r".*/embeddings/.*", "F06", "an embedded document"),
    (r".*/webextensions/.*|customUI/.*|userCustomization/.*", "F06", "an add-in"),
    (r"xl/externalLinks/.*", "F06", "a link to another workbook, with the values it last saw"),
    (r"xl/connections\.xml|xl/queryTables/.*|xl/model/.*", "F06", "a connection to other data"),
    (r"xl/pivotCache/.*", "F07", "a pivot table's cache: all rows that it was made of"),
    (r"xl/pivotTables/.*|xl/slicers/.*|xl/slicerCaches/.*|xl/timelines?(?:Caches)?/.*", "F07", "a pivot table"),
    (
        r"(?:xl|word|ppt)/(?:threaded)?[cC]omments.*|xl/persons/.*|word/people\.xml|ppt/commentAuthors\.xml",
        "F07",
        "comments",
    ),
    (r"xl/charts/.*|xl/chartsheets/.*|word/charts/.*|ppt/charts/.*", "F07", "a chart with a copy of its values"),
    (r"(?:xl|word|ppt)/drawings/.*|(?:xl|word|ppt)/diagrams/.*|xl/ink/.*", "F07", "drawings and text boxes"),
    (r"(?:xl|word|ppt)/media/.*", "F07", "pictures"),
    (r"xl/revisions/.*|xl/sharedWorkbook.*", "F07", "earlier versions of cells"),
    (r"ppt/notesSlides/.*", "F07", "notes of the speaker"),
    (r"word/glossary/.*", "F07", "building blocks"),
    (
        r"customXml/.*|xl/customProperty.*|xl/customData/.*|xl/xmlMaps\.xml|xl/richData/.*",
        "F07",
        "data of other programs",
    ),
    (r"docProps/custom\.xml", "F07", "properties of its own"),
    (r"docProps/thumbnail\..*", "F07", "a small picture of its first page"),
    (r"docMetadata/.*", "F08", "a label of sensitivity"),
    (r".*/printerSettings/.*", "F08", "the settings of a printer, with its name"),
)
"""Pattern of a part's name, the check it falls under, and what it is."""

_CARRIED = tuple((re.compile(pattern), check, what) for pattern, check, what in CARRIED)
_TRACKED = re.compile(rb"<w:(?:del|ins|moveFrom|moveTo)\b")
_VANISHED = re.compile(rb"<w:vanish\s*/>")


def what_of(name: str) -> tuple[str, str] | None:
    """The check that a part falls under and what it is, or `None` where it is no such part."""
    return next(((check, what) for pattern, check, what in _CARRIED if pattern.fullmatch(name)), None)


def carried_by(names: Iterator[str] | list[str]) -> Iterator[Observation]:
    """One finding for each kind of thing that parts of these names are, with the first of them."""
    seen: dict[tuple[str, str], str] = {}
    for name in names:
        if found := what_of(name):
            seen.setdefault(found, name)
    for (check, what), name in seen.items():
        yield Observation(check, f"The document holds {what} ({quoted(name)}).", SAVE_AGAIN)


def carried(data: bytes) -> Iterator[Observation]:
    """What a refused office document holds beside its visible content."""
    names = list(zip_names(data))
    if "[Content_Types].xml" not in names:
        return
    yield from carried_by(names)
    if "word/document.xml" in names:
        text = _part(data, b"word/document.xml")
        if _TRACKED.search(text):
            yield Observation("F07", "The document holds tracked changes.", "Accept all changes, then save as PDF.")
        if _VANISHED.search(text):
            yield Observation("F07", "The document holds hidden text.", "Remove it, then save as PDF.")
    if "xl/workbook.xml" in names and re.search(rb'state\s*=\s*"(?:veryH|h)idden"', _part(data, b"xl/workbook.xml")):
        yield Observation("F07", "The workbook holds hidden sheets.", SAVE_AGAIN)


def _part(data: bytes, name: bytes) -> bytes:
    """One part's text, as far as it can be had; its own header is looked for, the directory is not trusted."""
    at = data.find(name) - 30
    if at < 0 or data[at : at + 4] != b"PK\x03\x04":
        return b""
    method, length, extra = (
        *struct.unpack_from("<H", data, at + 8),
        *struct.unpack_from("<HH", data, at + 26),
    )
    start = at + 30 + length + extra
    if method != 8:
        return data[start : start + _LARGEST_TEXT]
    try:
        return zlib.decompressobj(-15).decompress(data[start:], _LARGEST_TEXT)
    except zlib.error:
        return b""
