"""Programs that are killed: a session goes on without each service, and access ends without all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select

from tests.support.machine import CGROUPS, processes_of
from tests.system.waiting import until
from tre.cli.services import listens
from tre.cli.trial.lab import Kernel, Lab, open_workspace
from tre.cli.trial.world import World
from tre.domain.errors import TREError
from tre.store import workspaces
from tre.store.tables.base import metadata

SIGN_INS = {"sessions", "tickets"}
USE = {"cost_months", "cost_runs"}
"""What each run used is kept: a row for each is what is wanted."""
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


def restarted(world: World, name: str, old: int) -> bool:
    """Whether another process does a service's work and answers for it."""
    with contextlib.suppress(TREError):
        socket = world.here.layout.socket(name)
        return world.service(name) != old and (name == "checker" or listens(socket))
    return False


async def test_a_session_goes_on_while_each_service_is_killed_and_comes_back(world: World, lab: Lab) -> None:
    async with lab.kernel() as kernel:
        await kernel.execute("kept = 41")
        for name in SERVICES:
            old = world.service(name)
            os.kill(old, signal.SIGKILL)
            assert await kernel.execute("print(kept + 1)") == "42\n", name
            await until(lambda name=name, old=old: restarted(world, name, old), 30)  # type: ignore[misc]
            assert await kernel.execute("print(kept + 1)") == "42\n", name


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


def rows(world: World) -> dict[str, int]:
    """How many rows each table holds; events, sign-ins and their tickets are meant to become more."""
    with world.here.database.read() as connection:
        names = [name for name in metadata.tables if not name.startswith("audit") and name not in SIGN_INS | USE]
        return {
            name: connection.execute(select(func.count()).select_from(metadata.tables[name])).scalar_one()
            for name in names
        }


async def test_the_kill_switch_needs_no_service(world: World, grant: str, lab: Lab) -> None:
    assert lab.origin
    uid = state_of(world, grant)["plan"]["uid"]
    frozen = [world.service(name) for name in ("controller", "launcher")]
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        assert processes_of(uid)
        words = ("halt", grant, "--wait", "3", "--root", str(world.root))
        command = await asyncio.create_subprocess_exec(sys.executable, "-m", "tre", *words, stdout=PIPE, stderr=PIPE)
        said = b"".join(await command.communicate()).decode()
        assert not processes_of(uid), said
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert "1 workspace: nothing lives any more" in said
    await until(lambda: phase_of(world, grant) == ("Stopped", "Requested"), 30)


async def test_the_kill_switch_does_not_wait_for_a_record_that_somebody_holds(
    world: World, grant: str, lab: Lab
) -> None:
    assert lab.origin
    uid = state_of(world, grant)["plan"]["uid"]
    assert processes_of(uid)
    holder = sqlite3.connect(world.here.layout.database, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        words = ("halt", grant, "--root", str(world.root))
        command = await asyncio.create_subprocess_exec(sys.executable, "-m", "tre", *words, stdout=PIPE, stderr=PIPE)
        await until(lambda: not processes_of(uid), 9)  # the record is still held
    finally:
        holder.close()
    said, complaint = (text.decode() for text in await command.communicate())
    assert command.returncode == 0, complaint
    assert said.startswith("1 workspace: nothing lives any more"), said
    await until(lambda: phase_of(world, grant) == ("Stopped", "Requested"), 30)


async def test_stopping_leaves_nothing_and_stopping_again_leaves_no_more(world: World, grant: str, lab: Lab) -> None:
    states, counted = [], []
    async with world.signed_in("alice") as (browser, projects):
        for _ in range(2):
            states.append(state_of(world, grant))
            page = await browser.get(f"{world.desk}/projects/{grant}")
            await browser.submit(page, page.form("/stop"))
            await until(lambda: phase_of(world, grant)[0] == "Stopped")
            counted.append(rows(world))
            if len(states) == 1:
                await open_workspace(browser, await browser.get(projects.url), grant, world.shell_of)
    first, second = states
    assert (first["plan"]["instance"], second["plan"]["instance"]) == (1, 2)
    assert counted[0] == counted[1]
    run = world.here.layout.run
    await until(lambda: not any((run / "workspaces" / state["identity"]).exists() for state in states))
    assert processes_of(first["plan"]["uid"]) == []
    seen = Path("/proc/mounts").read_text() + Path("/proc/net/unix").read_text()
    groups = [path.name for root in CGROUPS for path in (root / run.name).glob("w-*")]
    for state in states:
        assert state["identity"] not in seen
        assert state["identity"] not in groups
