"""Handing out stored bytes: opened once, found to be the recorded ones, and sent from the same descriptor.

Threat: a file that was exchanged on the disk, also between the look and the sending; a link in its place.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PIECE = 256 * 1024


class OtherBytesError(Exception):
    """What lies there is not what the record names."""


def open_exact(path: Path, sha256: str, size: int) -> BinaryIO:
    """A plain file, at its beginning, after its bytes were found to be the recorded ones.

    Raises `OSError` where it cannot be opened, `OtherBytesError` where it holds something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OtherBytesError
    opened = os.fdopen(descriptor, "rb")
    found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found == sha256 and opened.tell() == size:
        opened.seek(0)
        return opened
    opened.close()
    raise OtherBytesError


def pieces(opened: BinaryIO) -> Iterator[bytes]:
    """The bytes of an open file, which is closed at the end."""
    with opened:
        while piece := opened.read(PIECE):
            yield piece
