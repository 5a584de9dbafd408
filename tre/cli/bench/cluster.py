"""What an installed launcher takes on its cluster: approval to access, click to kernel, revocation to death.

Each run has its own approval, brought as a resource, and a workspace whose kernel ignores every signal. Its start
takes turns with plain JupyterLab in a pod of the same image; its death is told by `kubectl`. It is revoked when its
pod has not changed for some seconds: before that, a node's agent asks the container runtime once more before it does
anything, up to a second later.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from tre.cli.bench.figures import Figure, Peer, figure, median, percentile
from tre.cli.bench.plain import add, await_server, plain_kernel
from tre.cli.bench.revoke import STUBBORN
from tre.cli.trial.cluster_site import ClusterSite, ClusterWorld, time_of_death
from tre.cli.trial.desk import Desk
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.plain_pods import PlainPods
from tre.system.resources import read_record

RUNS, PAIRS = 50, 20
PEER = "plain jupyter lab in a pod"
AT_WORK = 3.0
"""Seconds from a workspace's first answer to its revocation."""
START, DEATH, CUT, APPLIED = 1.25, 2.0, 0.1, 2.0


class Run(NamedTuple):
    """Seconds: applied to in place; click to kernel; the plain pod, where it had its turn; accepted, cut, dead after
    the request to revoke."""

    applied: float
    started: float
    plain: float | None
    accepted: float
    cut: float
    dead: float


def bench(file: Path, runs: int = RUNS) -> list[Figure]:
    """Measure the launcher that a file tells of (`ClusterSite`)."""
    world = ClusterWorld(read_record(ClusterSite, file))
    try:
        return figures(asyncio.run(_all(world, runs)))
    finally:
        world.client.close()


def figures(found: list[Run]) -> list[Figure]:
    """From runs. A start is judged pair by pair: neighbours share a load."""
    pairs = [(run.started, run.plain) for run in found if run.plain is not None]
    ours, plain = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    ratio = median([one / other for one, other in pairs])
    applied, dead = percentile([run.applied for run in found], 0.99), [run.dead for run in found]
    cut = [max(0.0, run.cut - run.accepted) for run in found]
    late, slow = percentile(dead, 0.99), percentile(cut, 0.99)
    return [
        figure("applied to objects in place, p99", "s", applied, target=(f"≤ {APPLIED:.0f} s", applied <= APPLIED)),
        figure("click to a kernel that answers, median", "s", median(ours), peer=Peer(name=PEER, value=median(plain))),
        figure("the same, p95", "s", percentile(ours, 0.95), peer=Peer(name=PEER, value=percentile(plain, 0.95))),
        figure("ratio pair by pair, median", "×", ratio, target=(f"≤ {START}", ratio <= START)),
        figure("pairs", "", float(len(pairs)), target=(f"≥ {PAIRS}", len(pairs) >= PAIRS)),
        figure("revoke to death observed, p50", "s", percentile(dead, 0.5)),
        figure("revoke to death observed, p99", "s", late, target=(f"≤ {DEATH:.0f} s", late <= DEATH)),
        figure("acceptance to websocket cut, p50", "s", percentile(cut, 0.5)),
        figure("acceptance to websocket cut, p99", "s", slow, target=(f"≤ {CUT} s", slow <= CUT)),
        figure("runs", "", float(len(found)), target=(f"≥ {RUNS}", len(found) >= RUNS)),
    ]


async def _all(world: ClusterWorld, runs: int) -> list[Run]:
    mark = secrets.token_hex(3)
    async with (
        world.signed_in(world.site.operator) as (operator, _),
        PlainPods(world.client, world.site.kubeconfig, world.site.image) as pods,
    ):
        desk = Desk(operator, world.desk)
        await _one(world, desk, f"bench-{mark}-warm", pods)
        return [
            await _one(world, desk, f"bench-{mark}-{number}", pods if number < PAIRS else None)
            for number in range(runs)
        ]


async def _one(world: ClusterWorld, desk: Desk, grant: str, pods: PlainPods | None) -> Run:
    applied = await asyncio.to_thread(world.grant, grant)
    try:
        async with world.signed_in(world.site.researcher) as (browser, projects):
            begun = time.monotonic()
            lab = await open_workspace(browser, projects, grant, world.shell_of)
            async with lab.kernel() as kernel:
                await add(kernel)
                started = time.monotonic() - begun
                plain = None if pods is None else await _plain(pods)
                await kernel.execute(STUBBORN)
                await asyncio.sleep(AT_WORK)
                with world.observer(grant) as observer:
                    closed = asyncio.create_task(kernel.closed())
                    dying = asyncio.create_task(asyncio.to_thread(time_of_death, observer))
                    begun = time.monotonic()
                    await desk.call("POST", f"/grants/{grant}/revoke", {"confirm": grant, "reason": "measured"})
                    accepted = time.monotonic() - begun
                    cut = await asyncio.wait_for(closed, 30) - begun
                    dead = await asyncio.wait_for(dying, 60) - begun
    finally:
        await asyncio.to_thread(world.withdraw, grant)
    return Run(applied, started, plain, accepted, cut, dead)


async def _plain(pods: PlainPods) -> float:
    """Start plain JupyterLab in a pod, ask its kernel, and end it."""
    async with pods.session() as session:
        begun = time.monotonic()
        async with pods.started() as address:
            await await_server(session, address)
            async with plain_kernel(session, address) as kernel:
                await add(kernel)
                return time.monotonic() - begun
