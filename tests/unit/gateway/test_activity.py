"""What counts as something happening in a workspace, and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.unit.gateway.real_lab import LAB_MISSING, real_lab
from tests.unit.gateway.upstreams import KERNEL, PROTOCOL
from tests.unit.gateway.world import WORKSPACE, World, make_world, until
from tre.gateway.shell_state import _warning

RUN = f"{WORKSPACE}-1"
EARLY, LATER = "2026-11-24T12:00:00Z", "2026-11-24T12:07:00Z"


ODD = [
    b"no JSON",
    b'{"a": 1}',
    b"[1]",
    b"[" + b" " * 300_000 + b"]",
    b"[" * 100_000,
    b'[{"execution_state": ["busy"]}]',
    b'[{"id": {}}]',
    b"\xff\xfe",
]
"""Answers of a server that somebody wrote to be a nuisance."""


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


@pytest.mark.parametrize("answer", ODD, ids=range(len(ODD)))
async def test_what_cannot_be_found_out_ends_nobodys_run(world: World, lab: Lab, answer: bytes) -> None:
    lab.kernels = answer
    assert await seen(world)


async def test_an_error_and_a_dead_controller_end_nobodys_run_either(world: World, lab: Lab) -> None:
    lab.status = 500
    assert await seen(world)
    await world.runners[0].cleanup()  # the controller
    await world.gateway.activity.look()


@LAB_MISSING
@pytest.mark.timeout(180)
async def test_a_real_jupyterlab_tells_of_a_calculation_that_nobody_watches_and_of_its_end() -> None:
    """Its answers are what the rules above take them for, and being asked keeps nothing alive."""
    async with make_world(idleMinutes=60) as made, real_lab(made.lab_socket, made.root / "home"):
        assert await seen(made)
        assert not await seen(made)
        connector = aiohttp.UnixConnector(str(made.lab_socket))
        async with aiohttp.ClientSession("http://localhost", connector=connector) as person:
            async with person.post("/api/kernels", json={"name": "python3"}) as answer:
                kernel = (await answer.json())["id"]
            async with person.ws_connect(f"/api/kernels/{kernel}/channels") as socket:
                await socket.send_json(executes("open('began', 'w'); import time; time.sleep(4)"))
                await until((made.root / "home" / "began").exists, 90)
        assert await seen(made)  # the browser is closed, and the kernel busy
        assert await seen(made)
        deadline = asyncio.get_running_loop().time() + 60
        while await seen(made):
            assert asyncio.get_running_loop().time() < deadline, "it is still taken for busy"
            await asyncio.sleep(0.5)


def executes(code: str) -> dict[str, Any]:
    header = {"msg_id": "m1", "msg_type": "execute_request", "username": "", "session": "s1", "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
    return {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}


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
