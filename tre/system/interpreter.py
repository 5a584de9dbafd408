"""How Python loads and runs a program that has much in memory, and a service that has many threads.

Guarantees: cycles in memory are still found and given back, and every thread still has its turn. While a program loads
nothing is searched for cycles, and what was there when it had loaded (its modules, its tables) is not searched later;
a thread that was answered by another machine waits for its turn a millisecond at most, not five, behind one that
computes. As Python begins, it searches after every 700 new values: the portal took a quarter longer to start, and
reading ten thousand grants twice as long.

Does not guarantee: that a cycle's memory is free at once; some megabytes of them may wait.
"""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

BETWEEN_LOOKS = 50_000
"""New values between two looks: about a page of a cluster's list, or some hundred grants of the record."""

_COUNTING = frozenset({"_duckdb"})
"""Libraries that complain of what was left behind (nanobind's counting of leaks)."""

TURN_SECONDS = 0.001
"""How long a thread may compute while another one waits for its turn."""


@contextmanager
def loading() -> Iterator[None]:
    """What is loaded meanwhile stays, and is never searched for cycles; what is made later is, seldom.

    One search at the end found two thousand values that could go, no page of memory among them, and took an eighth of
    the time that the program loaded.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        atexit.register(_let_go)
        gc.set_threshold(BETWEEN_LOOKS, 20, 20)
        gc.enable()


def _let_go() -> None:
    """As a program ends: what was loaded goes with its memory, unless a library counts what is left of its own.

    Letting everything go takes a third of the time of a short command.
    """
    if not _COUNTING.isdisjoint(sys.modules):
        gc.unfreeze()


def run(program: str) -> NoReturn:
    """Load a program, `module:function`, call the function, and end with what it returns."""
    module, _, name = program.partition(":")
    with loading():
        main = getattr(import_module(module), name)
    sys.exit(main())


def take_turns() -> None:
    """Let a service's threads have their turns sooner."""
    sys.setswitchinterval(TURN_SECONDS)
