"""Comparing all resources with the whole record at once, to find the few that need a look of their own.

Guarantees: nothing is written and nothing decided here. A resource that is not named stands as a look at it would have
left it, by what the record and the cache said in one moment; what changes after that moment is told by its event or by
the watch. In doubt it is named.

Does not guarantee: that a status shows until when its grant is vouched for to the minute: that alone is no reason to
write ten thousand of them anew each hour. It is written anew when something else is, and before it has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tre.cluster.protocol import Key, Object
from tre.cluster.resources import FINALIZER
from tre.cluster.watch import Cache
from tre.domain.grants.states import ENDED_PHASES
from tre.sources.kubernetes import window
from tre.sources.kubernetes.door import SOURCE, GrantDoor
from tre.store import grant_sources, outlines
from tre.store.database import Database
from tre.store.outlines import GrantOutline, WorkspaceOutline
from tre.store.spans import Span

_VOUCHED = "confirmedUntil"
_SOON = timedelta(minutes=15)


@dataclass(frozen=True)
class Sides:
    """What is compared: the record, and the caches of grants and workspaces of one namespace."""

    database: Database
    door: GrantDoor
    namespace: str
    grants: Cache
    workspaces: Cache


class Comparison:
    """One pass over everything, in parts: `looks` gives what to look at, part by part."""

    def __init__(self, sides: Sides, now: datetime) -> None:
        self._sides, self._now = sides, now
        self._known: set[Key] = set()

    def parts(self) -> Iterator[list[tuple[str, str]]]:
        """Kind and name of what needs a look: first of what the record knows, then of what only the cluster does."""
        after, full = "", True
        while full:
            with self._sides.database.read() as connection:
                found = outlines.part(connection, after)
                span = Span(found[0].name, found[-1].name) if found else None
                origins = {} if span is None else grant_sources.origins(connection, span)
            yield [look for one in found for look in self._of(one, origins.get(one.name))]
            after, full = found[-1].name if found else "", len(found) == outlines.PART
        yield [*self._strangers("grant", self._sides.grants), *self._strangers("workspace", self._sides.workspaces)]

    def _key(self, name: str) -> Key:
        return Key(self._sides.namespace, name)

    def _strangers(self, word: str, cache: Cache) -> list[tuple[str, str]]:
        return [(word, key.name) for key in cache.keys() if key not in self._known]  # noqa: SIM118 - no mapping

    def _of(self, seen: GrantOutline, origin: grant_sources.Origin | None) -> Iterator[tuple[str, str]]:
        self._known |= {self._key(seen.name), *(self._key(one.name) for one in seen.workspaces)}
        if not self._is_surely(lambda: self._is_shown(seen, origin)):
            yield "grant", seen.name
        for one in seen.workspaces:
            if not self._is_mirrored(one):
                yield "workspace", one.name

    def _is_surely(self, question: Callable[[], bool]) -> bool:
        """Whether it is so; what nobody understands is not."""
        try:
            return question()
        except (KeyError, TypeError, ValueError):
            return False

    def _is_shown(self, seen: GrantOutline, origin: grant_sources.Origin | None) -> bool:
        key, cache = self._key(seen.name), self._sides.grants
        item = cache.get(key)
        if item is None:
            return seen.source != SOURCE or (seen.phase in ENDED_PHASES and not cache.deleted(key))
        metadata = item["metadata"]
        if "deletionTimestamp" in metadata or FINALIZER not in (metadata.get("finalizers") or ()):
            return False
        if not cache.is_fresh(key) or cache.deleted(key):
            return False
        verdict = self._sides.door.settled(item, seen, origin)
        if verdict is None:
            return False
        return self._same(item.get("status") or {}, window.grant_status(item, verdict, seen, self._now))

    def _same(self, shown: Object, wanted: Object) -> bool:
        """Whether nothing but the moment up to which is vouched differs, and that one lies ahead."""
        vouched = shown.get(_VOUCHED)
        if vouched is not None and datetime.fromisoformat(vouched) <= self._now + _SOON:
            return shown == wanted
        return shown | {_VOUCHED: wanted.get(_VOUCHED)} == wanted | {_VOUCHED: wanted.get(_VOUCHED)}

    def _is_mirrored(self, one: WorkspaceOutline) -> bool:
        key, cache = self._key(one.name), self._sides.workspaces
        item = cache.get(key)
        wanted = window.workspace_objects(one, self._sides.namespace)
        return cache.is_fresh(key) and not cache.deleted(key) and all(window.holds(item, part) for part in wanted)
