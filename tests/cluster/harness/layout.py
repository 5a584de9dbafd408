"""Where a cluster keeps what, and what its parts are called: everything follows from the state directory.

Guarantees: two state directories share no name, so several clusters can run side by side. Paths of unix sockets are
short enough for the kernel, or the directory is refused.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.cluster.harness.basics import HarnessError

STATE_VARIABLE = "CLUSTER_STATE"
OWNER_VARIABLE = "CLUSTER_OWNER"  # a process number: the cluster is not to outlive that process
LONGEST_STATE = 80  # a unix socket's path has at most 107 bytes, and ours add some
NODE = "node1"
# Addresses live inside the cluster's own network namespace: they meet nothing of the machine.
NODE_ADDRESSES = ("172.30.0.1", "fd00:30::1")
NODE_PREFIXES = ("172.30.0.1/24", "fd00:30::1/64")
NOWHERE = ("172.30.0.254", "fd00:30::fe")
POD_RANGES = ("10.244.0.0/16", "fd00:244::/56")
NODE_POD_RANGES = ("10.244.0.0/24", "fd00:244::/64")
SERVICE_RANGES = ("10.96.0.0/16", "fd00:96::/112")
SERVICE_ADDRESSES = ("10.96.0.1", "fd00:96::1")
INNER_PORT = 6443
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"  # inside the cluster's own /run


class Tier(StrEnum):
    """How much of a cluster runs: `api` needs no root, `node` adds a real node with pods and packets."""

    api = "api"
    node = "node"


def default_state() -> Path:
    """`$CLUSTER_STATE`, else below `/var/lib` for root and below the XDG state directory for others."""
    if given := os.environ.get(STATE_VARIABLE):
        return Path(given).resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/tre-launcher-cluster")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "tre-launcher-cluster"


def worker_state(worker: str) -> Path:
    """The same for one of several processes that run tests side by side, each with a cluster of its own."""
    state = default_state()
    return state.with_name(f"{state.name}-{worker}")


@dataclass(frozen=True)
class Layout:
    """The files of one cluster."""

    state: Path

    def __post_init__(self) -> None:
        if len(str(self.state)) > LONGEST_STATE:
            raise HarnessError(f"{self.state} is too long for sockets: give a shorter path in {STATE_VARIABLE}")

    @property
    def token(self) -> str:
        """The unique name of this cluster: in environments, control groups, files."""
        return "tre-cluster-" + hashlib.sha256(str(self.state).encode()).hexdigest()[:10]

    @property
    def lock(self) -> Path:
        """Held by whoever starts or removes the cluster; outside the directory, which comes and goes."""
        return self.state.with_name(f"{self.state.name}.lock")

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper from before its start to its death."""
        return self.state / "keeper.lock"

    @property
    def record(self) -> Path:
        """Which process the keeper is."""
        return self.state / "record.json"

    @property
    def order(self) -> Path:
        """What the keeper was told to start."""
        return self.state / "order.json"

    @property
    def status(self) -> Path:
        """How far the keeper is."""
        return self.state / "status.json"

    @property
    def owner(self) -> Path:
        """The process that the cluster is not to outlive, if there is one."""
        return self.state / "owner.json"

    @property
    def control(self) -> Path:
        """Where the keeper takes commands."""
        return self.state / "control.sock"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.state / "pki"

    @property
    def etc(self) -> Path:
        """Configuration of the parts."""
        return self.state / "etc"

    @property
    def logs(self) -> Path:
        """One file for each part."""
        return self.state / "log"

    @property
    def static_policies(self) -> Path:
        """Admission policies that the API server reads from files, and reads again when they change."""
        return self.state / "static-policies"

    @property
    def kubeconfig(self) -> Path:
        """For people and tests, from outside: an administrator's."""
        return self.state / "kubeconfig"

    @property
    def engine_mode(self) -> Path:
        """What the policy engine is to do."""
        return self.state / "policy-engine.json"

    @property
    def engine_applied(self) -> Path:
        """What the policy engine has done."""
        return self.state / "policy-engine-applied.json"

    def inner_kubeconfig(self, user: str) -> Path:
        """For a part of the cluster."""
        return self.etc / f"{user}.kubeconfig"

    def port_in_cluster(self, tier: Tier, port: int) -> int:
        """The API server's port where it runs: on a node it has a network of its own."""
        return INNER_PORT if tier is Tier.node else port
