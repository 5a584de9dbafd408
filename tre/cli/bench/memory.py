"""What a proxy's process holds in memory, with none and with a thousand websockets open through it.

Guarantees: the figures are the kernel's (resident set of the proxy's one process), taken when the process has as many
descriptors as the websockets need, or has given them back. Every websocket is used: a message through each and back.

Does not guarantee: what a runtime does with memory that it has freed. Node.js and Python keep some of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tre.cli.bench.ways import SECONDS, Way
from tre.domain.errors import Reason, TREError

SOCKETS = 1000
ROUNDS = 20
MESSAGE = "x" * 1024
_SETTLE_SECONDS = 1.0
_AT_ONCE = 20
_SPARE = 500
_KEPT = 32  # connections that a proxy keeps for the next request
Channel = aiohttp.ClientWebSocketResponse


@dataclass(frozen=True)
class Memory:
    """Resident bytes: with nothing open, with all open, after messages, after closing, and all open once more."""

    idle: int
    held: int
    used: int
    closed: int
    again: int

    @property
    def growth(self) -> float:
        """Bytes for each websocket."""
        return (self.held - self.idle) / SOCKETS


def resident(pid: int) -> int:
    """Bytes of a process in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def allow_descriptors() -> None:
    """Raise our own limit, which our children inherit. Raises `TREError(SetupIncomplete)` where it cannot be enough."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * SOCKETS + _SPARE
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise TREError(
            Reason.SetupIncomplete,
            f"{SOCKETS} websockets need {needed} open files, and at most {hard} are allowed.",
            remedy=f"Raise the hard limit first: `ulimit -Hn {needed}`.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def measure(pid: int, way: Way, path: str) -> Memory:
    """Open a thousand websockets through a process, use them, close them, and open them once more."""
    async with _held(pid, way, path, 1) as channels:
        await _use(channels)  # what is loaded with the first one belongs to none of the thousand
    idle = resident(pid)
    async with _held(pid, way, path, SOCKETS) as channels:
        held = resident(pid)
        for _ in range(ROUNDS):
            await _use(channels)
        used = resident(pid)
    closed = resident(pid)
    async with _held(pid, way, path, SOCKETS) as channels:
        for _ in range(ROUNDS):
            await _use(channels)
        again = resident(pid)
    return Memory(idle, held, used, closed, again)


@contextlib.asynccontextmanager
async def _held(pid: int, way: Way, path: str, count: int) -> AsyncIterator[list[Channel]]:
    """So many websockets; the process has taken them in when this begins, and given them back when it ends."""
    before = descriptors(pid)
    async with way.session() as session:
        at_once = asyncio.Semaphore(_AT_ONCE)
        channels = await asyncio.gather(*(_open(session, way, path, at_once) for _ in range(count)))
        await _until(lambda: descriptors(pid) >= 2 * count, "The websockets did not arrive")
        yield channels
        await asyncio.gather(*(channel.close() for channel in channels))
    await _until(lambda: descriptors(pid) <= before + _KEPT, "The websockets were not given back")


async def _open(session: aiohttp.ClientSession, way: Way, path: str, at_once: asyncio.Semaphore) -> Channel:
    async with at_once:
        return await session.ws_connect(path, headers=dict(way.headers))


async def _use(channels: list[Channel]) -> None:
    """A message through each, and the same one back."""
    for channel in channels:
        await channel.send_str(MESSAGE)
    for channel in channels:
        if await channel.receive_str(timeout=SECONDS) != MESSAGE:
            raise TREError(Reason.RuntimeFailed, "A websocket said something else than was said to it.")


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TREError(Reason.StartTimeout, f"{otherwise} within {SECONDS:.0f} s.")
        await asyncio.sleep(0.02)
    await asyncio.sleep(_SETTLE_SECONDS)
