"""One sequencer at a time.

Guarantees: on one machine, a second holder of the lock is refused; the kernel frees it when its holder dies, however
it dies. The log itself does not depend on it: a batch is one writing transaction in which the last checkpoint is read
again, so two sequencers would take turns or one of them would be rolled back. The lock saves them the trouble.

Does not guarantee: anything across machines. There `tre.audit.lease` says whose turn it is.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.system.locks import try_lock


def lock_path(run: Path) -> Path:
    """Where the controller locks, below the run directory."""
    return run / "controller" / "sequencer.lock"


class FileLock:
    """The lock of one machine: `flock` on a file, which is left behind empty."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the lock while the context lasts; raises `TREError(Conflict)` where another program holds it."""
        descriptor = try_lock(self._path, 0o644)
        if descriptor is None:
            raise TREError(
                Reason.Conflict,
                "Another program sequences the audit log already.",
                why=f"It holds {self._path}.",
                remedy="Run one controller for each root.",
            )
        try:
            yield
        finally:
            os.close(descriptor)

    def is_held(self) -> bool:
        """Whether some program holds the lock now."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
