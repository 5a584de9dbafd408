"""Locks between programs of one machine.

Guarantees: the kernel holds the lock for as long as the descriptor, or a copy of it in a forked child, is open; it
ends with its holder, however that dies.

Does not guarantee: anything on a network file system, or against a program that does not ask.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


def try_lock(path: Path, mode: int = 0o600) -> int | None:
    """Lock a file (made where it is not there) without waiting: its descriptor, or `None` where it is held."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
