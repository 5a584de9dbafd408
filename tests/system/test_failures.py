"""Programs that are killed: a session goes on without each service, and access ends without all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.machine import processes_of
from tre.cli.services import listens
from tre.cli.trial.lab import Kernel, Lab, open_workspace
from tre.cli.trial.world import World
from tre.domain.errors import TREError
from tre.store import workspaces

STUBBORN = """
import signal
for number in (1, 2, 15):
    signal.signal(number, signal.SIG_IGN)
held = open('/home/researcher/held', 'a')
"""

SERVICES = ("controller", "hub", "portal", "public", "storekeeper", "checker", "launcher")


def state_of(world: World, grant: str) -> dict[str, Any]:
    """What the supervisor of a grant's only run wrote down."""
    for path in (world.here.layout.run / "workspaces").glob("*/state.json"):
        found: dict[str, Any] = json.loads(path.read_bytes())
        if found["plan"]["grant"] == grant:
            return found
    raise AssertionError(f"no run of {grant}")


def phase_of(world: World, grant: str) -> tuple[str, str]:
    with world.here.database.read() as connection:
        found = workspaces.of_grant(connection, grant)[0]
    return found.phase.value, found.reason.value


async def until(condition: Any, seconds: float = 15.0) -> float:
    """Wait for something real to happen; return how long it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


def restarted(world: World, name: str, old: int) -> bool:
    """Whether another process does a service's work and answers for it."""
    with contextlib.suppress(TREError):
        socket = world.here.layout.socket(name)
        return world.service(name) != old and (name == "checker" or listens(socket))
    return False


@pytest.mark.parametrize("name", SERVICES)
async def test_a_session_goes_on_while_a_service_is_killed_and_comes_back(world: World, lab: Lab, name: str) -> None:
    async with lab.kernel() as kernel:
        await kernel.execute("kept = 41")
        old = world.service(name)
        os.kill(old, signal.SIGKILL)
        assert await kernel.execute("print(kept + 1)") == "42\n"
        await until(lambda: restarted(world, name, old), 30)
        assert await kernel.execute("print(kept + 1)") == "42\n"


async def test_a_killed_gateway_takes_the_websocket_and_not_the_kernel(world: World, lab: Lab) -> None:
    async with lab.kernel() as kernel:
        await kernel.execute("open('/home/researcher/kept', 'w').write('42')")
        old = world.service("gateway")
        os.kill(old, signal.SIGKILL)
        await closed(kernel)
    await until(lambda: restarted(world, "gateway", old), 30)
    deadline = time.monotonic() + 20
    while True:
        try:
            await lab.enter()
            break
        except (TREError, aiohttp.ClientError):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
    assert await lab.run(["print(open('/home/researcher/kept').read())"]) == ["42\n"]


async def closed(kernel: Kernel) -> None:
    """Wait until the other side closed the websocket."""
    async with asyncio.timeout(20):
        while not (await kernel.channel.receive()).type.name.startswith("CLOS"):
            continue


async def test_a_killed_supervisor_takes_its_workspace_along_and_the_record_says_so(
    world: World, grant: str, lab: Lab
) -> None:
    state = state_of(world, grant)
    os.kill(state["supervisor"]["pid"], signal.SIGKILL)
    assert await until(lambda: not processes_of(state["plan"]["uid"]), 5) < 1.0
    await until(lambda: phase_of(world, grant) == ("Stopped", "RuntimeFailed"))


@pytest.mark.timeout(120)
async def test_access_ends_in_time_with_everything_of_ours_dead(world: World) -> None:
    """Services and their keeper are killed; only the sandbox' first process and its supervisor are left to end it."""
    end = datetime.now(UTC) + timedelta(seconds=12)
    grant = world.grant("system-deadline", expires=end.isoformat(), legalBasis=None)
    async with world.signed_in("alice") as (browser, projects):
        lab = await open_workspace(browser, projects, grant, world.shell_of)
        await lab.run([STUBBORN])
    state = state_of(world, grant)
    world.kill_services()
    try:
        await until(lambda: datetime.now(UTC) >= end, 20)
        assert await until(lambda: not processes_of(state["plan"]["uid"]), 5) < 1.5
    finally:
        world.start()
    await until(lambda: phase_of(world, grant)[0] == "Stopped")
    assert phase_of(world, grant) == ("Stopped", "GrantExpired")


@pytest.mark.timeout(120)
async def test_the_first_process_alone_ends_access_in_time(world: World) -> None:
    """The supervisor is stopped, as a debugger or a bug would stop it; the clock inside still ends the run."""
    end = datetime.now(UTC) + timedelta(seconds=10)
    grant = world.grant("system-alone", expires=end.isoformat(), legalBasis=None)
    async with world.signed_in("alice") as (browser, projects):
        await open_workspace(browser, projects, grant, world.shell_of)
    state = state_of(world, grant)
    os.kill(state["supervisor"]["pid"], signal.SIGSTOP)
    controller = world.service("controller")
    os.kill(controller, signal.SIGSTOP)
    try:
        await until(lambda: datetime.now(UTC) >= end, 20)
        assert await until(lambda: not processes_of(state["plan"]["uid"]), 5) < 1.5
    finally:
        os.kill(controller, signal.SIGCONT)
        os.kill(state["supervisor"]["pid"], signal.SIGCONT)
    await until(lambda: phase_of(world, grant)[0] == "Stopped")


async def test_nothing_is_left_when_a_workspace_was_stopped(world: World, grant: str, lab: Lab) -> None:
    state = state_of(world, grant)
    async with world.signed_in("alice") as (browser, _):
        page = await browser.get(f"{world.desk}/projects/{grant}")
        await browser.submit(page, page.form("/stop"))
    await until(lambda: phase_of(world, grant)[0] == "Stopped")
    await until(lambda: not (world.here.layout.run / "workspaces" / state["identity"]).exists())
    assert processes_of(state["plan"]["uid"]) == []
    assert state["identity"] not in Path("/proc/mounts").read_text()
