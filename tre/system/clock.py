"""The machine's clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall clock and boot-time clock of this machine (Linux)."""

    def now(self) -> datetime:
        """Wall-clock time, aware, in UTC."""
        return datetime.now(tz=UTC)

    def boottime(self) -> float:
        """Seconds since start-up, sleep included (`CLOCK_BOOTTIME`)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
