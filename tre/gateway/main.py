"""The program: `python -m tre.gateway --root R`.

Guarantees: one TCP listener (TLS 1.2 or later where a certificate is set; plain HTTP never for a name that other
machines can know), where asked a second one that only sends browsers to the first, one listener for operators on a unix
socket (`/healthz`, `/readyz`, `/metrics`), logs as JSON lines on standard error, and an orderly end on TERM: no new
connections, open ones cut, events that wait put in the spool.

Does not guarantee: that requests of one client leave room for others. A limit on connections belongs in front.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import signal
from pathlib import Path

import structlog
from aiohttp import web

from tre.domain.errors import Reason, TREError
from tre.gateway.app import Gateway, Parts
from tre.gateway.redirect import sends_to_tls
from tre.gateway.renewal import Renewal
from tre.gateway.sessions import read_session_key
from tre.gateway.spool import FileSpool
from tre.gateway.upstream import DoorKey
from tre.system.clock import SystemClock
from tre.system.files import make_directory
from tre.system.health import Probes, health_routes
from tre.system.layout import Layout
from tre.system.logs import configure_log
from tre.system.settings import Settings, load_settings, root_from
from tre.system.transport import check_transport, tls_context

log = structlog.get_logger()

_CHECKOUT = Path(__file__).resolve().parents[2]
_IDLE_SECONDS = 75.0
_HEAD_BYTES = 16384
_GOODBYE_SECONDS = 1.0
DOOR_PATH = "/door"


def workspace_environment(settings: Settings) -> Path:
    """The Python environment whose JupyterLab workspaces run."""
    return settings.workspace_environment or _CHECKOUT / ".venv-workspace"


def front(gateway: Gateway) -> web.Server:
    """The public side as an aiohttp server: strict parser, nothing decompressed, handlers end with their client."""
    return web.Server(
        gateway.handle,
        handler_cancellation=True,
        keepalive_timeout=_IDLE_SECONDS,
        auto_decompress=False,
        access_log=None,
        max_line_size=_HEAD_BYTES,
        max_field_size=_HEAD_BYTES,
        lingering_time=1.0,
    )


def back(gateway: Gateway) -> web.Application:
    """The operators' side: health, metrics, and whether the way to a workspace whose name one knows is open."""

    def controller() -> str | None:
        return gateway.health() or None

    def heard() -> None:
        if wrong := gateway.health():
            raise TREError(Reason.ServiceUnavailable, f"{wrong[0].upper()}{wrong[1:]}.")

    def own_numbers() -> bytes:
        heard_at = gateway.table.heard_at
        gateway.metrics.heard_seconds.set(float("inf") if heard_at is None else gateway.clock.boottime() - heard_at)
        return gateway.metrics.text()

    async def door(request: web.Request) -> web.Response:
        """Whether this gateway leads to a workspace."""
        return web.json_response({"open": gateway.leads_to(request.query.get("workspace", ""))})

    app = web.Application()
    app.add_routes([web.get(DOOR_PATH, door)])
    app.add_routes(health_routes(Probes({"controller": controller}, {"controller": heard}, more_numbers=own_numbers)))
    return app


def door_key(settings: Settings, layout: Layout) -> DoorKey | None:
    """What is shown to doors, on a cluster. Raises `TREError(SetupIncomplete)` for files that are no pair."""
    if settings.runtime != "kubernetes":
        return None
    found = DoorKey(layout.door_certificate, layout.door_key)
    found.context()
    return found


def raise_descriptor_limit() -> None:
    """As many open descriptors as the machine allows: a websocket takes two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(gateway: Gateway, layout: Layout) -> None:
    """Listen and run until TERM or INT."""
    settings = gateway.settings
    runners = [
        web.ServerRunner(front(gateway), shutdown_timeout=_GOODBYE_SECONDS),
        web.AppRunner(back(gateway), access_log=None, shutdown_timeout=_GOODBYE_SECONDS),
    ]
    if settings.tls.redirect_port is not None:
        runners.append(web.ServerRunner(web.Server(sends_to_tls(settings), access_log=None), shutdown_timeout=0.1))
    admin = layout.socket("gateway")
    if not admin.parent.is_dir():  # where root installs, it is made beforehand and belongs to root
        make_directory(admin.parent, 0o750)
    admin.unlink(missing_ok=True)
    for runner in runners:
        await runner.setup()
    context = tls_context(settings, layout)
    await web.TCPSite(runners[0], settings.listen_address, settings.listen_port, ssl_context=context).start()
    if settings.tls.redirect_port is not None:
        await web.TCPSite(runners[2], settings.listen_address, settings.tls.redirect_port).start()
    await web.UnixSite(runners[1], str(admin)).start()  # last: whoever waits for it finds the front open
    log.info("gateway.listening", address=settings.listen_address, port=settings.listen_port, base=settings.base)
    work = asyncio.create_task(_work(gateway, None if context is None else Renewal(context, layout, settings)))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):  # asked to end
            await work
    finally:
        for runner in runners:
            await runner.cleanup()


async def _work(gateway: Gateway, renewal: Renewal | None) -> None:
    """Everything that goes on beside requests, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(gateway.run())
        if renewal is not None:
            tasks.create_task(renewal.run())


def main() -> int:
    """Read the settings and serve; returns the exit code."""
    configure_log("gateway")
    parser = argparse.ArgumentParser(prog="tre.gateway", description="The door of the TRE launcher.")
    parser.add_argument("--root", type=Path, default=None, help="root directory (default: TRE_ROOT)")
    root = root_from(parser.parse_args().root)
    try:
        settings, layout = load_settings(root), Layout(root)
        check_transport(settings)
        parts = Parts(
            settings=settings,
            layout=layout,
            clock=SystemClock(),
            key=read_session_key(layout.keys),
            environment=workspace_environment(settings),
            spool=FileSpool(layout.endings),
            doors=door_key(settings, layout),
        )
        raise_descriptor_limit()
        asyncio.run(serve(Gateway(parts), layout))
    except TREError as error:
        log.error("gateway.refused", **error.as_dict())
        return 1
    return 0
