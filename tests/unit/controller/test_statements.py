"""A person's word for a run that nobody can look at: when it counts, and how the log tells it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from typer.testing import CliRunner

from tests.unit.controller.conftest import World
from tre.cli import common
from tre.cli.common import Installation
from tre.cli.main import app
from tre.cli.workspace import _await_statement
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.states import Wanted
from tre.store import events
from tre.store.events import StoredEvent
from tre.system.clock import SystemClock
from tre.system.settings import Settings

ON_A_CLUSTER = Settings(runtime="kubernetes", database_url="postgresql://db/tre")


@pytest.fixture
def lost(world: World) -> str:
    """A workspace that was stopped, whose run is neither seen alive nor dead; its name."""
    world.apply()
    name = world.run()
    world.runtime.lingering.add(f"{name}-1")
    world.runtime.beyond_reach.add(f"{name}-1")
    world.want(Wanted.Stopped)
    world.settle()
    world.advance(6)
    assert world.workspace(name).phase == "Stopping"
    return name


def history(world: World, name: str, kind: str) -> list[StoredEvent]:
    with world.database.read() as connection:
        return events.search(connection, events.EventSearch(object=f"workspace/{name}", kind=kind))


def installation(world: World, settings: Settings = ON_A_CLUSTER) -> Installation:
    return Installation(world.layout, settings, world.database, cast("SystemClock", world.clock))


def state(world: World, name: str, monkeypatch: pytest.MonkeyPatch, settings: Settings = ON_A_CLUSTER) -> Any:
    """`tre workspace confirm-dead`, typed by a person; the record is this world's."""
    here = installation(world, settings)
    monkeypatch.setattr(common.Installation, "open", lambda _root: here)
    said = ["workspace", "confirm-dead", name, "--reason", "the machine was scrapped", "--wait", "0"]
    return CliRunner().invoke(app, said)


def test_what_is_missed_is_told_while_a_workspace_stays_stopping(world: World, lost: str) -> None:
    assert world.workspace(lost).message == "Its end is not proven: the pod is gone."
    world.advance(3600)
    assert world.workspace(lost).phase == "Stopping"


def test_a_statement_stands_in_and_the_log_calls_it_that(
    world: World, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state(world, lost, monkeypatch).exit_code == 0
    world.settle()
    found = world.workspace(lost)
    assert (found.phase, found.reason) == ("Stopped", Reason.Requested)
    said = history(world, lost, "workspace.death-confirmed")[0].event
    told = history(world, lost, "workspace.stopped-by-statement")[0].event.detail
    assert told["statement"]["by"] == said.actor.as_plain()
    assert told["statement"]["reason"] == "the machine was scrapped"
    assert told["unproven"] == ["the pod is gone"]
    assert "proof" not in told
    assert not history(world, lost, "workspace.stopped")
    assert f"{lost}-1" not in world.runtime.runs
    here = installation(world)
    _await_statement(here, lost, said.id, 0.0)


def test_a_statement_is_refused_while_the_run_can_be_looked_at_and_is_spent(
    world: World, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.runtime.beyond_reach.clear()
    state(world, lost, monkeypatch)
    world.settle()
    world.advance(6)
    assert world.workspace(lost).phase == "Stopping"
    assert "does not count while it can be looked at" in world.workspace(lost).message
    here = installation(world)
    said = history(world, lost, "workspace.death-confirmed")[0].event
    with pytest.raises(TREError, match="can still be looked at"):
        _await_statement(here, lost, said.id, 0.0)
    world.runtime.beyond_reach.add(f"{lost}-1")
    world.advance(3600)
    world.advance(10)
    assert world.workspace(lost).phase == "Stopping"  # what was not true when it was said does not count later
    assert len(history(world, lost, "workspace.statement-refused")) == 1
    state(world, lost, monkeypatch)
    world.advance(10)
    assert world.workspace(lost).phase == "Stopped"


def test_a_statement_is_of_one_run(world: World, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    state(world, lost, monkeypatch)
    world.settle()
    world.runtime.lingering.add(f"{lost}-2")
    world.runtime.beyond_reach.add(f"{lost}-2")
    world.want()
    world.settle()
    world.want(Wanted.Stopped)
    world.settle()
    world.advance(60)
    assert (world.workspace(lost).phase, world.workspace(lost).instance) == ("Stopping", 2)


def test_nothing_is_stated_of_what_does_not_wait_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apply()
    name = world.run()
    done = state(world, name, monkeypatch)
    assert done.exit_code == 1
    assert "does not wait for a proof" in done.output
    done = state(world, name, monkeypatch, Settings())
    assert done.exit_code == 1
    assert "sees for itself" in done.output
    assert not history(world, name, "workspace.death-confirmed")
