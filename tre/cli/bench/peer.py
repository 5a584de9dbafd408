"""The gateway's peer: configurable-http-proxy, which JupyterHub brings, started as JupyterHub starts it for subdomains.

Guarantees: it listens on the loopback address, its interface behind a token; routes are told by host, as the gateway's
are; it ends with the measurement. Nothing of it is slowed down: no log on a slow terminal, its default settings.

Does not guarantee: that both do the same. The peer looks a host up and passes bytes on; the gateway decides, filters,
meters and writes down.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tre.domain.errors import Reason, TREError
from tre.system.paths import CHECKOUT

NAME = "configurable-http-proxy"
PROGRAM = CHECKOUT / "tests" / "node" / "node_modules" / NAME / "bin" / NAME
_PATIENCE = 20.0


def find() -> list[str]:
    """The command of the peer. Raises `TREError(SetupIncomplete)` with the remedy where it is not installed."""
    node = shutil.which("node")
    if node is None or not PROGRAM.is_file():
        raise TREError(
            Reason.SetupIncomplete,
            f"{NAME}, beside which the gateway is measured, is not installed.",
            why="There is no `node`." if node is None else f"{PROGRAM} does not exist.",
            remedy="Install Node.js 20 or newer with npm, then run `make setup`.",
        )
    return [node, str(PROGRAM)]


@dataclass(frozen=True)
class Peer:
    """A running one: its process, the port for browsers, and how it is told routes."""

    pid: int
    port: int
    interface: int
    token: str

    def route(self, host: str, target: str) -> None:
        """Send a host's requests to a target: `http://127.0.0.1:PORT` or `http+unix://PERCENT-ENCODED-PATH`."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.interface}/api/routes/{host}",
            data=json.dumps({"target": target}).encode(),
            headers={"Authorization": f"token {self.token}"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310  # nosec B310 - as above
            return


@contextlib.contextmanager
def running(log: Path) -> Iterator[Peer]:
    """Start one, and end it. Raises `TREError` where it does not start."""
    command = find()
    port, interface, token = _free_port(), _free_port(), secrets.token_hex(16)
    command += ["--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1", "--api-port", str(interface)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host-routing"],
            env={"PATH": os.environ["PATH"], "CONFIGPROXY_AUTH_TOKEN": token},
            stdout=output,
            stderr=output,
        )
    try:
        _await_answer(process, port, log)
        yield Peer(process.pid, port, interface, token)
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_chp_healthz", timeout=1):  # nosec B310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    said = log.read_text(errors="replace")[-300:]
    raise TREError(
        Reason.StartTimeout, f"{NAME} did not start.", why=said, remedy="Try it by hand: node " + str(PROGRAM)
    )
