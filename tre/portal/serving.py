"""How the portal's programs serve.

Guarantees: they listen on unix sockets only, whose directories decide who reaches them; TERM and INT end them, open
streams included.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from tre.portal.live import Live
from tre.system.service import make_directory_for, until_told
from tre.system.sockets import listen

SOCKET_MODE = 0o660


class Server(uvicorn.Server):
    """One application on one socket; signals are the program's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: several servers share this process."""
        yield


def server_for(app: ASGIApp) -> Server:
    """A server that trusts no header about where a request comes from and says nothing about itself."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=16 * 1024,
    )
    return Server(config)


async def serve(applications: dict[Path, ASGIApp], live: Live | None = None) -> None:
    """Serve each application on its socket until told to end, and then end what `live` has open."""
    sockets = {path: _socket(path) for path in applications}
    servers = [server_for(app) for app in applications.values()]
    running = [
        asyncio.create_task(server.serve(sockets=[sockets[path]]))
        for server, path in zip(servers, applications, strict=True)
    ]
    told = asyncio.create_task(until_told())
    await asyncio.wait([told, *running], return_when=asyncio.FIRST_COMPLETED)
    if live is not None:
        live.close()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*running)
    told.cancel()


def _socket(path: Path) -> socket.socket:
    make_directory_for(path)
    made = listen(path, mode=SOCKET_MODE)
    made.setblocking(False)
    return made
