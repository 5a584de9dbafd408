"""Who is told how far a long piece of work has come.

Guarantees: every piece of work that changes files names its steps in order, before it takes each of them. That is
what progress bars show, and it is where tests cut the power.
"""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Hears of steps and progress. What it raises ends the work."""

    def step(self, name: str) -> None:
        """The next step begins."""
        ...

    def progress(self, done: int, total: int) -> None:
        """So many things of the present step are done."""
        ...


class Silent:
    """Nobody watches."""

    def step(self, name: str) -> None:
        """Do nothing."""

    def progress(self, done: int, total: int) -> None:
        """Do nothing."""


SILENT = Silent()
