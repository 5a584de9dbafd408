"""How Python runs a service that reads much at once, in many threads.

Guarantees: cycles in memory are still found and given back, and every thread still has its turn. What was there when
the program had started (its modules, its tables) is not looked at for cycles again; and a thread that was answered by
another machine waits for its turn a millisecond at most, not five, behind one that computes. As Python begins, it
looks for cycles after every 700 new values: reading ten thousand grants took twice as long.

Does not guarantee: that a cycle's memory is free at once; some megabytes of them may wait.
"""

from __future__ import annotations

import gc
import sys

BETWEEN_LOOKS = 50_000
"""New values between two looks: about a page of a cluster's list, or some hundred grants of the record."""

TURN_SECONDS = 0.001
"""How long a thread may compute while another one waits for its turn."""


def suit_a_service() -> None:
    """Say it once, when everything that stays has been loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(BETWEEN_LOOKS, 20, 20)
    sys.setswitchinterval(TURN_SECONDS)
