"""The cache of a collection: what it takes, what it refuses, and when it lists anew."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.factories import NOON
from tests.support.faulty_cluster import FaultyCluster
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import ClusterError, EventType, Key, Kind, Listing, Object, WatchEvent
from tre.cluster.watch import FEW, FIRST_PAUSE, LONGEST_PAUSE, RELIST_SECONDS, Cache, Watcher
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason

KIND = Kind("", "v1", "ConfigMap", "configmaps")
KEY = Key("tre", "a")


def item(version: int, name: str = "a", uid: str = "u1", **metadata: Any) -> Object:
    own = {"name": name, "namespace": "tre", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": own | metadata}


def event(kind: EventType, version: int, **more: Any) -> WatchEvent:
    return WatchEvent(kind, item(version, **more))


def held(cache: Cache, key: Key = KEY) -> int | None:
    found = cache.get(key)
    return None if found is None else int(found["metadata"]["resourceVersion"])


def listed(*versions: int, at: int = 10) -> Cache:
    cache = Cache()
    cache.replace(Listing([item(version) for version in versions], at), NOON)
    return cache


def test_newer_replaces_and_older_does_not() -> None:
    cache = listed(5)
    assert cache.take(event(EventType.MODIFIED, 12)) == KEY
    assert cache.take(event(EventType.MODIFIED, 11)) is None
    assert cache.take(event(EventType.MODIFIED, 12)) is None
    assert held(cache) == 12


def test_what_is_older_than_the_list_says_nothing() -> None:
    cache = listed(at=10)
    assert cache.take(event(EventType.ADDED, 9)) is None
    assert held(cache) is None
    assert cache.take(event(EventType.ADDED, 11)) == KEY


def test_what_was_deleted_does_not_come_back_by_a_late_event() -> None:
    cache = listed(5)
    assert cache.take(event(EventType.DELETED, 13)) == KEY
    assert cache.take(event(EventType.MODIFIED, 12)) is None
    assert held(cache) is None
    assert cache.deleted(KEY) == "u1"
    assert cache.take(event(EventType.ADDED, 14, uid="u2")) == KEY
    assert cache.deleted(KEY) == "u1"  # until somebody acted on it
    cache.settle(KEY)
    assert not cache.deleted(KEY)


def test_a_deletion_that_nobody_acted_on_outlives_a_list() -> None:
    cache = listed(5)
    cache.take(event(EventType.DELETED, 13))
    cache.replace(Listing([], 20), NOON)
    assert cache.deleted(KEY) == "u1"
    cache.settle(KEY)
    cache.replace(Listing([], 21), NOON)
    assert cache.deleted(KEY) is None


@pytest.mark.parametrize("stale", [Listing([], 9), Listing([item(30)], 20)])
def test_a_list_older_than_what_was_seen_is_refused(stale: Listing) -> None:
    cache = listed(5, at=10)
    later = NOON.replace(hour=23)
    with pytest.raises(ClusterError) as caught:
        cache.replace(stale, later)
    assert caught.value.reason is Reason.StreamStale
    assert held(cache) == 5
    assert cache.confirmed_at == NOON
    assert cache.replace(Listing([], 11), later) == {KEY}
    assert cache.confirmed_at == later


def test_a_list_tells_what_changed() -> None:
    cache = Cache()
    assert cache.replace(Listing([item(1, "a"), item(2, "b")], 5), NOON) == {Key("tre", "a"), Key("tre", "b")}
    assert cache.replace(Listing([item(1, "a"), item(7, "c")], 8), NOON) == {Key("tre", "b"), Key("tre", "c")}


def test_ones_own_write_is_waited_for() -> None:
    cache = listed(5, at=10)
    assert cache.is_fresh(KEY)
    cache.wrote(item(15))
    assert not cache.is_fresh(KEY)
    cache.take(WatchEvent(EventType.BOOKMARK, {"metadata": {"resourceVersion": "14"}}))
    assert not cache.is_fresh(KEY)
    cache.take(event(EventType.MODIFIED, 15))
    assert cache.is_fresh(KEY)


def test_what_stays_is_known_by_its_identity_and_what_leaves_is_not() -> None:
    cache = listed(5)
    assert cache.identities() == {KEY: "u1"}
    cache.take(event(EventType.MODIFIED, 12, deletionTimestamp="2026-11-24T12:00:00Z"))
    assert cache.keys() == [KEY]
    assert cache.identities() == {}


def test_bookkeeping_of_fields_is_dropped() -> None:
    cache = Cache()
    cache.replace(Listing([item(1, managedFields=[{"manager": "x"}])], 5), NOON)
    found = cache.get(KEY)
    assert found is not None
    assert "managedFields" not in found["metadata"]


class Site:
    """A watcher of a cluster that fails as told."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        self.cluster = MemoryCluster(self.clock.now)
        self.client = FaultyCluster(self.cluster)
        self.told: list[str] = []
        self.watcher = Watcher(self.client, KIND, "tre", lambda key: self.told.append(key.name), self.clock)

    def write(self, name: str, value: str = "1") -> None:
        self.cluster.apply(KIND, {"metadata": {"name": name, "namespace": "tre"}, "data": {"x": value}})

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.client.calls]


def test_it_lists_once_and_watches_then() -> None:
    site = Site()
    site.write("a")
    site.watcher.step()
    site.write("b")
    site.watcher.step()
    site.watcher.step()
    assert site.verbs() == ["list", "watch", "watch"]
    assert site.told == ["a", "b"]
    assert site.watcher.trouble is None


def test_a_lost_event_is_made_up_for_by_the_next_list() -> None:
    site = Site()
    site.watcher.step()
    site.client.watches = ["drop-one"]
    site.write("a")
    site.watcher.step()
    assert site.told == []
    site.clock.advance(RELIST_SECONDS)
    site.watcher.step()
    assert site.told == ["a"]


@pytest.mark.parametrize("fault", ["410", "late-410"])
def test_a_forgotten_history_is_listed_anew_at_once(fault: str) -> None:
    site = Site()
    site.watcher.step()
    site.client.watches = [fault]
    assert site.watcher.step() == 0.0
    site.write("a")
    site.watcher.step()
    assert site.verbs() == ["list", "watch", "list"]
    assert site.told == ["a"]


def test_a_server_that_forgets_all_the_time_is_asked_ever_more_rarely() -> None:
    site = Site()
    site.client.watches = ["410"] * 20
    pauses = [site.watcher.step() for _ in range(40)]
    assert [pause for pause in pauses if pause][-1] > FIRST_PAUSE


@pytest.mark.parametrize("fault", ["429", "500", "silent"])
def test_failures_wait_longer_each_time(fault: str) -> None:
    site = Site()
    site.client.lists = [fault] * 20
    pauses = [site.watcher.step() for _ in range(20)]
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE
    assert site.watcher.trouble
    assert site.watcher.cache.confirmed_at is None
    site.watcher.step()
    assert site.watcher.trouble is None
    assert site.watcher.cache.confirmed_at == NOON


def test_a_stream_that_ends_at_once_is_no_hot_loop() -> None:
    site = Site()
    site.watcher.step()
    assert site.watcher.step() == 1.0


def test_many_changes_of_a_list_are_told_in_one_word_and_few_one_by_one() -> None:
    site, words = Site(), []
    site.watcher.many(lambda: words.append("many"))
    for number in range(FEW + 1):
        site.write(f"n{number}")
    site.watcher.step()
    assert (site.told, words) == ([], ["many"])
    site.write("one-more")
    site.clock.advance(RELIST_SECONDS)
    site.watcher.step()
    assert (site.told, words) == (["one-more"], ["many"])


def test_a_list_that_comes_in_pages_is_one_list() -> None:
    cache = Cache()
    pages = [Listing([item(1, "a")], 9), Listing([item(2, "b")], 9)]
    assert cache.replace_by(iter(pages), NOON) == {Key("tre", "a"), Key("tre", "b")}
    assert (cache.version, cache.version_of(Key("tre", "b")), cache.version_of(Key("tre", "c"))) == (9, 2, None)
