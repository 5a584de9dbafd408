"""PNG: every chunk known, every length right, every byte of the image data accounted for, nothing after the end.

Guarantees: only the chunks below, in the order of the standard, with right checksums; the compressed stream unfolds
to exactly the size that the header announces and nothing follows it; text is short and shown to the reader. Only what
passed this walk is decoded, by Pillow, for what `raster` makes of it.

Does not guarantee: anything about what the picture shows.

Threats: a second document behind the image or inside it, data in unknown chunks or behind the compressed stream,
a picture of a few kilobytes that unfolds to gigabytes. Source: PNG (ISO/IEC 15948) sections 5, 10 and 11.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from PIL.PngImagePlugin import PngImageFile

from tre.airlock.formats import raster
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile, Passage, Place, quoted

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}}
_FIXED = {b"gAMA": {4}, b"sRGB": {1}, b"cHRM": {32}, b"pHYs": {9}, b"bKGD": {1, 2, 6}, b"tIME": {7}}
_UP_TO = {b"sBIT": 4, b"tRNS": 256, b"hIST": 512, b"PLTE": 768}
_MOST_TEXT = 1024
_PIECE = 1 << 18
_LEAST_GAMMA, _MOST_GAMMA = 30_000, 100_000  # hundred-thousandths; screens have 45,455
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_HARMLESS_TEXT = re.compile(rb"Software\0Matplotlib version ?[0-9][0-9A-Za-z.+]{0,30}, https://matplotlib\.org/")


def _refused(message: str, offset: int, check: str = "F02") -> FileRefusedError:
    return FileRefusedError(
        Observation(check, message, "Save the figure again with its program.", place=Place(offset=offset))
    )


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    body: bytes
    offset: int


@dataclass
class _Walk:
    """What has been seen so far."""

    width: int = 0
    height: int = 0
    depth: int = 0
    colour: int = 0
    interlaced: bool = False
    seen: list[bytes] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    remarks: list[Observation] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A PNG file. Raises `FileRefusedError`."""
    file, shown = judged(data, bounds), raster.Seen()
    shown.take(raster.decoded(lambda: PngImageFile(io.BytesIO(data))))
    return shown.into(ParsedFile(kind, len(data), passages=file.passages, remarks=file.remarks))


def judged(data: bytes, bounds: Bounds) -> ParsedFile:
    """The strict walk by itself: remarks and text of a PNG, nothing decoded. Raises `FileRefusedError`."""
    if not data.startswith(_SIGNATURE):
        raise _refused("The file is not a PNG image.", 0)
    walk = _Walk()
    for chunk in _chunks(data):
        _take(walk, chunk, bounds)
    if walk.colour == 3 and b"PLTE" not in walk.seen:
        raise _refused("The image lacks its palette.", 0)
    _check_stream(walk)
    return ParsedFile("png", len(data), passages=walk.passages, remarks=walk.remarks)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    offset = len(_SIGNATURE)
    while True:
        if offset + 12 > len(data):
            raise _refused("The image is cut off.", offset)
        length, name = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data):
            raise _refused("The image is cut off.", offset)
        body = data[offset + 8 : end - 4]
        if zlib.crc32(name + body) != struct.unpack_from(">I", data, end - 4)[0]:
            raise _refused("A checksum in the image is wrong.", offset)
        yield _Chunk(name, body, offset)
        if name == b"IEND":
            if end != len(data):
                raise _refused(f"{len(data) - end} bytes follow the end of the image.", end, "F03")
            return
        offset = end


def _take(walk: _Walk, chunk: _Chunk, bounds: Bounds) -> None:
    if (chunk.name == b"IHDR") != (not walk.seen):
        raise _refused("The image does not begin with its one header.", chunk.offset)
    repeated = chunk.name in walk.seen and chunk.name != b"tEXt"
    if chunk.name == b"IDAT":
        if repeated and walk.seen[-1] != b"IDAT":
            raise _refused("The image data is interrupted.", chunk.offset)
        walk.data.append(chunk.body)
    elif repeated:
        raise _refused("A part of the image that stands once stands twice.", chunk.offset, "F03")
    elif chunk.name == b"IHDR":
        _header(walk, chunk, bounds)
    elif chunk.name == b"IEND":
        if chunk.body or b"IDAT" not in walk.seen:
            raise _refused("The image ends wrongly.", chunk.offset)
    else:
        _ancillary(walk, chunk)
    walk.seen.append(chunk.name)


def _header(walk: _Walk, chunk: _Chunk, bounds: Bounds) -> None:
    if len(chunk.body) != 13:
        raise _refused("The header of the image is wrong.", chunk.offset)
    walk.width, walk.height, walk.depth, walk.colour, compression, filtering, interlace = struct.unpack(
        ">IIBBBBB", chunk.body
    )
    known = walk.depth in _DEPTHS.get(walk.colour, set()) and (compression, filtering) == (0, 0)
    if not known or interlace > 1 or not walk.width or not walk.height:
        raise _refused("The header of the image is wrong.", chunk.offset)
    walk.interlaced = interlace == 1
    if walk.width * walk.height > bounds.image_pixels:
        raise FileRefusedError(
            Observation("F05", f"{walk.width} x {walk.height} pixels are more than allowed.", "Save it smaller.")
        )


def _ancillary(walk: _Walk, chunk: _Chunk) -> None:
    length = len(chunk.body)
    if chunk.name == b"tEXt":
        _text(walk, chunk)
        return
    if length not in _FIXED.get(chunk.name, set()) and length > _UP_TO.get(chunk.name, -1):
        name = quoted(chunk.name.decode("latin-1"))
        raise _refused(f"The image holds a part {name} that may not leave.", chunk.offset, "F03")
    if chunk.name == b"PLTE" and (length % 3 or not length or walk.colour in {0, 4}):
        raise _refused("The palette of the image is wrong.", chunk.offset)
    if chunk.name == b"gAMA" and not _LEAST_GAMMA <= int.from_bytes(chunk.body, "big") <= _MOST_GAMMA:
        walk.remarks.append(
            Observation(
                "F07",
                "Programs show the image in very different brightness: one may show what another hides.",
                "Save it without a gamma value.",
                place=Place(offset=chunk.offset),
            )
        )
    if chunk.name == b"tIME":
        walk.remarks.append(
            Observation(
                "F08", "The image holds the time of its making.", "Save it without.", place=Place(offset=chunk.offset)
            )
        )


def _text(walk: _Walk, chunk: _Chunk) -> None:
    if len(chunk.body) > _MOST_TEXT or walk.seen.count(b"tEXt") >= 8:
        raise _refused("The image holds more text than may leave unseen.", chunk.offset, "F03")
    if _HARMLESS_TEXT.fullmatch(chunk.body) is None:
        text = chunk.body.decode("latin-1").replace("\0", ": ", 1)
        walk.passages.append(Passage(text, Place(offset=chunk.offset), "metadata"))
        walk.remarks.append(
            Observation(
                "F08", f"The image holds text: {quoted(text)}.", "Save it without.", place=Place(offset=chunk.offset)
            )
        )


def _check_stream(walk: _Walk) -> None:
    """Unfold the image data piece by piece, without keeping it; it must have exactly the announced size."""
    due = _unfolded_size(walk)
    unfolder = zlib.decompressobj()
    produced = 0
    try:
        for body in walk.data:
            rest = body
            while rest and not unfolder.eof:
                produced += len(unfolder.decompress(rest, _PIECE))
                rest = unfolder.unconsumed_tail
                if produced > due:
                    raise _refused("The image data unfolds to more than the image.", 0, "F03")
            if unfolder.eof and (rest or unfolder.unused_data):
                raise _refused("Bytes follow the compressed image data.", 0, "F03")
    except zlib.error as error:
        raise _refused("The image data is broken.", 0) from error
    if not unfolder.eof or produced != due:
        raise _refused("The image data is incomplete.", 0)


def _unfolded_size(walk: _Walk) -> int:
    bits = walk.depth * _CHANNELS[walk.colour]

    def part(width: int, height: int) -> int:
        return height * (1 + (width * bits + 7) // 8) if width and height else 0

    if not walk.interlaced:
        return part(walk.width, walk.height)
    return sum(part((walk.width - x + dx - 1) // dx, (walk.height - y + dy - 1) // dy) for x, y, dx, dy in _PASSES)
