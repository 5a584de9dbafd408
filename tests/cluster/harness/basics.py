"""What all parts of the harness share: words for people, the checkout's place, waiting for something real.

Guarantees: `wait_until` ends, and says what did not happen.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]


class HarnessError(Exception):
    """A step failed; the text says what, why and what to do."""


class CannotRunError(HarnessError):
    """This machine lacks something: tests that need it are skipped with this text as the reason."""


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0, pause: float = 0.02) -> None:
    """Look at a condition again and again until it holds; HarnessError with `what` when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: it did not happen within {seconds:g} s")
        time.sleep(pause)
