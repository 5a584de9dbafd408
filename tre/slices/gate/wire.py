"""Reading a DICOM file element by element, so that no byte of it goes unseen.

Guarantees: a file is read to its last byte, past the pixels too, and each byte before, between and behind belongs to an
element that was handed on, or the file is refused: tags ascend, lengths fit into what holds them (no allocation before
that is known), nesting, elements and unpacked bytes are bounded. What a lenient reader would skip or repair is refused
here, so that another reader cannot find more than this one did. Pixels are passed over, never read.

Does not guarantee: that a value is what its representation says; `tre.slices.gate.judge` looks.

Threat: headers behind the pixels, lengths that lie, deflate bombs, one file that two programs read in two ways.

Source: PS3.5 sections 7 and A.4, PS3.10 section 7.1.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from io import BytesIO
from os import SEEK_END
from struct import Struct
from typing import BinaryIO, Literal, NamedTuple

from tre.slices.gate.attributes import PIXEL_DATA, representation_of
from tre.slices.unfit import UnfitError

MAX_DEPTH = 16
MAX_ELEMENTS = 200_000
MAX_VALUE = 1 << 20
"""Values that are longer are handed on without their bytes: pixels and tables may be, texts may not."""

MAX_UNPACKED = 256 << 20
"""Deflated files beyond this are refused: what they unfold to must fit into memory."""

DEFLATED, BIG_ENDIAN, IMPLICIT = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2"
_PREAMBLE = 128
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG_FORMS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
_SHORT_FORMS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS"}
    | {b"ST", b"TM", b"UI", b"UL", b"US"}
)
_TRANSFER_SYNTAX = 0x00020010
_LAST_OF_META, _LAST = 0x0002FFFF, 0xFFFFFFFF
_BULK_REPRESENTATIONS = frozenset({"OB", "OW"})


class Element(NamedTuple):
    """One element: where it stands among its ancestors, its bytes (`None`: too long to be looked at, or nested)."""

    tag: int
    vr: str
    value: bytes | None
    length: int
    offset: int
    """Where the value begins in the file, or in what a deflated one unfolds to."""

    parents: tuple[int, ...]


Skip = Callable[[bytes, int, int, int], tuple[int, int]]
"""Passes over elements that are known already: given the bytes, where they go on, the tag before and the last tag that
is asked for, it says where it stopped and after which tag. Only for elements of the header's own level, with a plain
head, little endian."""

_LONG = {form: form.decode("ascii") for form in _LONG_FORMS}
SHORT = {form: form.decode("ascii") for form in _SHORT_FORMS}
_WINDOW = 1 << 16
_PARTS: dict[str, tuple[Struct, Struct, Struct]] = {
    order: (Struct(f"{sign}HH2sH"), Struct(f"{sign}I"), Struct(f"{sign}HHI"))
    for order, sign in (("little", "<"), ("big", ">"))
}


class _Form(NamedTuple):
    """How a part of a file is encoded."""

    explicit: bool
    order: Literal["little", "big"]


class Reader:
    """One file that is read. `syntax` and `preamble` are known once the elements are asked for.

    The file is seen through a window that moves forward, so that a header costs one or two calls of the system.
    """

    def __init__(self, file: BinaryIO, skip: Skip | None = None) -> None:
        self._file = file
        self._skip = skip
        self._end = file.seek(0, SEEK_END)
        self._at = 0
        self._base = 0
        self._window = file.getvalue() if isinstance(file, BytesIO) else b""
        self._count = 0
        self.syntax = ""
        self.order: Literal["little", "big"] = "little"
        self.has_preamble = False
        self.fragments: list[tuple[int, int]] = []  # items of encapsulated pixels: where they begin, how long they are

    def elements(self) -> Iterator[Element]:
        """Every element at every depth, in the order of the file. Raises `UnfitError`."""
        head = self._bytes(0, min(self._end, _PREAMBLE + 4))
        if len(head) < _PREAMBLE + 4 or head[_PREAMBLE:] != b"DICM":
            raise UnfitError("not-dicom", "cannot be read as DICOM")
        self._at = len(head)
        self.has_preamble = any(head[:_PREAMBLE])
        yield from self._meta()
        form = _Form(self.syntax != IMPLICIT, "big" if self.syntax == BIG_ENDIAN else "little")
        self.order = form.order
        if self.syntax == DEFLATED:
            self._unfold()
        yield from self._dataset(form, self._end, ())

    def _meta(self) -> Iterator[Element]:
        """The meta header: always explicit and little endian, group 0002 only."""
        form = _Form(explicit=True, order="little")
        before = -1
        while self._end - self._at >= 8 and self._bytes(self._at, 2) == b"\2\0":
            if (skipped := self._skipped(before, _LAST_OF_META)) != before:
                before = skipped
                continue
            element = self._element(form, self._end, (), before)
            before = element.tag
            if element.tag == _TRANSFER_SYNTAX and element.value is not None:
                self.syntax = element.value.rstrip(b"\0 ").decode("latin-1")
            yield element
        if not self.syntax:
            raise UnfitError("not-dicom", "does not say how it is encoded")

    def _unfold(self) -> None:
        """Replace the file by what its deflated part unfolds to."""
        self._file.seek(self._at)
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        out = BytesIO()
        try:
            while not inflater.eof and (chunk := self._file.read(1 << 16)):
                while chunk:
                    out.write(inflater.decompress(chunk, 1 << 20))
                    chunk = inflater.unconsumed_tail
                    if out.tell() > MAX_UNPACKED:
                        raise UnfitError("too-large", "unfolds to more than can be looked at")
        except zlib.error as error:
            raise UnfitError("not-dicom", "its deflated part is damaged") from error
        if not inflater.eof:
            raise UnfitError("truncated", "its deflated part ends early")
        if (inflater.unused_data + self._file.read(2)).strip(b"\0"):
            raise UnfitError("not-dicom", "bytes stand behind its deflated part")
        self._file, self._end = out, out.tell()
        self._at = self._base = 0
        self._window = b""

    def _dataset(self, form: _Form, end: int, parents: tuple[int, ...], *, open_end: bool = False) -> Iterator[Element]:
        """The elements up to `end`, or to the delimiter of an item of undefined length."""
        before = -1
        may_skip = not parents and form.explicit and form.order == "little"
        while self._at < end:
            if may_skip and (skipped := self._skipped(before, _LAST)) != before:
                before = skipped
                continue
            if open_end and self._delimited(form, end, _ITEM_END):
                return
            element = self._element(form, end, parents, before)
            before = element.tag
            yield element
            if element.vr == "SQ":
                yield from self._items(form, end, element)
        if open_end:
            raise UnfitError("truncated", "ends inside a sequence")

    def _skipped(self, before: int, last: int) -> int:
        """Pass over what is known already; the tag that is before what comes now."""
        if self._skip is None or self._base:
            return before
        self._at, before = self._skip(self._window, self._at, before, last)
        return before

    def _element(self, form: _Form, end: int, parents: tuple[int, ...], before: int) -> Element:
        """The next element's head and, unless it is nested, pixels or long, its value."""
        self._count += 1
        if self._count > MAX_ELEMENTS:
            raise _too_many()
        tag, vr, length = self._head(form, end)
        if tag <= before or tag >> 16 == 0xFFFE:
            raise UnfitError("not-dicom", "elements are out of order, or bytes belong to no element")
        offset = self._at
        if vr == "SQ":
            return Element(tag, vr, None, length, offset, parents)
        if length == _UNDEFINED:
            return self._encapsulated(form, end, Element(tag, vr, None, length, offset, parents))
        if offset + length > end:
            raise UnfitError("truncated", "ends before its pixels do" if tag == PIXEL_DATA else "a length is wrong")
        self._at = offset + length
        if length > MAX_VALUE or tag == PIXEL_DATA:
            return Element(tag, vr, None, length, offset, parents)
        return Element(tag, vr, self._bytes(offset, length), length, offset, parents)

    def _head(self, form: _Form, end: int) -> tuple[int, str, int]:
        """Tag, representation and length of the element that begins here."""
        at = self._at
        if at + 8 > end:
            raise UnfitError("truncated", "ends inside an element")
        explicit, long, implicit = _PARTS[form.order]
        if not form.explicit:
            group, low, length = implicit.unpack(self._bytes(at, 8))
            self._at = at + 8
            return group << 16 | low, _implied(group, low), length
        group, low, spelled, length = explicit.unpack(self._bytes(at, 8))
        self._at = at + 8
        if (vr := SHORT.get(spelled)) is not None:
            return group << 16 | low, vr, length
        vr = _LONG.get(spelled)
        if vr is None or length:
            raise UnfitError("not-dicom", "elements are out of order, or one has no value representation")
        if at + 12 > end:
            raise UnfitError("truncated", "ends inside an element")
        (length,) = long.unpack(self._bytes(at + 8, 4))
        self._at = at + 12
        return group << 16 | low, vr, length

    def _items(self, form: _Form, end: int, sequence: Element) -> Iterator[Element]:
        """What the items of a sequence hold."""
        parents = (*sequence.parents, sequence.tag)
        if len(parents) > MAX_DEPTH:
            raise UnfitError("too-large", "is nested too deeply")
        undefined = sequence.length == _UNDEFINED
        stop = end if undefined else sequence.offset + sequence.length
        if stop > end:
            raise UnfitError("truncated", "a length is wrong")
        while self._at < stop:
            if undefined and self._delimited(form, end, _SEQUENCE_END):
                return
            length = self._item(form, stop, "a sequence holds something else than items")
            self._count += 1
            if self._count > MAX_ELEMENTS:
                raise _too_many()
            here = self._at
            if length == _UNDEFINED:
                yield from self._dataset(form, stop, parents, open_end=True)
            elif here + length > stop:
                raise UnfitError("truncated", "a length is wrong")
            else:
                yield from self._dataset(form, here + length, parents)
        if undefined:
            raise UnfitError("truncated", "ends inside a sequence")

    def _encapsulated(self, form: _Form, end: int, element: Element) -> Element:
        """Pass over pixels that lie in fragments."""
        if element.vr not in _BULK_REPRESENTATIONS or element.tag != PIXEL_DATA:
            raise UnfitError("unknown-vr", "an element is nested in a way that cannot be read")
        while not self._delimited(form, end, _SEQUENCE_END):
            length = self._item(form, end, "its pixels are no fragments")
            if self._at + length > end:
                raise UnfitError("truncated", "ends before its pixels do")
            if len(self.fragments) < MAX_ELEMENTS:
                self.fragments.append((self._at, length))
            self._at += length
        return element

    def _item(self, form: _Form, end: int, otherwise: str) -> int:
        """The length of the item that begins here, which is passed over to its content."""
        if self._at + 8 > end:
            raise UnfitError("truncated", "ends inside a sequence")
        group, low, length = _PARTS[form.order][2].unpack(self._bytes(self._at, 8))
        if group << 16 | low != _ITEM:
            raise UnfitError("not-dicom", otherwise)
        self._at += 8
        return int(length)

    def _delimited(self, form: _Form, end: int, delimiter: int) -> bool:
        """Whether this delimiter stands here; it is passed over, with its length of nothing."""
        if self._at + 8 > end:
            raise UnfitError("truncated", "ends inside a sequence")
        group, low, length = _PARTS[form.order][2].unpack(self._bytes(self._at, 8))
        if group << 16 | low != delimiter:
            return False
        if length:
            raise UnfitError("not-dicom", "a delimiter has a length")
        self._at += 8
        return True

    def _bytes(self, at: int, count: int) -> bytes:
        """So many bytes from here; the caller knows that there are so many."""
        start = at - self._base
        if start < 0 or start + count > len(self._window):
            self._file.seek(at)
            self._window, self._base, start = self._file.read(max(_WINDOW, count)), at, 0
            if len(self._window) < count:
                raise UnfitError("truncated", "became shorter while it was read")
        return self._window[start : start + count]


def _too_many() -> UnfitError:
    return UnfitError("too-large", "holds more elements than can be looked at")


def _implied(group: int, low: int) -> str:
    """The representation of an element that does not say it: the dictionary's, or that of a private creator."""
    if group & 1:
        return "LO" if 0x10 <= low <= 0xFF else "UN"
    known = representation_of(group << 16 | low)
    return known.split(" ")[0] if known else "UN"
