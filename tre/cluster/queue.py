"""Keys that wait to be looked at: each once, with longer pauses after each failure.

Guarantees: a key that is added while it is worked on is looked at once more afterwards, and never by two at a time; a
key that fails waits 5 ms, then twice as long each time, up to 1000 s; all failures together are let through at ten
a second, after a first hundred (the figures of Kubernetes' own controllers). Of several moments for one key the
earliest counts, so that looks at one thing do not multiply.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.005, 1000.0
FAILURES_PER_SECOND, FAILURES_AT_ONCE = 10.0, 100


class TokenBucket:
    """So many at once, then so many a second."""

    def __init__(self, per_second: float, at_once: int, clock: Callable[[], float]) -> None:
        self._rate, self._size, self._clock = per_second, float(at_once), clock
        self._left, self._at = float(at_once), clock()

    def reserve(self) -> float:
        """Take one, now or in advance; return in how many seconds it may be used."""
        self._refill()
        self._left -= 1
        return max(0.0, -self._left / self._rate)

    def take(self) -> bool:
        """Take one if there is one."""
        self._refill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._size, self._left + (now - self._at) * self._rate)
        self._at = now


class KeyQueue(Generic[T]):
    """A queue for many producers and many workers; `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._wake = threading.Condition()
        self._ready: dict[T, None] = {}
        self._first: dict[T, None] = {}
        self._working: set[T] = set()
        self._again: set[T] = set()
        self._due: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._count = 0
        self._failures: dict[T, int] = {}
        self._bucket = TokenBucket(FAILURES_PER_SECOND, FAILURES_AT_ONCE, clock)
        self._closed = False

    def __len__(self) -> int:
        """How many wait to be looked at now."""
        with self._wake:
            return len(self._ready) + len(self._first)

    def add(self, key: T) -> None:
        """Have it looked at as soon as somebody is free."""
        with self._wake:
            self._add(key)

    def add_first(self, key: T) -> None:
        """The same, before everything that only waits its turn: for what ends something."""
        with self._wake:
            if key in self._working or self._closed:
                self._add(key)
                return
            self._due.pop(key, None)
            self._ready.pop(key, None)
            self._first[key] = None
            self._wake.notify()

    def add_after(self, key: T, seconds: float) -> None:
        """Have it looked at in so many seconds, unless it is anyway."""
        with self._wake:
            self._add_at(key, self._clock() + seconds)

    def retry(self, key: T, least: float = 0.0) -> float:
        """Have it looked at again after a failure, not before `least` seconds; return the pause."""
        with self._wake:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(count - 1, 30))
            pause = max(pause, self._bucket.reserve(), least)
            self._add_at(key, self._clock() + pause)
            return pause

    def forget(self, key: T) -> None:
        """It went well: its next failure is its first."""
        with self._wake:
            self._failures.pop(key, None)

    def get(self, seconds: float) -> T | None:
        """The next key, waiting for one as long as that; give it back with `done`. `None` where none came."""
        until = self._clock() + seconds
        with self._wake:
            while not self._closed:
                self._promote()
                if waiting := self._first or self._ready:
                    key = next(iter(waiting))
                    del waiting[key]
                    self._working.add(key)
                    return key
                if (pause := min(until, self._next_due(until)) - self._clock()) <= 0:
                    break
                self._wake.wait(pause)
            return None

    def done(self, key: T) -> None:
        """The look at it is over."""
        with self._wake:
            self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                self._add(key)

    def close(self) -> None:
        """Let every worker go home; what waits is dropped."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _add(self, key: T) -> None:
        self._due.pop(key, None)
        if key in self._working:
            self._again.add(key)
        elif not self._closed and key not in self._first:
            self._ready[key] = None
            self._wake.notify()

    def _add_at(self, key: T, moment: float) -> None:
        if key in self._ready or key in self._first or self._due.get(key, float("inf")) <= moment:
            return
        self._due[key] = moment
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, key))
        self._wake.notify()

    def _promote(self) -> None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            moment, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == moment:
                self._add(key)

    def _next_due(self, otherwise: float) -> float:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else otherwise
