"""People leave a slice in place: the grant follows, and a run that goes on reading begins anew."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.controller.conftest import DIGEST, World
from tre.controller.stale_readers import MESSAGE
from tre.domain.datasets import BuiltSlice, Dataset
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.states import Wanted
from tre.store import datasets, grant_slices

OTHER = "sha256:" + "cd" * 32


def people_leave(world: World, version: int = 2) -> None:
    """What the storekeeper writes when people have left the grant's slice."""
    with world.database.read() as connection:
        (item,) = grant_slices.of_grant(connection, "nccid-00123")
        known = datasets.get(connection, item.dataset)
    values: dict[str, Any] = {"slice_id": item.slice_id, "dataset": item.dataset, "release": item.release}
    values |= {"plan_digest": OTHER, "content_digest": OTHER, "manifest_version": version, "files": 5, "bytes": 9}
    built = BuiltSlice(**values, data_group=60100, built_at=world.clock.now())
    event = world.event("slice.changed", f"slice/{item.slice_id}")
    with world.database.change(event) as change:
        if known is None:
            made = Dataset(name=item.dataset, title="x", data_group=60100, created_at=world.clock.now())
            datasets.register(change, made)
        datasets.keep_slice(change, built)
    world.settle()


def followed(world: World) -> tuple[str | None, int, int]:
    with world.database.read() as connection:
        (item,) = grant_slices.of_grant(connection, "nccid-00123")
    return item.content_digest, item.manifest_version, item.files


def test_a_run_that_holds_nothing_goes_on(world: World) -> None:
    world.apply()
    name = world.run()
    assert followed(world) == (DIGEST, 1, 7)
    assert world.runtime.asked_for_readers == []
    people_leave(world)
    assert followed(world) == (OTHER, 2, 5)
    assert len(world.runtime.asked_for_readers) == 1
    world.advance(120)
    assert len(world.runtime.asked_for_readers) == 1
    assert world.workspace(name).phase == "Running"
    assert world.kinds().count("slice.followed") == 1
    people_leave(world, version=3)
    assert len(world.runtime.asked_for_readers) == 2


@pytest.mark.parametrize("readers", [1, None])
def test_a_run_that_still_reads_begins_anew_with_a_word(world: World, readers: int | None) -> None:
    world.apply()
    name = world.run()
    plan = world.workspace(name).plan
    assert plan is not None
    world.runtime.stale_readers[plan.identity] = readers
    world.clock.advance(1)
    people_leave(world)
    assert (plan.identity, Reason.DataWithdrawn) in world.runtime.ended
    ended = [one for one in world.published if one.get("type") == "ending"]
    assert ended[-1]["reason"] == "DataWithdrawn"
    world.advance(1)
    found = world.workspace(name)
    assert found.plan is not None
    assert (found.plan.instance, found.wanted, found.phase) == (plan.instance + 1, Wanted.Running, "Starting")
    assert "People opted out" in MESSAGE


def test_a_run_that_began_after_people_left_is_left_alone_where_nobody_can_look(world: World) -> None:
    world.apply()
    world.settle()
    people_leave(world)
    world.clock.advance(60)
    name = world.run()
    plan = world.workspace(name).plan
    assert plan is not None
    world.runtime.stale_readers[plan.identity] = None
    world.reconciler._workspaces._stale._looked.clear()
    world.advance(120)
    assert world.workspace(name).phase == "Running"
    assert world.runtime.ended == []


def test_whoever_stops_a_run_in_that_moment_keeps_it_stopped(world: World) -> None:
    world.apply()
    name = world.run()
    plan = world.workspace(name).plan
    assert plan is not None
    world.runtime.stale_readers[plan.identity] = 3
    world.want(Wanted.Stopped)
    people_leave(world)
    world.advance(2)
    assert world.workspace(name).phase == "Stopped"


def test_a_launcher_that_does_not_answer_delays_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apply()
    name = world.run()

    def fails(_plan: object) -> int:
        raise TREError(Reason.ServiceUnavailable, "No answer.")

    monkeypatch.setattr(world.runtime, "count_stale_readers", fails)
    people_leave(world)
    assert world.workspace(name).phase == "Running"
    monkeypatch.setattr(world.runtime, "count_stale_readers", lambda _plan: 1)
    world.advance(120)
    assert world.workspace(name).instance == 2
