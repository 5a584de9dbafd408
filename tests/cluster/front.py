"""The launcher's front as browsers reach it: the gateway's own port, on this machine's loopback.

Guarantees: bytes are passed on to the gateway's Service inside the cluster's network and nothing looks into them, so
TLS, host names, cookies and websockets are the gateway's own.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from types import TracebackType

from tests.cluster.harness.basics import CHECKOUT
from tests.cluster.harness.running import Running


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Front:
    """Passes one port of the loopback on to an address inside the cluster. Use as a context manager."""

    def __init__(self, node: Running, address: str, port: int) -> None:
        self._node, self._target, self._port = node, (address, str(port)), port

    def __enter__(self) -> Front:
        with socket.create_server(("127.0.0.1", self._port), backlog=128) as listener:
            number = listener.fileno()
            command = ["nsenter", f"--target={self._node.keeper.pid}", "--net", "--", sys.executable]
            command += ["-m", "tests.cluster.harness.relay", str(number), *self._target]
            self._process = subprocess.Popen(command, cwd=CHECKOUT, pass_fds=[number])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
