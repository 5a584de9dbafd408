"""Looking over everything: what is at rest is left alone, whatever is not is found without an event, and dealt with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from tests.support.factories import ALICE, BOB, END, EVE, access_grant
from tests.unit.controller.conftest import World
from tre.controller.grants import GrantReconciler
from tre.controller.survey import ROUND, Survey
from tre.controller.workspaces import WorkspaceReconciler
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.runtimes.protocol import RunPhase
from tre.store.tables.grants import grant_slices, grants, suspensions
from tre.store.tables.workspaces import workspaces

NAME = "nccid-00123"
RUN = Workspace.name_for(NAME, ALICE)
OTHER = Workspace.name_for(NAME, BOB)


def surveyed(world: World, size: int = 100) -> Survey:
    """A survey of its own, which has looked at signatures, too."""
    found = Survey(world.context, GrantReconciler(world.context), WorkspaceReconciler(world.context), size)
    found.is_first = False
    return found


def looks(world: World) -> list[str]:
    runs = {run.identity: run for run in world.runtime.observe()}
    return surveyed(world).part(runs).looks


def behind_its_back(world: World, table: object, **values: object) -> None:
    """A change without an event that names what was changed."""
    with world.database.change(world.event("test.changed", "test/1")) as change:
        change.connection.execute(update(table).values(**values))  # type: ignore[arg-type]


def test_what_is_where_it_belongs_is_told_to_the_gateways_and_left_alone(world: World) -> None:
    world.apply()
    name = world.run()
    before = world.kinds()
    world.published.clear()
    for _ in range(3):
        world.advance(ROUND.total_seconds())
    assert world.kinds() == before
    assert looks(world) == []
    told = {message["type"] for message in world.published}
    assert told == {"grant", "route"}
    routes = [message["record"] for message in world.published if message["type"] == "route"]
    assert {route["phase"] for route in routes if route["workspace"] == name} == {"Running"}


def removed_key(world: World) -> None:
    (world.layout.keys / "grant-signers" / "committee.pub").unlink()


def suspended(world: World) -> None:
    by = {"by_issuer": EVE.issuer, "by_id": EVE.id, "since": world.clock.now(), "reason": "audit"}
    row = {"id": "s" * 32, "grant": NAME, "scope": "grant", "ref": ""} | by
    with world.database.change(world.event("test.changed", "test/1")) as change:
        change.connection.execute(insert(suspensions).values(**row))


def ended_run(world: World) -> None:
    plan = world.workspace(RUN).plan
    assert plan is not None
    world.runtime.becomes(plan.identity, RunPhase.Ended)


CHANGES: dict[str, Callable[[World], None]] = {
    "its conditions are others": lambda world: behind_its_back(world, grants, conditions=[]),
    "its evidence is not verified": lambda world: behind_its_back(world, grants, evidence_verified=False),
    "its key counts no more": removed_key,
    "it is suspended": suspended,
    "it came to its end": lambda world: world.clock.jump(END + timedelta(seconds=1)),
    "its end is near": lambda world: world.clock.jump(END - timedelta(minutes=30)),
    "it was revoked": lambda world: behind_its_back(world, grants, phase=GrantPhase.Revoked),
    "a slice is not built": lambda world: behind_its_back(world, grant_slices, state="Failed"),
    "a workspace is wanted": lambda world: behind_its_back(world, workspaces, wanted=Wanted.Running),
    "a workspace is not wanted": lambda world: behind_its_back(world, workspaces, wanted=Wanted.Stopped),
    "its run ended": ended_run,
    "its run is gone": lambda world: world.runtime.runs.clear(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_differs_is_named(world: World, what: str) -> None:
    world.apply()
    world.run()
    assert looks(world) == []
    CHANGES[what](world)
    assert looks(world) == [f"grant/{NAME}"]


def test_what_nobody_told_of_is_dealt_with_within_a_minute(world: World) -> None:
    world.apply()
    name = world.run()
    behind_its_back(world, workspaces, wanted=Wanted.Stopped)
    world.settle()
    assert world.workspace(name).phase == "Running"  # no event named it
    world.advance(ROUND.total_seconds())
    assert world.workspace(name).phase == "Stopped"


def test_everything_is_looked_over_at_once_after_the_start_and_spread_over_the_minute_later(world: World) -> None:
    for number in range(5):
        world.apply(access_grant(f"grant-{number}"))
    survey = surveyed(world, 2)
    survey.is_first = True
    first = [survey.part({}).looks for _ in range(3)]
    assert [len(found) for found in first] == [2, 2, 1]
    assert survey.next_at == world.clock.now() + ROUND / 3
    assert sorted(key for found in first for key in found) == [f"grant/grant-{number}" for number in range(5)]
    assert not survey.is_first
    assert survey.part({}).looks == first[0]
    assert survey.next_at == world.clock.now() + ROUND / 3
    survey.begin_anew()
    assert survey.next_at == world.clock.now()
    assert survey.part({}).looks == first[0]


def test_a_row_that_nobody_understands_is_named_and_hides_no_other(world: World) -> None:
    world.apply(access_grant("a"))
    world.apply(access_grant("b"))
    world.settle()
    assert looks(world) == []
    with world.database.change(world.event("test.changed", "test/1")) as change:
        change.connection.execute(update(grants).where(grants.c.name == "a").values(spec={"no": "grant"}))
    assert looks(world) == ["grant/a"]


def test_an_ended_grant_is_left_alone_until_its_homes_are_due(world: World) -> None:
    world.apply()
    world.run()
    world.clock.jump(END + timedelta(seconds=1))
    world.settle(30)
    world.advance(ROUND.total_seconds())
    assert looks(world) == [f"grant/{NAME}"]  # by one that has not seen yet that nothing is left of it
    runs = {run.identity: run for run in world.runtime.observe()}
    before = world.kinds()
    world.advance(ROUND.total_seconds())
    assert world.kinds() == before
    assert runs == {}
