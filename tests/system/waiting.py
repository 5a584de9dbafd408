"""Waiting for something real to happen, bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> float:
    """Wait for something real to happen; return how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        await asyncio.sleep(0.03)  # looking costs, too
    return time.monotonic() - begun
