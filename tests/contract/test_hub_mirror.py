"""The controller's mirror against a real Hub: it tells the difference, once, and survives everything."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.contract.hub_world import World, a_world
from tre.controller import hub_mirror
from tre.controller.hub_mirror import Desired, HubMirror, MirrorReport
from tre.domain.names import hub_user_name

ALICE = hub_user_name("local", "alice")
BOB = hub_user_name("local", "bob")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("hub") / "root") as made:
        made.start()
        yield made


@pytest.fixture
def world(running: World) -> Iterator[World]:
    """A Hub in which nobody has anything."""
    yield running
    running.record.up()
    for key in running.record.workspaces:
        running.record.set(*key, "Stopped", wanted="Stopped")
    assert agree(running, {}).agreed
    running.record.workspaces.clear()


def mirror(world: World) -> HubMirror:
    return HubMirror(world.socket, world.controller_token)


def agree(world: World, desired: Desired) -> MirrorReport:
    return asyncio.run(mirror(world).agree(desired))


def state(world: World, user: str, server: str) -> str:
    found = world.server(user, server)
    if found is None:
        return "absent"
    return "ready" if found["ready"] else str(found["pending"] or "stopped")


def test_a_pass_makes_it_so_and_a_second_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.record.set(ALICE, "w-a", "Running")
    world.record.set(BOB, "w-b", "Running")
    desired = {ALICE: {"w-a": True, "w-off": False}, BOB: {"w-b": True}}
    first = agree(world, desired)
    assert (first.agreed, first.problems) == (True, [])
    assert first.told > 0
    assert [state(world, ALICE, "w-a"), state(world, ALICE, "w-off"), state(world, BOB, "w-b")] == [
        "ready", "stopped", "ready",
    ]  # fmt: skip
    with monkeypatch.context() as patched:
        patched.delattr(hub_mirror._Calls, "server")  # what is so already is read with everything, not one by one
        assert agree(world, desired) == MirrorReport(told=0)


def test_it_follows_every_change(world: World) -> None:
    world.record.set(ALICE, "w-a", "Running")
    assert agree(world, {ALICE: {"w-a": True}}).agreed
    world.record.set(ALICE, "w-a", "Stopped", wanted="Stopped")
    assert agree(world, {ALICE: {"w-a": False}}).agreed
    assert state(world, ALICE, "w-a") == "stopped"
    world.record.set(ALICE, "w-a", "Running")
    assert agree(world, {ALICE: {"w-a": True}}).agreed
    assert state(world, ALICE, "w-a") == "ready"
    world.record.set(ALICE, "w-a", "Stopped", wanted="Stopped")
    assert agree(world, {}).agreed
    assert state(world, ALICE, "w-a") == "absent"


def test_one_user_at_a_time(world: World) -> None:
    world.record.set(ALICE, "w-a", "Running")
    world.record.set(BOB, "w-b", "Running")
    assert agree(world, {BOB: {"w-b": True}}).agreed
    report = asyncio.run(mirror(world).agree_user(ALICE, {"w-a": True}))
    assert report.agreed
    assert state(world, ALICE, "w-a") == "ready"
    assert state(world, BOB, "w-b") == "ready"  # nobody else is touched
    assert asyncio.run(mirror(world).agree_user(hub_user_name("local", "new"), {})) == MirrorReport()


def test_a_failed_start_is_told_again(world: World) -> None:
    world.record.set(ALICE, "w-a", "Refused", reason="GrantExpired")
    report = agree(world, {ALICE: {"w-a": True}})
    assert not report.agreed
    assert report.problems == [f"{ALICE}/w-a: POST answered 403", f"{ALICE}/w-a: the Hub shows it stopped"]
    world.record.set(ALICE, "w-a", "Running")
    assert agree(world, {ALICE: {"w-a": True}}).agreed
    assert state(world, ALICE, "w-a") == "ready"


def test_a_start_in_the_middle_can_be_taken_back(world: World) -> None:
    world.record.set(ALICE, "w-a", "Starting")

    async def change_of_mind() -> tuple[MirrorReport, MirrorReport]:
        starting = asyncio.create_task(mirror(world).agree({ALICE: {"w-a": True}}))
        async with asyncio.timeout(10):
            while await asyncio.to_thread(state, world, ALICE, "w-a") != "spawn":
                await asyncio.sleep(0.05)
        world.record.set(ALICE, "w-a", "Stopped", wanted="Stopped")
        return await mirror(world).agree({ALICE: {"w-a": False}}), await starting

    stopped, _started = asyncio.run(change_of_mind())
    assert stopped.agreed or agree(world, {ALICE: {"w-a": False}}).agreed
    assert state(world, ALICE, "w-a") == "stopped"


def test_a_hub_that_is_gone_is_reported(world: World) -> None:
    report = asyncio.run(HubMirror(world.layout.socket("nobody"), "x").agree({ALICE: {"w-a": True}}))
    assert not report.reachable
    assert not report.agreed
    assert report.problems


def test_a_wrong_token_is_reported(world: World) -> None:
    report = asyncio.run(HubMirror(world.socket, "0" * 64).agree({ALICE: {"w-a": True}}))
    assert not report.agreed
    assert "403" in report.problems[0]


def test_one_bad_name_hinders_nobody(world: World) -> None:
    world.record.set(ALICE, "w-a", "Running")
    report = agree(world, {"not a name": {"w-x": True}, ALICE: {"w-a": True, "BAD_server": True}})
    assert sorted(report.problems) == [
        f"{ALICE}/BAD_server: the Hub does not show it",
        "not a name: making the user answered 400",
    ]
    assert state(world, ALICE, "w-a") == "ready"
