"""A Hub that is killed, forgets, or cannot reach the record ends nobody's workspace."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.contract.hub_world import World, a_world, until
from tre.controller.hub_mirror import HubMirror, MirrorReport
from tre.domain.names import hub_user_name

ALICE = hub_user_name("local", "alice")
WORKSPACE = "w-aaaaaaaaaaaa"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The world of all tests here: a Hub takes seconds to start."""
    with a_world(tmp_path_factory.mktemp("hub") / "root") as made:
        yield made


@pytest.fixture
def world(one: World) -> World:
    """A Hub that shows Alice's running workspace, whatever the test before left; its log begins anew."""
    one.record.up()
    one.record.set(ALICE, WORKSPACE, "Running")
    if not one.is_up:
        one.start()
    until(lambda: tell(one).agreed and shown_ready(one), "the Hub shows the workspace")
    one.log.write_text("", encoding="utf-8")  # the Hub appends
    return one


def tell(world: World, ready: bool = True) -> MirrorReport:
    """One pass of the controller's mirror."""
    mirror = HubMirror(world.socket, world.controller_token)
    return asyncio.run(mirror.agree({ALICE: {WORKSPACE: ready}}))


def shown_ready(world: World) -> bool:
    """Whether the Hub shows the workspace as ready."""
    found = world.server(ALICE, WORKSPACE)
    return bool(found and found["ready"] and found["pending"] is None)


def test_a_killed_hub_takes_its_workspaces_up_again(world: World) -> None:
    world.kill()
    world.start()
    assert shown_ready(world)
    assert world.stops() == 0
    assert "1 spawners" in world.log_text()  # it did look at the workspace
    assert tell(world).told == 0


def test_restart_with_the_gateway_down_calls_no_stop(world: World) -> None:
    # Nothing ever listened at the workspace's address: with the stock probe the Hub calls stop, without it does not.
    world.kill()
    world.start()
    assert shown_ready(world)
    assert world.stops() == 0
    world.kill()
    world.start(probe=True, TreSpawner__http_timeout=2)
    until(lambda: world.stops() == 1, "the stock probe leads to a stop")
    assert world.record.workspaces[ALICE, WORKSPACE]["phase"] == "Running"
    until(lambda: not shown_ready(world), "the Hub forgot the workspace")
    world.kill()  # the next test's Hub has no probe


def test_an_empty_database_is_told_again(world: World) -> None:
    world.kill()
    world.forget()
    world.start()
    assert world.server(ALICE, WORKSPACE) is None
    assert tell(world).agreed
    assert shown_ready(world)
    assert world.stops() == 0


def test_controller_down_at_start(world: World) -> None:
    world.kill()
    world.record.down()
    world.start()
    assert shown_ready(world)
    assert "No record of" in world.log_text()
    world.record.up()
    assert tell(world).told == 0
    assert world.stops() == 0


def test_what_ended_while_the_hub_was_down_is_shown_stopped(world: World) -> None:
    world.kill()
    world.record.set(ALICE, WORKSPACE, "Stopped", wanted="Stopped", reason="DeadlineReached")
    world.start()
    until(lambda: not shown_ready(world), "the Hub saw the end in the record")
    assert tell(world, False).agreed
    assert world.stops() == 0  # the record's word was enough


def test_a_terminated_hub_leaves_workspaces_alone(world: World) -> None:
    world.terminate()
    assert "Leaving single-user servers running" in world.log_text()
    assert world.stops() == 0


def test_shutdown_is_refused(world: World) -> None:
    for reply in (
        world.api("POST", "shutdown", {"servers": True, "proxy": True}),
        world.signed_in("alice").api("POST", "shutdown", {"servers": True}),
    ):
        assert reply.status == 403
    assert shown_ready(world)
    assert world.stops() == 0


def test_a_wanted_workspace_outlives_the_hubs_stop(world: World) -> None:
    assert world.api("DELETE", f"users/{ALICE}/servers/{WORKSPACE}").status == 204
    assert world.stops() == 1
    assert not shown_ready(world)  # the Hub forgot it; the record did not change
    assert tell(world).agreed
    assert shown_ready(world)


def test_an_unwanted_workspace_is_shown_until_its_end_was_observed(world: World) -> None:
    world.record.set(ALICE, WORKSPACE, "Stopping", wanted="Stopped")
    world.record.down()
    # JupyterHub answers 202 after 10 s only; the point of this test is what it shows meanwhile.
    order = threading.Thread(target=tell, args=(world, False))
    order.start()
    until(lambda: (world.server(ALICE, WORKSPACE) or {}).get("pending") == "stop", "the stop is pending")
    assert tell_reports_pending(world)
    world.record.set(ALICE, WORKSPACE, "Stopped", wanted="Stopped")
    world.record.up()
    until(lambda: not (world.server(ALICE, WORKSPACE) or {"pending": "stop"})["pending"], "the stop ended")
    order.join(20)
    found = world.server(ALICE, WORKSPACE)
    assert found is not None
    assert found["stopped"]


def tell_reports_pending(world: World) -> bool:
    """A pass in the middle of a stop waits a bounded time and says what is on its way."""
    mirror = HubMirror(world.socket, world.controller_token, pass_seconds=1.0)
    report = asyncio.run(mirror.agree({ALICE: {WORKSPACE: False}}))
    return not report.agreed and (report.pending == [f"{ALICE}/{WORKSPACE}"] or not report.reachable)
