"""Match a picture with the frames of an index behind the walls, as the child of a type that holds pictures does.

Used by the tests only: what is read is written by the test, and one line says what was found.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

from tre.airlock.checks import slice_images
from tre.airlock.child.walls import Room, raise_walls
from tre.airlock.parsed import ParsedFile, Picture, Surroundings


def main() -> None:
    """Sides of the picture as text, its grey levels, then the index."""
    raise_walls(Room(30, 1 << 30))
    data = b""
    while piece := os.read(0, 1 << 16):
        data += piece
    side, _, rest = data.partition(b"\n")
    width = int(side)
    picture = Picture(width, width, rest[: width * width], (width, width))
    around = Surroundings(slice=rest[width * width :])
    found = slice_images.observe(ParsedFile("png", 1, pictures=[picture]), around)
    os.write(1, ",".join(item.check for item in found).encode())


if __name__ == "__main__":
    main()
    os._exit(0)
