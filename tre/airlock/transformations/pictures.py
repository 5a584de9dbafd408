"""Pictures without anything beside the picture: PNG chunk by chunk, JPEG by encoding it anew.

Guarantees: of a PNG exactly the chunks stay that decide what is seen, byte for byte, hence the same pixels; texts,
times, EXIF, profiles, unknown chunks and whatever follows the end are gone, and doing it twice changes nothing. Of a
JPEG nothing stays but the pixels: they are decoded, turned as the camera meant them, and encoded at quality 95
without any segment of the old file; its colours may differ by a shade, also because a colour profile is left behind.

Does not guarantee: anything about what the picture shows; nor that no bits are hidden in a PNG's pixels or in how they
were compressed.

Source: PNG (ISO/IEC 15948) section 11; JPEG application segments (ITU-T T.81, B.2.4.6).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from tre.airlock.parsed import FileRefusedError, Observation, Place
from tre.airlock.transformations import Outcome, Product, Source, UnfitError

Image.init()  # no plug-in can be loaded behind the walls

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SEEN = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs", b"IDAT", b"IEND"})
"""Chunks that decide what is seen, and how large."""

_QUALITY = 95


def strip_metadata(source: Source) -> Outcome:
    """A PNG or JPEG file without metadata. Raises `FileRefusedError` or `UnfitError`."""
    data, note = _png(source) if source.ending == ".png" else _jpeg(source)
    return Outcome((Product(source.named("stripped", source.ending), data),), (note,))


def _refused(message: str, offset: int = 0) -> FileRefusedError:
    return FileRefusedError(Observation("F02", message, "Save the figure again.", place=Place(offset=offset)))


def _png(source: Source) -> tuple[bytes, str]:
    data = source.data
    if not data.startswith(_SIGNATURE):
        raise _refused("The file is not a PNG image.")
    kept: list[bytes] = [_SIGNATURE]
    dropped: list[bytes] = []
    end = 0
    for name, begin, end in _chunks(data):
        (kept if name in SEEN else dropped).append(data[begin:end])
    behind = len(data) - end
    if not dropped and not behind:
        raise UnfitError("The picture carries nothing beside what is seen.")
    return b"".join(kept), f"{len(dropped)} pieces of metadata and {behind} bytes behind the picture were left out."


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's name, and where it begins and ends."""
    offset, name = len(_SIGNATURE), b""
    while name != b"IEND":
        if offset + 12 > len(data):
            raise _refused("The image is cut off.", offset)
        length, name = struct.unpack_from(">I4s", data, offset)
        end = offset + 12 + length
        if end > len(data) or zlib.crc32(data[offset + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise _refused("A piece of the image is broken.", offset)
        yield name, offset, end
        offset = end


def _jpeg(source: Source) -> tuple[bytes, str]:
    try:
        picture: Image.Image = Image.open(io.BytesIO(source.data), formats=["JPEG"])
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise _refused("The file is not a JPEG image.") from error
    if picture.width * picture.height > source.bounds.image_pixels:
        raise FileRefusedError(Observation("F05", "The image has more pixels than allowed.", "Save it smaller."))
    carried = sum(name.startswith(("APP", "COM")) for name, _ in getattr(picture, "applist", []))
    try:
        turned = ImageOps.exif_transpose(picture)
        plain = turned if turned.mode in {"L", "RGB"} else turned.convert("RGB")
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise _refused("The image is broken.") from error
    bare = Image.frombytes(plain.mode, plain.size, plain.tobytes())
    target = io.BytesIO()
    bare.save(target, "JPEG", quality=_QUALITY, subsampling=JpegImagePlugin.get_sampling(picture), optimize=False)
    return target.getvalue(), f"Encoded anew at quality {_QUALITY}; {carried} pieces of metadata were left behind."
