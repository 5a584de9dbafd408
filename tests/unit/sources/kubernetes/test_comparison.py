"""Comparing everything at once: what stands as it should is not named, each single difference is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.cluster_source import NAME, NAMESPACE, STALENESS, SourceWorld
from tests.support.factories import ALICE, access_grant
from tre.cluster.protocol import Key, Object
from tre.cluster.resources import ACCESS_GRANT, WORKSPACE
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.sources.kubernetes.comparison import Comparison, Sides
from tre.store import grants, workspaces

SPACE = Workspace.name_for(NAME, ALICE)
GRANT = ("grant", NAME)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[SourceWorld]:
    found = SourceWorld(tmp_path / "record.sqlite")
    found.write(found.signed())
    found.settle(12)
    yield found
    found.close()


def named(world: SourceWorld) -> list[tuple[str, str]]:
    """What a comparison names, after the watchers have seen what there is."""
    for watcher in world.source.watchers.values():
        watcher.step()
    caches = {word: watcher.cache for word, watcher in world.source.watchers.items()}
    sides = Sides(world.database, world.source.door, NAMESPACE, caches["grant"], caches["workspace"])
    return sorted(look for part in Comparison(sides, world.clock.now()).parts() for look in part)


def content(world: SourceWorld) -> Object:
    item = world.item()
    assert item is not None
    return {key: item[key] for key in ("apiVersion", "kind", "spec")} | {
        "metadata": {"name": NAME, "namespace": NAMESPACE}
    }


def other_status(world: SourceWorld) -> None:
    world.cluster.apply_status(ACCESS_GRANT, content(world) | {"status": world.status() | {"running": 7}})


def other_workspace(world: SourceWorld) -> None:
    metadata = {"name": SPACE, "namespace": NAMESPACE}
    world.cluster.patch(WORKSPACE, Key(NAMESPACE, SPACE), {"metadata": metadata, "status": {"phase": "Running"}})


def lost_workspace(world: SourceWorld) -> None:
    world.cluster.delete(WORKSPACE, Key(NAMESPACE, SPACE))


def stranger(world: SourceWorld) -> None:
    world.write(world.resource(access_grant("stranger")))


def suspended_in_record(world: SourceWorld) -> None:
    with world.database.change(world.event("test.changed", "test/1")) as change:
        grants.set_evidence(change, NAME, verified=False)


def wanted_in_record(world: SourceWorld) -> None:
    with world.database.change(world.event("test.changed", "test/1")) as change:
        workspaces.want(change, SPACE, Wanted.Running)


def edited(world: SourceWorld) -> None:
    world.write(content(world) | {"spec": content(world)["spec"] | {"expires": "2028-10-31T23:59:59Z"}})


def unheld(world: SourceWorld) -> None:
    world.cluster.patch(ACCESS_GRANT, Key(NAMESPACE, NAME), {"metadata": {"finalizers": None}})


def made_anew(world: SourceWorld) -> None:
    before = content(world)
    unheld(world)
    world.cluster.delete(ACCESS_GRANT, Key(NAMESPACE, NAME))
    world.write(before)


CHANGES: dict[str, tuple[Callable[[SourceWorld], object], tuple[str, str]]] = {
    "its status is another": (other_status, GRANT),
    "its resource is being deleted": (lambda world: world.delete(), GRANT),
    "its resource was made anew": (made_anew, GRANT),
    "its content was edited": (edited, GRANT),
    "it is not held": (unheld, GRANT),
    "its evidence is lost": (suspended_in_record, GRANT),
    "a workspace shows something else": (other_workspace, ("workspace", SPACE)),
    "a workspace is not shown": (lost_workspace, ("workspace", SPACE)),
    "a workspace is wanted": (wanted_in_record, ("workspace", SPACE)),
    "the record does not know it": (stranger, ("grant", "stranger")),
    "nobody vouches for it any more": (lambda world: world.clock.advance(2 * STALENESS.total_seconds()), GRANT),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_difference_is_named_and_nothing_else(world: SourceWorld, what: str) -> None:
    assert named(world) == []
    change, expected = CHANGES[what]
    change(world)
    assert named(world) == [expected]


def test_a_resource_that_was_deleted_unseen_is_named(world: SourceWorld) -> None:
    unheld(world)
    world.cluster.delete(ACCESS_GRANT, Key(NAMESPACE, NAME))
    world.restart()
    for watcher in world.source.watchers.values():
        watcher.step()
    assert named(world) == [GRANT]


def test_until_when_it_is_vouched_for_is_written_before_it_has_passed_and_not_for_itself(world: SourceWorld) -> None:
    first = world.status()["confirmedUntil"]
    world.pass_time(STALENESS.total_seconds() / 2)
    found = world.grant()
    assert found is not None
    assert found.confirmed_until is not None
    assert found.confirmed_until.isoformat() > first
    assert world.status()["confirmedUntil"] == first
    assert named(world) == []
    world.clock.advance((STALENESS / 2 - timedelta(minutes=16)).total_seconds())
    assert named(world) == []
    world.clock.advance(120)
    assert named(world) == [GRANT]


def test_a_restart_writes_nothing_where_all_is_as_it_was(world: SourceWorld) -> None:
    before, kinds = world.item(), world.kinds()
    world.restart()
    world.client.calls.clear()
    world.settle()
    assert world.item() == before
    assert world.kinds() == kinds
    assert {verb for verb, _kind in world.client.calls} == {"list", "watch"}
