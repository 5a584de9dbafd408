"""How long a person waits for a notebook: from the click's POST to a kernel that answers `1+1`.

The peer is plain `jupyter lab`, unsandboxed, with the same environment, extensions and byte-code, used by the same
client with the same patience; the two take turns.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp

from tre.cli.bench.figures import Figure, Peer, figure, median, percentile
from tre.cli.bench.plain import add, await_server, plain_kernel
from tre.cli.trial.browser import Browser, Page
from tre.cli.trial.lab import open_workspace
from tre.cli.trial.world import World, running_world
from tre.system.paths import workspace_environment

PAIRS = 20
TARGET = 1.15
PEER = "plain jupyter lab"
ADDRESS = "http://localhost"


def bench(pairs: int = PAIRS) -> list[Figure]:
    """Start this many workspaces and as many plain servers, in turn."""
    with running_world() as world:
        world.grant("bench-start")
        return figures(asyncio.run(_all(world, pairs)))


def figures(taken: list[tuple[float, float]]) -> list[Figure]:
    """From pairs of seconds, ours and plain. What is to be reached is judged pair by pair: neighbours share a load."""
    ours, plain = [pair[0] for pair in taken], [pair[1] for pair in taken]
    ratios = [one / other for one, other in taken]
    ratio = median(ratios)
    return [
        figure("click to a kernel that answers, median", "s", median(ours), peer=Peer(name=PEER, value=median(plain))),
        figure("the same, p95", "s", percentile(ours, 0.95), peer=Peer(name=PEER, value=percentile(plain, 0.95))),
        figure("ratio pair by pair, median", "×", ratio, target=(f"≤ {TARGET}", ratio <= TARGET)),
        figure("ratio of the best pair", "×", min(ratios)),
        figure("ratio of the worst pair", "×", max(ratios)),
        figure("pairs", "", float(len(taken)), target=(f"≥ {PAIRS}", len(taken) >= PAIRS)),
    ]


async def _all(world: World, pairs: int) -> list[tuple[float, float]]:
    found = []
    async with world.signed_in("alice") as (browser, projects):
        await _ours(world, browser, projects)  # the image is warm, and so is the first home
        await plain_start(world)
        for _ in range(pairs):
            page = await browser.get(f"{world.desk}/")
            found.append((await _ours(world, browser, page), await plain_start(world)))
    return found


async def _ours(world: World, browser: Browser, projects: Page) -> float:
    begun = time.monotonic()
    lab = await open_workspace(browser, projects, "bench-start", world.shell_of)
    async with lab.kernel() as kernel:
        await add(kernel)
        seconds = time.monotonic() - begun
    page = await browser.get(f"{world.desk}/projects/bench-start")
    await browser.submit(page, page.form("/stop"))
    await asyncio.to_thread(world.wait_for, lambda: _gone(world), "the workspace did not stop")
    return seconds


def _gone(world: World) -> bool:
    return not any((world.here.layout.run / "workspaces").iterdir())


async def plain_start(world: World) -> float:
    """Start plain JupyterLab, ask its kernel, and end it."""
    with tempfile.TemporaryDirectory(dir=world.home) as directory:
        socket = Path(directory) / "lab.sock"
        begun = time.monotonic()
        process = _start_plain(world, Path(directory), socket)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as session:
                await await_server(session, ADDRESS)
                async with plain_kernel(session, ADDRESS) as kernel:
                    await add(kernel)
                    return time.monotonic() - begun
        finally:
            process.kill()
            process.wait()


def _start_plain(world: World, directory: Path, socket: Path) -> subprocess.Popen[bytes]:
    python = workspace_environment(world.settings) / "bin" / "python"
    command = [
        str(python), "-m", "jupyterlab", "--no-browser", f"--ServerApp.sock={socket}", "--ServerApp.ip=127.0.0.1",
        "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={directory}",
        "--KernelManager.transport=ipc", "--log-level=WARN", "--allow-root", "--ServerApp.allow_remote_access=True",
    ]  # fmt: skip
    environment = {
        "HOME": str(directory),
        "JUPYTER_RUNTIME_DIR": str(directory / "r"),  # a kernel's socket has to fit 107 bytes
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
