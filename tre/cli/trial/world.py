"""An installation to try things on: services, a small dataset, a few people, any number of grants.

Used by the benchmarks and by the tests of the whole: real programs, real sandboxes, gone afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tre.cli import grant as grants_command
from tre.cli.common import Installation
from tre.cli.dataset import office_of
from tre.cli.services import MODULES
from tre.cli.signing import load_key
from tre.cli.trial.browser import Browser, sign_in
from tre.cli.trial.waiting import wait_until
from tre.cli.user import put_into_record
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, AccessGrantSpec
from tre.domain.people import Role
from tre.portal.passwords import hash_password
from tre.runtimes.bubblewrap import limits
from tre.sources.grantfile import read_grants
from tre.sources.signed import sign
from tre.store import grants
from tre.store.people import Account
from tre.storekeeper import slices
from tre.system.installation import Owners, own_secret
from tre.system.paths import CHECKOUT
from tre.system.settings import load_settings

PASSWORD = "correct horse battery"  # noqa: S105 - of an installation that lives for minutes
PEOPLE = {
    "alice": "researcher",
    "ben": "researcher",
    "carol": "checker",
    "chris": "checker",
    "olga": "operator",
}
_PATIENCE = 90.0


class World:
    """One such installation; `accounts` says who has one in it and in which roles, all with one password."""

    accounts = PEOPLE
    password = PASSWORD
    ranges: Mapping[str, tuple[int, int]] = {"workspaceUids": (100_000, 100), "dataGroups": (10_000_000, 100)}
    """From which number on, times the port, and how many: numbers that belong to this installation alone."""

    def __init__(self, home: Path) -> None:
        self.home, self.root = home, home / "root"
        self._services: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make the installation and its data with the commands that anybody types, and its people."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self._init(port)
        self._set_apart(port)
        self._tre("demo-data", "nccid", str(self.home / "nccid"), "--patients", "60", home_only=True)
        self._tre("dataset", "add", "nccid", str(self.home / "nccid"), "--release", "2026-10-01")
        self.settings = load_settings(self.root)
        self.here = Installation.open(self.root)
        self._add_accounts()
        self.template = self._planned()

    def _init(self, port: int) -> None:
        self._tre("init", "--port", str(port))

    def _add_accounts(self) -> None:
        hashed, now = hash_password(self.password), self.here.clock.now()
        for name, roles in self.accounts.items():
            held = frozenset(Role(role) for role in roles.split())
            put_into_record(self.here, Account(name=name, display_name=name, roles=held, created_at=now), hashed)

    def _set_apart(self, port: int) -> None:
        """Users and groups that no other installation on this machine has, since no other has this port."""
        with (self.root / "tre.yaml").open("a", encoding="utf-8") as file:
            for key, (base, count) in self.ranges.items():
                first = base + count * port
                file.write(f"{key}: {{first: {first}, last: {first + count - 1}}}\n")
            file.write("capacity: {memory: 1Ti, processes: 1000000}\n")  # many are open at once, and each uses little

    def _tre(self, *arguments: str, home_only: bool = False) -> None:
        root = [] if home_only else ["--root", str(self.root)]
        command = [sys.executable, "-m", "tre", *arguments, *root]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise TREError(Reason.RuntimeFailed, f"`tre {arguments[0]}` failed.", why=done.stderr.strip())

    def _planned(self) -> AccessGrant:
        template = read_grants(CHECKOUT / "examples" / "grant.yaml")[0]
        plan = slices.make_plan(office_of(self.here), template.spec.slices[0].spec)
        approval = template.spec.approval.model_copy(update={"plan_digest": plan.plan_digest})
        return template.model_copy(update={"spec": template.spec.model_copy(update={"approval": approval})})

    def start(self) -> None:
        """Start the services and wait until people could work."""
        with (self.home / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "tre", "up", "--root", str(self.root)]
            self._services = subprocess.Popen(command, stdout=log, stderr=log)
        log_path = self.home / "up.log"
        self.wait_for(lambda: b"Up:" in log_path.read_bytes(), "the services did not come up")

    def wait_for(self, condition: Callable[[], bool], otherwise: str, seconds: float = _PATIENCE) -> None:
        """Wait for something to become so. Raises `TREError(StartTimeout)`."""
        wait_until(condition, otherwise, seconds)

    def grant(self, name: str, **changes: Any) -> str:
        """Put a grant into force, the example's but for these changes, and wait until it is active."""
        self.apply(name, **changes)
        self.wait_for(lambda: self._phase(name) == "Active", f"{name} did not become active")
        return name

    def apply(self, name: str, **changes: Any) -> None:
        """Put a grant into the record, the example's but for these changes, and wait for nothing."""
        metadata = self.template.metadata.model_copy(update={"name": name})
        spec = AccessGrantSpec.model_validate(self.template.spec.model_dump(by_alias=True) | changes)
        signed = sign(
            self.template.model_copy(update={"metadata": metadata, "spec": spec}),
            load_key(self.here.layout.grant_key),
        )
        grants_command.put_into_force(self.here, [signed], {name: True})

    def give_to_the_controller(self, path: Path) -> None:
        """Let the controller alone read a file, as `tre init` does with secrets."""
        own_secret(path, Owners.of(self.settings).uid("controller"))

    def _phase(self, name: str) -> str:
        with self.here.database.read() as connection:
            return grants.require(connection, name).phase.value

    def service(self, name: str) -> int:
        """The process number of a service; a run's supervisor, which has the launcher's name, is none."""
        assert self._services is not None
        wanted, keeper = MODULES[name], str(self._services.pid)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
                parent = (
                    path.with_name("stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
                )
            except OSError:
                continue  # it ended meanwhile
            if (
                parent == keeper
                and wanted.encode() in words
                and str(self.root).encode() in words
                and (b"--public" in words) == (name == "public")
            ):
                return int(path.parent.name)
        raise TREError(Reason.ServiceUnavailable, f"{name} does not run.")

    def run_of(self, grant: str) -> tuple[Path, dict[str, Any]]:
        """The directory and the state of the running workspace of a grant. Raises `TREError` where none runs."""
        for path in (self.here.layout.run / "workspaces").glob("*/state.json"):
            state: dict[str, Any] = json.loads(path.read_bytes())
            if state["plan"]["grant"] == grant:
                return path.parent, state
        raise TREError(Reason.RuntimeFailed, f"No workspace of {grant} runs.")

    def shell_of(self, workspace: str) -> str:
        """A workspace's shell."""
        return self.settings.origin(f"{workspace}.open")

    @property
    def desk(self) -> str:
        """The desk's origin."""
        return self.settings.origin("desk")

    @asynccontextmanager
    async def signed_in(self, name: str) -> AsyncIterator[tuple[Browser, Any]]:
        """A browser of somebody who signed in, and the first page of the desk."""
        async with Browser() as browser:
            yield browser, await sign_in(browser, self.desk + "/", name, self.password)

    def kill_services(self) -> None:
        """As a power cut of everything but the workspaces: the keeper dies, and its services with it."""
        assert self._services is not None
        self._services.kill()
        self._services.wait()

    def stop(self) -> None:
        """End the services and remove everything."""
        if self._services is not None and self._services.poll() is None:
            self._services.send_signal(signal.SIGTERM)
            self._services.wait(30)
        self._end_runs()
        shutil.rmtree(self.home, ignore_errors=True)

    def _end_runs(self) -> None:
        """Runs outlive the services by design; these do not outlive their world."""
        runs = self.here.layout.run / "workspaces" if hasattr(self, "here") else None
        for path in runs.glob("*/state.json") if runs else []:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.kill(json.loads(path.read_bytes())["supervisor"]["pid"], signal.SIGKILL)
        if runs is not None:
            limits.choose(runs.parent.name).sweep((), patience=2.0)
            shutil.rmtree(runs.parent, ignore_errors=True)


@contextmanager
def running_world(kind: type[World] = World) -> Iterator[World]:
    """A world that runs, and is gone afterwards. It lies where sandboxes can be made from: not below /tmp."""
    world = kind(Path(tempfile.mkdtemp(prefix="tre-trial-", dir="/var/tmp")))
    world.home.chmod(0o711)
    try:
        world.make()
        world.start()
        yield world
    finally:
        world.stop()
