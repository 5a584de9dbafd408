"""Two pods on the loopback: a service behind a port, a caller behind a socket, real certificates."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tre.link.certificates import self_signed
from tre.link.config import Identity, Inward, LinkConfig, Outward
from tre.link.service import start

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def write_identity(folder: Path, name: str) -> Identity:
    """A service's certificate and key as files."""
    pair = self_signed(name, datetime.now(UTC))
    found = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    found.certificate.write_bytes(pair.certificate)
    found.key.write_bytes(pair.key)
    return found


@dataclass
class Pods:
    """The caller's socket in one pod, the service's in the other."""

    near: Path
    far: Path
    port: int
    caller: Identity
    called: Identity

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """As the caller does: a unix socket, as on one machine."""
        return await asyncio.open_unix_connection(str(self.near))


@pytest.fixture
async def listening() -> AsyncIterator[list[asyncio.Server]]:
    """Servers that a test started; they end with it."""
    servers: list[asyncio.Server] = []
    yield servers
    for server in servers:
        server.close()
    async with asyncio.timeout(10):
        while any(server._active_count for server in servers):  # type: ignore[attr-defined]  # refusals under way
            await asyncio.sleep(0)
    await asyncio.sleep(0)


@pytest.fixture
def pods(tmp_path: Path, listening: list[asyncio.Server]) -> Callable[..., Awaitable[Pods]]:
    """Starts both links; keywords replace who they are to each other."""

    async def make(
        users: tuple[int, ...] = (os.geteuid(),),
        shows: str = "caller",
        expects: str = "called",
        handler: Handler | None = None,
    ) -> Pods:
        known = {name: write_identity(tmp_path, name) for name in ("caller", "called", "stranger")}
        far = tmp_path / "far" / "controller" / "sock"
        near = tmp_path / "near" / "controller" / "sock"
        far.parent.mkdir(parents=True)
        inward = Inward(0, known["caller"].certificate, far)
        server = LinkConfig(known["called"], (), (inward,), None, "127.0.0.1")
        listening.extend(await start(server))
        port = int(listening[-1].sockets[0].getsockname()[1])
        outward = Outward(near, users, "127.0.0.1", "NOWHERE_SERVICE_HOST", port, known[expects].certificate)
        listening.extend(await start(LinkConfig(known[shows], (outward,), (), None)))
        if handler is not None:
            listening.append(await asyncio.start_unix_server(handler, str(far)))
        return Pods(near, far, port, known["caller"], known["called"])

    return make
