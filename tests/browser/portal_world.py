"""The real gateway, the real Hub, the real portal and its public twin as processes over one record; no controller."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support import loaded
from tests.unit.portal.world import World
from tre.portal.seals import Sealer, read_key
from tre.portal.sessions import DESK_COOKIE
from tre.system import hub_keys, installation
from tre.system.clock import SystemClock
from tre.system.files import make_directory

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = {
    "portal": ("tre.portal",),
    "public": ("tre.portal", "--public"),
    "hub": ("tre.hub",),
    "gateway": ("tre.gateway",),
    "storekeeper": ("tre.storekeeper",),
}
CONTROLLER = {"controller": ("tre.controller",)}
"""Apart from the others: most tests play its part themselves."""

DESK = ("portal", "gateway")
"""What a browser needs that comes in with a session (`come_in`)."""

WAY_IN = (*DESK, "public", "hub")
"""What one needs that signs in, or that reads public pages, too."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], what: str, seconds: float = 40.0) -> None:
    """Wait for a real condition; fail by name at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.05)


class Installed(World):
    """A root with real programs over it; the record is prepared by the same helpers as in the unit tests."""

    def __init__(self, root: Path, **settings: Any) -> None:
        super().__init__(root, {"listenPort": free_port(), **settings})
        installation.make_secrets(self.layout)
        hub_keys.make_keys(self.layout)
        (root / "hub").mkdir()
        for path in (self.layout.endings, self.layout.logs):
            path.mkdir(parents=True)
        for name in ("portal", "public", "portal-internal", "portal-intake", "hub", "gateway", "controller"):
            make_directory(self.layout.socket(name).parent, 0o700)
        self.sealer = Sealer(read_key(self.layout.keys))
        self.clock.jump(SystemClock().now())
        self.processes: dict[str, subprocess.Popen[bytes] | loaded.Started] = {}

    def start(self, programs: Collection[str] = DESK) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "HOME": str(self.layout.root / "hub")}
        if runtime := os.environ.get("XDG_RUNTIME_DIR"):
            environment["XDG_RUNTIME_DIR"] = runtime
        for name in programs:
            module, *options = (PROGRAMS | CONTROLLER)[name]
            options = ["--root", str(self.layout.root), *options]
            with (self.layout.logs / f"{name}.log").open("ab") as log:
                if module in loaded.READ:
                    self.processes[name] = loaded.start(module, options, self.layout.root, environment, log)
                    continue
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", module, *options],
                    env=environment, cwd=self.layout.root, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
        sockets = {"portal": ("portal", "portal-internal", "portal-intake"), "public": ("public",), "hub": ("hub",)}
        sockets |= {"storekeeper": ("storekeeper",), "controller": ("controller",)}
        for name in (one for program in programs for one in sockets.get(program, ())):
            until(lambda n=name: self._answers(n), f"{name} answers")  # type: ignore[misc]
        if "gateway" in programs:
            until(self._listens, "the gateway listens")

    def _listens(self) -> bool:
        self._check_alive()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.settings.listen_port), 1):
            return True
        return False

    def _check_alive(self) -> None:
        for name, process in self.processes.items():
            assert process.poll() is None, f"{name} ended: {self.log(name)}"

    def _answers(self, name: str) -> bool:
        self._check_alive()
        try:
            return self.ask(name, "/healthz")[0] == 200
        except OSError:
            return False

    def come_in(self, page: Page, name: str, path: str = "/") -> None:
        """Open a page of the desk as somebody with a session, for tests of what is behind the sign-in."""
        _, session = self.session(name)
        desk = self.settings.origin("desk")
        sealed = self.sealer.seal("desk", {"session": session.id})
        # Chromium keeps a `__Host-` cookie for an address over https only; localhost gets it over http, too.
        page.context.add_cookies([{"name": DESK_COOKIE, "value": sealed, "url": desk.replace("http:", "https:")}])
        page.goto(desk + path)

    def ask(self, name: str, path: str) -> tuple[int, str]:
        """Ask a program as others on this machine do; status and text."""
        connection = http.client.HTTPConnection("localhost", timeout=5)
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(self.layout.socket(name)))
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def log(self, name: str) -> str:
        return (self.layout.logs / f"{name}.log").read_text(errors="replace")[-4000:]

    def stop(self, name: str) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(20)

    def close(self) -> None:
        for process in self.processes.values():
            process.terminate()  # all at once: each takes its time
        for name in list(self.processes):
            self.stop(name)
        super().close()
        shutil.rmtree(self.layout.run, ignore_errors=True)


@contextlib.contextmanager
def an_installation(root: Path, programs: Collection[str] = DESK, **settings: Any) -> Iterator[Installed]:
    """An installation that runs, or some programs of it; everything is gone afterwards."""
    made = Installed(root, **settings)
    try:
        made.add_people()
        made.start(programs)
        yield made
    finally:
        made.close()
