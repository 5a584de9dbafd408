"""What waits to be looked at, most urgent first, and what will have to be at some moment.

Guarantees: each key once; what may end something that lives comes before everything that can only begin or tidy up, so
that a hundred starts delay no revocation; otherwise in the order in which it came. Of several moments for one key the
earliest counts, so that looks at one thing do not multiply.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime

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


class Moments:
    """Keys by the moment at which each is due; for one thread."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}
        self._heap: list[tuple[datetime, str]] = []

    def __len__(self) -> int:
        """How many keys have a moment."""
        return len(self._at)

    def put(self, moment: datetime, key: str) -> None:
        """Have it due then, unless it is due before."""
        known = self._at.get(key)
        if known is None or moment < known:
            self._at[key] = moment
            heapq.heappush(self._heap, (moment, key))

    def due(self, now: datetime) -> list[str]:
        """What is due by now, the earliest first; it has no moment any more."""
        found = []
        while self._heap and self._heap[0][0] <= now:
            moment, key = heapq.heappop(self._heap)
            if self._at.get(key) == moment:
                del self._at[key]
                found.append(key)
        return found

    def next(self) -> datetime | None:
        """The next moment, at which perhaps nothing is due any more."""
        return self._heap[0][0] if self._heap else None

    def take_all(self) -> list[str]:
        """Every key, whenever it is due."""
        found = list(self._at)
        self._at.clear()
        self._heap.clear()
        return found
