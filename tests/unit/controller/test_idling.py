"""Runs in which nothing happens: warned, ended with their reason, and never for want of a look."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import pytest

from tests.support.databases import Sqlite
from tests.unit.controller.conftest import World
from tre.controller.reconciler import Reconciler
from tre.system.profile_settings import ProfileSettings
from tre.system.settings import Settings

MINUTE = 60


@pytest.fixture
def backend() -> Iterator[Sqlite]:
    """One database: what differs between the two is tried in tests/unit/store."""
    made = Sqlite()
    yield made
    made.close()


def start_again(world: World) -> None:
    """The controller anew, with a profile that stops after an hour."""
    world.reconciler._feed.close()
    profile = {"small": ProfileSettings(idle_stop_minutes=60).as_plain()}
    fresh = type(world.context.activity)()
    settings = Settings.model_validate({"profiles": profile})
    world.context = dataclasses.replace(world.context, settings=settings, activity=fresh)
    world.reconciler = Reconciler(world.context, threading.Event())


@pytest.fixture
def run(world: World) -> str:
    """The name of alice's workspace, which runs."""
    start_again(world)
    world.apply()
    return world.run()


def passes(world: World, name: str, minutes: int, *, happens: bool = False) -> None:
    """So many minutes, at whose end a gateway looks and sees that something happened, or nothing."""
    plan = world.workspace(name).plan
    assert plan is not None
    world.clock.advance(MINUTE * minutes)
    active = [plan.identity] if happens else []
    world.context.activity.take(active, [plan.identity], world.clock.boottime())
    world.settle(2)


def warned(world: World) -> list[str | None]:
    """The end that each route told since, of a run that is quiet."""
    return [item["record"].get("idleEnd") for item in world.published if item["type"] == "route"]


def test_a_quiet_run_is_warned_and_ended_and_opens_again_by_a_click(world: World, run: str) -> None:
    passes(world, run, 49)
    assert warned(world)[-1] is None
    passes(world, run, 2)
    assert warned(world)[-1] is not None
    passes(world, run, 10)
    world.advance(1)
    workspace = world.workspace(run)
    assert (workspace.phase, workspace.reason, workspace.wanted) == ("Stopped", "IdleStopped", "Stopped")
    assert workspace.message == "" or "60 minutes" in workspace.message
    assert world.run() == run
    assert world.workspace(run).instance == 2


def test_whoever_goes_on_is_left_in_peace(world: World, run: str) -> None:
    passes(world, run, 55, happens=True)
    assert warned(world)[-1] is None
    passes(world, run, 55)
    assert world.workspace(run).phase == "Running"
    assert warned(world)[-1] is not None
    passes(world, run, 1, happens=True)
    assert warned(world)[-1] is None  # the warning is taken back


def test_where_no_gateway_looks_nothing_is_ended(world: World, run: str) -> None:
    world.advance(70 * MINUTE)
    assert world.workspace(run).phase == "Running"


def test_after_a_new_start_of_the_controller_counting_begins_anew(world: World, run: str) -> None:
    passes(world, run, 55)
    start_again(world)
    world.settle()
    passes(world, run, 30)
    assert world.workspace(run).phase == "Running"
    assert warned(world)[-1] is None


def test_a_profile_without_a_time_never_stops(world: World) -> None:
    world.apply()
    name = world.run()
    passes(world, name, 70)
    assert world.workspace(name).phase == "Running"
