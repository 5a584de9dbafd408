"""What all parts of the harness share: words for people, the checkout's place, waiting for something real.

Guarantees: `wait_until` ends, and says what did not happen.

Does not guarantee: how fast anything is. Two clusters share the machine while all tests run: what is asked there is
that a thing happens at all, and the figures that are published come from `tre bench cluster`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

BUSY = 4.0
"""How much slower than alone a thing may be on a machine of two processors with three clusters on it."""
STEPPING_BACK = 3
"""By how much the processes of every cluster but the first are nicer to others."""

CHECKOUT = Path(__file__).resolve().parents[3]


class HarnessError(Exception):
    """A step failed; the text says what, why and what to do."""


class CannotRunError(HarnessError):
    """This machine lacks something: tests that need it are skipped with this text as the reason."""


def say(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0, pause: float = 0.1) -> None:
    """Look at a condition again and again until it holds; HarnessError with `what` when it does not in time.

    `seconds` are those of a machine that does nothing else. Looking costs: a look at an API server each 20 ms takes a
    tenth of a processor, of which a small machine has few.
    """
    deadline = time.monotonic() + BUSY * seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"{what}: it did not happen within {BUSY * seconds:g} s")
        time.sleep(pause)
