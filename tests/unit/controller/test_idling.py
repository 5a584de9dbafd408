"""Runs in which nothing happens: warned, ended with their reason, and never for want of a look."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    profile = {"small": ProfileSettings(idle_stop_minutes=60).as_plain()}
    start_with(world, Settings.model_validate({"profiles": profile}))


def start_with(world: World, settings: Settings, **changes: Any) -> None:
    """The controller anew, with other settings."""
    world.reconciler._feed.close()
    fresh = type(world.context.activity)()
    world.context = dataclasses.replace(world.context, settings=settings, activity=fresh, **changes)
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


def test_a_run_with_older_programs_is_stopped_when_nobody_uses_it_and_comes_back_with_the_new(world: World) -> None:
    newest = ["first"]
    renewal = Settings.model_validate({"renewal": {"idleMinutes": 60}})
    start_with(world, renewal, environment=lambda: newest[0])
    world.apply()
    name = world.run()
    passes(world, name, 70)
    assert world.workspace(name).phase == "Running", "it has the newest: its profile never stops it"
    newest[0] = "second"
    passes(world, name, 1, happens=True)
    routes = [item["record"] for item in world.published if item["type"] == "route"]
    assert routes[-1]["idleMinutes"] == 60, "gateways look from now on"
    passes(world, name, 59)
    assert world.workspace(name).phase == "Running"
    assert warned(world)[-1] is not None
    passes(world, name, 2)
    world.advance(1)
    workspace = world.workspace(name)
    assert (workspace.phase, workspace.reason) == ("Stopped", "IdleStopped")
    world.run()
    plan = world.workspace(name).plan
    assert plan is not None
    assert plan.environment == "second"


def test_without_a_renewal_it_goes_on_to_its_own_end(world: World) -> None:
    newest = ["first"]
    start_with(world, Settings(), environment=lambda: newest[0])
    world.apply()
    name = world.run()
    newest[0] = "second"
    passes(world, name, 70)
    assert world.workspace(name).phase == "Running"


def test_programs_older_than_the_site_allows_start_nothing(world: World, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").touch()
    (environment / "pyvenv.cfg").touch()
    made = world.clock.now().timestamp() - 31 * 86400
    os.utime(environment / "pyvenv.cfg", (made, made))
    terms = {"workspaceEnvironment": str(environment), "renewal": {"maximumAgeDays": 30}}
    start_with(world, Settings.model_validate(terms))
    world.apply()
    world.settle()
    name = world.want()
    world.settle()
    workspace = world.workspace(name)
    assert (workspace.phase, workspace.reason) == ("Refused", "SetupIncomplete")
    assert "30 days" in workspace.message
    os.utime(environment / "pyvenv.cfg", (made + 2 * 86400, made + 2 * 86400))
    world.run()
