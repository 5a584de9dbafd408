"""`python -m tre.portal --root ROOT [--public]`: the portal as a program.

Guarantees: it listens on unix sockets only, whose directories decide who reaches them; TERM and INT end it, open
streams included; with `--public` it opens the record for reading only and reads no secret.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvicorn
from prometheus_client import REGISTRY
from starlette.types import ASGIApp

from tre.domain.errors import TREError
from tre.portal.applications import intake_app, internal_app, portal_switch, public_switch
from tre.portal.context import Desk, Portal
from tre.portal.handing_in import SOCKET
from tre.portal.live import Live
from tre.portal.metrics import AccountNumbers, OptOutNumbers
from tre.portal.passwords import PasswordChecker
from tre.portal.roles import load_roles
from tre.portal.seals import Sealer, read_key
from tre.register.account_policy import load_account_policy
from tre.store.database import Database
from tre.store.roles import Role
from tre.store.schema import require_current
from tre.system import hub_keys
from tre.system.clock import SystemClock
from tre.system.layout import Layout
from tre.system.logs import configure_log
from tre.system.service import make_directory_for, until_told
from tre.system.settings import Settings, load_settings
from tre.system.sockets import listen

log = structlog.get_logger()
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


async def serve(applications: dict[Path, ASGIApp], live: Live | None) -> None:
    """Serve each application on its socket until told to end."""
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


def make_desk(layout: Layout, settings: Settings) -> Desk:
    """The portal for people who sign in. Raises `TREError(SetupIncomplete | PolicyMissing | BadInput)`."""
    database = Database.open(layout, settings, Role.portal)
    require_current(database)
    load_account_policy(layout.root)  # a mistake in it is told now, not to the first who asks
    return Desk(
        settings=settings,
        layout=layout,
        database=database,
        clock=SystemClock(),
        sealer=Sealer(read_key(layout.keys)),
        passwords=PasswordChecker(),
        roles=load_roles(layout.root),
        hub_secret=hub_keys.read_key(layout, hub_keys.OAUTH_SECRET),
    )


def make_public(layout: Layout, settings: Settings) -> Portal:
    """The public pages, which only read. Raises `TREError(SetupIncomplete | PolicyMissing | BadInput)`."""
    load_account_policy(layout.root)
    database = Database.open(layout, settings, Role.public, read_only=True)
    require_current(database)
    return Portal(settings=settings, layout=layout, database=database, clock=SystemClock())


async def run(layout: Layout, settings: Settings, *, public: bool) -> None:
    """Run until told to end."""
    if public:
        await serve({layout.socket("public"): public_switch(make_public(layout, settings))}, None)
        return
    desk = make_desk(layout, settings)
    REGISTRY.register(OptOutNumbers(desk.database, desk.clock))
    REGISTRY.register(AccountNumbers(desk.database, desk.clock))
    live = Live(desk.database)
    applications: dict[Path, ASGIApp] = {
        layout.socket("portal"): portal_switch(desk, live),
        layout.socket("portal-internal"): internal_app(desk),
        layout.socket(SOCKET): intake_app(desk),
    }
    await serve(applications, live)


def main() -> int:
    """Run; the status is 1 where it cannot start."""
    parser = argparse.ArgumentParser(prog="tre.portal", description="The pages of the launcher.")
    parser.add_argument("--root", type=Path, required=True, help="the launcher's root directory")
    parser.add_argument("--public", action="store_true", help="serve the public pages, from a read-only record")
    given = parser.parse_args()
    configure_log("public" if given.public else "portal")
    os.umask(0o002)  # the record's files are shared with the group of its writers
    layout = Layout(given.root.absolute())
    try:
        asyncio.run(run(layout, load_settings(layout.root), public=given.public))
    except TREError as error:
        sys.stderr.write("\n".join(error.lines()) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
