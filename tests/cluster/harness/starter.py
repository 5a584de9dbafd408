"""Starts a cluster, says how far it is, looks at it, removes it.

Guarantees: one run at a time for a cluster. Starting one that runs already does nothing; one that is broken, half
started or of another kind is removed first and made anew. Killed at any point, the next run repairs.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.cluster.harness import images, machine, removal
from tests.cluster.harness.basics import CHECKOUT, CannotRunError, HarnessError, say, wait_until
from tests.cluster.harness.certificates import CLIENTS, issue_all, write_kubeconfig
from tests.cluster.harness.client import Client
from tests.cluster.harness.commands import ON_DEMAND
from tests.cluster.harness.files import write_all
from tests.cluster.harness.identity import TOKEN_VARIABLE, ProcessId, Record
from tests.cluster.harness.layout import Layout, Tier
from tests.cluster.harness.lock import exclusive, try_lock
from tests.cluster.harness.order import Order
from tests.cluster.harness.programs import ALL_SETS, API_SETS, KUBERNETES, NODE_SETS, RUNC, ModuleSet, Programs

SETS: dict[Tier, tuple[ModuleSet, ...]] = {Tier.api: API_SETS, Tier.node: NODE_SETS}
PATIENCE = 300.0
LINES_SHOWN = 8
ENGINE_DEFAULT = {"mode": "closed", "established": "cut"}


@dataclass(frozen=True)
class Starter:
    """One cluster of this machine, that runs or not."""

    where: Layout
    owner: int = 0  # a process that the cluster is not to outlive, if there is one

    # --- what is there

    def status(self) -> dict[str, Any]:
        """What the keeper wrote last; `phase` is "absent" where no keeper lives."""
        record = Record.read(self.where.record)
        if record is None or not record.keeper.is_alive():
            return {"phase": "absent", "steps": [], "failure": "", "ended": {}}
        try:
            found: dict[str, Any] = json.loads(self.where.status.read_text())
        except FileNotFoundError:
            return {"phase": "starting", "steps": [], "failure": "", "ended": {}}
        return found

    def tier(self) -> Tier | None:
        """Which tier runs and is well, if any."""
        order, status = Order.read(self.where), self.status()
        if order is None or status["phase"] != "ready" or set(status["ended"]) - set(ON_DEMAND):
            return None
        with contextlib.suppress(OSError), contextlib.closing(Client.from_file(self.where.kubeconfig)) as client:
            if client.get_status("/readyz") == 200:
                return order.tier
        return None

    # --- build and start

    def build(self, tier: Tier, *, everything: bool) -> Programs:
        """Install and build what a tier needs, or all that tests may ask for."""
        programs = Programs.found()
        machine.provide(tier, builds_runc=bool(programs.missing([RUNC])), install=True)
        sets = SETS[tier] if not everything else tuple(s for s in ALL_SETS if tier is Tier.node or s in API_SETS)
        if missing := programs.missing(sets):
            say(f"Building {len(missing)} programs of the cluster, once: about a quarter of an hour on two processors")
            say(f"Built in {programs.build(sets):.0f} s, kept in {programs.cache}")
        return programs

    def up(self, tier: Tier, *, everything: bool = False) -> None:
        """Make sure that a cluster of this tier runs; HarnessError where it does not come up."""
        programs = self.build(tier, everything=everything)
        folders = programs.folders(SETS[tier])
        archives = images.archives(programs.cache / "images") if tier is Tier.node else ()
        begun = time.monotonic()
        with exclusive(self.where.lock, f"another run that works on {self.where.state}"):
            if self._runs_as_wanted(tier, folders, archives):
                say(f"The cluster is up already. export KUBECONFIG={self.where.kubeconfig}")
                return
            removal.remove(self.where)
            self._start(Order(tier, folders, archives, 0, removal.read_sysctls()))
        say(f"The cluster is up after {time.monotonic() - begun:.1f} s. export KUBECONFIG={self.where.kubeconfig}")
        say(f"  kubectl: {order_binary(self.where, KUBERNETES, 'kubectl')}")

    def _runs_as_wanted(self, tier: Tier, folders: Mapping[str, str], archives: tuple[str, ...]) -> bool:
        order = Order.read(self.where)
        same = order is not None and order.means_the_same(tier, folders, archives)
        return same and self.tier() is tier and not self.is_orphan()

    def _start(self, wanted: Order) -> None:
        self.where.state.mkdir(parents=True, mode=0o711)
        (self.where.state / removal.MARK).write_text(self.where.token)
        if self.owner:
            self.where.owner.write_text(json.dumps(asdict(ProcessId.of(self.owner))))
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            if wanted.tier is Tier.node:
                listener.listen(64)
            order = Order(wanted.tier, wanted.folders, wanted.images, listener.getsockname()[1], dict(wanted.sysctls))
            self._write_files(order)
            if order.tier is Tier.api:
                listener.close()  # the API server takes the port itself
            keeper = self._spawn_keeper(order, listener)
        self._follow(keeper)

    def _write_files(self, order: Order) -> None:
        where = self.where
        for folder in (where.etc, where.logs):
            folder.mkdir()
        issue_all(where.pki)
        write_all(where, order)
        inner = f"https://127.0.0.1:{where.port_in_cluster(order.tier, order.port)}"
        for holder in CLIENTS:
            write_kubeconfig(where.inner_kubeconfig(holder.file), where.pki, holder.file, inner)
        write_kubeconfig(where.kubeconfig, where.pki, "admin", f"https://127.0.0.1:{order.port}")
        where.engine_mode.write_text(json.dumps(ENGINE_DEFAULT))
        order.write(where)

    def _spawn_keeper(self, order: Order, listener: socket.socket) -> subprocess.Popen[bytes]:
        """The lock is taken here and lives on in the keeper: there is no moment without it."""
        handle = os.open(self.where.keeper_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(handle):
            raise HarnessError(f"another keeper holds {self.where.keeper_lock}")
        relay = listener.fileno() if order.tier is Tier.node else 0
        owner = os.pidfd_open(self.owner) if self.owner else 0
        numbers = (str(relay), str(owner))
        command = [sys.executable, "-m", "tests.cluster.harness.keeper", str(self.where.state), *numbers]
        if order.tier is Tier.node:
            apart = ["unshare", "--pid", "--fork", "--kill-child=KILL", "--mount", "--propagation", "slave", "--net"]
            reaper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("reaper.py"))]
            command = [*apart, "--", *reaper, *command]
        environment = {"PATH": machine.SYSTEM_PATH, "LANG": "C.UTF-8", TOKEN_VARIABLE: self.where.token}
        environment["GOGC"] = "400"  # each part has little in memory, which Go searched for garbage again and again
        try:
            with (self.where.logs / "keeper.log").open("ab") as log:
                return subprocess.Popen(
                    command,
                    cwd=CHECKOUT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[number for number in (handle, relay, owner) if number],
                )
        finally:
            os.close(handle)
            if owner:
                os.close(owner)

    def _follow(self, keeper: subprocess.Popen[bytes]) -> None:
        """Say each step as it is done, until the cluster is ready."""
        said = 0

        def is_ready() -> bool:
            nonlocal said
            ended = keeper.poll() is not None
            status = self.status()
            for name, seconds in status["steps"][said:]:
                said += 1
                say(f"  {name} ({seconds:.1f} s)")
            if ended:
                raise HarnessError(f"the cluster did not come up:\n{self._last_words()}")
            return bool(status["phase"] == "ready")

        wait_until(is_ready, f"the cluster should come up (see {self.where.logs})", PATIENCE)
        keeper.returncode = 0  # it lives on without us: nobody is to wait for it

    def _last_words(self) -> str:
        """Why the keeper gave up; where it could not say so, the end of its log."""
        with contextlib.suppress(FileNotFoundError):
            if failure := json.loads(self.where.status.read_text())["failure"]:
                return f"{failure} (more in {self.where.logs})"
        lines = (self.where.logs / "keeper.log").read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        return "\n".join([*lines, f"(more in {self.where.logs})"])

    # --- whose it is

    def is_orphan(self) -> bool:
        """Whether the cluster's owner has died: then its keeper is about to give up."""
        with contextlib.suppress(FileNotFoundError):
            return not ProcessId(**json.loads(self.where.owner.read_text())).is_alive()
        return False

    # --- removal

    def down(self) -> list[str]:
        """Remove everything; returns in words what is left nevertheless."""
        with exclusive(self.where.lock, f"another run that works on {self.where.state}"):
            before = removal.remove(self.where)
        return removal.leftovers(self.where, before)


def order_binary(where: Layout, modules: ModuleSet, name: str) -> str:
    """A program of the cluster that runs in a state directory."""
    order = Order.read(where)
    if order is None:
        raise HarnessError(f"no cluster in {where.state}: make cluster")
    return order.binary(modules.name, name)


def best_tier(*, install: bool) -> tuple[Tier, str]:
    """The most that this machine can run, and why it is not more; CannotRunError where it can run nothing."""
    programs = Programs.found()
    try:
        machine.provide(Tier.node, builds_runc=bool(programs.missing([RUNC])), install=install)
    except CannotRunError as error:
        machine.provide(Tier.api, builds_runc=False, install=install)
        return Tier.api, str(error)
    return Tier.node, ""
