"""Services that are read once for all tests of a process: each start is a fork of one that was read and has not begun.

    python -m tests.support.loaded DESCRIPTOR MODULE…   reads the modules and serves starts over a socket

Guarantees: a service runs its own `main` in a process of its own, with the arguments, directory, environment and log
that it is given; one program has read the modules of one service only, as in service. What was started can be asked,
told to end, and waited for, as a program that this process started itself.

Does not guarantee: what comes before `main`. Tests of the whole launcher (`tests/system`) start everything themselves.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

CHECKOUT = Path(__file__).resolve().parents[2]
READ = {
    "tre.controller": ("tre.controller.program",),
    "tre.gateway": ("tre.gateway.main",),
    "tre.hub": ("tre.hub.__main__", "tre.hub.app", "tre.hub.config"),
    "tre.portal": ("tre.portal.__main__", "tre.portal.desk_program", "tre.portal.public_program"),
}
"""The services that can be forked, each with the module that has its `main` and with what it reads later. The
storekeeper cannot: libraries of tables begin threads while they are read."""


class Started:
    """A program that runs, or has ended."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        line.settimeout(40)
        said = line.recv(4)
        assert len(said) == 4, "it was not started"
        self.pid = int.from_bytes(said, "big")
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit code once it has ended, a signal's number below zero."""
        return self._status if self._status is not None else self._heard(0)

    def wait(self, timeout: float) -> int:
        """Wait for its end. Raises `subprocess.TimeoutExpired`."""
        found = self._status if self._status is not None else self._heard(timeout)
        if found is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout)
        return found

    def terminate(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _heard(self, seconds: float) -> int | None:
        self._line.settimeout(seconds)
        try:
            said = self._line.recv(4)
        except (BlockingIOError, TimeoutError):
            return None
        self._status = int.from_bytes(said, "big", signed=True) if said else -signal.SIGKILL
        self._line.close()
        return self._status


def start(
    module: str, options: Sequence[str], directory: Path, environment: Mapping[str, str], log: BinaryIO
) -> Started:
    """Start `python -m MODULE OPTION…`, one of `READ`, from a process that has read it."""
    ours, theirs = socket.socketpair()
    told = {"options": list(options), "directory": str(directory), "environment": dict(environment)}
    with theirs:
        socket.send_fds(_server(module), [json.dumps(told).encode()], [theirs.fileno(), log.fileno()])
    return Started(ours)


@cache
def _server(module: str) -> socket.socket:
    ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with theirs:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.loaded", str(theirs.fileno()), *READ[module]],
            pass_fds=[theirs.fileno()],
            cwd=CHECKOUT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)},  # some modules look at it when they are read
            stdin=subprocess.DEVNULL,
        )
    atexit.register(_end, ours, server)
    return ours


def _end(line: socket.socket, server: subprocess.Popen[bytes]) -> None:
    line.close()
    server.wait(10)


def serve(line: socket.socket, modules: Sequence[str]) -> None:
    """Start what is asked for, until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # typed at a terminal, it is for whoever asks
    first, *_ = [import_module(name) for name in modules]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those between
    while True:
        told, descriptors, _, _ = socket.recv_fds(line, 65536, 2)
        if not told:
            return
        if os.fork() == 0:
            line.close()
            _watch(first.main, json.loads(told), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _watch(main: Any, told: dict[str, Any], line: int, log: int) -> None:
    """Between the two: start the program, say its number, and, when it has ended, how."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    program = os.fork()
    if program == 0:
        os.close(line)
        _become(main, told, log)
    os.write(line, program.to_bytes(4, "big"))
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    os.write(line, status.to_bytes(4, "big", signed=True))
    os._exit(0)


def _become(main: Any, told: dict[str, Any], log: int) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.chdir(told["directory"])
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = [str(sys.modules[main.__module__].__file__), *told["options"]]
    sys.exit(main())


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
