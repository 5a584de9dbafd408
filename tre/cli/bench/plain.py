"""Plain JupyterLab as a client of ours uses it: what a start is measured beside."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import aiohttp

from tre.cli.trial.lab import POLL_SECONDS, Kernel
from tre.domain.errors import Reason, TREError

PATIENCE = 60.0


async def await_server(session: aiohttp.ClientSession, address: str) -> None:
    """Until the server answers. Raises `TimeoutError` after a minute."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(aiohttp.ClientError):  # it does not listen yet
                async with session.get(f"{address}/api") as response:
                    if response.status == HTTPStatus.OK:
                        return
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def plain_kernel(session: aiohttp.ClientSession, address: str) -> AsyncIterator[Kernel]:
    """A new kernel of that server and its websocket; it has ended when this is over, and works beside nothing else."""
    async with session.post(f"{address}/api/kernels", json={"name": "python3"}) as response:
        response.raise_for_status()
        identifier = (await response.json())["id"]
    try:
        async with session.ws_connect(f"{address}/api/kernels/{identifier}/channels") as channel:
            yield Kernel(channel)
    finally:
        async with session.delete(f"{address}/api/kernels/{identifier}") as response:
            response.raise_for_status()


async def add(kernel: Kernel) -> None:
    """Have a kernel, ours or theirs, do the least that shows that it works."""
    if await kernel.execute("1+1") != "2":
        raise TREError(Reason.RuntimeFailed, "The kernel cannot add.")
