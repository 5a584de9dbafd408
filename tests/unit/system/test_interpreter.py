"""A service's Python looks for cycles seldom, and still does."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc, sys, weakref
from tre.system.interpreter import BETWEEN_LOOKS, suit_a_service

class Cycle:
    def __init__(self):
        self.own = self

def is_found():
    left = weakref.ref(Cycle())
    kept = []
    for made in range(3 * BETWEEN_LOOKS):
        kept.append([])
        if left() is None:
            return made
    return None

early = is_found()
suit_a_service()
late = is_found()
assert early < BETWEEN_LOOKS / 2, early
assert BETWEEN_LOOKS / 2 < late <= 2 * BETWEEN_LOOKS, late
assert gc.get_freeze_count() > 1000
assert sys.getswitchinterval() < 0.005
"""


def test_cycles_are_found_later_and_not_never() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
