"""A PDF as pictures of its pages.

Guarantees: each page becomes one PNG at 150 dots per inch, 8 bits a colour, on white, with nothing in it but pixels:
hidden text, links, scripts, attachments, layers that are off and metadata are left behind. Pages are bounded in number
and in pixels. Fonts that the document does not bring are replaced by the library's own; no file is opened for them.

Does not guarantee: that a page's look is the same with other fonts, nor anything about what the page shows.

Threat: a document that shows one thing and carries another. Source of the resolution: "rasterise on release at no more
than 150 dpi" keeps text readable and drops the precision of drawn coordinates.
"""

from __future__ import annotations

import ctypes

import pypdfium2
import pypdfium2.raw as pdfium

from tre.airlock.parsed import FileRefusedError, Observation, Place
from tre.airlock.transformations import LONGEST_RESULT, MOST_PRODUCTS, Outcome, Product, Source
from tre.airlock.transformations.pixels import DOTS_PER_INCH, png_of_rows

_POINTS_PER_INCH = 72


def pages_as_pictures(source: Source) -> Outcome:
    """The pages of a PDF. Raises `FileRefusedError`."""
    try:
        document = pypdfium2.PdfDocument(source.data)
    except (pypdfium2.PdfiumError, ValueError) as error:
        raise FileRefusedError(Observation("F02", "The file is no PDF that can be read.", "Write it again.")) from error
    count = len(document)
    if not 0 < count <= min(source.bounds.pages, MOST_PRODUCTS):
        raise FileRefusedError(Observation("F05", f"The document has {count} pages.", "Ask for fewer."))
    products, room = [], LONGEST_RESULT
    digits = len(str(count))
    for number in range(1, count + 1):
        data = _page(document, number, source.bounds.image_pixels)
        room -= len(data)
        if room < 0:
            raise FileRefusedError(Observation("F05", "The pictures take too much space.", "Ask for fewer pages."))
        products.append(Product(source.named(f"page{number:0{digits}}", ".png"), data))
    return Outcome(tuple(products), (f"{count} pages at {DOTS_PER_INCH} dots per inch.",))


def _page(document: pypdfium2.PdfDocument, number: int, most: int) -> bytes:
    scale = DOTS_PER_INCH / _POINTS_PER_INCH
    try:
        page = document[number - 1]
        if page.get_width() * page.get_height() * scale * scale > most:
            place = Place(page=number)
            raise FileRefusedError(Observation("F05", "The page has more pixels than allowed.", place=place))
        bitmap = page.render(scale=scale, rev_byteorder=True, force_bitmap_format=pdfium.FPDFBitmap_BGR)
    except pypdfium2.PdfiumError as error:
        place = Place(page=number)
        raise FileRefusedError(Observation("F02", "The page cannot be drawn.", place=place)) from error
    pixels = bytes(bitmap.buffer)
    rows = (
        pixels[start : start + bitmap.width * 3] for start in range(0, bitmap.stride * bitmap.height, bitmap.stride)
    )
    return png_of_rows(bitmap.width, bitmap.height, rows)


def _without_system_fonts() -> pdfium.FPDF_SYSFONTINFO:
    """Tell the library that the system has no fonts: it would open files, which the walls answer with death."""
    none = pdfium.FPDF_SYSFONTINFO()
    none.version = 1
    for name, kind in pdfium.FPDF_SYSFONTINFO._fields_[1:]:
        setattr(none, name, kind(lambda *_: 0) if kind._restype_ else kind(lambda *_: None))
    pdfium.FPDF_SetSystemFontInfo(ctypes.byref(none))
    return none


_NO_FONTS = _without_system_fonts()  # kept: the library calls into it
