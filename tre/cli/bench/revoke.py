"""How long a revoked workspace lives on: from the request to death, seen by somebody else.

Each run revokes a grant of its own, by the API, while a kernel in its workspace ignores every signal and holds a file
open and a browser holds the kernel's websocket. Time counts from the moment the request is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tre.cli.bench.figures import Figure, figure, percentile
from tre.cli.trial.browser import Browser
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World, running_world
from tre.domain.errors import Reason, TREError

RUNS = 50
STUBBORN = """
import signal
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        continue
held = open('/home/researcher/held', 'ab')
"""


class Run(NamedTuple):
    """Seconds from sending the request: until it was answered, the websocket was cut, nothing lived."""

    answered: float
    cut: float
    dead: float


def bench(runs: int = RUNS) -> list[Figure]:
    """Revoke this many running workspaces."""
    with running_world() as world:
        return figures(asyncio.run(_all(world, runs)))


def figures(found: list[Run]) -> list[Figure]:
    """From runs: time to death from the request, and time to the cut from the answer (at once is 0)."""
    dead, cut = [run.dead for run in found], [max(0.0, run.cut - run.answered) for run in found]
    late, slow = percentile(dead, 0.99), percentile(cut, 0.99)
    return [
        figure("revoke to death observed, p50", "s", percentile(dead, 0.5)),
        figure("revoke to death observed, p99", "s", late, target=("≤ 1 s", late <= 1)),
        figure("acceptance to websocket cut, p50", "s", percentile(cut, 0.5)),
        figure("acceptance to websocket cut, p99", "s", slow, target=("≤ 0.1 s", slow <= 0.1)),
        figure("runs", "", float(len(found)), target=(f"≥ {RUNS}", len(found) >= RUNS)),
    ]


async def _all(world: World, runs: int) -> list[Run]:
    async with world.signed_in("olga") as (operator, _page):
        session = await operator.call("GET", f"{world.desk}/api/v1/session", origin=world.desk)
        token = session.json()["csrfToken"]
        return [
            await _one(world, operator, token, await asyncio.to_thread(world.grant, f"bench-{n}")) for n in range(runs)
        ]


async def _one(world: World, operator: Browser, token: str, grant: str) -> Run:
    async with world.signed_in("alice") as (browser, projects):
        lab = await open_workspace(browser, projects, grant, world.shell_of)
        async with lab.kernel() as kernel:
            await kernel.execute(STUBBORN)
            with _observer(int(world.run_of(grant)[1]["pidNamespace"])) as observer:
                closed = asyncio.create_task(kernel.closed())
                begun = time.monotonic()
                answer = await operator.call(
                    "POST",
                    f"{world.desk}/api/v1/grants/{grant}/revoke",
                    origin=world.desk,
                    body={"confirm": grant, "reason": "measured"},
                    headers={"X-CSRF-Token": token},
                )
                answered = time.monotonic() - begun
                if answer.status != 200:
                    raise TREError(Reason.RuntimeFailed, "The revocation was refused.", why=answer.text[:300])
                cut = await asyncio.wait_for(closed, 30) - begun
                dead = await asyncio.to_thread(_time_of_death, observer) - begun
    return Run(answered, cut, dead)


def _time_of_death(observer: subprocess.Popen[str]) -> float:
    assert observer.stdout is not None
    said = observer.stdout.readline()
    if not said:
        raise TREError(Reason.RuntimeFailed, "The revoked workspace still lives, a minute later.")
    return float(said)


@contextlib.contextmanager
def _observer(inode: int) -> Iterator[subprocess.Popen[str]]:
    script = Path(__file__).with_name("observer.py")
    process = subprocess.Popen([sys.executable, "-I", str(script), str(inode)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise TREError(Reason.RuntimeFailed, "The observer saw nothing alive to begin with.")
        yield process
    finally:
        process.kill()
        process.wait()
