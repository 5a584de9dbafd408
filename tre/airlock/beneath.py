"""Opening a name inside a directory that an adversary writes, without ever leaving it.

Guarantees: the kernel itself resolves the whole path in one step (`openat2`) and refuses every symbolic link, every
way out, every crossing into another mount; there is no moment between looking and opening.

Threat: a researcher's process that swaps a directory for a link while the airlock reads.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPENAT2 = 437  # alike on every architecture (added in Linux 5.6)
_NO_XDEV, _NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x01, 0x02, 0x04, 0x08
RESOLVE = _NO_XDEV | _NO_MAGICLINKS | _NO_SYMLINKS | _BENEATH

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_beneath(directory: int, name: str, *, flags: int = os.O_RDONLY, resolve: int = RESOLVE) -> int:
    """A descriptor for `name` inside the open directory. Raises `OSError`.

    `O_NONBLOCK` keeps a pipe from holding the reader; what was opened must still be looked at with `fstat`.
    """
    wanted = flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    how = struct.pack("=QQQ", wanted, 0, resolve)
    result = _libc.syscall(
        ctypes.c_long(_OPENAT2), ctypes.c_int(directory), os.fsencode(name), how, ctypes.c_size_t(len(how))
    )
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(result)


@contextmanager
def opened_directory(path: Path) -> Iterator[int]:
    """A directory of the launcher's own layout, open; its last part may not be a link. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
