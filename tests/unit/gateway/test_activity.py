"""What counts as something happening in a workspace, and what does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.unit.gateway.upstreams import KERNEL, PROTOCOL
from tests.unit.gateway.world import WORKSPACE, World, make_world, until
from tre.gateway.shell_state import _warning

RUN = f"{WORKSPACE}-1"
EARLY, LATER = "2026-11-24T12:00:00Z", "2026-11-24T12:07:00Z"


class Lab:
    """A server whose kernels and terminals are as a test says; websockets take everything and say nothing."""

    def __init__(self) -> None:
        self.kernels: Any = [{"id": "k1", "execution_state": "idle", "last_activity": EARLY}]
        self.terminals: Any = [{"name": "1", "last_activity": EARLY}]
        self.asked: list[str] = []
        self.status = 200

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if "Upgrade" in request.headers:
            socket = web.WebSocketResponse(protocols=[PROTOCOL])
            await socket.prepare(request)
            async for _ in socket:
                pass
            return socket
        self.asked.append(request.raw_path)
        found = self.terminals if "terminals" in request.raw_path else self.kernels
        if isinstance(found, bytes):
            return web.Response(body=found)
        return web.json_response(found, status=self.status)


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
async def world(lab: Lab) -> AsyncIterator[World]:
    """A workspace that is stopped when nothing happens, looked at once: what is seen first counts as news."""
    async with make_world(upstream=lab.serve, idleMinutes=60) as made:
        await made.gateway.activity.look()
        assert made.controller.activity == [{"active": [RUN], "quiet": []}]
        yield made


async def seen(world: World) -> bool:
    """Whether the next look sees something happen."""
    await world.gateway.activity.look()
    told = world.controller.activity[-1]
    assert sorted(told["active"] + told["quiet"]) == [RUN]
    return bool(told["active"] == [RUN])


async def test_where_nothing_happens_nothing_is_seen(world: World, lab: Lab) -> None:
    assert not await seen(world)
    assert not await seen(world)
    assert all("no_track_activity=1" in path for path in lab.asked)  # asking is no activity


@pytest.mark.parametrize("state", ["busy", "starting", "restarting"])
async def test_a_busy_kernel_is_seen_again_and_again_without_a_browser(world: World, lab: Lab, state: str) -> None:
    lab.kernels = [{"id": "k1", "execution_state": state, "last_activity": EARLY}]
    assert await seen(world)
    assert await seen(world)


async def test_a_cell_that_ran_between_two_looks_and_a_terminal_that_showed_something_are_seen_once(
    world: World, lab: Lab
) -> None:
    lab.kernels[0]["last_activity"] = LATER
    assert await seen(world)
    assert not await seen(world)
    lab.terminals[0]["last_activity"] = LATER
    assert await seen(world)
    assert not await seen(world)


async def test_a_person_at_work_is_seen_and_an_open_page_is_not(world: World) -> None:
    await world.get_lab("/api/contents/a?content=1")
    assert not await seen(world)
    path = f"/api/contents/{'a'}"
    headers = {**world.lab_headers(), "Origin": world.origin(f"{WORKSPACE}.lab")}
    await world.request("PUT", path, headers, json={})
    assert await seen(world)
    async with world.client.ws_connect(world.url(KERNEL), headers=headers, protocols=[PROTOCOL]) as socket:
        assert not await seen(world)  # connected, and silent
        await socket.send_str("x")
        await until(lambda: bool(world.gateway.activity._touched))
        assert await seen(world)
    assert not await seen(world)


@pytest.mark.parametrize("answer", [b"no JSON", b'{"a": 1}', b"[1]", b"[" + b" " * 300_000 + b"]"])
async def test_what_cannot_be_found_out_ends_nobodys_run(world: World, lab: Lab, answer: bytes) -> None:
    lab.kernels = answer
    assert await seen(world)


async def test_an_error_and_a_dead_controller_end_nobodys_run_either(world: World, lab: Lab) -> None:
    lab.status = 500
    assert await seen(world)
    await world.runners[0].cleanup()  # the controller
    await world.gateway.activity.look()


async def test_other_workspaces_are_not_asked(lab: Lab) -> None:
    async with make_world(upstream=lab.serve) as made:
        await made.gateway.activity.look()
        assert (lab.asked, made.controller.activity) == ([], [])
        made.gateway.activity.note(made.gateway.table.routes()[0])
        assert not made.gateway.activity._touched


async def test_the_page_warns_before(lab: Lab) -> None:
    async with make_world(upstream=lab.serve, idleMinutes=60, idleEnd=LATER) as made:
        route = made.gateway.table.routes()[0]
        assert "At 12:07 UTC this workspace is stopped unless you go on" in _warning(route, made.gateway.clock.now())
