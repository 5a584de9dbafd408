"""PDF: every byte in its place, nothing that runs or hides, and every page as pixels.

Guarantees: what `pdf_bytes`, `pdf_structure` and `pdf_pages` guarantee, in this order, so that PDFium only draws what
the first two let through; people are shown pages as PNG pictures of ours, never the document. Where pages are left
out of what is shown, `lossy` says so.

Does not guarantee: numbers in tables without separators; the pages' words are looked at as text.
"""

from __future__ import annotations

import re
from dataclasses import replace

from tre.airlock.formats import pdf_bytes, pdf_pages, pdf_structure, raster
from tre.airlock.formats.text import tables_in
from tre.airlock.parsed import (
    INVISIBLE,
    Bounds,
    Card,
    FileRefusedError,
    Observation,
    ParsedFile,
    Passage,
    Place,
    bounded,
)

_WIDTHS = ((12, 1600), (40, 1100), (10_000, 800))
"""Up to how many pages they are shown how many pixels wide: about 40 million pixels in all."""

_MOST_CARD_BYTES = 40 << 20


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A PDF file. Raises `FileRefusedError`."""
    structure = pdf_structure.read(data, pdf_bytes.walk(data), bounds)
    document = pdf_pages.Document(data)
    if not 0 < document.length <= bounds.pages:
        raise FileRefusedError(
            Observation("F05", f"{document.length} pages are not between 1 and {bounds.pages}.", "Ask for less.")
        )
    file = ParsedFile(kind, len(data), passages=structure.passages)
    hidden: list[Observation] = []
    widest = next(width for most, width in _WIDTHS if document.length <= most)
    for number in range(1, document.length + 1):
        page = document.page(number, widest)
        hidden += page.hidden
        _take(page, file)
        where = f" on page {number}" if document.length > 1 else ""
        file.marks |= {f"{shape}{where}": often for shape, often in page.marks.counted().items()}
    file.remarks = structure.remarks + bounded(hidden, "pages with hidden text")
    return structure.pictures.into(file)


def _take(page: pdf_pages.Page, file: ParsedFile) -> None:
    """What the checks and the people look at of one page."""
    place = Place(page=page.number)
    if page.has_pictures:
        shown = raster.Seen()
        shown.look_at(page.image, place)
        file.pictures += shown.pictures
    else:
        file.pictures.append(raster.picture_of(page.image, place))
    text = INVISIBLE.sub("", re.sub(r"\r\n?", "\n", page.text))
    if text.strip():
        file.passages.append(Passage(text, place))
        file.tables += [replace(table, within=place) for table in tables_in(text.split("\n"))]
    if sum(len(card.data) for card in file.cards) > _MOST_CARD_BYTES:
        file.lossy = f"Pages from {page.number} on are not shown." if not file.lossy else file.lossy
        return
    file.cards.append(Card("picture", f"Page {page.number}", data=raster.png_of(page.image), place=place))
