"""One run at a time for a cluster, also across kills: the kernel lets go of the lock with its holder.

Guarantees: while the lock is held no second run touches the state. The lock's file can be removed by its holder:
whoever waited for it sees that and takes the new file.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.harness.basics import say


@contextmanager
def exclusive(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold the lock; says once what is waited for; the file is gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _take(path, waiting_for)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _take(path: Path, waiting_for: str) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(handle):
            say(f"Waiting for {waiting_for}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        if _is_still(path, handle):
            return handle
        os.close(handle)


def _is_still(path: Path, handle: int) -> bool:
    """Whether the name leads to the file that was locked; its holder removes it when it is done."""
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def try_lock(handle: int) -> bool:
    """Lock an open file without waiting; returns whether that worked."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
