"""What waits to be looked at, most urgent first.

Guarantees: each key once; what may end something that lives comes before everything that can only begin or tidy up, so
that a hundred starts delay no revocation; otherwise in the order in which it came.
"""

from __future__ import annotations

from collections.abc import Iterable

from tre.controller.metrics import WAITING
from tre.runtimes.protocol import Observation

_ALWAYS = frozenset({"session", "organisation", "person", "slice", "job"})
"""Kinds that only say what else to look at, or whom to put out."""


class Looks:
    """Keys (`kind/name`) by urgency; for one thread."""

    def __init__(self) -> None:
        self._urgent: dict[str, None] = {}
        self._patient: dict[str, None] = {}
        self._living: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._urgent) + len(self._patient)

    @property
    def is_urgent(self) -> bool:
        """Whether something waits that may end something."""
        return bool(self._urgent)

    def lives(self, runs: Iterable[Observation]) -> None:
        """What lives now: looks at these workspaces and at their grants are urgent."""
        found = set()
        for run in runs:
            found |= {f"workspace/{run.plan.workspace}", f"grant/{run.plan.grant}"}
        self._living = frozenset(found)

    def add(self, key: str) -> None:
        """Have it looked at."""
        if key in self._living or key.partition("/")[0] in _ALWAYS:
            self._patient.pop(key, None)
            self._urgent[key] = None
        elif key not in self._urgent:
            self._patient[key] = None
        WAITING.set(len(self))

    def urgent(self) -> str | None:
        """The next that may end something; it waits no longer."""
        return self._next(self._urgent)

    def patient(self) -> str | None:
        """The next of the others."""
        return self._next(self._patient)

    def _next(self, waiting: dict[str, None]) -> str | None:
        if not waiting:
            return None
        key = next(iter(waiting))
        del waiting[key]
        WAITING.set(len(self))
        return key
