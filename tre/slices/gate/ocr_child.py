"""The process that shows pixels to a reader of text: a program of its own, `python -I ocr_child.py READER SECONDS`.

Guarantees: it reads the image from its standard input, prints one word (`text`, `none` or `unread`) and nothing else;
its memory, its processor time, and those of the reader are bounded before a library touches the image; it can write
no file. At most three frames are shown: the first, the middle and the last, each in its size, where small in twice its
size, and with nothing in it but what is at full brightness.

Threat: an image that is made to break or to starve whoever shows it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO

MEMORY = 2 << 30
MOST_PIXELS = 64 << 20
_SMALL = 2048
_BRIGHT = 250
_SURE = 65.0
"""The reader's confidence, of 100, from which a word counts. In speckle and edges of pictures without text it read
words of up to 64, in letters of twelve pixels and more words from 66 on."""

_LEAST = 3
_COLUMNS = 12
_CONFIDENCE = 10


def main() -> None:
    """Say what was found."""
    reader, seconds = sys.argv[1], int(sys.argv[2])
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        found = any(_holds_words(_read(reader, picture)) for picture in _pictures(sys.stdin.buffer))
        sys.stdout.write("text" if found else "none")
    except BaseException:  # noqa: BLE001 - decoders raise what they like, and run out of memory: it was not read
        sys.stdout.write("unread")


def _read(reader: str, picture: bytes) -> str:
    command = [reader, "stdin", "stdout", "--dpi", "300", "--psm", "11", "tsv"]
    done = subprocess.run(command, input=picture, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return done.stdout.decode("utf-8", "replace")


def _holds_words(table: str) -> bool:
    """Whether the reader is sure of a word of three or more letters or digits."""
    for line in table.splitlines()[1:]:
        cells = line.split("\t")
        if len(cells) == _COLUMNS and float(cells[_CONFIDENCE]) >= _SURE and sum(map(str.isalnum, cells[-1])) >= _LEAST:
            return True
    return False


def _pictures(file: BinaryIO) -> Iterator[bytes]:
    """Grey pictures of the frames, each in one size or two."""
    import numpy as np  # noqa: PLC0415 - libraries come in behind the limits

    for frame in _frames(file):
        low, high = float(frame.min()), float(frame.max())
        grey = ((frame - low) * (255.0 / max(high - low, 1e-9))).astype(np.uint8)
        letters = np.where(grey >= _BRIGHT, 0, 255).astype(np.uint8)  # devices write at full brightness
        yield _picture(grey)
        if 2 * max(grey.shape) <= _SMALL:
            grey, letters = (one.repeat(2, axis=0).repeat(2, axis=1) for one in (grey, letters))
            yield _picture(grey)
        yield _picture(letters)


def _picture(grey: Any) -> bytes:
    head: bytes = b"P5 %d %d 255\n" % (grey.shape[1], grey.shape[0])
    return head + bytes(grey.tobytes())


def _frames(file: BinaryIO) -> Iterator[Any]:
    import numpy as np  # noqa: PLC0415
    from pydicom import dcmread  # noqa: PLC0415
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

    warnings.simplefilter("ignore")
    header = dcmread(file, stop_before_pixels=True, specific_tags=["Rows", "Columns", "NumberOfFrames"])
    count = int(header.get("NumberOfFrames") or 1)
    if not 0 < int(header.Rows) * int(header.Columns) <= MOST_PIXELS or count < 1:
        raise ValueError
    for number in sorted({0, count // 2, count - 1}):
        file.seek(0)
        frame = np.asarray(pixel_array(file, index=number, raw=True), dtype=np.float32)
        if frame.ndim > 2:
            frame = frame.mean(axis=-1)
        yield frame


if __name__ == "__main__":
    main()
