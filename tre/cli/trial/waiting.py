"""Waiting for something real, with an end to it."""

from __future__ import annotations

import time
from collections.abc import Callable

from tre.domain.errors import Reason, TREError

LOOK_SECONDS = 0.05


def wait_until(
    condition: Callable[[], object], otherwise: str, seconds: float = 90.0, pause: float = LOOK_SECONDS
) -> None:
    """Look again and again until something is so. Raises `TREError(StartTimeout)` where it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TREError(Reason.StartTimeout, f"{otherwise} within {seconds:.0f} s.")
        time.sleep(pause)
