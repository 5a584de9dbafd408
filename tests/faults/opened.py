"""A workspace that somebody opened, and waiting for what becomes so while things are broken."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.faults.site import PATIENCE, FaultWorld, broken
from tests.support.machine import processes_of
from tests.system.endings import mounts_left
from tre.cli.trial.lab import Lab, start_workspace
from tre.store import grants, workspaces

__all__ = ["Opened", "broken", "numbers", "open_in", "running", "until"]

numbers = itertools.count(1)


async def until(condition: Callable[[], Any], otherwise: str | Callable[[], str], seconds: float = PATIENCE) -> None:
    """Wait for something real; what cannot be read for the moment is not so yet."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            if await asyncio.to_thread(condition):
                return
        except Exception as error:
            if not broken(error):
                raise
        if asyncio.get_running_loop().time() > end:
            raise AssertionError(otherwise if isinstance(otherwise, str) else otherwise())
        await asyncio.sleep(0.05)


class Opened:
    """A workspace of its own grant, running."""

    def __init__(self, world: FaultWorld, grant: str, lab: Lab) -> None:
        self.world, self.grant, self.lab = world, grant, lab
        self.run = world.run_of(grant)[1]
        self.workspace = str(self.run["plan"]["workspace"])

    def state(self) -> tuple[str, str]:
        """Phase and reason, as the record has them."""
        with self.world.here.database.read() as connection:
            found = workspaces.require(connection, self.workspace)
        return found.phase.value, found.reason.value

    async def entered(self) -> Lab:
        """The same workspace from a browser that may be a new one."""
        self.lab = Lab(await self.world.browser_of("alice"), self.world.shell_of(self.workspace))
        await self.lab.enter()
        return self.lab

    def revoke(self) -> None:
        """Withdraw the approval, as `tre grant revoke` does."""
        here = self.world.here
        with here.database.change(here.event("grant.revoked", f"grant/{self.grant}", reason="a breach")) as change:
            grants.revoke(change, self.grant, "a breach", here.clock.now())

    async def gone(self, reason: str) -> None:
        """By the record, by the kernel and by what the gateway answers."""
        ends = {("Stopped", reason), ("Stopped", self.world.by_design)}
        await until(lambda: self.state() in ends, lambda: f"{self.grant} is {self.state()}, not {reason}")
        assert processes_of(self.run["plan"]["uid"]) == []
        assert mounts_left(self.run) == []

        async def refused() -> None:
            lab = Lab(await self.world.browser_of("alice"), self.world.shell_of(self.workspace))
            lab.origin = self.lab.origin
            page = await lab.call("GET", "/api/contents/")
            assert page.status in {401, 403, 502, 503}, page.status
            if page.status in {502, 503}:
                raise aiohttp.ClientError

        await self.world.again(refused)


async def open_in(world: FaultWorld, grant: str) -> Opened:
    """Alice opens the workspace of a grant, or goes into it where it was opened by an earlier try."""
    browser = await world.browser_of("alice")
    if (name := await asyncio.to_thread(under_way, world, grant)) is None:
        page = await browser.get(world.desk + "/")
        lab = await start_workspace(browser, page, grant, world.shell_of)
    else:
        lab = Lab(browser, world.shell_of(name))
    await lab.enter()
    return Opened(world, grant, lab)


def under_way(world: FaultWorld, grant: str) -> str | None:
    """The workspace of a grant that somebody wants to run."""
    with world.here.database.read() as connection:
        found = workspaces.of_grant(connection, grant)
    return next((one.name for one in found if one.wanted.value == "Running"), None)


async def running(world: FaultWorld) -> Opened:
    """A running workspace: one that was started before, else a new one."""
    kept: list[Opened] = world.kept.setdefault("running", [])
    while kept:
        if (found := kept.pop()).state()[0] == "Running":
            await world.again(found.entered)
            return found
    grant = await asyncio.to_thread(world.grant, f"opened-{next(numbers)}")
    return (await world.again(lambda: open_in(world, grant)))[0]
