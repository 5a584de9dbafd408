"""The pages of a PDF: their pictures, their words, their marks, and what of them nobody sees. Uses PDFium.

Guarantees: every page is drawn once, by PDFium without JavaScript, without forms and without any font of this machine
(the fourteen standard ones are built in); words that the page holds but that do not show in its picture, whatever hides
them (colour, cover, size, place, drawing mode), are pointed out. PDFium is started while this module is loaded; behind
the walls it opens nothing.

Does not guarantee: reading order, or words that a font shows as other letters than it says.

Threats: text that is invisible on the page and copied with it; pages of millions of objects.
"""

from __future__ import annotations

import ctypes
import encodings.utf_16_le  # noqa: F401 - loaded before the walls stand
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pypdfium2_raw as pdfium
from PIL import Image

from tre.airlock.formats.marks import Marks, Point
from tre.airlock.parsed import FileRefusedError, Observation, Place

_NO_FONTS = (ctypes.POINTER(ctypes.c_char) * 1)()
"""An empty list of directories: without it PDFium would look for the machine's fonts while it draws."""

_CONFIGURATION = pdfium.FPDF_LIBRARY_CONFIG(version=2, m_pUserFontPaths=_NO_FONTS)
pdfium.FPDF_InitLibraryWithConfig(_CONFIGURATION)

_TEXT, _PATH, _FORM = 1, 2, 5
_MOST_OBJECTS = 60_000
_MOST_SEGMENTS = 2_000_000
_TONED = frozenset({3, 4})  # images and shadings
_DEEPEST = 8
_CONTRAST = 10  # grey levels within a word's box from which on something shows
_MOVE, _LINE = 2, 0
Map = tuple[float, float, float, float, float, float]

_SAVE_AGAIN = "Remove it, or save the page as PNG."


@dataclass
class Page:
    """One page: its picture, its text, its marks, and what of it nobody sees."""

    number: int
    image: Image.Image
    text: str
    hidden: list[Observation] = field(default_factory=list)
    marks: Marks = field(default_factory=Marks)
    has_pictures: bool = False


@dataclass
class _Budget:
    """How much is still looked at."""

    objects: int
    segments: int

    def take(self, objects: int = 0, segments: int = 0) -> None:
        """Use some of it. Raises `FileRefusedError`."""
        self.objects -= objects
        self.segments -= segments
        if min(self.objects, self.segments) < 0:
            raise FileRefusedError(Observation("F05", "The pages hold more parts than allowed.", "Ask for less."))


@dataclass(frozen=True)
class _Placed:
    """An object of a page; `outer` maps the form it stands in to the page, `matrix` its own coordinates."""

    handle: object
    kind: int
    outer: Map
    matrix: Map


class Document:
    """An opened document. Raises `FileRefusedError` where PDFium does not take it."""

    def __init__(self, data: bytes) -> None:
        self._data = data  # PDFium reads from it for as long as the document is open
        self._handle = pdfium.FPDF_LoadMemDocument(data, len(data), None)
        if not self._handle:
            raise FileRefusedError(Observation("F02", "The document cannot be opened.", "Save it again."))
        self.length: int = pdfium.FPDF_GetPageCount(self._handle)
        self._budget = _Budget(_MOST_OBJECTS, _MOST_SEGMENTS)

    def page(self, number: int, widest: int) -> Page:
        """Draw and read one page, from 1, at most `widest` pixels wide and high."""
        handle = pdfium.FPDF_LoadPage(self._handle, number - 1)
        if not handle:
            raise FileRefusedError(Observation("F02", "A page cannot be opened.", place=Place(page=number)))
        width, height = pdfium.FPDF_GetPageWidthF(handle), pdfium.FPDF_GetPageHeightF(handle)
        if not (0 < width < 1e5 and 0 < height < 1e5):
            raise FileRefusedError(Observation("F02", "A page has no size.", place=Place(page=number)))
        scale = min(widest / width, widest / height, 4.0)
        size = max(1, int(width * scale)), max(1, int(height * scale))
        page = Page(number, _drawn(handle, size), _text(handle))
        levels = np.asarray(page.image.convert("L"))
        origin = _origin(handle)
        for placed in self._objects(handle):
            self._look_at(placed, page, levels, (origin, height, scale))
        pdfium.FPDF_ClosePage(handle)
        return page

    def _objects(self, page: object) -> Iterator[_Placed]:
        """All objects of a page, those inside forms included."""
        count = pdfium.FPDFPage_CountObjects(page)
        waiting = [
            (pdfium.FPDFPage_GetObject(page, place), (1.0, 0.0, 0.0, 1.0, 0.0, 0.0), 0)
            for place in reversed(range(min(count, _MOST_OBJECTS + 1)))
        ]
        while waiting:
            handle, matrix, depth = waiting.pop()
            self._budget.take(objects=1)
            kind = pdfium.FPDFPageObj_GetType(handle)
            placed = _Placed(handle, kind, matrix, _combined(matrix, handle))
            if kind == _FORM and depth < _DEEPEST:
                inner = reversed(range(pdfium.FPDFFormObj_CountObjects(handle)))
                waiting += [(pdfium.FPDFFormObj_GetObject(handle, place), placed.matrix, depth + 1) for place in inner]
            else:
                yield placed

    def _look_at(
        self, placed: _Placed, page: Page, levels: npt.NDArray[np.uint8], view: tuple[Point, float, float]
    ) -> None:
        page.has_pictures |= placed.kind in _TONED
        if placed.kind == _PATH:
            for commands, points in self._outlines(placed):
                page.marks.add_outline(commands, [(x, -y) for x, y in points])
        elif placed.kind == _TEXT:
            self._word(placed, page, levels, view)

    def _outlines(self, placed: _Placed) -> Iterator[tuple[str, list[Point]]]:
        """The parts of a path, in the page's coordinates."""
        count = pdfium.FPDFPath_CountSegments(placed.handle)
        self._budget.take(segments=max(0, count))
        x, y = ctypes.c_float(), ctypes.c_float()
        commands, points = list[str](), list[Point]()
        for place in range(count):
            segment = pdfium.FPDFPath_GetPathSegment(placed.handle, place)
            kind = pdfium.FPDFPathSegment_GetType(segment)
            pdfium.FPDFPathSegment_GetPoint(segment, x, y)
            if kind == _MOVE and points:
                yield "".join(commands), points
                commands, points = [], []
            commands.append({_MOVE: "M", _LINE: "L"}.get(kind, "C"))
            points.append(_at(placed.matrix, x.value, y.value))
        if points:
            yield "".join(commands), points

    def _word(
        self, placed: _Placed, page: Page, levels: npt.NDArray[np.uint8], view: tuple[Point, float, float]
    ) -> None:
        """Words on the page: where nothing shows in their place, nobody sees them."""
        bounds = [ctypes.c_float() for _ in range(4)]
        pdfium.FPDFPageObj_GetBounds(placed.handle, *bounds)
        left, bottom, right, top = (one.value for one in bounds)
        (origin, height, scale) = view
        corners = [
            _at(placed.outer, *corner) for corner in ((left, bottom), (right, bottom), (left, top), (right, top))
        ]
        columns = sorted((x - origin[0]) * scale for x, _ in corners)
        rows = sorted((height - (y - origin[1])) * scale for _, y in corners)
        if right <= left or top <= bottom:
            return  # spaces
        across = slice(max(0, int(columns[0])), max(0, int(columns[-1]) + 1))
        box = levels[max(0, int(rows[0])) : max(0, int(rows[-1]) + 1), across]
        if box.size == 0:
            self._hide(page, "Text lies outside the page.")
        elif int(np.ptp(box)) < _CONTRAST:
            self._hide(page, "Text does not show on the page.")

    @staticmethod
    def _hide(page: Page, message: str) -> None:
        if all(known.message != message for known in page.hidden):
            page.hidden.append(Observation("F07", message, _SAVE_AGAIN, Place(page=page.number)))


def _drawn(page: object, size: tuple[int, int]) -> Image.Image:
    """The page on white."""
    bitmap = pdfium.FPDFBitmap_Create(size[0], size[1], 0)
    if not bitmap:
        raise MemoryError
    pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, size[0], size[1], 0xFFFFFFFF)
    pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, size[0], size[1], 0, 0)
    stride = pdfium.FPDFBitmap_GetStride(bitmap)
    data = ctypes.string_at(pdfium.FPDFBitmap_GetBuffer(bitmap), stride * size[1])
    pdfium.FPDFBitmap_Destroy(bitmap)
    return Image.frombuffer("RGB", size, data, "raw", "BGRX", stride, 1)


def _text(page: object) -> str:
    """The page's text, as PDFium reads it."""
    opened = pdfium.FPDFText_LoadPage(page)
    if not opened:
        return ""
    count = pdfium.FPDFText_CountChars(opened)
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium.FPDFText_GetText(opened, 0, count, buffer) if count > 0 else 0
    pdfium.FPDFText_ClosePage(opened)
    return bytes(buffer)[: 2 * max(0, written - 1)].decode("utf-16-le", "replace")


def _origin(page: object) -> Point:
    """The lower left corner of what is shown of a page."""
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, box)
    return box.left, box.bottom


def _own(handle: object) -> Map:
    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(handle, matrix):
        return 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _combined(outer: Map, handle: object) -> Map:
    a, b, c, d, e, f = _own(handle)
    x, y = _at(outer, e, f)
    return (
        outer[0] * a + outer[2] * b,
        outer[1] * a + outer[3] * b,
        outer[0] * c + outer[2] * d,
        outer[1] * c + outer[3] * d,
        x,
        y,
    )


def _at(matrix: Map, x: float, y: float) -> Point:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f
