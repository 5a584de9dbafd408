"""JupyterLab itself on a unix socket, started as a workspace starts it but for the sandbox around it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.unit.gateway.world import ENVIRONMENT

LAB_MISSING = pytest.mark.skipif(
    not (ENVIRONMENT / "bin" / "python").exists(), reason="needs .venv-workspace: type make setup"
)


@contextlib.asynccontextmanager
async def real_lab(socket: Path, home: Path, programs: Path | None = None) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run JupyterLab with `home` as its files, until the end of the block; `programs` are found before others."""
    socket.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(parents=True, exist_ok=True)
    command = [
        str(ENVIRONMENT / "bin" / "python"), "-m", "jupyterlab", "--no-browser", "--allow-root",
        f"--ServerApp.sock={socket}", "--ServerApp.sock_mode=0660",
        "--ServerApp.ip=127.0.0.1", "--ServerApp.allow_remote_access=True",
        "--ServerApp.disable_check_xsrf=True", "--IdentityProvider.token=",
        f"--ServerApp.root_dir={home}", "--KernelManager.transport=ipc",
    ]  # fmt: skip
    environment = {
        "HOME": str(home),
        "PATH": ":".join(filter(None, (str(programs or ""), f"{ENVIRONMENT}/bin", "/usr/bin", "/bin"))),
        "LANG": "C.UTF-8",
        "SHELL": "/bin/bash",
        "JUPYTER_RUNTIME_DIR": str(socket.parent / "runtime"),
        "JUPYTER_CONFIG_DIR": str(socket.parent / "config"),
        "IPYTHONDIR": str(socket.parent / "ipython"),
    }
    with (socket.parent / "lab.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=home, stdout=log, stderr=log, start_new_session=True
        )
    try:
        await _ready(socket, process)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            os.killpg(process.pid, 9)
            await process.wait()


async def _ready(socket: Path, process: asyncio.subprocess.Process) -> None:
    connector = aiohttp.UnixConnector(str(socket))
    async with asyncio.timeout(45), aiohttp.ClientSession(connector=connector) as client:
        while True:
            if process.returncode is not None:
                raise RuntimeError((socket.parent / "lab.log").read_text())
            with contextlib.suppress(aiohttp.ClientError, OSError):
                async with client.get("http://localhost/api/me") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
