"""What every service of ours has in common: its log, its health, its numbers, its end.

Guarantees: structured log lines on standard error, one JSON object each, and no value of a variable in a traceback
(a vote or a key could be one); `/healthz` says 200 only while every check passes, else 503 and which one does not;
`/metrics` in Prometheus' text format; TERM and INT end a service cleanly. A service that speaks JSON lines answers
the same two addresses to whoever asks in HTTP, without reading anything of the request but its first line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from structlog.tracebacks import ExceptionDictTransformer

from tre.system.files import make_directory
from tre.system.layout import Layout
from tre.system.settings import Settings, load_settings

Check = Callable[[], str | None]
"""A health check: `None` where all is well, else what is wrong."""


def configure_log(service: str) -> None:
    """JSON lines on standard error, with the service's name and the time in UTC."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def arguments(service: str) -> tuple[Layout, Settings]:
    """Read `--root` from the command line, and the settings under it; configure the log."""
    parser = argparse.ArgumentParser(prog=f"tre.{service}")
    parser.add_argument("--root", type=Path, required=True)
    root = parser.parse_args().root.absolute()
    configure_log(service)
    return Layout(root), load_settings(root)


def health_routes(checks: dict[str, Check]) -> list[web.RouteDef]:
    """`/healthz` and `/metrics` for an aiohttp service."""

    async def healthz(_request: web.Request) -> web.Response:
        """200 while every check passes."""
        status, body = _health(checks)
        return web.json_response(body, status=status)

    async def metrics(_request: web.Request) -> web.Response:
        """Everything that is counted."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return [web.get("/healthz", healthz), web.get("/metrics", metrics)]


def _health(checks: dict[str, Check]) -> tuple[int, dict[str, Any]]:
    found = {name: wrong for name, check in checks.items() if (wrong := check()) is not None}
    return (503, {"status": "failing", "checks": found}) if found else (200, {"status": "ok"})


def health_answer(request: bytes, checks: dict[str, Check]) -> bytes | None:
    """The whole HTTP answer where the first line of a request asks for `/healthz` or `/metrics`; else `None`."""
    if not request.startswith(b"GET /"):
        return None
    path = request.split(b" ", 2)[1]
    if path == b"/healthz":
        status, found = _health(checks)
        kind, body = "application/json", json.dumps(found).encode()
    elif path == b"/metrics":
        status, kind, body = 200, CONTENT_TYPE_LATEST, generate_latest()
    else:
        status, kind, body = 404, "text/plain", b""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


async def serve_unix(app: web.Application, path: Path, *, mode: int = 0o660) -> web.AppRunner:
    """Serve an application on a unix socket; the directory decides who may reach it."""
    make_directory_for(path)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    path.unlink(missing_ok=True)
    await web.UnixSite(runner, str(path)).start()
    path.chmod(mode)
    return runner


def make_directory_for(path: Path) -> None:
    """The socket's directory, where `tre up` did not make it (tests, a service started by hand)."""
    if not path.parent.is_dir():
        make_directory(path.parent, 0o700 if os.geteuid() else 0o711)


async def until_told() -> None:
    """Wait for TERM or INT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
