"""How many workspaces a machine holds, what memory that takes, and how long ten people at once wait.

The peer of the waiting is plain `jupyter lab`, as many at once, unsandboxed, with the same environment, used by the
same client; the two take turns. Memory is the kernel's proportional set size, in which a page that several share counts
once in all of them together.

Does not guarantee: that people at work take as little. Each workspace holds one kernel that has added 1 and 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tre.cli.bench.figures import Figure, Peer, figure, percentile
from tre.cli.bench.live import PERSON, RoomyWorld, living, open_one, stop_all
from tre.cli.bench.start import PEER, plain_start
from tre.cli.services import MODULES
from tre.cli.trial.browser import Browser
from tre.cli.trial.world import World, running_world
from tre.domain.errors import TREError
from tre.runtimes.bubblewrap import observer
from tre.runtimes.bubblewrap.state import RunState

AT_ONCE, ROUNDS = 10, 3
MARKS = (10, 30, 60)
"""Numbers of live workspaces at which every service is weighed."""

MOST = 500
RESERVE_BYTES = 2**30
"""Memory that is left to the machine: beyond it the kernel would choose what ends."""

_MIB = 2**20


class Weights(NamedTuple):
    """Bytes with so many workspaces: of each service, and the mean of workspaces and of their supervisors."""

    live: int
    services: dict[str, int]
    workspace: float
    supervisor: float


class Found(NamedTuple):
    """What was measured: seconds of starts at once, ours and plain; weights; how many there were and what ended it."""

    ours: list[float]
    plain: list[float]
    weights: list[Weights]
    live: int
    refused: str


def bench(up_to: int = MOST) -> list[Figure]:
    """Start some at once beside plain servers, then one after the other until the machine is full or so many live."""
    with running_world(RoomyWorld) as world:
        return figures(asyncio.run(_all(world, up_to)), up_to)


def figures(found: Found, up_to: int) -> list[Figure]:
    """From what was measured. A number that was not reached because it was not asked for is no answer."""
    how = found.refused or f"asked for no more than {up_to}"
    several = min(AT_ONCE, up_to)
    at_once = {share: (percentile(found.ours, share), percentile(found.plain, share)) for share in (0.5, 0.99)}
    made = [
        figure(
            f"{several} at once, click to a kernel that answers, p{share * 100:.0f}",
            "s",
            ours,
            peer=Peer(name=f"{PEER}, as many at once", value=plain),
        )
        for share, (ours, plain) in at_once.items()
    ]
    made.append(figure(f"live at once, each with a kernel ({how})", "workspaces", float(found.live)))
    for one in found.weights:
        made.append(figure(f"with {one.live}: a workspace and its kernel", "MiB", one.workspace / _MIB))
        made.append(figure(f"with {one.live}: its supervisor", "MiB", one.supervisor / _MIB))
        made += [figure(f"with {one.live}: {name}", "MiB", size / _MIB) for name, size in one.services.items()]
    return made


async def _all(world: World, up_to: int) -> Found:
    several = [world.grant(f"bench-{number}") for number in range(min(AT_ONCE, up_to))]
    async with world.signed_in(PERSON) as (browser, _):
        await open_one(world, browser, several[0])  # the image is warm
        await stop_all(world, browser, several[:1])
        ours: list[float] = []
        plain: list[float] = []
        for _ in range(ROUNDS):
            ours += await asyncio.gather(*(_timed(world, browser, grant) for grant in several))
            await stop_all(world, browser, several)
            plain += await asyncio.gather(*(plain_start(world) for _ in several))
        weights, refused = await _fill(world, browser, several, up_to)
        return Found(ours, plain, weights, len(living(world)), refused)


async def _timed(world: World, browser: Browser, grant: str) -> float:
    begun = time.monotonic()
    await open_one(world, browser, grant)
    return time.monotonic() - begun


async def _fill(world: World, browser: Browser, known: list[str], up_to: int) -> tuple[list[Weights], str]:
    """One after the other; what ended it, empty where nothing did."""
    weights: list[Weights] = []
    for number in range(up_to):
        if (left := _available()) < RESERVE_BYTES:
            return weights, f"{left // _MIB} MiB were left"
        try:
            grant = known[number] if number < len(known) else await asyncio.to_thread(world.grant, f"bench-{number}")
            await open_one(world, browser, grant)
        except TREError as error:
            return weights, f"{error.reason}"
        if number + 1 in MARKS or number + 1 == up_to:
            weights.append(_weights(world))
    return weights, ""


def _weights(world: World) -> Weights:
    runs = [state for path in living(world) if (state := RunState.read(path)) is not None]
    inside = [sum(map(held, _of_run(run))) for run in runs]
    beside = [held(run.supervisor.pid) for run in runs]
    return Weights(len(runs), dict(_services(world.service)), sum(inside) / len(runs), sum(beside) / len(runs))


def _of_run(run: RunState) -> set[int]:
    return observer.processes(observer.Target.of(run.plan, run)) - {run.supervisor.pid}


def _services(pid_of: Callable[[str], int]) -> Iterator[tuple[str, int]]:
    for name in MODULES:
        with contextlib.suppress(TREError):  # none of its name runs on one machine
            yield name, held(pid_of(name))


def held(pid: int) -> int:
    """Bytes of a process by proportional set size; 0 of one that ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))


def _available() -> int:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
