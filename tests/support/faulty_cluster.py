"""An API server that fails in every way: silent, forgetful, twice, in the wrong order, with yesterday's answer."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import (
    EVERYTHING,
    MANAGER,
    PLAINLY,
    ClusterError,
    Deletion,
    EventType,
    Key,
    Kind,
    Listing,
    Object,
    Selector,
    WatchEvent,
    refusal_of,
)
from tre.domain.errors import Reason

CALL_FAULTS = ("429", "500", "silent", "lost-answer")
LIST_FAULTS = (*CALL_FAULTS[:3], "stale", "410")
WATCH_FAULTS = (*CALL_FAULTS[:3], "410", "drop-one", "drop-rest", "twice", "reversed", "again-from-start", "late-410")


@dataclass
class FaultyCluster:
    """A client whose next calls fail as told; without faults it is the cluster in memory."""

    behind: MemoryCluster
    lists: list[str] = field(default_factory=list)
    watches: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    old: dict[tuple[Kind, str], Listing] = field(default_factory=dict)
    told: list[WatchEvent] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)

    def get(self, kind: Kind, key: Key) -> Object | None:
        self.calls.append(("get", kind.kind))
        return self.behind.get(kind, key)

    def list(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Listing:
        self.calls.append(("list", kind.kind))
        fault = self.lists.pop() if self.lists else ""
        _fail(fault)
        found = self.behind.list(kind, namespace, selector)
        before = self.old.setdefault((kind, namespace), found)
        return before if fault == "stale" else found

    def pages(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Iterator[Listing]:
        yield self.list(kind, namespace, selector)

    @contextlib.contextmanager
    def watch(
        self, kind: Kind, namespace: str, version: int, selector: Selector = EVERYTHING
    ) -> Iterator[Iterator[WatchEvent]]:
        self.calls.append(("watch", kind.kind))
        fault = self.watches.pop() if self.watches else ""
        _fail(fault)
        with self.behind.watch(kind, namespace, version, selector) as events:
            yield self._spoilt(list(events), fault)

    def _spoilt(self, events: list[WatchEvent], fault: str) -> Iterator[WatchEvent]:
        real = [event for event in events if event.type is not EventType.BOOKMARK]
        if fault == "drop-one":
            events = events[1:] if real else events
        elif fault == "drop-rest":
            events = events[: len(events) // 2]
        elif fault == "twice":
            events = [event for event in events for _ in range(2)]
        elif fault == "reversed":
            events = [*reversed(real), *events[len(real) :]]
        elif fault == "again-from-start":
            events = [*self.told, *events]
        self.told += real
        yield from events
        if fault == "late-410":
            _fail("410")

    def create(self, kind: Kind, item: Object) -> Object:
        return self._written("create", kind, lambda: self.behind.create(kind, item))

    def apply(self, kind: Kind, item: Object, manager: str = MANAGER) -> Object:
        return self._written("apply", kind, lambda: self.behind.apply(kind, item, manager))

    def apply_status(self, kind: Kind, item: Object) -> Object:
        return self._written("status", kind, lambda: self.behind.apply_status(kind, item))

    def delete(self, kind: Kind, key: Key, how: Deletion = PLAINLY) -> bool:
        self.calls.append(("delete", kind.kind))
        return self.behind.delete(kind, key, how)

    def patch(self, kind: Kind, key: Key, change: Object) -> Object:
        return self._written("patch", kind, lambda: self.behind.patch(kind, key, change))

    def log(self, key: Key, container: str, lines: int) -> str:
        return self.behind.log(key, container, lines)

    def skew(self) -> float:
        return 0.0

    def _written(self, verb: str, kind: Kind, write: object) -> Object:
        self.calls.append((verb, kind.kind))
        fault = self.writes.pop() if self.writes else ""
        _fail(fault)
        assert callable(write)
        done: Object = write()
        if fault == "lost-answer":
            raise ClusterError(Reason.ServiceUnavailable, "The answer was lost.")
        return done


def _fail(fault: str) -> None:
    if fault in {"429", "500", "410"}:
        raise refusal_of(int(fault), {}, f"The API server answered {fault}.")
    if fault == "silent":
        raise ClusterError(Reason.ServiceUnavailable, "The API server did not answer.")
