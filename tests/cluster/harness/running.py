"""A cluster of ours that runs, as tests reach into it: stop and start parts, look from the machine.

Guarantees: what is seen here is seen from outside of the cluster, by the kernel's own tables.
"""

from __future__ import annotations

import json
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.harness.basics import HarnessError, wait_until
from tests.cluster.harness.identity import PROC, ProcessId, Record, state_of
from tests.cluster.harness.layout import CONTAINERD_SOCKET, Layout, Tier
from tests.cluster.harness.order import Order

PATIENCE = 240.0


@dataclass(frozen=True)
class Running:
    """One cluster with a living keeper."""

    where: Layout
    order: Order
    keeper: ProcessId

    @classmethod
    def found(cls, where: Layout) -> Running:
        """The cluster of a state directory; HarnessError where none runs."""
        record, order = Record.read(where.record), Order.read(where)
        if record is None or order is None or not record.keeper.is_alive():
            raise HarnessError("no cluster runs: make cluster")
        return cls(where, order, record.keeper)

    @property
    def tier(self) -> Tier:
        """How much of a cluster this is."""
        return self.order.tier

    # --- parts

    def command(self, action: str, name: str = "", number: int = 15) -> dict[str, dict[str, int]]:
        """Ask the keeper: `list`, `start`, `stop` (ends a part by a signal), `signal` (sends one)."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
            caller.settimeout(PATIENCE)
            caller.connect(str(self.where.control))
            caller.sendall(json.dumps({"action": action, "name": name, "number": number}).encode() + b"\n")
            with caller.makefile("rb") as answers:
                answer: dict[str, dict[str, int]] = json.loads(answers.readline())
        if "error" in answer:
            raise HarnessError(str(answer["error"]))
        return answer

    def parts(self) -> set[str]:
        """The names of the parts that run."""
        return set(self.command("list")["running"])

    # --- looks from the machine

    def inside(self, *words: str) -> str:
        """Run a program in the cluster's namespaces; returns what it prints."""
        enter = ["nsenter", f"--target={self.keeper.pid}", "--mount", "--pid", "--net", "--"]
        done = subprocess.run([*enter, *words], capture_output=True, text=True, check=False, timeout=PATIENCE)
        if done.returncode != 0:
            raise HarnessError(f"{' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def ctr(self, *words: str) -> str:
        """Talk to the node's container runtime, such as `images import ARCHIVE`; returns what it prints.

        An archive may not lie where the node has folders of its own: /run, /var/lib, /var/log.
        """
        program = self.order.binary("containerd", "ctr")
        return self.inside(program, "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", *words)

    def processes_of(self, pod_uid: str) -> set[int]:
        """The living processes of a pod, by the machine's own process table."""
        found = set()
        for path in (p for p in PROC.iterdir() if p.name.isdigit()):
            try:
                if f"/pod{pod_uid}" in (path / "cgroup").read_text() and state_of(int(path.name)) not in "ZX":
                    found.add(int(path.name))
            except OSError:
                continue  # it ended while we looked
        return found

    # --- the policy engine

    def set_engine(self, mode: str, established: str = "cut") -> None:
        """Give the policy engine another mode and wait until it is in force."""
        wanted = {"mode": mode, "established": established}
        partial = self.where.engine_mode.with_suffix(".partial")
        partial.write_text(json.dumps(wanted))
        partial.replace(self.where.engine_mode)
        wait_until(lambda: wanted.items() <= self.engine().items(), f"the policy engine should be {mode}")

    def engine(self) -> dict[str, object]:
        """What the policy engine has in force: mode, policies by version, pods it knows."""
        return _read(self.where.engine_applied)

    def await_policy(self, policy: dict[str, dict[str, str]]) -> None:
        """Wait until the engine has this version of a policy in force."""
        meta = policy["metadata"]
        key, version = f"{meta['namespace']}/{meta['name']}", meta["resourceVersion"]

        def is_in_force() -> bool:
            policies = self.engine().get("policies")
            return isinstance(policies, dict) and policies.get(key) == version

        wait_until(is_in_force, f"policy {key} should be in force")


def _read(path: Path) -> dict[str, object]:
    try:
        found: dict[str, object] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found
