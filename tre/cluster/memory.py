"""An API server in memory: the same verbs over a dictionary, for tests and for trying things without a cluster.

Guarantees: it passes the contract suite that the real one passes: resource versions, server-side apply with owners of
fields, status apart from the rest, finalizers, preconditions, generations, watches that expire. Nothing waits: a watch
says what is known, sends a bookmark and ends, unless `hold` says how many seconds it stays.

Does not guarantee: admission. It knows no schema and no policy; what a real server refuses is shown with a real one.
"""

from __future__ import annotations

import contextlib
import copy
import secrets
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from tre.cluster import owners
from tre.cluster.protocol import (
    EVERYTHING,
    MANAGER,
    PAGE,
    PLAINLY,
    STATUS_MANAGER,
    Deletion,
    EventType,
    Key,
    Kind,
    Listing,
    Object,
    Selector,
    WatchEvent,
    key_of,
    refusal_of,
    version_of,
)


class _Change(NamedTuple):
    version: int
    kind: Kind
    event: WatchEvent


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


class MemoryCluster:
    """One cluster and its only client; see `tre.cluster.protocol.ClusterClient` for its methods."""

    def __init__(self, now: Callable[[], datetime] = _utc_now, hold: float = 0.0) -> None:
        self._now, self._hold = now, hold
        self._changed = threading.Condition()
        self._version = 1
        self._objects: dict[tuple[Kind, Key], Object] = {}
        self._owners: dict[tuple[Kind, Key], owners.Owners] = {}
        self._history: list[_Change] = []
        self._oldest = 0
        self.logs: dict[tuple[Key, str], str] = {}

    def get(self, kind: Kind, key: Key) -> Object | None:
        """One object; `None` where there is none."""
        with self._changed:
            return copy.deepcopy(self._objects.get((kind, key)))

    def list(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Listing:
        """A whole collection."""
        with self._changed:
            found = [
                copy.deepcopy(item)
                for (its_kind, key), item in sorted(self._objects.items(), key=lambda entry: entry[0][1])
                if its_kind == kind and namespace in ("", key.namespace) and _selected(item, selector)
            ]
            return Listing(found, self._version)

    def pages(self, kind: Kind, namespace: str = "", selector: Selector = EVERYTHING) -> Iterator[Listing]:
        """The same page by page."""
        whole = self.list(kind, namespace, selector)
        for start in range(0, max(1, len(whole.items)), PAGE):
            yield Listing(whole.items[start : start + PAGE], whole.version)

    @contextlib.contextmanager
    def watch(
        self, kind: Kind, namespace: str, version: int, selector: Selector = EVERYTHING
    ) -> Iterator[Iterator[WatchEvent]]:
        """Changes after a version."""
        with self._changed:
            if version < self._oldest:
                raise refusal_of(410, {"message": "too old resource version"}, "The history is gone.")
        yield self._follow(kind, namespace, version, selector)

    def create(self, kind: Kind, item: Object) -> Object:
        """A new object."""
        with self._changed:
            if (kind, key_of(item)) in self._objects:
                raise refusal_of(409, {"reason": "AlreadyExists"}, f"There is {key_of(item).name} already.")
            return self._made(kind, item, "")

    def apply(self, kind: Kind, item: Object, manager: str = MANAGER) -> Object:
        """What the launcher wants of an object."""
        with self._changed:
            before = self._objects.get((kind, key_of(item)))
            _check_version(before, item)
            if before is None:
                return self._made(kind, item, manager)
            wanted = {name: value for name, value in item.items() if name != "status"}
            return self._applied(kind, before, wanted, manager)

    def apply_status(self, kind: Kind, item: Object) -> Object:
        """What the launcher reports of an object."""
        with self._changed:
            before = self._objects.get((kind, key_of(item)))
            if before is None:
                raise refusal_of(404, {}, f"There is no {kind.kind} {key_of(item).name}.")
            _check_version(before, item)
            return self._applied(kind, before, {"status": item.get("status", {})}, STATUS_MANAGER)

    def patch(self, kind: Kind, key: Key, change: Object) -> Object:
        """Change just these fields."""
        with self._changed:
            before = self._objects.get((kind, key))
            if before is None:
                raise refusal_of(404, {}, f"There is no {kind.kind} {key.name}.")
            _check_version(before, {"metadata": {"name": key.name} | change.get("metadata", {})})
            after = _merged(copy.deepcopy(before), change)
            after["metadata"] |= _fixed(before)
            if "deletionTimestamp" in after["metadata"] and not after["metadata"].get("finalizers"):
                self._remove(kind, after)
                return after
            return self._store(kind, after, EventType.MODIFIED)

    def log(self, key: Key, container: str, lines: int) -> str:
        """What a test had a container say."""
        with self._changed:
            said = self.logs.get((key, container))
        if said is None:
            raise refusal_of(400, {"message": "container is waiting to start"}, f"{key.name} says nothing yet.")
        return "\n".join(said.splitlines()[-lines:])

    def delete(self, kind: Kind, key: Key, how: Deletion = PLAINLY) -> bool:
        """Ask for an object's deletion."""
        with self._changed:
            item = self._objects.get((kind, key))
            if item is None:
                return False
            wanted = (how.preconditions.uid, how.preconditions.version)
            if any(want is not None and want != have for want, have in zip(wanted, _identity(item), strict=True)):
                raise refusal_of(409, {"message": "Precondition failed"}, f"{key.name} is not as expected.")
            if not item["metadata"].get("finalizers"):
                self._remove(kind, item)
            elif "deletionTimestamp" not in item["metadata"]:
                after = copy.deepcopy(item)
                after["metadata"]["deletionTimestamp"] = self._stamp()
                self._store(kind, after, EventType.MODIFIED)
            return True

    def skew(self) -> float:
        """Two clocks that are one."""
        return 0.0

    def forget_history(self) -> None:
        """As when etcd is compacted: watches from before now have expired."""
        with self._changed:
            self._history.clear()
            self._oldest = self._version

    def remove_by_force(self, kind: Kind, key: Key) -> None:
        """As when somebody takes off the finalizers by hand and deletes: gone, without a word to those who wait."""
        with self._changed:
            self._remove(kind, self._objects[kind, key])

    def _follow(self, kind: Kind, namespace: str, version: int, selector: Selector) -> Iterator[WatchEvent]:
        seen = version
        while True:
            with self._changed:
                if self._version <= seen:
                    self._changed.wait(self._hold)
                if self._version <= seen:
                    break
                fresh = [change for change in self._history if change.version > seen]
                seen = self._version
            for change in fresh:
                at_home = change.kind == kind and namespace in ("", key_of(change.event.object).namespace)
                if at_home and _selected(change.event.object, selector):
                    yield copy.deepcopy(change.event)
        yield WatchEvent(EventType.BOOKMARK, {"metadata": {"resourceVersion": str(seen)}})

    def _made(self, kind: Kind, item: Object, manager: str) -> Object:
        made: Object = {"apiVersion": kind.api_version, "kind": kind.kind} | copy.deepcopy(item)
        made.pop("status", None)
        made["metadata"] |= {
            "uid": secrets.token_hex(16),
            "creationTimestamp": self._stamp(),
            "generation": 1,
        }
        self._owners[kind, key_of(item)] = owners.first(made, manager)
        return self._store(kind, made, EventType.ADDED)

    def _applied(self, kind: Kind, before: Object, wanted: Object, manager: str) -> Object:
        after, owned = owners.applied(before, wanted, manager, self._owners[kind, key_of(before)])
        self._owners[kind, key_of(before)] = owned
        metadata = after["metadata"] = {**after["metadata"], **_fixed(before)}
        if after == before:
            return copy.deepcopy(before)
        if _content(after) != _content(before):
            metadata["generation"] += 1
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self._remove(kind, after)
            return after
        return self._store(kind, after, EventType.MODIFIED)

    def _store(self, kind: Kind, item: Object, event: EventType) -> Object:
        self._version += 1
        item["metadata"]["resourceVersion"] = str(self._version)
        self._objects[kind, key_of(item)] = item
        self._tell(kind, event, item)
        return copy.deepcopy(item)

    def _remove(self, kind: Kind, item: Object) -> None:
        self._version += 1
        gone = copy.deepcopy(item)
        gone["metadata"]["resourceVersion"] = str(self._version)
        del self._objects[kind, key_of(item)], self._owners[kind, key_of(item)]
        self._tell(kind, EventType.DELETED, gone)

    def _tell(self, kind: Kind, event: EventType, item: Object) -> None:
        self._history.append(_Change(self._version, kind, WatchEvent(event, copy.deepcopy(item))))
        self._changed.notify_all()

    def _stamp(self) -> str:
        return self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _merged(before: Object, change: Object) -> Object:
    """A merge patch (RFC 7396)."""
    for name, value in change.items():
        if value is None:
            before.pop(name, None)
        elif isinstance(value, dict):
            inner = before.get(name)
            before[name] = _merged(inner if isinstance(inner, dict) else {}, value)
        else:
            before[name] = copy.deepcopy(value)
    return before


def _identity(item: Object) -> tuple[str, int]:
    return item["metadata"]["uid"], version_of(item)


def _check_version(before: Object | None, item: Object) -> None:
    have = {} if before is None else before["metadata"]
    for name in ("uid", "resourceVersion"):
        wanted = item["metadata"].get(name)
        if wanted is not None and wanted != have.get(name):
            raise refusal_of(409, {"message": "the object has been modified"}, f"{key_of(item).name} was changed.")


def _fixed(before: Object) -> Object:
    """What nobody but the server says of an object."""
    own = ("uid", "creationTimestamp", "generation", "resourceVersion", "deletionTimestamp")
    return {name: before["metadata"][name] for name in own if name in before["metadata"]}


def _content(item: Object) -> Object:
    return {name: value for name, value in item.items() if name not in {"metadata", "status"}}


def _selected(item: Object, selector: Selector) -> bool:
    labels = item["metadata"].get("labels") or {}
    there = [part for part in selector.labels.split(",") if part and "=" not in part]  # a name alone: any value
    pairs = [pair for pair in _pairs(selector.labels) if pair[0] not in there]
    return (
        all(name in labels for name in there)
        and all(labels.get(name) == value for name, value in pairs)
        and all(_field(item, name) == value for name, value in _pairs(selector.fields))
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    parted = [part.partition("=") for part in text.split(",") if part]
    return [(name, value.removeprefix("=")) for name, _, value in parted]


def _field(item: Object, path: str) -> str:
    found: object = item
    for part in path.strip(".").split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return "" if found is None else str(found)
