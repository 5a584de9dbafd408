"""A last look at a raster before it is handed to a browser, without decoding it.

Guarantees: what passes is a PNG whose chunks follow one another from the signature to `IEND`, all of them of the few
kinds that a freshly encoded picture has, with nothing between or behind, and no more pixels than a browser may be asked
to hold. The checks of the airlock encoded it anew; this only makes sure that it was.

Does not guarantee: that the compressed data is in order. The browser decodes it as an image, in a sandbox, and nothing
else than an image can become of it (`nosniff`, type and `Sec-Fetch-Dest` all say so).
"""

from __future__ import annotations

import struct

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 50_000_000
"""As in the airlock's default policy: 200 MB once decoded."""

_KINDS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"cHRM", b"sBIT", b"pHYs", b"IDAT", b"IEND"})
_OVERHEAD = 12


def size_of(data: bytes) -> tuple[int, int] | None:
    """Width and height of a plain PNG; `None` for anything else."""
    if not data.startswith(SIGNATURE) or not _is_plain(data):
        return None
    width, height = struct.unpack_from(">II", data, len(SIGNATURE) + 8)
    return (width, height) if 0 < width * height <= MOST_PIXELS else None


def _is_plain(data: bytes) -> bool:
    place = len(SIGNATURE)
    kinds: list[bytes] = []
    while place + _OVERHEAD <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind not in _KINDS or (kind == b"IHDR") != (not kinds) or (kind == b"IHDR" and length != 13):
            return False
        kinds.append(kind)
        place += length + _OVERHEAD
        if kind == b"IEND":
            return place == len(data) and b"IDAT" in kinds
    return False
