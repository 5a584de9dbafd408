"""Keeps a cluster: starts its parts in their order, and is the one process whose end ends everything.

Guarantees: it writes down who it is before it starts anything; its parts die with it, on a node together with
every pod, mount and network of the cluster, since these live in its namespaces. A part that ends by itself is
reported, and not started again unless it is known to give up when the API server is away. The keeper holds its
lock from before its start to its death.

A cluster that was started for one run of tests ends with that run's process, however that comes.

Does not guarantee: that control groups go; whoever removes the cluster does that.

It is run by the starter as `python -m tests.cluster.harness.keeper STATE RELAY_FD OWNER_FD`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.harness import cgroups, commands, namespaces
from tests.cluster.harness.basics import CHECKOUT, HarnessError, wait_until
from tests.cluster.harness.client import Client
from tests.cluster.harness.commands import Part
from tests.cluster.harness.identity import TOKEN_VARIABLE, ProcessId, Record, boot_id
from tests.cluster.harness.layout import CONTAINERD_SOCKET, NODE, Layout, Tier
from tests.cluster.harness.order import Order

PATIENCE = 120.0  # seconds for one step; an idle machine needs three
ONE_TRY = 5.0
STOPPING = 10.0


@dataclass
class Keeper:
    """The parts of one cluster and how far they are."""

    where: Layout
    order: Order
    relay_handle: int
    owner_handle: int  # readable once the process has ended that the cluster is not to outlive
    begun: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, float]] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)

    # --- parts

    def start(self, part: Part) -> None:
        """Start a part; it is killed by the kernel when the keeper ends."""
        if self.poll(part.name):
            return
        self.parts[part.name] = part
        self.ended.pop(part.name, None)
        handles = (self.relay_handle,) if part.name == "relay" else ()
        with (self.where.logs / f"{part.name}.log").open("ab") as log:
            self.running[part.name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *part.command],
                cwd=CHECKOUT,
                env={**os.environ, **part.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=handles,
            )
        with contextlib.suppress(OSError):  # it may have ended already, which is noticed below
            cgroups.be_as_nice(self.running[part.name].pid)

    def poll(self, name: str) -> bool:
        """Whether a part runs; its end is remembered."""
        process = self.running.get(name)
        if process is not None and (code := process.poll()) is not None:
            self.ended[name] = code
            del self.running[name]
        return name in self.running

    def look(self) -> None:
        """Notice what has ended since the last look."""
        for name in [name for name in list(self.running) if not self.poll(name)]:
            if self.parts[name].comes_back:
                self.start(self.parts[name])
            self.report("ready")

    def is_orphan(self) -> bool:
        """Whether the process has ended that the cluster is not to outlive."""
        return bool(self.owner_handle and select.select([self.owner_handle], [], [], 0)[0])

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Send a part a signal that ends it, and wait for its end."""
        if self.poll(name):
            process = self.running[name]
            process.send_signal(number)
            try:
                process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self.poll(name)

    def await_step(self, name: str, condition: Callable[[], object]) -> None:
        """Wait for a step of the start; HarnessError as soon as a part has ended."""

        def reached() -> bool:
            if self.is_orphan():
                raise HarnessError("whoever wanted this cluster has ended")
            for part in list(self.running):
                if not self.poll(part):
                    raise HarnessError(f"{part} ended with {self.ended[part]}: see {self.where.logs / part}.log")
            return bool(condition())

        wait_until(reached, name, PATIENCE)
        self.steps.append((name, round(time.monotonic() - self.begun, 2)))
        self.report("starting")

    # --- the start

    def report(self, phase: str, failure: str = "") -> None:
        """Write down how far we are, in one step."""
        partial = self.where.status.with_suffix(".partial")
        partial.write_text(json.dumps({"phase": phase, "steps": self.steps, "failure": failure, "ended": self.ended}))
        partial.replace(self.where.status)

    def bring_up(self) -> None:
        """Everything that the order names."""
        on_node = self.order.tier is Tier.node
        if on_node:
            namespaces.arrange_mounts(self.where)
            namespaces.arrange_network()
            cgroups.make(self.where.token)
            self.start(commands.containerd(self.where, self.order))
        self.start(commands.etcd(self.where, self.order))
        self.start(commands.api_server(self.where, self.order))
        if on_node:
            self.start(Part("relay", (sys.executable, "-m", "tests.cluster.harness.relay", str(self.relay_handle))))
            self._import_images()  # while the API server starts
        api = Client.from_file(self.where.inner_kubeconfig("admin"))
        self.await_step("the API server is ready", lambda: _answers(api, "/readyz"))
        self.start(commands.controller_manager(self.where, self.order))
        self.start(commands.scheduler(self.where, self.order))
        if on_node:
            self._bring_up_node(api)
        accounts = "/api/v1/namespaces/default/serviceaccounts/default"
        self.await_step("service accounts are made", lambda: _answers(api, accounts))

    def _bring_up_node(self, api: Client) -> None:
        self.start(commands.policy_engine(self.where, self.order))
        self.start(commands.kubelet(self.where, self.order))
        self.start(commands.proxy(self.where, self.order))
        self.await_step("the node is ready", lambda: _node_is_ready(api))

    def _import_images(self) -> None:
        ctr = (self.order.binary("containerd", "ctr"), "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io")
        self.await_step("containerd answers", lambda: _succeeds(*ctr, "version"))
        for archive in self.order.images:
            namespaces.run(*ctr, "images", "import", archive)
        self.await_step("the images are there", lambda: True)

    # --- commands

    def serve(self) -> None:
        """Take commands until the end, or until the cluster's owner has ended."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            self.where.control.unlink(missing_ok=True)
            listener.bind(str(self.where.control))
            listener.listen()
            listener.settimeout(0.5)
            self.report("ready")
            while not self.is_orphan():
                for caller in _callers(listener):
                    with caller:
                        self._answer(caller)
                self.look()

    def _answer(self, caller: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # a caller that goes away, or says nothing that is a command
            caller.settimeout(5.0)
            asked = json.loads(caller.makefile("rb").readline())
            try:
                answer = self._do(**asked)
            except (HarnessError, OSError, KeyError, TypeError) as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            self.report("ready")
            caller.sendall(json.dumps(answer).encode() + b"\n")

    def _do(self, action: str, name: str = "", number: int = signal.SIGTERM) -> dict[str, object]:
        self.look()
        match action:
            case "stop":
                self.stop(name, number)
            case "signal":
                self.running[name].send_signal(number)
            case "start" if name in commands.ON_DEMAND:
                self.start(commands.ON_DEMAND[name](self.where, self.order))
            case "start":
                self.start(self.parts[name])
            case "list":
                pass
            case _:
                raise HarnessError(f"no such command: {action}")
        return {"running": {n: p.pid for n, p in self.running.items()}, "ended": self.ended}


def _callers(listener: socket.socket) -> Iterator[socket.socket]:
    with contextlib.suppress(TimeoutError):
        yield listener.accept()[0]


def _answers(api: Client, path: str) -> bool:
    try:
        return api.get_status(path) == 200
    except OSError:
        return False


def _node_is_ready(api: Client) -> bool:
    try:
        node = api.find(f"/api/v1/nodes/{NODE}")
    except OSError:
        return False
    conditions = node["status"].get("conditions", []) if node else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _succeeds(*words: str) -> bool:
    try:
        return subprocess.run(words, capture_output=True, check=False, timeout=ONE_TRY).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _write_record(where: Layout, tier: Tier) -> None:
    """Before /proc is made anew, it still tells our numbers as the machine sees them."""
    own = str(Path("/proc/self").readlink())
    status = Path("/proc/self/status").read_text().splitlines()
    parent = next(line.split()[1] for line in status if line.startswith("PPid:"))
    root = parent if tier is Tier.node else own
    Record(ProcessId.of(own), ProcessId.of(root), boot_id()).write(where.record)


def main() -> None:
    """Keep the cluster of the state directory that is given."""
    where = Layout(Path(sys.argv[1]))
    order = Order.read(where)
    if order is None or os.environ[TOKEN_VARIABLE] != where.token:
        raise HarnessError(f"{where.state} holds no order")
    _write_record(where, order.tier)
    keeper = Keeper(where, order, int(sys.argv[2]), int(sys.argv[3]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        keeper.bring_up()
        keeper.serve()
    except (HarnessError, OSError) as error:
        keeper.report("failed", str(error))
        raise
    finally:
        for process in keeper.running.values():
            process.kill()


if __name__ == "__main__":
    main()
