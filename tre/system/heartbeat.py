"""The checker's sign of life: it has no socket, so it touches a file."""

from __future__ import annotations

import time
from pathlib import Path

HEARTBEAT_SECONDS = 15.0
"""A checker that was silent for longer is not well."""


def heartbeat_of(spool: Path) -> Path:
    """The file, in the spool of the checker."""
    return spool / "out" / "heartbeat"


def heartbeat_age(spool: Path) -> float | None:
    """Seconds since the checker last touched its file; `None` where it never ran."""
    try:
        return max(0.0, time.time() - heartbeat_of(spool).stat().st_mtime)
    except FileNotFoundError:
        return None
