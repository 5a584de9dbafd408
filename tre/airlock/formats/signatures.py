"""What bytes are, whatever they are called: an own table of signatures, as a second opinion. Standard library.

Guarantees: for a file whose type is not known or whose parser refused it, words for what it really is and what to
do instead; for a file that its parser accepted, a finding where it also begins as something else, or where a second
document begins outside its compressed data. What is unfolded to look inside (gzip, bzip2, xz, zlib) stays within
`_PEEK` bytes.

Does not guarantee: that it knows everything. Programs that guess types contradict one another, and one of them takes
a DICOM image with a TIFF preamble for a TIFF: nothing is ever let through because of what this module says.

Threats: a file that is two things at once; a model or a database under the name of something harmless.
"""

from __future__ import annotations

import bz2
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tre.airlock.formats.magics import (
    ARCHIVE,
    ENCRYPTED,
    MAGICS,
    MEDIA,
    MODEL,
    OFFICE,
    PACKAGE,
    PICTURE,
    PROGRAM,
    RECORDS,
    SCAN,
    Group,
)
from tre.airlock.parsed import Observation, Place

_PEEK = 1 << 16


@dataclass(frozen=True)
class Content:
    """What bytes are, in words, and the types of the launcher that they may have (none: no allowed type)."""

    what: str
    group: Group
    types: tuple[str, ...] = ()

    def observation(self) -> Observation:
        """The finding that says so."""
        return Observation(self.group.check, f"The bytes are {self.what}.", self.group.remedy, Place(offset=0))


_PICKLE_TEXT = re.compile(
    rb"[}\]]q\x00|\(dp?\d*\n|\(lp?\d*\n|c(?:__builtin__|builtins|copy_reg|[a-z_]++(?:\.[a-z_]++)+)\n\w++\n"
)
_PICKLE_FIRST = frozenset(b"}])(X\x8cq\x95cKJMGNUTCB\x8a\x88\x89\x8e")
_ZIP_MARKERS = (
    (re.compile(r"[^/]*\.dist-info/RECORD"), "a Python package (a zip archive)", PACKAGE),
    (re.compile(r"(?:.*/)?data\.pkl"), "a PyTorch model (a zip archive around a pickle)", MODEL),
    (re.compile(r"(?:.*/)?model\.weights\.h5"), "a Keras model (a zip archive)", MODEL),
    (re.compile(r"META-INF/MANIFEST\.MF"), "a Java archive", PROGRAM),
    (re.compile(r"mimetype"), "an OpenDocument file or an electronic book", OFFICE),
)
_OFFICE_NAMES = (
    ("xl/", "an Excel workbook", ("xlsx",)),
    ("word/", "a Word document", ()),
    ("ppt/", "a PowerPoint presentation", ()),
)
_MARKUP = re.compile(
    rb"\s*+(?:\xef\xbb\xbf)?(?:<!--.*?-->\s*+)?<(!doctype\s++html|html|svg|\?xml)", re.IGNORECASE | re.DOTALL
)
_MARKUP_TYPES = {b"svg": ("an SVG drawing", ("svg",)), b"?xml": ("XML", ("svg", "html"))}
_TEXT_TYPES = frozenset(
    {"csv", "tsv", "text", "log", "markdown", "json", "code", "notebook", "html", "svg", "bibliography"}
)


def content_of(data: bytes, depth: int = 1) -> Content | None:
    """What the bytes begin as; `None` where no signature fits."""
    if data.startswith(b"PK\x03\x04"):
        return _zip(data)
    for magic in MAGICS:
        if data.startswith(magic.magic, magic.offset):
            packed = _packed(data, magic.what, depth)
            return packed or Content(magic.what, magic.group, magic.types)
    if b"%PDF-" in data[:1024]:
        return Content("a PDF document", OFFICE, ("pdf",))
    return _by_structure(data, depth)


def _by_structure(data: bytes, depth: int) -> Content | None:
    """Contents whose signature is a relation rather than a constant."""
    for fits, content in _RELATIONS:
        if fits(data):
            return content
    if len(data) > 2 and data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0 and depth:
        return _packed(data, "zlib-compressed data", depth)
    if found := _MARKUP.match(data[:4096]):
        what, types = _MARKUP_TYPES.get(found.group(1).lower(), ("an HTML page", ("html",)))
        return Content(what, OFFICE, types)
    return None


def _is_windows_program(data: bytes) -> bool:
    if data[:2] != b"MZ" or len(data) < 64:
        return False
    (header,) = struct.unpack_from("<I", data, 60)
    return data[header : header + 2] in {b"PE", b"NE", b"LE"}


def _is_stata(data: bytes) -> bool:
    return data[2:4] == b"\x01\0" and 102 <= data[0] <= 115 and data[1] in {1, 2}


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b"{" and 2 <= int.from_bytes(data[:8], "little") <= len(data) - 8


def _is_pickle(data: bytes) -> bool:
    if data[:1] == b"\x80":
        return len(data) > 3 and 2 <= data[1] <= 5 and data[2] in _PICKLE_FIRST
    return _PICKLE_TEXT.match(data[:200]) is not None and data.rstrip().endswith(b".")


def _packed(data: bytes, what: str, depth: int) -> Content | None:
    """What a compressed file holds, one layer deep; `None` where it is none or holds nothing known."""
    try:
        if what.startswith("a gzip"):
            inside = zlib.decompressobj(31).decompress(data, _PEEK)
        elif what.startswith("zlib"):
            inside = zlib.decompressobj().decompress(data, _PEEK)
        elif what.startswith("a bzip2"):
            inside = bz2.BZ2Decompressor().decompress(data, _PEEK)
        elif what.startswith("an xz"):
            inside = lzma.LZMADecompressor(memlimit=1 << 28).decompress(data, _PEEK)
        else:
            return None
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return None
    found = content_of(inside, depth - 1) if depth else None
    if what.startswith("zlib") and found is None:
        return None
    if found is None:
        return Content(what, ARCHIVE)
    group = found.group if found.group in {MODEL, SCAN, ENCRYPTED} else ARCHIVE
    return Content(f"{what} around {found.what}", group)


def _zip(data: bytes) -> Content:
    names = list(zip_names(data))
    if "[Content_Types].xml" in names:
        for folder, what, types in _OFFICE_NAMES:
            if any(name.startswith(folder) for name in names):
                return Content(what, OFFICE, types)
    if names and all(name.endswith(".npy") for name in names):
        return Content("NumPy arrays (npz)", RECORDS)
    for marker, what, group in _ZIP_MARKERS:
        if any(marker.fullmatch(name) for name in names):
            return Content(what, group, ("wheel",) if group is PACKAGE else ())
    return Content("a zip archive", ARCHIVE)


def zip_names(data: bytes, most: int = 2000) -> Iterator[str]:
    """The names that a zip archive lists, as far as its directory can be read."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - 65_557))
    if end < 0 or end + 22 > len(data):
        return
    count, _, offset = struct.unpack_from("<HII", data, end + 10)
    for _ in range(min(count, most)):
        if data[offset : offset + 4] != b"PK\x01\x02" or offset + 46 > len(data):
            return
        name, extra, comment = struct.unpack_from("<HHH", data, offset + 28)
        yield data[offset + 46 : offset + 46 + name].decode("utf-8", "replace")
        offset += 46 + name + extra + comment


def _is_of(kind: str, found: Content) -> bool:
    return kind in found.types or (kind in _TEXT_TYPES and bool(set(found.types) & _TEXT_TYPES))


def explained(refusal: Observation, kind: str, data: bytes) -> Observation:
    """A parser's refusal, with what the bytes really are where that is known and not said yet."""
    found = content_of(data) if refusal.check == "F02" else None
    if found is None or _is_of(kind, found) or f" {found.what}" in refusal.message:
        return refusal
    message = f"{refusal.message} Its bytes are {found.what}."
    return Observation(refusal.check, message, found.group.remedy, refusal.place, refusal.case)


def contradiction(kind: str, data: bytes) -> Observation | None:
    """What an accepted file is beside what it claims to be: at its beginning, or further inside."""
    found = _text_content(data) if kind in _TEXT_TYPES else content_of(data)
    if found is not None and not _is_of(kind, found):
        message = f"The file is read as {kind}, yet its bytes also begin as {found.what}."
        return Observation("F02", message, "Keep one type a file.", Place(offset=0))
    if kind not in _TEXT_TYPES | {"pdf"} and b"%PDF-" in data[:1024]:
        return Observation(
            "F03", "Inside the file begins a PDF document.", "Keep one document a file.", Place(offset=0)
        )
    for start, end in _plain_spans(kind, data):
        for offset, what in second_documents(data, start, end):
            message = f"Inside the file begins {what}."
            return Observation("F03", message, "Keep one document a file.", Place(offset=offset))
    return None


def _text_content(data: bytes) -> Content | None:
    """What a text also begins as: only formats possible in plain text, by constants that do not occur in it."""
    for magic in MAGICS:
        if magic.sure and not magic.offset and data.startswith(magic.magic):
            return Content(magic.what, magic.group, magic.types)
    return Content("a Python pickle", MODEL) if _is_pickle(data) else None


_RELATIONS: tuple[tuple[Callable[[bytes], bool], Content], ...] = (
    (_is_pickle, Content("a Python pickle, as scikit-learn, joblib and PyTorch save models", MODEL)),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", Content("a WebP image", PICTURE)),
    (lambda data: data[:4] == b"RIFF" and len(data) > 12, Content("a sound or film", MEDIA)),
    (lambda data: data[4:8] == b"ftyp", Content("a HEIC image or a film", MEDIA)),
    (_is_windows_program, Content("a program", PROGRAM)),
    (lambda data: data[:6] == b"BM" + struct.pack("<I", len(data)), Content("a BMP image", PICTURE)),
    (
        lambda data: data[:4] in {b"\x5c\x01\0\0", b"\0\0\x01\x5c"} and len(data) >= 348,
        Content("an Analyze or NIfTI image", SCAN),
    ),
    (_is_stata, Content("a Stata data file", RECORDS)),
    (_is_safetensors, Content("a safetensors model", MODEL, ("safetensors",))),
)

_SURE = tuple(magic for magic in MAGICS if magic.sure and not magic.offset)
_WITHIN = re.compile(b"|".join(re.escape(magic.magic) for magic in _SURE))
_SCRIPT = re.compile(rb"<script|<!doctype html", re.IGNORECASE)
_WORDS = {magic.magic: magic.what for magic in _SURE}


def second_documents(data: bytes, start: int, end: int) -> Iterator[tuple[int, str]]:
    """Where between two offsets another document begins, and what. Chance hits in compressed data are not excluded:
    leave such data out."""
    for found in _WITHIN.finditer(data, start, end):
        yield found.start(), _WORDS[found.group()]


def second_signature(data: bytes) -> str | None:
    """What begins somewhere in these bytes, in words; `None` where nothing does. For parts without compressed data."""
    found = next(second_documents(data, 0, len(data)), None)
    if found is not None:
        return found[1]
    return "a web page with a script" if _SCRIPT.search(data) else None


def _plain_spans(kind: str, data: bytes) -> list[tuple[int, int]]:
    """The parts of an accepted picture outside its compressed data."""
    if kind != "png":
        return []
    spans, offset = [], 8
    while offset + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, offset)
        if name != b"IDAT":
            spans.append((offset, offset + 12 + length))
        offset += 12 + length
    return spans
