"""What the only door costs: time, throughput and memory, beside the proxy that JupyterHub brings.

The gateway is the one of a whole installation, with policy, budgets and log in force, asked with the cookie of a person
who signed in. Its peer is configurable-http-proxy with its own defaults. Both go to the same server, and take turns:

* a real workspace with a real JupyterLab, for what a request and a kernel's answer take longer than straight to the
  workspace's socket. Both proxies dial that socket; the peer opens it anew for each request, as it does with every unix
  socket.
* a server in JupyterLab's place (`tre.cli.bench.upstream`), for what one JupyterLab could not show: which proxy takes
  how much, and a thousand websockets. There the peer goes to a loopback port instead, where it keeps its connections,
  so that it is seen at its best.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from tre.cli.bench import load, memory, peer
from tre.cli.bench.figures import Figure, Peer, figure, median
from tre.cli.bench.memory import SOCKETS, Memory
from tre.cli.bench.ways import Way, added, in_turn, status_of, time_gets
from tre.cli.trial.browser import SCRIPT_HEADERS, Browser
from tre.cli.trial.lab import Kernel, Lab, start_workspace
from tre.cli.trial.world import World, running_world
from tre.domain.errors import Reason, TREError
from tre.runtimes.bubblewrap.sandbox import SOCKET_NAME
from tre.runtimes.bubblewrap.state import DOOR

TARGET_MS = 2.0
FLAT = 1.1
"""How much more memory a second thousand websockets, or messages through the first, may take and still be flat."""

SMALL, LARGE = "/api/me", "/api/contents/home/large.csv?content=1"
CHANNEL = "/api/kernels/0f3a9b1c-1111-4222-8333-444455556666/channels"
ROUNDS = 1000
KERNEL_ROUNDS = 100
BURSTS = 5
_PLENTY = {"profile": "small", "budgets": {"fileReads": "1Ti/h", "kernelOutput": "1Ti/h"}}
_REAL, _STUB = "bench-gateway", "bench-gateway-load"
_MIB = 2**20
_WARM = 10
_MOST = 2**26


@dataclass(frozen=True)
class Ways:
    """The three ways to one server, in this order."""

    straight: Way
    ours: Way
    peer: Way

    def all(self) -> tuple[Way, Way, Way]:
        """The three."""
        return self.straight, self.ours, self.peer


def bench() -> list[Figure]:
    """Measure the gateway."""
    peer.find()
    memory.allow_descriptors()
    with running_world() as world, peer.running(world.home / "peer.log") as other:
        for name in (_REAL, _STUB):
            world.grant(name, workspace=_PLENTY)
        try:
            return asyncio.run(_all(world, other))
        except (aiohttp.ClientError, http.client.HTTPException, OSError) as error:
            raise TREError(
                Reason.RuntimeFailed, "An answer is missing.", why=f"{type(error).__name__}: {error}"[:300]
            ) from error


async def _all(world: World, other: peer.Peer) -> list[Figure]:
    async with world.signed_in("alice") as (browser, projects):
        lab = await start_workspace(browser, projects, _REAL, world.shell_of)
        await lab.enter()
        ways = _ways(world, browser, lab, other)
        check_guarded(ways.ours)
        found = _latencies(ways, "JupyterLab")
        found += added_figures("1+1 by a kernel", await _kernel_times(ways))
        lab = await start_workspace(browser, projects, _STUB, world.shell_of)
        with _stub_in_place(world) as port:
            await lab.enter()
            ways = _ways(world, browser, lab, other, port)
            found += _latencies(ways, "a server that is all haste")
            ours = await memory.measure(world.service("gateway"), ways.ours, CHANNEL)
            found += memory_figures(ours, await memory.measure(other.pid, ways.peer, CHANNEL))
            return found + await _throughput(ways)  # last: what it leaves in memory belongs to no websocket


def _ways(world: World, browser: Browser, lab: Lab, other: peer.Peer, port: int = 0) -> Ways:
    """The ways to a workspace; `port` is where the peer reaches the same server, 0 for the workspace's own socket."""
    host = urlsplit(lab.origin).netloc
    grant = _STUB if port else _REAL
    socket = world.run_of(grant)[0] / DOOR / SOCKET_NAME
    other.route(host.partition(":")[0], f"http://127.0.0.1:{port}" if port else f"http+unix://{quote(str(socket), '')}")
    headers = {"Host": host, "Origin": lab.origin, **SCRIPT_HEADERS, **browser.cookie_header(lab.origin)}
    return Ways(
        Way("straight", socket=socket),
        Way("through the gateway", port=world.settings.listen_port, headers=headers),
        Way(f"through {peer.NAME}", port=other.port, headers=headers),
    )


def check_guarded(way: Way) -> None:
    """Raise `TREError` unless the gateway refuses without the cookie what it admits with it: else it costs nothing."""
    without = replace(way, headers={name: value for name, value in way.headers.items() if name != "Cookie"})
    found = status_of(without, SMALL), status_of(way, SMALL)
    if found != (HTTPStatus.FORBIDDEN, HTTPStatus.OK):
        raise TREError(
            Reason.RuntimeFailed, "The gateway does not do its work, so there is nothing to measure.", why=f"{found}"
        )


def _latencies(ways: Ways, server: str) -> list[Figure]:
    """What a small answer takes longer than straight from the server."""
    return added_figures(f"GET {SMALL} of {server}", time_gets(ways.all(), SMALL, ROUNDS))


def added_figures(what: str, taken: Sequence[Sequence[float]]) -> list[Figure]:
    """From milliseconds straight, through ours and through the peer: what each proxy adds at p50 and p99."""
    straight, ours, theirs = taken
    found = []
    for percent in (50, 99):
        here, there = (added(one, straight, percent / 100) for one in (ours, theirs))
        target = (f"≤ {TARGET_MS:g} ms", here <= TARGET_MS) if percent == 50 else None
        found.append(
            figure(f"{what}: added, p{percent}", "ms", here, peer=Peer(name=peer.NAME, value=there), target=target)
        )
    return found


async def _kernel_times(ways: Ways) -> list[list[float]]:
    """Milliseconds of `1+1`, each way; each way asks each of three kernels equally often."""
    taken: list[list[float]] = [[], [], []]
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(way.session()) for way in ways.all()]
        kernels = [await _new_kernel(ways.straight, sessions[0]) for _ in sessions]
        for block in range(len(kernels)):
            async with contextlib.AsyncExitStack() as opened:
                asked = [
                    Kernel(await opened.enter_async_context(_channel(way, session, kernels[(number + block) % 3])))
                    for number, (way, session) in enumerate(zip(ways.all(), sessions, strict=True))
                ]
                for turn in in_turn(len(asked), KERNEL_ROUNDS + _WARM):
                    for index in turn:
                        taken[index].append(await _time_sum(asked[index]))
                for milliseconds in taken:
                    del milliseconds[block * KERNEL_ROUNDS : block * KERNEL_ROUNDS + _WARM]
    return taken


async def _new_kernel(way: Way, session: aiohttp.ClientSession) -> str:
    async with session.post("/api/kernels", json={"name": "python3"}, headers=dict(way.headers)) as answer:
        answer.raise_for_status()
        return str((await answer.json())["id"])


def _channel(way: Way, session: aiohttp.ClientSession, kernel: str) -> Any:
    return session.ws_connect(f"/api/kernels/{kernel}/channels", headers=dict(way.headers), max_msg_size=_MOST)


async def _time_sum(kernel: Kernel) -> float:
    begun = time.perf_counter()
    if await kernel.execute("1+1") != "2":
        raise TREError(Reason.RuntimeFailed, "The kernel cannot add.")
    return (time.perf_counter() - begun) * 1000


@contextlib.contextmanager
def _stub_in_place(world: World) -> Iterator[int]:
    """The server that is all haste, where JupyterLab listened; gives its port on the loopback address.

    The gateway has not looked at this workspace yet, so it finds this server and no other.
    """
    directory, state = world.run_of(_STUB)
    path = directory / DOOR / SOCKET_NAME
    path.unlink()
    script = Path(__file__).with_name("upstream.py")
    process = subprocess.Popen(
        [sys.executable, "-I", str(script), str(path), str(state["plan"]["uid"])], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        port = process.stdout.readline()
        if not port:
            raise TREError(Reason.StartTimeout, "The server in JupyterLab's place did not start.")
        yield int(port)
    finally:
        process.kill()
        process.wait()


async def _throughput(ways: Ways) -> list[Figure]:
    """Requests and megabytes a second, in bursts that take turns."""
    rates: list[list[float]] = [[], []]
    speeds: list[list[float]] = [[], []]
    for turn in in_turn(2, BURSTS):
        for index in turn:
            way = (ways.ours, ways.peer)[index]
            rates[index].append((await load.measure(way, SMALL, connections=16, times=100))[0])
            speeds[index].append((await load.measure(way, LARGE, connections=2, times=5))[1] / 1e6)
    return [
        _beside("small answers, 16 connections", "1/s", *(median(rate) for rate in rates)),
        _beside("large answers (8 MiB), 2 connections", "MB/s", *(median(speed) for speed in speeds)),
    ]


def memory_figures(ours: Memory, theirs: Memory) -> list[Figure]:
    """What each process holds, and whether ours stays flat."""
    growths = [(one.used / one.held, one.again / one.used) for one in (ours, theirs)]
    found = [
        _beside("memory, no websocket", "MiB", ours.idle / _MIB, theirs.idle / _MIB),
        _beside(f"memory, {SOCKETS} idle websockets", "MiB", ours.held / _MIB, theirs.held / _MIB),
        _beside(f"memory, {SOCKETS} websockets that were used", "MiB", ours.used / _MIB, theirs.used / _MIB),
        _beside("memory for each idle websocket", "KiB", ours.growth / 1024, theirs.growth / 1024),
        _beside("memory, all closed", "MiB", ours.closed / _MIB, theirs.closed / _MIB),
    ]
    for index, what in enumerate(("after messages on each, to before", f"second {SOCKETS}, to the first")):
        here, there = growths[0][index], growths[1][index]
        found.append(
            figure(
                f"memory, {what}", "×", here, peer=Peer(name=peer.NAME, value=there), target=(f"≤ {FLAT}", here <= FLAT)
            )
        )
    return found


def _beside(what: str, unit: str, here: float, there: float) -> Figure:
    return figure(what, unit, here, peer=Peer(name=peer.NAME, value=there))
