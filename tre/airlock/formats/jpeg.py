"""JPEG: every segment known, one image, every byte of its compressed data used, nothing after the end.

Guarantees: only baseline and progressive images in grey or colour; every length right; every segment of the
application's kind named, put into words or refused; no bytes that a decoder would skip: neither behind the end, nor
between segments, nor behind the last coefficient of a scan (the end of each scan is changed, and the picture must
change with it; scans of one bit a block have that length). Only what passed this walk is decoded, by Pillow.

Does not guarantee: that tables and coefficients carry nothing beside the picture (steganography).

Threats: a second document behind the image or in a comment, the thumbnail of an uncropped picture, places and names
in EXIF and XMP, an image of a few kilobytes that unfolds to gigabytes. Source: ITU-T T.81, JFIF 1.02, EXIF 2.3.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

from PIL.JpegImagePlugin import JpegImageFile

from tre.airlock.formats import exif, raster
from tre.airlock.formats.signatures import second_signature
from tre.airlock.parsed import Bounds, FileRefusedError, Observation, ParsedFile, Passage, Place, quoted

_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended sequential, progressive: with Huffman codes
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_HUFFMAN, _QUANTISATION, _RESTART, _COMMENT = 0xC4, 0xDB, 0xDD, 0xFE
_BESIDE = {*range(0xE1, 0xEE), 0xEF, _COMMENT}  # all of programs but JFIF and the colour transform of Adobe
_MOST_SEGMENTS = 200
_MOST_SCANS = 40
_A_PICTURE = b"\xff\xd8\xff"
_MOST_IN_TABLES = 16_384  # bytes; a progressive image with tables of its own for each scan has a third of it
_MOST_BESIDE = 32_768
_MOST_TEXT = 1024
_MOST_CODES = 256
_MOST_PROFILE = 4096
_TAIL = 8  # bytes at the end of a scan that must matter
_PATTERNS = (0x5A, 0xA5, 0x33)
_SAVE_AGAIN = "Save the figure again with its program, or as PNG."


def _refused(message: str, offset: int, check: str = "F02") -> FileRefusedError:
    return FileRefusedError(Observation(check, message, _SAVE_AGAIN, place=Place(offset=offset)))


@dataclass(frozen=True)
class _Scan:
    """The bounds of one scan's compressed data; `bits` is how many it holds, where that follows from the size."""

    begin: int
    end: int
    bits: int | None


@dataclass
class _Walk:
    """What has been seen so far; `sampling` gives the factors of each component."""

    size: tuple[int, int] = (0, 0)
    sampling: dict[int, tuple[int, int]] = field(default_factory=dict)
    scans: list[_Scan] = field(default_factory=list)
    remarks: list[Observation] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)
    segments: int = 0
    tables: int = 0
    beside: int = 0

    def remark(self, check: str, message: str, offset: int) -> None:
        """One more thing that the file carries beside its picture."""
        self.remarks.append(Observation(check, message, "Save it without.", place=Place(offset=offset)))


def parse(kind: str, data: bytes, bounds: Bounds) -> ParsedFile:
    """A JPEG file. Raises `FileRefusedError`."""
    file, shown = judged(data, bounds), raster.Seen()
    shown.take(raster.decoded(lambda: opened(data)))
    return shown.into(ParsedFile(kind, len(data), passages=file.passages, remarks=file.remarks))


def judged(data: bytes, bounds: Bounds) -> ParsedFile:
    """The strict walk by itself: remarks and text of a JPEG. Raises `FileRefusedError`."""
    if not data.startswith(b"\xff\xd8\xff"):
        raise _refused("The file is not a JPEG image.", 0)
    walk, offset = _Walk(), 2
    while True:
        marker, length = _segment(data, offset)
        if marker == _END:
            break
        body = data[offset + 4 : offset + 2 + length]
        _take(walk, marker, body, offset, bounds)
        offset += 2 + length
        if marker == _SCAN:
            end = _end_of_scan(data, offset)
            walk.scans.append(_Scan(offset, end, _bits_of(walk, body)))
            offset = end
    if not walk.scans:
        raise _refused("The image has no picture.", offset)
    if offset + 2 != len(data):
        raise _refused(f"{len(data) - offset - 2} bytes follow the end of the image.", offset + 2, "F03")
    _check_tails(data, walk)
    return ParsedFile("jpeg", len(data), passages=walk.passages, remarks=walk.remarks)


def opened(data: bytes) -> JpegImageFile:
    """The image for Pillow, without what programs wrote beside it: no second parser needs to read that.

    `data` passed `judged`.
    """
    kept, at = [data[:2]], 2
    while data[at + 1] != _SCAN:
        _, length = _segment(data, at)
        if data[at + 1] not in _BESIDE:
            kept.append(data[at : at + 2 + length])
        at += 2 + length
    return JpegImageFile(io.BytesIO(b"".join((*kept, data[at:]))))


def _segment(data: bytes, offset: int) -> tuple[int, int]:
    """The marker at a place and the length of its segment, both checked."""
    if offset + 2 > len(data):
        raise _refused("The image is cut off.", offset)
    if data[offset] != 0xFF or data[offset + 1] in {0x00, 0xFF}:
        raise _refused("Bytes stand between two parts of the image.", offset, "F03")
    marker = data[offset + 1]
    if marker == _START:
        raise _refused("A second image stands in the file.", offset, "F03")
    if marker == _END:
        return marker, 0
    if offset + 4 > len(data):
        raise _refused("The image is cut off.", offset)
    (length,) = struct.unpack_from(">H", data, offset + 2)
    if length < 2 or offset + 2 + length > len(data):
        raise _refused("The image is cut off.", offset)
    return marker, length


def _take(walk: _Walk, marker: int, body: bytes, offset: int, bounds: Bounds) -> None:
    walk.segments += 1
    too_many = walk.segments > _MOST_SEGMENTS or len(walk.scans) >= _MOST_SCANS
    if too_many or walk.tables > _MOST_IN_TABLES or walk.beside > _MOST_BESIDE:
        raise _refused("The image has more parts than an image needs.", offset, "F03")
    if marker in _FRAMES:
        _frame(walk, body, offset, bounds)
    elif marker == _SCAN:
        if not walk.size[0] or len(body) < 4 or len(body) != 4 + 2 * body[0]:
            raise _refused("A scan of the image is wrong.", offset)
    elif marker in {_HUFFMAN, _QUANTISATION}:
        walk.tables += len(body)
        _check_tables(marker, body, offset)
    elif marker == _RESTART or marker in _OTHER_FRAMES:
        raise _refused("The image is coded in a way that is not looked into.", offset)
    elif marker == _COMMENT or 0xE0 <= marker <= 0xEF:
        walk.beside += len(body)
        _application(walk, marker, body, offset)
    else:
        raise _refused("The image holds a part that may not leave.", offset, "F03")


def _frame(walk: _Walk, body: bytes, offset: int, bounds: Bounds) -> None:
    if walk.size[0] or len(body) < 6:
        raise _refused("The image does not have one header.", offset)
    precision, height, width, components = struct.unpack_from(">BHHB", body)
    if precision != 8 or components not in {1, 3} or len(body) != 6 + 3 * components or not height or not width:
        raise _refused("The image is neither grey nor of three colours with eight bits each.", offset)
    if width * height > bounds.image_pixels:
        raise FileRefusedError(
            Observation("F05", f"{width} x {height} pixels are more than allowed.", "Save it smaller.")
        )
    walk.size = (width, height)
    walk.sampling = {body[at]: (body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, len(body), 3)}
    if any(not 1 <= factor <= 4 for pair in walk.sampling.values() for factor in pair):
        raise _refused("The header of the image is wrong.", offset)


def _up(amount: int, unit: int) -> int:
    """How many units hold that much."""
    return (amount + unit - 1) // unit


def _bits_of(walk: _Walk, body: bytes) -> int | None:
    """How many bits a scan holds that refines mean values: one for each block. Others are coded by frequency."""
    refines = body[-3] == 0 and body[-1] >> 4 > 0
    factors = [walk.sampling[one] for one in body[1 : 1 + 2 * body[0] : 2] if one in walk.sampling]
    if not refines or not factors:
        return None
    widest, highest = (max(pair[one] for pair in walk.sampling.values()) for one in (0, 1))
    width, height = walk.size
    if len(factors) > 1:
        units = _up(width, 8 * widest) * _up(height, 8 * highest)
        return units * sum(across * down for across, down in factors)
    ((across, down),) = factors
    return _up(_up(width * across, widest), 8) * _up(_up(height * down, highest), 8)


def _check_tables(marker: int, body: bytes, offset: int) -> None:
    """Tables that fill their segment exactly."""
    at = 0
    while at < len(body):
        if marker == _QUANTISATION:
            at += 129 if body[at] >> 4 else 65
            continue
        codes = sum(body[at + 1 : at + 17])
        at += 17 + codes if codes <= _MOST_CODES else len(body) + 1
    if at != len(body) or not body:
        raise _refused("A table of the image is wrong.", offset)


def _application(walk: _Walk, marker: int, body: bytes, offset: int) -> None:
    """Segments of programs: known and harmless, put into words, or refused."""
    found = "a second picture" if _A_PICTURE in body else second_signature(body)
    if found is not None:
        raise _refused(f"Inside the image stands {found}.", offset, "F03")
    if marker == 0xE0 and body[:5] == b"JFIF\0" and len(body) >= 14:
        if len(body) != 14:
            walk.remark("F07", "The image holds a second, small picture of itself.", offset)
    elif marker == 0xEE and body[:5] == b"Adobe" and len(body) == 12:
        return
    elif marker == 0xE1 and body[:6] == b"Exif\0\0":
        _exif(walk, body[6:], offset)
    elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        _texts(walk, "XMP", body[29:], offset)
    elif marker == 0xE2 and body[:12] == b"ICC_PROFILE\0" and len(body) <= _MOST_PROFILE:
        walk.remark("F08", "The image holds a colour profile.", offset)
    elif marker == _COMMENT:
        _texts(walk, "a comment", body, offset)
    else:
        name = quoted(body[:20].split(b"\0")[0].decode("latin-1"))
        walk.remark("F07", f"The image holds {len(body)} bytes of a program, named {name}.", offset)


def _texts(walk: _Walk, what: str, body: bytes, offset: int) -> None:
    if len(body) > _MOST_TEXT and what != "XMP":
        raise _refused("The image holds more text than may leave unseen.", offset, "F03")
    text = body.decode("utf-8", "replace")
    walk.passages.append(Passage(text, Place(offset=offset), "metadata"))
    walk.remark("F08", f"The image holds {what}: {quoted(text)}.", offset)


def _exif(walk: _Walk, body: bytes, offset: int) -> None:
    try:
        entries = exif.read(body)
    except exif.ExifError as error:
        raise _refused("The EXIF part of the image is broken.", offset) from error
    if entries.position:
        walk.remark("F08", "The image says where it was taken.", offset)
    if entries.hidden:
        walk.remark("F07", f"The image holds {entries.hidden} that nobody sees.", offset)
    for text in entries.texts:
        walk.passages.append(Passage(text, Place(offset=offset), "metadata"))
    shown = quoted("; ".join(entries.texts)) if entries.texts else "numbers only"
    walk.remark("F08", f"The image says how it was made: {shown}.", offset)


def _end_of_scan(data: bytes, offset: int) -> int:
    """Where the compressed data ends: at the next marker. Restart marks need an interval, which is refused."""
    while True:
        at = data.find(b"\xff", offset)
        if at < 0 or at + 1 >= len(data):
            raise _refused("The image is cut off.", len(data))
        if data[at + 1] != 0x00:
            return at
        offset = at + 2


def _check_tails(data: bytes, walk: _Walk) -> None:
    """Change the last bytes of each scan: where the picture stays the same, a decoder does not use them.

    Scans of a few bytes only stay as they are: in a progressive image they say that nothing changes, for up to 32,767
    blocks at a time, and another few bytes say the same.
    """
    before = _pixels(data)
    short = 2 * _TAIL + 4 * _up(_up(walk.size[0], 8) * _up(walk.size[1], 8), 32_767)
    for scan in walk.scans:
        begin, end = scan.begin, scan.end
        if scan.bits is not None:
            if len(data[begin:end].replace(b"\xff\0", b"\xff")) > _up(scan.bits, 8):
                raise _refused("Bytes follow the compressed image data.", end - 1, "F03")
            continue
        if before is None or end - begin <= short:
            continue
        tail = data[end - _TAIL : end]
        others = (data[: end - _TAIL] + _changed(tail, pattern) + data[end:] for pattern in _PATTERNS)
        if all(_pixels(other) == before for other in others):
            raise _refused("Bytes follow the compressed image data.", end - _TAIL, "F03")


def _changed(tail: bytes, pattern: int) -> bytes:
    """Other bytes, none of them part of a marker."""
    return bytes(0x2B if byte in {0x00, 0xFF} else (byte ^ pattern) % 0xFF for byte in tail)


def _pixels(data: bytes) -> bytes | None:
    """The decoded picture; none where it cannot be decoded."""
    try:
        with opened(data) as image:
            return image.tobytes()
    except (OSError, SyntaxError, ValueError):
        return None
