"""Events that `kubectl describe` shows.

Guarantees: telling never waits and never fails: what cannot be told is counted and dropped. The same thing said again
within six minutes becomes a series with a count; one object has 25 events at once and then one in five minutes (the
figures of Kubernetes' own recorder), all together ten a second.

Does not guarantee: that anybody sees them. The audit log holds what happened; this is for the person at the terminal.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from prometheus_client import Counter

from tre.cluster.protocol import ClusterClient, Kind, Object
from tre.cluster.queue import TokenBucket
from tre.domain.clock import Clock
from tre.domain.errors import TREError

log = structlog.get_logger()

EVENT = Kind("events.k8s.io", "v1", "Event", "events")
SERIES_SECONDS = 360.0
NOTE_LENGTH = 1000
WAITING = 500
KNOWN = 4096
"""Objects and things said that are remembered."""

TOLD = Counter("tre_cluster_events", "Events for kubectl", ["outcome"])


@dataclass(frozen=True)
class Said:
    """One thing to tell of an object: `reason` a CamelCase word, `action` what was done, `note` a sentence."""

    regarding: Object
    reason: str
    note: str
    action: str = "Reconcile"
    warning: bool = False


@dataclass
class _Series:
    name: str
    first: datetime
    last: float
    count: int = 1


class Recorder:
    """Takes what is to be told from any thread; `flush` tells it."""

    def __init__(self, client: ClusterClient, controller: str, instance: str, clock: Clock) -> None:
        self._client, self._controller, self._instance, self._clock = client, controller, instance, clock
        self._lock = threading.Lock()
        self._waiting: OrderedDict[tuple[str, ...], Said] = OrderedDict()
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._all = TokenBucket(10.0, 100, clock.boottime)

    def say(self, said: Said) -> None:
        """Have it told, at some time, if there is room."""
        with self._lock:
            key = _key(said)
            bucket = self._buckets.setdefault(key[0], TokenBucket(1 / 300, 25, self._clock.boottime))
            self._buckets.move_to_end(key[0])
            if len(self._buckets) > KNOWN:
                self._buckets.popitem(last=False)
            if key in self._waiting or len(self._waiting) >= WAITING or not bucket.take():
                TOLD.labels("dropped").inc()
                return
            self._waiting[key] = said

    def flush(self) -> None:
        """Tell what waits, as far as the rate allows; what fails is dropped."""
        while (taken := self._next()) is not None:
            key, said = taken
            try:
                self._tell(key, said)
                TOLD.labels("told").inc()
            except TREError as error:
                TOLD.labels("failed").inc()
                log.info("event-not-told", reason=error.reason.value, error=str(error))
                self._series.pop(key, None)

    def _next(self) -> tuple[tuple[str, ...], Said] | None:
        with self._lock:
            if not self._waiting or not self._all.take():
                return None
            return self._waiting.popitem(last=False)

    def _tell(self, key: tuple[str, ...], said: Said) -> None:
        now, moment = self._clock.boottime(), self._clock.now()
        series = self._series.get(key)
        if series is not None and now - series.last <= SERIES_SECONDS:
            series.count, series.last = series.count + 1, now
            event = self._event(said, series)
            event["series"] = {"count": series.count, "lastObservedTime": _micro(moment)}
            self._client.apply(EVENT, event)
            return
        series = _Series(f"{said.regarding['metadata']['name'][:200]}.{_hash(*key, _micro(moment))}", moment, now)
        self._series[key] = series
        self._series.move_to_end(key)
        if len(self._series) > KNOWN:
            self._series.popitem(last=False)
        self._client.apply(EVENT, self._event(said, series))

    def _event(self, said: Said, series: _Series) -> Object:
        metadata = said.regarding["metadata"]
        namespace = metadata.get("namespace") or "default"
        regarding = {
            "apiVersion": said.regarding["apiVersion"],
            "kind": said.regarding["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        if metadata.get("namespace"):
            regarding["namespace"] = namespace
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": series.name, "namespace": namespace},
            "eventTime": _micro(series.first),
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "action": said.action,
            "reason": said.reason,
            "type": "Warning" if said.warning else "Normal",
            "note": said.note[:NOTE_LENGTH],
            "regarding": regarding,
        }


def _key(said: Said) -> tuple[str, ...]:
    return (said.regarding["metadata"]["uid"], said.reason, said.action, str(said.warning), said.note)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _micro(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Tell = Callable[[Said], None]
"""How other parts tell something, without knowing of a recorder."""
