"""Pixels as a PNG with nothing beside them. Standard library only.

Guarantees: four chunks: header, resolution, pixels, end; the same pixels give the same bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable

DOTS_PER_INCH = 150
"""Keeps text readable and drops the precision of drawn coordinates."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DOTS_PER_METRE = round(DOTS_PER_INCH / 0.0254)


def png_of_rows(width: int, height: int, rows: Iterable[bytes]) -> bytes:
    """The picture; each row is three bytes a pixel: red, green, blue."""
    lines = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    density = struct.pack(">IIB", _DOTS_PER_METRE, _DOTS_PER_METRE, 1)
    chunks = ((b"IHDR", header), (b"pHYs", density), (b"IDAT", zlib.compress(lines, 6)), (b"IEND", b""))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
