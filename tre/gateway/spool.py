"""Where events go that the controller does not take: the local spool, flushed to the disk.

Guarantees: `append` returns when the events are on the disk; the controller takes them into the log later, each once
by its identifier, however often it is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tre.audit.spool import Spool
from tre.domain.events import Event


class FileSpool:
    """The gateway's own file in the spool of endings."""

    def __init__(self, directory: Path) -> None:
        self._spool = Spool(directory, "gateway")

    def append(self, events: Sequence[Event]) -> None:
        """Write events down for good; raises `OSError`."""
        self._spool.append(*events)
