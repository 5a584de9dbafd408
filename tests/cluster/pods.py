"""The launcher's own pods on a cluster of the tests: a runtime, a grant's directories, a gateway that knocks.

Guarantees: what a controller's pod and the gateway do is done from the node's own network, which may knock at every
pod; everything that was made is removed, whatever a test did to it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.cluster.harness.basics import CHECKOUT, HarnessError, wait_until
from tests.cluster.harness.running import Running
from tre.cluster.client import KubernetesClient, connect
from tre.cluster.protocol import ClusterError, Key, Kind
from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.domain.people import Subject
from tre.domain.workspaces.models import Limits, Mount, MountKind, WorkspacePlan
from tre.runtimes.kubernetes.control import Controls
from tre.runtimes.kubernetes.keys import self_signed
from tre.runtimes.kubernetes.kinds import NODE, POD
from tre.runtimes.kubernetes.render.facts import (
    ClusterFacts,
    Gateway,
    HostPath,
    Images,
    PodProfile,
    StorageArea,
)
from tre.runtimes.kubernetes.render.grant import GrantPlace
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.runtimes.kubernetes.runtime import KubernetesRuntime
from tre.runtimes.kubernetes.starting import Terms
from tre.runtimes.protocol import Observation, RunPhase
from tre.system.clock import SystemClock

SECONDS = 120.0
POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
LIMITS = Limits(memory_bytes=768 * 2**20, cpu_millis=2000, shared_memory_bytes=2**26)
UID = 20001
GROUP = 30001

STUBBORN = """
import os, signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        continue
held = open('/home/researcher/held', 'ab')
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(1)
"""
"""A kernel as hard to end as it can be, and children in sessions of their own."""

DIAL = """
import json, socket, ssl, sys
directory, address, port, method, path, certificate = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.minimum_version = ssl.TLSVersion.TLSv1_3
context.check_hostname = False
context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
context.load_verify_locations(directory + "/door.crt")
if certificate:
    context.load_cert_chain(directory + "/" + certificate + ".crt", directory + "/" + certificate + ".key")
try:
    with socket.create_connection((address, int(port)), 5) as plain, context.wrap_socket(plain) as through:
        through.sendall(f"{method} {path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n".encode())
        found = b""
        while part := through.recv(65536):
            found += part
    print(json.dumps({"answer": found.decode(errors="replace")}))
except OSError as error:
    print(json.dumps({"error": repr(error)}))
"""


@dataclass
class Pods:
    """A runtime on the tests' own cluster, and one grant."""

    running: Running
    image: str
    directory: Path
    token: str = field(default_factory=lambda: secrets.token_hex(4))
    members: int = 8
    addresses: tuple[ProbeAddress, ...] = ()
    clock: SystemClock = field(default_factory=SystemClock)
    user: str = ""

    def __post_init__(self) -> None:
        self.client: KubernetesClient = connect(self.running.where.kubeconfig)
        if self.user:  # the administrator's connection, used as somebody else
            self.client._api.set_default_header("Impersonate-User", self.user)  # type: ignore[no-untyped-call]
        self.grant = f"pods-{self.token}"
        self.end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
        self.gateway = self_signed("gateway", datetime.now(UTC), self.end)
        self.stranger = self_signed("gateway", datetime.now(UTC), self.end)
        for name, pair in (("gateway", self.gateway), ("stranger", self.stranger)):
            (self.directory / f"{name}.crt").write_text(pair.certificate)
            (self.directory / f"{name}.key").write_text(pair.key)
        self.addresses = self.addresses or default_addresses(self.client)
        self.stop = threading.Event()
        self.runtime = self.new_runtime()
        self.runtime.watch(self.stop, lambda: None)
        self.kept_log = ""
        self.plans: list[WorkspacePlan] = []

    # --- making

    def new_runtime(self) -> KubernetesRuntime:
        """A controller without memory."""
        terms = Terms(self.facts(), self.addresses, self.gateway.certificate)
        controls = Controls(self.addresses, self.clock, self.attempt)
        return KubernetesRuntime(self.client, terms, self.place, self.clock, controls)

    def facts(self) -> ClusterFacts:
        """The tests' node."""
        volume = HostPath(path=str(self.directory / "srv"))
        return ClusterFacts(
            images=Images(workspace=self.image, door=self.image),
            areas=(StorageArea(mounted_at="/srv/tre", volume=volume, idmapped=True),),
            gateway=Gateway(namespace="tre-system", pod_labels={"app.kubernetes.io/component": "gateway"}),
            profiles={"small": PodProfile()},
        )

    def place(self, grant: str) -> GrantPlace:
        """The grant, as the record would have it."""
        return GrantPlace(grant=grant, end=self.end, members=self.members, limits=LIMITS)

    def attempt(self, targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The controller's own attempt, from the node's network."""
        probe = ["/usr/bin/python3", "-I", "-S", "-B", str(CHECKOUT / "tre" / "runtimes" / "init"), "probe"]
        done = subprocess.run(
            [*self._enter(), *probe], input=json.dumps(targets), capture_output=True, text=True, check=False
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def await_reachable(self, seconds: float = 40) -> None:
        """Wait until every address that a control has to find answers again, as after its program was ended."""

        def answers() -> bool:
            controls = Controls(self.addresses, self.clock, self.attempt)
            controls.try_now()
            found = controls.near(self.clock.now())
            if found is None:  # the attempt itself failed
                return False
            try:
                controls.check(found)
            except TREError:
                return False
            return True

        wait_until(answers, "every address of the control should answer", seconds, 0.5)

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.running.keeper.pid}", "--net", "--"]

    def plan(
        self, name: str, *, seconds: float = 3600.0, cap: int | None = None, instance: int = 1, **changes: Any
    ) -> WorkspacePlan:
        """A member's workspace with a home and a slice; the directories are made."""
        member = name
        workspace = names.workspace_name(self.grant, "local", member)
        below = self.directory / "srv"
        home, data = below / "homes" / workspace, below / "slices" / "s-1"
        for path in (home, data):
            path.mkdir(parents=True, exist_ok=True)
        (data / "scan.txt").write_text("a scan\n")
        data.chmod(0o555)
        shutil.chown(home, UID, UID)
        content: dict[str, Any] = {
            "workspace": workspace,
            "instance": instance,
            "grant": self.grant,
            "subject": Subject(issuer="local", id=member),
            "uid": UID,
            "data_groups": (GROUP,),
            "mounts": (
                Mount(kind=MountKind.slice, name="cxr", source="/srv/tre/slices/s-1", target="/data/cxr"),
                Mount(kind=MountKind.home, source=f"/srv/tre/homes/{workspace}", target="/home/researcher"),
            ),
            "limits": LIMITS,
            "end": min(self.end, datetime.now(UTC) + timedelta(seconds=seconds)),
            "cap_seconds": 3600 if cap is None else cap,
        }
        found = WorkspacePlan(**content | changes)
        self.plans.append(found)
        return found

    # --- as the controller does

    def start(self, plan: WorkspacePlan, phase: RunPhase = RunPhase.Ready) -> Observation:
        """Start, asking again as the controller does, until a run is this far."""

        def is_there() -> bool:
            run = self.observation(plan)
            if run is None:
                self.runtime.start(plan)
                return False
            assert run.phase is phase or run.phase is not RunPhase.Ended, (run.reason, run.detail)
            return run.phase is phase

        try:
            wait_until(is_there, f"{plan.identity} should be {phase}", SECONDS)
        except HarnessError as error:
            raise HarnessError(f"{error}: {self.why(plan)}") from error
        found = self.observation(plan)
        assert found is not None
        return found

    def observation(self, plan: WorkspacePlan) -> Observation | None:
        """What the runtime says of a run."""
        return next((one for one in self.runtime.observe() if one.identity == plan.identity), None)

    def await_phase(self, plan: WorkspacePlan, phase: RunPhase, seconds: float = 30) -> Observation:
        """Wait for a phase."""
        wait_until(lambda: self._is(plan, phase), f"{plan.identity} should be {phase}", seconds, 0.02)
        found = self.observation(plan)
        assert found is not None
        return found

    def _is(self, plan: WorkspacePlan, phase: RunPhase) -> bool:
        run = self.observation(plan)
        return run is not None and run.phase is phase

    def until_ended(self, plan: WorkspacePlan) -> Observation:
        """Ask again until a run has ended, and keep what its door said; it must never be ready."""

        def has_ended() -> bool:
            run = self.observation(plan)
            if run is None:
                self.runtime.start(plan)
                return False
            assert run.phase is not RunPhase.Ready
            with contextlib.suppress(ClusterError):
                self.kept_log = self.log(plan) or self.kept_log
            return run.phase is RunPhase.Ended

        wait_until(has_ended, f"{plan.identity} should end", 60)
        return self.await_phase(plan, RunPhase.Ended)

    def now(self) -> datetime:
        """The time by the machine's clock."""
        return self.clock.now()

    def delete_policy(self, name: str) -> None:
        """As somebody would by hand, where no admission policy forbids it."""
        assert self.client.delete(POLICY, Key(names.grant_namespace(self.grant), name))

    def await_dead(self, plan: WorkspacePlan, seconds: float = 30) -> float:
        """Wait for the proof; returns how many seconds it took."""
        began = time.monotonic()
        wait_until(lambda: self.runtime.verify_dead(plan).dead, f"{plan.identity} should be dead", seconds, 0.01)
        return time.monotonic() - began

    # --- looks

    def pod(self, plan: WorkspacePlan) -> dict[str, Any] | None:
        """The pod as it is now."""
        return self.client.get(POD, Key(names.grant_namespace(self.grant), plan.identity))

    def log(self, plan: WorkspacePlan, container: str = "door") -> str:
        """What a container printed."""
        return self.client.log(Key(names.grant_namespace(self.grant), plan.identity), container, 200)

    def why(self, plan: WorkspacePlan) -> str:
        """What there is to say of a run that does not come up."""
        return f"{self.observation(plan)} {(self.pod(plan) or {}).get('status')}"

    def get(self, run: Observation, path: str = "/api", certificate: str = "gateway") -> dict[str, str]:
        """What comes back through the run's door."""
        return self._asked(run, "GET", path, certificate)

    def post(self, run: Observation, path: str) -> dict[str, str]:
        """What comes back for an empty POST."""
        return self._asked(run, "POST", path, "gateway")

    def _asked(self, run: Observation, method: str, path: str, certificate: str) -> dict[str, str]:
        assert run.door is not None
        (self.directory / "door.crt").write_text(run.door.certificate)
        command = [*self._enter(), "/usr/bin/python3", "-I", "-c", DIAL, str(self.directory), run.door.address]
        done = subprocess.run(
            [*command, str(run.door.port), method, path, certificate], capture_output=True, text=True, check=True
        )
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def await_forgotten(self, plan: WorkspacePlan, seconds: float = 10.0) -> None:
        """Wait until there is no trace of a run."""
        wait_until(lambda: self.observation(plan) is None, f"{plan.identity} should be forgotten", seconds)
        assert self.pod(plan) is None

    def mark(self, plan: WorkspacePlan) -> object:
        """Which pod this is."""
        return self.uid(plan)

    def uid(self, plan: WorkspacePlan) -> str:
        """The pod's own uid."""
        pod = self.pod(plan)
        assert pod is not None
        return str(pod["metadata"]["uid"])

    # --- removing

    def finish(self, plan: WorkspacePlan) -> None:
        """End a run and remove it."""
        self.runtime.end(plan.identity, Reason.Requested)
        self.await_dead(plan)
        self.runtime.forget(plan.identity)

    def close(self) -> None:
        """End everything and remove it."""
        for plan in self.plans:
            self.finish(plan)
        self.runtime.clear_grant(self.grant)
        self.stop.set()
        self.client.close()


def default_addresses(client: KubernetesClient) -> tuple[ProbeAddress, ...]:
    """The API server by its service and its node, and the node's agent."""
    node = client.list(NODE).items[0]
    inside = [one["address"] for one in node["status"]["addresses"] if one["type"] == "InternalIP"]
    found = [ProbeAddress(name="API server", address="10.96.0.1", port=443)]
    for address in inside:
        found.append(ProbeAddress(name="API server's node", address=address, port=6443))
        found.append(ProbeAddress(name="kubelet", address=address, port=10250))
    return tuple(found)


def new_directory() -> Path:
    """A directory that the node sees."""
    found = Path(tempfile.mkdtemp(prefix="tre-cluster-"))
    found.chmod(0o755)
    return found
