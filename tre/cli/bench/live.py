"""Many live workspaces of one installation: what the benchmarks of their number and of the kill switch begin with.

Guarantees: each is opened as a person opens it, and counts once a kernel in it has answered `1+1`; its kernel goes on.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tre.cli.bench.plain import add
from tre.cli.trial.browser import Browser
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World

PERSON = "alice"


class RoomyWorld(World):
    """An installation with users for a thousand workspaces."""

    ranges = {**World.ranges, "workspaceUids": (100_000_000, 1000)}


async def open_one(world: World, browser: Browser, grant: str) -> None:
    """Open the workspace of a grant, and have a kernel in it answer. Raises `TREError` where it does not open."""
    page = await browser.get(f"{world.desk}/projects/{grant}")
    lab = await open_workspace(browser, page, grant, world.shell_of)
    async with lab.kernel() as kernel:
        await add(kernel)


async def stop_all(world: World, browser: Browser, grants: list[str]) -> None:
    """Stop the workspaces of these grants, and wait until nothing of them is left."""
    for grant in grants:
        page = await browser.get(f"{world.desk}/projects/{grant}")
        await browser.submit(page, page.form("/stop"))
    await asyncio.to_thread(world.wait_for, lambda: not living(world), "the workspaces did not stop")


def living(world: World) -> list[Path]:
    """The directories of the runs that are there."""
    return sorted((world.here.layout.run / "workspaces").iterdir())
