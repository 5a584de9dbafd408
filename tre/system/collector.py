"""How often Python looks for cycles in memory, in a program that reads much at once.

Guarantees: cycles are still found and their memory given back; what was there when the program had started (its
modules, its tables) is never looked at again. As Python begins, it looks after every 700 new values, and each such
look costs a service that reads ten thousand grants more than the reading.

Does not guarantee: that a cycle's memory is free at once; some megabytes of them may wait.
"""

from __future__ import annotations

import gc

BETWEEN_LOOKS = 50_000
"""New values between two looks: about one page of a cluster's list, or a hundred grants of the record."""


def look_seldom() -> None:
    """Say it once, when everything that stays has been loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(BETWEEN_LOOKS, 20, 20)
