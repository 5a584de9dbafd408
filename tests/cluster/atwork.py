"""Somebody at work in an installed launcher's workspace: a kernel that remembers, and the pod it lives in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.cluster.harness.basics import BUSY
from tests.cluster.launcher import Launcher
from tre.cli.trial.lab import Kernel


@dataclass
class Work:
    """Somebody at work: a kernel that remembers, and the pod it lives in."""

    launcher: Launcher
    grant: str
    kernel: Kernel
    uid: str

    async def answers(self) -> bool:
        """Whether the very same kernel still answers."""
        async with asyncio.timeout(20 * BUSY):
            return await self.kernel.execute("print(kept + 1)") == "42\n"

    def is_alive(self) -> bool:
        """Whether anything of the pod lives on the node."""
        return bool(self.launcher.node.processes_of(self.uid))

    async def until_dead(self, seconds: float = 60.0) -> datetime:
        """When nothing of it lived any more."""
        async with asyncio.timeout(BUSY * seconds):
            while self.is_alive():
                await asyncio.sleep(0.02)
        return datetime.now(UTC)


@asynccontextmanager
async def at_work(launcher: Launcher, grant: str, name: str = "alice") -> AsyncIterator[Work]:
    """A person in a workspace of a grant that is in force."""
    async with launcher.lab_of(grant, name) as lab, lab.kernel() as kernel:
        await kernel.execute("kept = 41")
        pod = launcher.pod(grant, name)
        assert pod is not None
        yield Work(launcher, grant, kernel, pod["metadata"]["uid"])


@asynccontextmanager
async def both_at_work(
    launcher: Launcher, first: tuple[str, str], second: tuple[str, str]
) -> AsyncIterator[tuple[Work, Work]]:
    """The same for two at one time, each a grant and a name."""
    async with contextlib.AsyncExitStack() as stack:
        entering = [stack.enter_async_context(at_work(launcher, *one)) for one in (first, second)]
        one, other = await asyncio.gather(*entering)
        yield one, other
