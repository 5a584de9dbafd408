"""What every service of ours has in common: what it is told on its command line, its socket, its end.

Guarantees: TERM and INT end a service cleanly.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from aiohttp import web

from tre.system.files import make_directory
from tre.system.layout import Layout
from tre.system.logs import configure_log
from tre.system.settings import Settings, load_settings


def arguments(service: str) -> tuple[Layout, Settings]:
    """Read `--root` from the command line, and the settings under it; configure the log."""
    parser = argparse.ArgumentParser(prog=f"tre.{service}")
    parser.add_argument("--root", type=Path, required=True)
    root = parser.parse_args().root.absolute()
    configure_log(service)
    return Layout(root), load_settings(root)


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
