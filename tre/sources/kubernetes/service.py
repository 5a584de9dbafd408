"""The source at work: watches resources, lets the door take them in, and keeps the window in step with the record.

Guarantees: level-triggered: each look at a resource reads it and the record anew, so it may come at any time and any
number of times. A resource has our finalizer before its content is looked at, so that a deletion is never missed, and
loses it when nobody has access by it any more: `kubectl delete` returns when access is gone. What fails is tried again,
later each time, and delays nothing else; what ends comes before what only waits its turn. Without the lease nothing is
written, neither to the cluster nor the record.

Does not guarantee: that the window shows the last second. The record's own ways of ending access never wait for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy import Connection

from tre.cluster.events import Recorder, Said
from tre.cluster.protocol import ClusterClient, ClusterError, Key, Kind, Object, Preconditions, key_of
from tre.cluster.protocol import Deletion as HowToDelete
from tre.cluster.queue import KeyQueue
from tre.cluster.resources import ACCESS_GRANT, DATASET, FINALIZER, WORKSPACE
from tre.cluster.watch import Watcher
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.sources.kubernetes import window
from tre.sources.kubernetes.comparison import Comparison, Sides
from tre.sources.kubernetes.door import DoorTerms, GrantDoor, Verdict
from tre.store import datasets, events, outlines, workspaces
from tre.store.changes import objects_changed_after

log = structlog.get_logger()

HEAR_SECONDS = 0.25
WORKERS = 3
"""Looks at a time beside the first: they wait for the API server, not for each other."""
SOON_SECONDS = 0.2
AGAIN_SECONDS = 60.0
"""How soon a resource is looked at again that names what is not there (a person, a dataset): it may come."""
PASSING_SECONDS = 2.0
PASSING = frozenset({Reason.AuditBroken, Reason.ClockOutOfStep, Reason.LeadershipLost})
"""What lies with us and not with the resource, and passes."""
KINDS: dict[str, Kind] = {"grant": ACCESS_GRANT, "workspace": WORKSPACE, "dataset": DATASET}

LOOKED = Counter("tre_source_reconciled", "Looks at a resource", ["kind", "outcome"])
COMPARED = Counter("tre_source_comparisons", "Times that all resources were compared with the whole record")
WAITING = Gauge("tre_source_queue", "Resources waiting to be looked at")
SKEW = Gauge("tre_cluster_clock_skew_seconds", "How far the API server's clock is surely ahead")


class Look(NamedTuple):
    """What is to be looked at."""

    kind: str
    name: str


@dataclass(frozen=True)
class SourceTerms:
    """The cluster, the one namespace whose resources count, and the door's terms."""

    client: ClusterClient
    namespace: str
    door: DoorTerms
    recorder: Recorder


class KubernetesSource:
    """Door and window of one namespace."""

    def __init__(self, terms: SourceTerms) -> None:
        self._terms = terms
        self._client, self._database = terms.client, terms.door.database
        self._clock: Clock = terms.door.clock
        self.door = GrantDoor(terms.door)
        self.queue: KeyQueue[Look] = KeyQueue(self._clock.boottime)
        self.watchers = {
            word: Watcher(self._client, kind, terms.namespace, self._teller(word), self._clock)
            for word, kind in KINDS.items()
        }
        for word in ("grant", "workspace"):
            self.watchers[word].many(self._have_compared)
        self._seen: int | None = None
        self._compare_due = True
        self._comparing: Iterator[list[tuple[str, str]]] | None = None
        self._hear_at = self._clock.boottime()
        self._confirmed_at: datetime | None = None
        self._handlers: dict[str, Callable[[str], bool]] = {
            "grant": self._grant,
            "workspace": self._workspace,
            "dataset": self._dataset,
        }

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop: one thread for each watch, this one for everything else."""
        threads = [
            threading.Thread(target=watcher.run, args=(stop,), name=f"watch-{word}", daemon=True)
            for word, watcher in self.watchers.items()
        ]
        threads += [threading.Thread(target=self._work, args=(stop,), name="look", daemon=True) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        while not stop.is_set():
            self.step(HEAR_SECONDS if self._comparing is None else 0.0)
        self.queue.close()

    def _work(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if (look := self.queue.get(HEAR_SECONDS)) is not None:
                self._look(look)

    def step(self, seconds: float = 0.0) -> None:
        """Hear what changed in the record, vouch for what is there, look at everything that waits."""
        try:
            self._terms.door.check_leading()
            self._hear()
            self._confirm()
            self._compare()
        except Exception as error:  # the loop must outlive anything, and say what is wrong
            log.warning("source-step-failed", error=str(error), exc_info=not isinstance(error, TREError))
        until = self._clock.boottime() + HEAR_SECONDS  # however much waits, the record is heard again
        look = self.queue.get(seconds)
        while look is not None:
            self._look(look)
            look = self.queue.get(0.0) if self._clock.boottime() < until else None
        WAITING.set(len(self.queue))
        self._terms.recorder.flush()
        SKEW.set(self._client.skew())

    def _have_compared(self) -> None:
        self._compare_due = True

    def _compare(self) -> None:
        """Compare the next part of everything with the record, once everything was listed."""
        if self._comparing is None:
            listed = all(watcher.cache.confirmed_at is not None for watcher in self.watchers.values())
            if not self._compare_due or not listed:
                return
            self._compare_due = False
            grants, spaces = self.watchers["grant"].cache, self.watchers["workspace"].cache
            sides = Sides(self._database, self.door, self._terms.namespace, grants, spaces)
            self._comparing = Comparison(sides, self._clock.now()).parts()
        try:
            found = next(self._comparing, None)
        except Exception:
            self._comparing, self._compare_due = None, True
            raise
        if found is None:
            self._comparing = None
            COMPARED.inc()
        for kind, name in found or ():
            self.queue.add(Look(kind, name))

    def _look(self, look: Look) -> None:
        try:
            settled = self._handlers[look.kind](look.name)
        except Exception as error:  # one resource that cannot be dealt with delays no other
            LOOKED.labels(look.kind, "failed").inc()
            least = error.retry_after if isinstance(error, ClusterError) else 0.0
            pause = self.queue.retry(look, least)
            known = isinstance(error, TREError)
            log.warning(
                "look-failed", kind=look.kind, name=look.name, error=str(error), pause=pause, exc_info=not known
            )
        else:
            LOOKED.labels(look.kind, "ok").inc()
            if settled:
                self.queue.forget(look)
            else:
                self.queue.add_after(look, SOON_SECONDS)
        finally:
            self.queue.done(look)

    def _teller(self, word: str) -> Callable[[Key], None]:
        def tell(key: Key) -> None:
            item = self.watchers[word].cache.get(key)
            ends = word == "grant" and (item is None or "deletionTimestamp" in item["metadata"])
            (self.queue.add_first if ends else self.queue.add)(Look(word, key.name))

        return tell

    def _hear(self) -> None:
        """Have looked at what changed in the record since the last time; what was there before is compared."""
        if self._clock.boottime() < self._hear_at:
            return
        self._hear_at = self._clock.boottime() + HEAR_SECONDS
        with self._database.read() as connection:
            if self._seen is None:
                self._seen = events.last_number(connection)
                changed = [f"dataset/{one.name}" for one in datasets.all_datasets(connection)]
            else:
                self._seen, changed = objects_changed_after(connection, self._seen)
                changed += _grants_of(connection, changed)
        for subject in changed:
            kind, _, name = subject.partition("/")
            if kind in self._handlers:
                self.queue.add(Look(kind, name))

    def _confirm(self) -> None:
        """Vouch for every grant whose resource is there, by the last complete list."""
        cache = self.watchers["grant"].cache
        if cache.confirmed_at is None or cache.confirmed_at == self._confirmed_at:
            return
        confirmed_at = cache.confirmed_at
        present = {key.name: uid for key, uid in cache.identities().items()}
        for name in self.door.confirm(present, confirmed_at):
            self.queue.add(Look("grant", name))
        self._confirmed_at, self._compare_due = confirmed_at, True

    def _grant(self, name: str) -> bool:
        """Look at one grant's resource; whether no more is to be done for now."""
        key, cache = Key(self._terms.namespace, name), self.watchers["grant"].cache
        if not cache.is_fresh(key):
            return False
        if uid := cache.deleted(key):
            self.door.deleted(name, uid)
            cache.settle(key)
        item = cache.get(key)
        if item is None:
            if cache.confirmed_at is not None:
                self.door.missing(name)
            return True
        if "deletionTimestamp" in item["metadata"]:
            return self._leave(item)
        if FINALIZER not in (item["metadata"].get("finalizers") or ()):
            cache.wrote(self._client.apply(ACCESS_GRANT, _with_finalizers(item, [FINALIZER])))
            return True
        if cache.confirmed_at is None:
            return True
        verdict = self.door.take(item, cache.confirmed_at)
        self._show(item, verdict)
        if verdict.evidence.holds and not verdict.accepted.holds:
            passes = verdict.accepted.reason in PASSING
            self.queue.add_after(Look("grant", name), PASSING_SECONDS if passes else AGAIN_SECONDS)
        return True

    def _leave(self, item: Object) -> bool:
        """A resource that is being deleted: end its grant, and let it go once that is done."""
        name, uid = key_of(item).name, item["metadata"]["uid"]
        self.door.deleted(name, uid)
        if FINALIZER not in (item["metadata"].get("finalizers") or ()):
            return True
        if not self.door.is_over(name, uid):
            return True  # its workspaces' events bring it back here
        self._client.apply(ACCESS_GRANT, _with_finalizers(item, []))
        return True

    def _show(self, item: Object, verdict: Verdict) -> None:
        name = key_of(item).name
        record = None
        if verdict.owns_grant:
            with self._database.read() as connection:
                record = outlines.get(connection, name)
        for one in () if record is None else record.workspaces:
            if self.watchers["workspace"].cache.get(Key(self._terms.namespace, one.name)) is None:
                self.queue.add(Look("workspace", one.name))
        status = window.grant_status(item, verdict, record, self._clock.now())
        if status == item.get("status"):
            return
        self._tell(item, status)
        written = self._client.apply_status(ACCESS_GRANT, _head(item) | {"status": status})
        self.watchers["grant"].cache.wrote(written)

    def _tell(self, item: Object, status: Object) -> None:
        """An Event for each change of phase, and of whether it stands ready."""
        before, after = _ready(item.get("status") or {}), _ready(status)
        if before == after:
            return
        phase, _, reason, message = after
        warning = after[1] != "True" and reason not in {"GrantPending", "Entitled"}
        self._terms.recorder.say(Said(item, reason, f"{phase}: {message or reason}", "Reconcile", warning))

    def _workspace(self, name: str) -> bool:
        with self._database.read() as connection:
            found = outlines.workspace(connection, name)
        if found is not None:
            return self._mirror(WORKSPACE, "workspace", window.workspace_objects(found, self._terms.namespace))
        return self._remove(WORKSPACE, "workspace", name)

    def _dataset(self, name: str) -> bool:
        with self._database.read() as connection:
            found = datasets.get(connection, name)
            releases = datasets.releases_of(connection, name)
        if found is not None:
            return self._mirror(DATASET, "dataset", window.dataset_objects(found, releases, self._terms.namespace))
        return self._remove(DATASET, "dataset", name)

    def _mirror(self, kind: Kind, word: str, wanted: tuple[Object, Object]) -> bool:
        """Bring a resource of the window where the record is, writing only what differs."""
        cache, key = self.watchers[word].cache, key_of(wanted[0])
        cache.settle(key)
        if not cache.is_fresh(key):
            return False
        item = cache.get(key)
        if not window.holds(item, wanted[0]):
            item = self._client.apply(kind, wanted[0])
            cache.wrote(item)
        if not window.holds(item, wanted[1]):
            cache.wrote(self._client.apply_status(kind, wanted[1]))
        return True

    def _remove(self, kind: Kind, word: str, name: str) -> bool:
        """A resource that somebody else made, of something that the record does not know: it would only mislead."""
        cache, key = self.watchers[word].cache, Key(self._terms.namespace, name)
        cache.settle(key)
        item = cache.get(key)
        if item is not None:
            self._client.delete(kind, key, HowToDelete(Preconditions(uid=item["metadata"]["uid"])))
        return True


def _grants_of(connection: Connection, changed: list[str]) -> list[str]:
    """The grants of the workspaces among these objects: they show how many run, and wait for their deaths."""
    names = [subject.removeprefix("workspace/") for subject in changed if subject.startswith("workspace/")]
    found = (workspaces.get(connection, name) for name in names)
    return [f"grant/{one.grant}" for one in found if one is not None]


def _head(item: Object) -> Object:
    metadata = {"name": item["metadata"]["name"], "namespace": item["metadata"]["namespace"]}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": metadata}


def _with_finalizers(item: Object, finalizers: list[str]) -> Object:
    """Only ours, and only of this very object: the version makes sure that it is the one that was looked at."""
    head = _head(item)
    own = {"finalizers": finalizers} if finalizers else {}
    return head | {"metadata": head["metadata"] | own | {"uid": item["metadata"]["uid"]}}


def _ready(status: Object) -> tuple[str, str, str, str]:
    ready: Object = next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {})
    return (
        str(status.get("phase", "")),
        str(ready.get("status", "")),
        str(ready.get("reason", "")),
        str(ready.get("message", "")),
    )
