"""What a collection holds now, as far as is known: listed, watched, and listed again.

Guarantees: an object in the cache is never replaced by an older one, however events are repeated or reordered; what
was deleted does not come back by a late event; a list that is older than what was seen already is refused. Everything
is listed anew every ten minutes and whenever the server forgot the history (410), so that an event that got lost is
made up for. `confirmed_at` is the moment before the last complete list: what the cache says was true then. `is_fresh`
says whether the cache has seen one's own last write of an object.

Does not guarantee: the truth of this moment. If the cluster is restored from an older copy, its versions run backwards
and every list is refused until the program is started again: nothing is confirmed meanwhile.

Threat: a watch that lost the deletion of a grant; an old answer from a cache that brings a revoked one back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import NamedTuple

import structlog
from prometheus_client import Counter

from tre.cluster.protocol import (
    EVERYTHING,
    ClusterClient,
    ClusterError,
    EventType,
    Key,
    Kind,
    Listing,
    Object,
    Selector,
    WatchEvent,
    WatchExpiredError,
    key_of,
    version_of,
)
from tre.domain.clock import Clock
from tre.domain.errors import Reason

log = structlog.get_logger()

RELIST_SECONDS = 600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
FEW = 100
"""Of how many changes at once somebody is told one by one who asked to hear of many in one word."""
SHORTEST_WATCH = 1.0
"""A server that ends every watch at once is asked once a second."""

LISTS = Counter("tre_cluster_lists", "Complete lists of a kind", ["kind", "outcome"])
WATCHES = Counter("tre_cluster_watches", "Watches of a kind that ended", ["kind", "outcome"])


class Held(NamedTuple):
    """One object as it is kept: as text, which takes a tenth of the memory of its values; `uid` of one that stays."""

    version: int
    text: str
    uid: str | None


def held(item: Object) -> Held:
    """An object without the bookkeeping of who owns which field, which is most of it and used by nobody here."""
    metadata = {name: value for name, value in item["metadata"].items() if name != "managedFields"}
    uid = None if "deletionTimestamp" in metadata else metadata.get("uid")
    return Held(version_of(item), json.dumps(item | {"metadata": metadata}, separators=(",", ":")), uid)


class Cache:
    """One collection; used by the watching thread and by many that read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[Key, Held] = {}
        self._gone: dict[Key, tuple[int, str]] = {}
        self._written: dict[Key, int] = {}
        self._listed = 0
        self._version = 0
        self.confirmed_at: datetime | None = None

    @property
    def version(self) -> int:
        """How far it has come: everything up to here was seen."""
        with self._lock:
            return self._version

    def get(self, key: Key) -> Object | None:
        """An object; a copy that is the caller's own."""
        with self._lock:
            found = self._objects.get(key)
        item: Object | None = None if found is None else json.loads(found.text)
        return item

    def version_of(self, key: Key) -> int | None:
        """Which version of an object is known: for who remembers what came of that one."""
        with self._lock:
            return self._objects[key].version if key in self._objects else None

    def keys(self) -> list[Key]:
        """Which objects there are."""
        with self._lock:
            return list(self._objects)

    def identities(self) -> dict[Key, str]:
        """Which objects there are that nobody asked to be deleted, and the identity of each."""
        with self._lock:
            return {key: one.uid for key, one in self._objects.items() if one.uid is not None}

    def deleted(self, key: Key) -> str | None:
        """The identity of the object that was seen being deleted under this name, until `settle` is called."""
        with self._lock:
            return self._gone[key][1] if key in self._gone else None

    def settle(self, key: Key) -> None:
        """The deletion was acted on."""
        with self._lock:
            if key in self._gone:
                self._gone[key] = (self._gone[key][0], "")

    def wrote(self, item: Object) -> None:
        """Keep which version one's own write made, and the object itself where it is newer than the known one."""
        with self._lock:
            key, version = key_of(item), version_of(item)
            self._written[key] = max(version, self._written.get(key, 0))

    def is_fresh(self, key: Key) -> bool:
        """Whether one's own last write of this object was seen come back."""
        with self._lock:
            written = self._written.get(key, 0)
            known = self._objects.get(key)
            if written <= self._version or (known is not None and known.version >= written):
                self._written.pop(key, None)
                return True
            return key in self._gone and self._gone[key][0] >= written

    def replace(self, listing: Listing, began: datetime) -> set[Key]:
        """Take a complete list; return what changed. Raises `ClusterError(StreamStale)` for an older one."""
        return self.replace_by([listing], began)

    def replace_by(self, pages: Iterable[Listing], began: datetime) -> set[Key]:
        """The same from a list that comes in pages, of which one at a time is in memory."""
        after: dict[Key, Held] = {}
        version = 0
        for page in pages:
            after |= {key_of(item): held(item) for item in page.items}
            version = page.version
        with self._lock:
            newest = max([version, *(one.version for one in after.values())])
            if version < self._version or newest > version:
                raise ClusterError(
                    Reason.StreamStale,
                    "The API server sent a list that is older than what it said before.",
                    why=f"The list is of version {version}, known is {self._version}.",
                )
            changed = {key for key, one in after.items() if not _same(one, self._objects.get(key))}
            changed |= self._objects.keys() - after.keys()
            self._objects = after
            self._gone = {key: told for key, told in self._gone.items() if told[1]}
            self._listed = self._version = version
            self.confirmed_at = began
            return changed

    def take(self, event: WatchEvent) -> Key | None:
        """Take one event; return which object changed by it."""
        with self._lock:
            version = version_of(event.object)
            if event.type is EventType.BOOKMARK:
                self._version = max(version, self._version)
                return None
            key = key_of(event.object)
            known = self._objects.get(key)
            seen = max(self._listed, self._gone.get(key, (0, ""))[0], 0 if known is None else known.version)
            self._version = max(version, self._version)
            if version <= seen:
                return None
            if event.type is EventType.DELETED:
                self._objects.pop(key, None)
                self._gone[key] = (version, event.object["metadata"]["uid"])
            else:
                self._objects[key] = held(event.object)
            return key


def _same(one: Held, before: Held | None) -> bool:
    return before is not None and one.version == before.version


class Watcher:
    """Keeps a cache in step with one collection, and tells which objects changed."""

    def __init__(
        self,
        client: ClusterClient,
        kind: Kind,
        namespace: str,
        tell: Callable[[Key], None],
        clock: Clock,
        selector: Selector = EVERYTHING,
    ) -> None:
        self._selector = selector
        self._tell_many: Callable[[], None] | None = None
        self._client, self._kind, self._namespace, self._tell, self._clock = client, kind, namespace, tell, clock
        self.cache = Cache()
        self._list_at: float | None = None
        self._failures = 0
        self.trouble: str | None = "nothing was listed yet"

    def many(self, tell: Callable[[], None]) -> None:
        """Have it told once where a list changed more than a few objects, in place of telling each of them."""
        self._tell_many = tell

    def run(self, stop: threading.Event) -> None:
        """List and watch until told to stop, whatever happens."""
        while not stop.is_set():
            stop.wait(self.step())

    def step(self) -> float:
        """List if that is due, else watch until the stream ends; return how many seconds to wait before the next."""
        began = self._clock.boottime()
        try:
            if self._list_at is None or began >= self._list_at:
                self._list()
                return 0.0
            self._watch()
        except ClusterError as error:
            return self._failed(error)
        self._failures = 0
        return max(0.0, SHORTEST_WATCH - (self._clock.boottime() - began))

    def _list(self) -> None:
        began = self._clock.now()
        pages = self._client.pages(self._kind, self._namespace, self._selector)
        changed = self.cache.replace_by(pages, began)
        LISTS.labels(self._kind.kind, "ok").inc()
        self._list_at = self._clock.boottime() + RELIST_SECONDS
        self.trouble = None
        if self._tell_many is not None and len(changed) > FEW:
            self._tell_many()
            return
        for key in changed:
            self._tell(key)

    def _watch(self) -> None:
        with self._client.watch(self._kind, self._namespace, self.cache.version, self._selector) as events:
            for event in events:
                if (key := self.cache.take(event)) is not None:
                    self._tell(key)
        self.trouble = None
        WATCHES.labels(self._kind.kind, "ended").inc()

    def _failed(self, error: ClusterError) -> float:
        WATCHES.labels(self._kind.kind, error.reason.value).inc()
        before, self.trouble = self.trouble, str(error)
        if isinstance(error, WatchExpiredError):
            self._list_at = None
            pause = self._pause(error)
            return 0.0 if self._failures == 1 else pause
        if before != self.trouble:  # said once, not each time it is tried again
            log.warning("watch-failed", kind=self._kind.kind, reason=error.reason.value, error=str(error))
        return self._pause(error)

    def _pause(self, error: ClusterError) -> float:
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return max(pause, error.retry_after)
