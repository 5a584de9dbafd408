"""A clock that contradicts the log: nothing new is granted, and everything ends as it should."""

from __future__ import annotations

from datetime import timedelta

from tests.support.factories import access_grant, suspension
from tests.unit.controller.conftest import World
from tre.controller.context import CLOCK_TOLERANCE
from tre.domain.errors import Reason
from tre.domain.workspaces.states import Wanted
from tre.store import grants

BACK = timedelta(hours=3)


def test_nothing_starts_while_the_clock_is_behind_the_log(world: World) -> None:
    world.apply()
    world.settle()
    right = world.clock.now()
    world.clock.jump(right - BACK)
    name = world.want()
    world.settle()
    assert (world.workspace(name).phase, world.workspace(name).reason) == ("Refused", Reason.ClockOutOfStep)
    assert world.runtime.started == []
    world.clock.jump(right)
    world.want()
    world.settle()
    assert world.workspace(name).phase == "Starting"


def test_a_small_step_back_is_nothing(world: World) -> None:
    world.apply()
    world.settle()
    world.clock.jump(world.clock.now() - CLOCK_TOLERANCE + timedelta(seconds=1))
    name = world.want()
    world.settle()
    assert world.workspace(name).phase == "Starting"


def test_no_grant_comes_into_force_and_no_suspension_is_lifted(world: World) -> None:
    world.apply()
    world.settle()
    right = world.clock.now()
    until = right + timedelta(minutes=1)
    with world.database.change(world.event("suspension.added", "grant/nccid-00123")) as change:
        identifier = grants.suspend(change, "nccid-00123", suspension(until=until))
    world.settle()
    assert world.grant().phase == "Suspended"
    world.clock.jump(right - BACK)
    with world.database.change(world.event("suspension.lifted", "grant/nccid-00123")) as change:
        grants.resume(change, [identifier], right - BACK)
    world.apply(access_grant("another"))
    world.settle()
    assert world.grant().phase == "Suspended"
    assert world.grant("another").phase == "Pending"
    with world.database.read() as connection:
        conditions = {item["type"]: item["reason"] for item in grants.conditions(connection, "another")}
    assert conditions["ClockInStep"] == Reason.ClockOutOfStep
    world.clock.jump(right)
    world.settle()
    assert (world.grant().phase, world.grant("another").phase) == ("Active", "Active")


def test_endings_do_not_wait_for_the_clock(world: World) -> None:
    world.apply()
    name = world.run()
    world.clock.jump(world.clock.now() - BACK)
    world.want(Wanted.Stopped)
    world.settle()
    assert world.workspace(name).phase == "Stopped"
