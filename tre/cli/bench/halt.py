"""The kill switch: `tre halt --all` with thirty live workspaces, from the key to the proof that nothing of them lives.

Each holds a kernel that ignores every signal. The time is the one that the command prints; beside it stands the whole
life of the command's process, as somebody with a watch sees it.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from typing import NamedTuple

from tre.cli.bench.figures import Figure, figure
from tre.cli.bench.live import PERSON, RoomyWorld, living
from tre.cli.bench.revoke import STUBBORN
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World, running_world
from tre.domain.errors import Reason, TREError

WORKSPACES, SECONDS = 30, 3.0
_PRINTED = re.compile(r"proven after ([0-9.]+) s")


class Halt(NamedTuple):
    """How many lived, what the command printed, and how long its process took."""

    live: int
    printed: float
    watched: float


def bench(up_to: int = WORKSPACES) -> list[Figure]:
    """Halt so many."""
    with running_world(RoomyWorld) as world:
        return figures(asyncio.run(_all(world, up_to)))


def figures(found: Halt) -> list[Figure]:
    """From one halt."""
    in_time = (f"≤ {SECONDS:.0f} s", found.printed <= SECONDS)
    return [
        figure("tre halt --all to proven death, as it prints", "s", found.printed, target=in_time),
        figure("the same, from outside, with the start of the command", "s", found.watched),
        figure("live workspaces", "", float(found.live), target=(f"≥ {WORKSPACES}", found.live >= WORKSPACES)),
    ]


async def _all(world: World, count: int) -> Halt:
    async with world.signed_in(PERSON) as (browser, _):
        for number in range(count):
            grant = await asyncio.to_thread(world.grant, f"bench-{number}")
            page = await browser.get(f"{world.desk}/projects/{grant}")
            lab = await open_workspace(browser, page, grant, world.shell_of)
            async with lab.kernel() as kernel:
                await kernel.execute(STUBBORN)
        live = len(living(world))
        return await asyncio.to_thread(_halt, world, live)


def _halt(world: World, live: int) -> Halt:
    command = [sys.executable, "-m", "tre", "halt", "--all", "--root", str(world.root), "--reason", "measured"]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    watched = time.monotonic() - begun
    return Halt(live, printed(done.stdout, done.stderr), watched)


def printed(said: str, complaint: str = "") -> float:
    """The seconds that the command printed. Raises `TREError(RuntimeFailed)` where it printed none."""
    if (found := _PRINTED.search(said)) is None:
        raise TREError(Reason.RuntimeFailed, "The kill switch proved nothing.", why=complaint.strip()[:300])
    return float(found[1])
