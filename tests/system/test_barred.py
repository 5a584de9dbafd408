"""What is suspended or withdrawn does not start again: by no page, not through the Hub, not by its restart."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import aiohttp
import pytest

from tests.system.endings import Scene, scenes
from tests.system.waiting import until
from tre.cli.services import listens
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World
from tre.domain.errors import TREError
from tre.domain.grants.models import SuspensionScope
from tre.domain.names import hub_user_name
from tre.system.hub_keys import CONTROLLER_TOKEN, read_key


async def check_hub_starts_nothing(scene: Scene) -> None:
    """The controller's own token asks for a start, with options left over from better days."""
    world = scene.world
    connector = aiohttp.UnixConnector(str(world.here.layout.socket("hub")))
    headers = {"Authorization": f"token {read_key(world.here.layout, CONTROLLER_TOKEN)}"}
    address = f"http://hub/hub/api/users/{hub_user_name('local', 'alice')}/servers/{scene.workspace}"
    options = {"user_options": {"image": "mine", "mounts": ["/"], "instance": scene.run["plan"]["instance"]}}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        async with session.post(address, json=options) as answer:
            assert answer.status == 202 or answer.status >= 400
        until = time.monotonic() + 60
        while answer.status == 202:  # a busy Hub answers before it knows
            async with session.get(address) as server:
                found = await server.json() if server.status == 200 else {}
            if not found.get("pending"):
                assert not found.get("ready")
                break
            assert time.monotonic() < until
            await asyncio.sleep(0.1)
    assert not runs(scene)
    assert scene.state()[0] in {"Stopped", "Refused"}


def runs(scene: Scene) -> bool:
    try:
        scene.world.run_of(scene.grant)
    except TREError:
        return False
    return True


async def test_nothing_starts_what_was_ended(world: World) -> None:
    async with scenes(world, ["barred-suspended", "barred-revoked"]) as (suspended, revoked):
        suspended.suspend(SuspensionScope.grant, "")
        revoked.revoke()
        expected = {"barred-suspended": "GrantSuspended", "barred-revoked": "GrantRevoked"}
        for scene in (suspended, revoked):
            await until(lambda scene=scene: scene.state()[0] == "Stopped" and not runs(scene), 30)  # type: ignore[misc]
            assert scene.state()[1] == expected[scene.grant]
            await check_hub_starts_nothing(scene)
            projects = await scene.browser.get(world.desk + "/")
            with pytest.raises(TREError):
                await open_workspace(scene.browser, projects, scene.grant, world.shell_of)
        old = world.service("hub")
        os.kill(old, signal.SIGKILL)
        await until(lambda: hub_is_back(world, old), 60)
        for scene in (suspended, revoked):
            await check_hub_starts_nothing(scene)


def hub_is_back(world: World, old: int) -> bool:
    try:
        return world.service("hub") != old and listens(world.here.layout.socket("hub"))
    except TREError:
        return False
