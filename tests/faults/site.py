"""An installation on a small disk of its own, whose services can be stopped in the middle of what they do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from sqlalchemy.exc import DBAPIError

from tests.faults.matrix import SERVICES
from tests.faults.steps import Steps
from tre.cli.services import listens
from tre.cli.trial.browser import Browser, Page, sign_in
from tre.cli.trial.desk import Desk
from tre.cli.trial.world import World
from tre.domain.errors import TREError
from tre.system.heartbeat import heartbeat_age

T = TypeVar("T")
DISK_BYTES = 900 * 2**20
PATIENCE = 90.0
"""Seconds in which everything must have come back by itself, on a machine that does much else."""

QUICK = "releaseDelaySeconds: 0\n"


def broken(error: Exception) -> bool:
    """Whether this is what somebody may be answered while things are broken; they ask again."""
    passing = (TREError, aiohttp.ClientError, OSError, KeyError, ValueError, TimeoutError, DBAPIError)
    return isinstance(error, passing)


class FaultWorld(World):
    """A launcher to break: `steps` stop its services, `disk` is a file system of its own."""

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.image = home.with_name(home.name + ".disk")
        self.steps = Steps(Path(tempfile.mkdtemp(prefix="tre-steps-", dir="/var/tmp")))
        self.desks: dict[str, Desk] = {}
        self._browsers: dict[str, Browser] = {}
        self.kept: dict[str, Any] = {}
        self.by_design = ""

    def mount_disk(self) -> None:
        """A file system in a file: it can be filled, frozen and made read-only without harm to the machine."""
        with self.image.open("wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(self.image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.home)], check=True)
        self.home.chmod(0o711)

    def make(self) -> None:
        """As any, and releases do not wait."""
        super().make()
        with (self.root / "tre.yaml").open("a", encoding="utf-8") as file:
            file.write(QUICK)

    def said(self, lines: int = 12) -> str:
        """The last lines of each service's log: an installation is gone when somebody reads why a cell failed."""
        logs = [*sorted((self.root / "log").glob("*.log")), self.steps.place / "up.log"]
        last = [(path.stem, path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) for path in logs]
        return "\n".join(f"{name}: {line[:600]}" for name, tail in last for line in tail)

    def start(self) -> None:
        """Start the services with the steps in them."""
        log_path = self.steps.place / "up.log"
        with log_path.open("wb") as log:
            self._services = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.up", "--root", str(self.root)],
                stdout=log,
                stderr=log,
                env=os.environ | self.steps.environment | {"PYTHONPATH": f"{self.steps.environment['PYTHONPATH']}:."},
            )
        self.wait_for(lambda: b"Up:" in log_path.read_bytes(), "the services did not come up")

    def stop(self) -> None:
        """End everything; the disk goes too."""
        try:
            super().stop()
        except subprocess.TimeoutExpired:
            self.kill_services()
            self._end_runs()
        if hasattr(self, "here"):
            self.here.database.close()
        subprocess.run(["umount", "-l", str(self.home)], check=False)
        shutil.rmtree(self.home, ignore_errors=True)
        self.image.unlink(missing_ok=True)
        shutil.rmtree(self.steps.place, ignore_errors=True)

    async def desk_of(self, name: str) -> Desk:
        """Somebody's desk: the sign-in of before, while it holds."""
        if name not in self.desks:
            self.desks[name] = Desk(await self.browser_of(name), self.desk)
        return self.desks[name]

    async def browser_of(self, name: str) -> Browser:
        """Somebody's browser, signed in."""
        if name not in self._browsers:
            browser = await Browser().__aenter__()
            try:
                await self.sign_in_as(browser, name)
            except BaseException:
                await browser.__aexit__(None, None, None)
                raise
            self._browsers[name] = browser
        return self._browsers[name]

    async def sign_in_as(self, browser: Browser, name: str) -> Page:
        """Sign somebody in. Raises `TREError(LoginFailed)`."""
        return await sign_in(browser, self.desk + "/", name, self.password)

    async def leave_desks(self) -> None:
        """Close every browser."""
        for browser in self._browsers.values():
            await browser.__aexit__(None, None, None)
        self._browsers.clear()
        self.desks.clear()

    async def again(self, act: Callable[[], Awaitable[T]], seconds: float = PATIENCE) -> tuple[T, int]:
        """Do something as a person does who was refused by a broken machine: again, until it is done; how often."""
        until, asked = time.monotonic() + seconds, 0
        while True:
            asked += 1
            try:
                return await act(), asked
            except Exception as error:
                if not broken(error) or time.monotonic() > until:
                    raise
                await self.leave_desks()
                await asyncio.sleep(0.3)

    def answers(self, name: str) -> bool:
        """Whether a service is there for others."""
        with contextlib.suppress(TREError):
            self.service(name)
            if name == "checker":
                age = heartbeat_age(self.here.layout.checker_spool)
                return age is not None and age < 6
            return listens(self.here.layout.socket(name))
        return False

    def all_answer(self) -> bool:
        """Whether everything runs."""
        return all(self.answers(name) for name in SERVICES)


Kind = TypeVar("Kind", bound=FaultWorld)


@contextlib.contextmanager
def running_fault_world(kind: type[Kind]) -> Iterator[Kind]:
    """Such an installation, gone afterwards."""
    world = kind(Path(tempfile.mkdtemp(prefix="tre-trial-", dir="/var/tmp")))
    try:
        world.mount_disk()
        world.make()
        world.start()
        world.wait_for(world.all_answer, "a service of the installation that is to be broken never answered")
        yield world
    finally:
        world.stop()
