"""One replica acts: a Lease says which, and who loses it writes nothing more.

Guarantees: times are those of Kubernetes' own controllers (15 s a lease, 10 s to renew it, a try every 2 s with
jitter) on a clock that counts sleep and cannot be set back. A renewal counts from before its request was sent.
`check` raises once the renewal is older than 10 s, whatever this program believes: the 5 s until somebody else may
lead are longer than a write may take. On a clean exit the lease is given back at once. Whoever leads asks one request
of the API server for each renewal; whoever waits looks again in the moment in which a silent holder's time is over.

Does not guarantee: that a write which the API server had taken in already when time ran out has no effect.

Threat: two controllers at once, one of which slept or was cut off, undoing what the other ended.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from tre.cluster.protocol import (
    EVERYTHING,
    MANAGER,
    PLAINLY,
    ClusterClient,
    ClusterError,
    Deletion,
    Key,
    Kind,
    Listing,
    Object,
    Selector,
    WatchEvent,
)
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError

log = structlog.get_logger()

LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
JITTER = 0.2


@dataclass(frozen=True)
class LeaseTerms:
    """Which lease, held as whom, and its times in seconds."""

    key: Key
    identity: str
    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0
    look: float = 1.5
    """How often somebody looks who waits: what a hand-over takes at most, and less than one request a second."""


@dataclass(frozen=True)
class _Seen:
    """A state of the lease, and since when nobody changed it."""

    version: str
    since: float


class Elector:
    """Tries to lead and to go on leading; `client` must answer within the retry time."""

    def __init__(
        self,
        client: ClusterClient,
        terms: LeaseTerms,
        clock: Clock,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client, self._terms, self._clock, self._chance = client, terms, clock, chance
        self._renewed_at: float | None = None
        self._seen: _Seen | None = None
        self._held: Object | None = None
        self._runs_out: float | None = None
        self._lock = threading.Lock()

    def is_leading(self) -> bool:
        """Whether this replica may act now."""
        with self._lock:
            return (
                self._renewed_at is not None and self._clock.boottime() < self._renewed_at + self._terms.renew_deadline
            )

    def check(self) -> None:
        """Raise `TREError(LeadershipLost)` where this replica may not act."""
        if not self.is_leading():
            raise TREError(
                Reason.LeadershipLost,
                "This replica does not lead, so it changes nothing.",
                why=f"The lease {self._terms.key.name} was not renewed in time, or another replica holds it.",
                remedy="Nothing needs to be done: another replica takes over.",
            )

    def step(self) -> float:
        """One try to get or to renew the lease; return in how many seconds to try again."""
        began, self._runs_out = self._clock.boottime(), None
        try:
            held = self._try(began)
        except ClusterError as error:
            log.warning("lease", reason=error.reason.value, error=str(error))
            held = None
        if held is not None:
            with self._lock:
                self._renewed_at = began if held else None
        return self._pause()

    def _pause(self) -> float:
        with self._lock:
            had = self._renewed_at is not None
        pause = (self._terms.retry if had else self._terms.look) * (1 + JITTER * self._chance())
        return pause if self._runs_out is None else max(0.0, min(pause, self._runs_out - self._clock.boottime()))

    def run(self, stop: threading.Event, lost: Callable[[], None]) -> None:
        """Try until told to stop, then give the lease back; `lost` is called once if it was lost after it was had."""
        led = False
        while not stop.is_set():
            pause = self.step()
            if led and not self.is_leading():
                lost()
                return
            led = led or self.is_leading()
            stop.wait(pause)
        self.release()

    def release(self) -> None:
        """Give the lease back, if it is held, so that another replica need not wait."""
        if not self.is_leading():
            return
        with self._lock:
            self._renewed_at = None
        with contextlib.suppress(ClusterError):  # it runs out by itself
            found = self._client.get(LEASE, self._terms.key)
            if found is not None and _holder(found) == self._terms.identity:
                self._write(found, {"holderIdentity": "", "leaseDurationSeconds": 1})

    def _try(self, now: float) -> bool | None:
        """Whether the lease is held after this try; `None` where that is as it was."""
        held, self._held = self._held, None
        if held is not None:
            try:
                self._renew(held)
            except ClusterError as error:
                if error.code != 409:
                    raise
            else:
                return True
        found = self._client.get(LEASE, self._terms.key)
        if found is None:
            made = self._lease({"leaseTransitions": 0, "acquireTime": self._stamp()})
            self._held = self._client.create(LEASE, made)
            return True
        holder, mine = _holder(found), _holder(found) == self._terms.identity
        if not mine and holder and not self._has_run_out(found, now):
            return False
        self._runs_out = None
        try:
            if mine:
                self._renew(found)
            else:
                count = int(found["spec"].get("leaseTransitions") or 0)
                self._write(found, {"leaseTransitions": count + 1, "acquireTime": self._stamp()})
        except ClusterError as error:
            if error.code != 409:
                raise
            return False if not mine else None
        return True

    def _has_run_out(self, found: Object, now: float) -> bool:
        """By our own clock, from when we first saw this state: clocks of replicas need not agree."""
        version = found["metadata"]["resourceVersion"]
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version, now)
        seconds = max(float(found["spec"].get("leaseDurationSeconds") or 0), self._terms.duration)
        self._runs_out = self._seen.since + seconds
        return now >= self._runs_out

    def _renew(self, found: Object) -> None:
        kept = {name: found["spec"][name] for name in ("leaseTransitions", "acquireTime") if name in found["spec"]}
        self._write(found, kept)

    def _write(self, found: Object, news: Object) -> None:
        lease = self._lease(news)
        lease["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        self._held = self._client.apply(LEASE, lease)

    def _lease(self, news: Object) -> Object:
        spec: Object = {
            "holderIdentity": self._terms.identity,
            "leaseDurationSeconds": int(self._terms.duration),
            "renewTime": self._stamp(),
        }
        metadata: Object = {"name": self._terms.key.name, "namespace": self._terms.key.namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec | news}

    def _stamp(self) -> str:
        now: datetime = self._clock.now().astimezone(UTC)
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _holder(lease: Object) -> str:
    return str(lease.get("spec", {}).get("holderIdentity") or "")


class FencedClient:
    """A client that reads always and writes only while this replica leads."""

    def __init__(self, client: ClusterClient, check: Callable[[], None]) -> None:
        self._client, self._check = client, check

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object; `None` where there is none."""
        return self._client.get(kind, key)

    def list(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Listing:
        """A whole collection."""
        return self._client.list(kind, namespace, selector)

    def pages(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Iterator[Listing]:
        """A whole collection, page by page."""
        return self._client.pages(kind, namespace, selector)

    def watch(
        self, kind: Kind, namespace: str, version: int, selector: Selector = EVERYTHING
    ) -> contextlib.AbstractContextManager[Iterator[WatchEvent]]:
        """Changes after a version."""
        return self._client.watch(kind, namespace, version, selector)

    def create(self, kind: Kind, item: Object) -> Object:
        """A new object. Raises `TREError(LeadershipLost)`, as every write."""
        self._check()
        return self._client.create(kind, item)

    def apply(self, kind: Kind, item: Object, manager: str = MANAGER) -> Object:
        """What the launcher wants of an object."""
        self._check()
        return self._client.apply(kind, item, manager)

    def apply_status(self, kind: Kind, item: Object) -> Object:
        """What the launcher reports of an object."""
        self._check()
        return self._client.apply_status(kind, item)

    def patch(self, kind: Kind, key: Key, change: Object) -> Object:
        """Change just these fields."""
        self._check()
        return self._client.patch(kind, key, change)

    def log(self, key: Key, container: str, lines: int) -> str:
        """The last lines that a container of a pod printed."""
        return self._client.log(key, container, lines)

    def delete(self, kind: Kind, key: Key, how: Deletion = PLAINLY) -> bool:
        """Ask for an object's deletion."""
        self._check()
        return self._client.delete(kind, key, how)

    def skew(self) -> float:
        """By how many seconds the server's clock is surely ahead of ours."""
        return self._client.skew()


def fenced(client: ClusterClient, elector: Any) -> ClusterClient:
    """The client behind the fence of an elector."""
    return FencedClient(client, elector.check)
