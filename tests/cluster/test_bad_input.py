"""What only a real API server and scheduler can say of bad input: the words they use, and what is left behind.

Each start is the product's own, on a cluster where no container ever begins.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import CHECKOUT, wait_until
from tests.cluster.place import Place
from tests.support import kubernetes as given
from tre.cluster.client import KubernetesClient, check_version, connect
from tre.cluster.lease import FencedClient
from tre.cluster.protocol import MANAGER, ClusterClient, Deletion, Key, Kind, Object
from tre.controller.cluster import OLDEST
from tre.domain import names
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import Limits, WorkspacePlan
from tre.runtimes.kubernetes.control import Controls
from tre.runtimes.kubernetes.kinds import NAMESPACE, NODE, POD, VOLUME
from tre.runtimes.kubernetes.pods import WAITING_FOR
from tre.runtimes.kubernetes.render.grant import GrantPlace
from tre.runtimes.kubernetes.rights import RightsCheck, missing
from tre.runtimes.kubernetes.runtime import KubernetesRuntime
from tre.runtimes.kubernetes.starting import Terms
from tre.runtimes.protocol import Observation, RunPhase
from tre.system.clock import SystemClock

TOO_MUCH = Limits(memory_bytes=2**45, cpu_millis=1000)
"""No node has it: whatever cluster this is, nothing begins."""

RBAC = "/apis/rbac.authorization.k8s.io/v1"


class LaterClock(SystemClock):
    """The real time, moved forward as a test says."""

    later = timedelta()

    def now(self) -> datetime:
        return super().now() + self.later


class Start:
    """The runtime over a real API server, one grant, nobody who runs pods."""

    def __init__(self, api: Reach) -> None:
        self.client: KubernetesClient = connect(api.kubeconfig)
        self.clock = LaterClock()
        self.token = secrets.token_hex(4)
        self.grant = f"bad-{self.token}"
        self.members = 4
        self.end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=8)
        self.runtime = self.new_runtime(lambda: None)
        self.runtime.watcher.step()

    def new_runtime(self, check_rights: Callable[[], None], client: ClusterClient | None = None) -> KubernetesRuntime:
        """A runtime whose control always finds the addresses open."""
        terms = Terms(given.facts(), given.ADDRESSES, given.KEYS.gateway, check_rights)
        clock: Clock = self.clock
        controls = Controls(
            given.ADDRESSES, clock, lambda targets: [{"item": one["item"], "outcome": "open"} for one in targets]
        )
        controls.try_now()
        return KubernetesRuntime(client or self.client, terms, self.place, clock, controls)

    def place(self, grant: str) -> GrantPlace:
        return given.place(grant=grant, end=self.end, members=self.members, limits=TOO_MUCH)

    def plan(self, number: int = 1, **changes: Any) -> WorkspacePlan:
        name = names.workspace_name(self.grant, "local", f"member-{number}")
        end = self.end - timedelta(minutes=5)
        return given.plan(workspace=name, grant=self.grant, instance=1, end=end, limits=TOO_MUCH, **changes)

    def begin(self, plan: WorkspacePlan) -> None:
        """Ask until the pod is there."""

        def asked() -> bool:
            self.runtime.start(plan)
            return self.client.get(POD, self.key(plan)) is not None

        wait_until(asked, "the pod should be made", 30, 0.1)

    def look(self, plan: WorkspacePlan) -> Observation:
        """What is observed of a run, by a fresh list."""
        self.runtime.watcher._list_at = None
        self.runtime.watcher.step()
        return next(run for run in self.runtime.observe() if run.identity == plan.identity)

    def key(self, plan: WorkspacePlan) -> Key:
        return Key(names.grant_namespace(plan.grant), plan.identity)

    def clear(self) -> None:
        """Whatever a test did, nothing is left."""
        namespace = names.grant_namespace(self.grant)
        for pod in self.client.list(POD, namespace).items:
            key = Key(namespace, pod["metadata"]["name"])
            self.client.delete(POD, key, Deletion(grace_seconds=0))
            with contextlib.suppress(TREError):
                self.client.patch(POD, key, {"metadata": {"finalizers": None}})
        for volume in self.client.list(VOLUME).items:
            if (volume["spec"].get("claimRef") or {}).get("namespace") == namespace:
                self.client.delete(VOLUME, Key("", volume["metadata"]["name"]))
        self.client.delete(NAMESPACE, Key("", namespace))
        self.client.delete(NODE, Key("", self.grant))
        self.client.close()


class WithoutVolumes(FencedClient):
    """A cluster whose storage never comes: what claims ask for is not made."""

    def apply(self, kind: Kind, item: Object, manager: str = MANAGER) -> Object:
        return item if kind == VOLUME else super().apply(kind, item, manager)


@pytest.fixture
def start(api: Reach) -> Iterator[Start]:
    found = Start(api)
    yield found
    found.clear()


def given_up(start: Start, plan: WorkspacePlan) -> Observation:
    """What a run that waits has become when it has waited for too long; it is dead, for no node ever had it."""
    start.clock.later = WAITING_FOR + timedelta(minutes=1)
    start.look(plan)
    wait_until(lambda: start.look(plan).phase is RunPhase.Ended, "the run should be given up", 30, 0.1)
    assert start.runtime.verify_dead(plan).dead
    found = start.look(plan)
    start.runtime.forget(plan.identity)
    assert start.client.get(POD, start.key(plan)) is None
    return found


def test_a_run_for_which_no_machine_has_room_says_so_and_is_given_up(start: Start) -> None:
    plan = start.plan()
    start.begin(plan)
    # Its first word may be of volumes that are not bound yet; it looks again when they are, after at most ten seconds.
    wait_until(lambda: "room" in start.look(plan).detail, "the scheduler should have spoken of room", 40, 0.1)
    waiting = start.look(plan)
    assert waiting.phase is RunPhase.Starting
    assert waiting.detail.startswith("No machine of the cluster has room for the workspace. [")
    ended = given_up(start, plan)
    assert (ended.reason, ended.detail.partition(" [")[0]) == (Reason.StartTimeout, waiting.detail.partition(" [")[0])


def test_a_volume_that_is_not_there_is_told_as_that(start: Start) -> None:
    node = {"metadata": {"name": start.grant, "labels": {"kubernetes.io/hostname": start.grant}}}
    start.client.create(NODE, node)
    ready = {"type": "Ready", "status": "True", "reason": "x", "message": "x"}
    room = {"cpu": "64", "memory": str(2**46), "pods": "9", "ephemeral-storage": "64Gi"}
    start.client.apply_status(NODE, node | {"status": {"conditions": [ready], "capacity": room, "allocatable": room}})
    start.runtime = start.new_runtime(lambda: None, WithoutVolumes(start.client, lambda: None))
    plan = start.plan()
    start.begin(plan)
    wait_until(lambda: "volume" in start.look(plan).detail, "the scheduler should have spoken", 60, 0.2)
    assert start.look(plan).detail.startswith("A volume of the workspace is missing. [")
    assert given_up(start, plan).reason is Reason.SetupIncomplete


def test_a_run_beyond_the_places_of_a_project_is_told_so_and_begins_when_one_is_free(start: Start) -> None:
    start.members = 1
    first, second = start.plan(1), start.plan(2)
    start.begin(first)
    with pytest.raises(TREError) as caught:
        start.runtime.start(second)
    assert caught.value.reason is Reason.Conflict
    assert caught.value.what == "All places of this project are taken."
    assert "one-pod-for-each-member" in caught.value.why
    assert start.client.get(POD, start.key(second)) is None
    assert start.runtime.verify_dead(second).dead
    start.runtime.end(first.identity, Reason.Requested)
    start.look(first)
    start.runtime.forget(first.identity)

    def begins() -> bool:
        with contextlib.suppress(TREError):
            start.runtime.start(second)
        return start.client.get(POD, start.key(second)) is not None

    wait_until(begins, "the second run should be admitted", 30, 0.2)


def controller_rules(without: tuple[str, str] | None) -> list[Object]:
    """The controller's rules, perhaps without one verb on one resource."""
    documents = yaml.safe_load_all((CHECKOUT / "policies" / "kubernetes" / "roles.yaml").read_text())
    rules = next(one for one in documents if one and one["metadata"]["name"] == "tre-controller")["rules"]
    found: list[Object] = []
    for rule in rules:
        for resource in rule["resources"]:
            verbs = [verb for verb in rule["verbs"] if (verb, resource) != without]
            found.append({"apiGroups": rule["apiGroups"], "resources": [resource], "verbs": verbs})
    return found


def test_a_verb_that_the_account_lacks_is_named_and_no_namespace_is_made(
    start: Start, api: Reach, place: Place
) -> None:
    user = f"controller-{start.token}"
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "patch"]}
    for scope, kind, rules in (
        ("", "ClusterRole", controller_rules(("patch", "networkpolicies"))),
        (f"/namespaces/{place.name}", "Role", [lease]),
    ):
        plural = kind.lower() + "s"
        api.client.create(f"{RBAC}{scope}/{plural}", {"metadata": {"name": user}, "rules": rules})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user}
        binding = {"metadata": {"name": user}, "roleRef": reference, "subjects": [subject]}
        api.client.create(f"{RBAC}{scope}/{kind.lower()}bindings", binding)
    client = connect(api.kubeconfig)
    client._api.set_default_header("Impersonate-User", user)  # type: ignore[no-untyped-call]
    try:
        wait_until(lambda: len(missing(client, place.name)) == 1, "one right should be missing", 30, 0.2)
        start.runtime = start.new_runtime(RightsCheck(client, place.name), client)
        plan = start.plan()
        with pytest.raises(TREError, match=r"may not patch networkpolicies\.networking\.k8s\.io\.") as caught:
            start.runtime.start(plan)
        assert caught.value.reason is Reason.SetupIncomplete
        assert start.client.get(NAMESPACE, Key("", names.grant_namespace(plan.grant))) is None
        whole = {"metadata": {"name": user}, "rules": controller_rules(None)}
        api.client.delete(f"{RBAC}/clusterroles/{user}")
        api.client.create(f"{RBAC}/clusterroles", whole)
        wait_until(lambda: not missing(client, place.name), "nothing should be missing", 30, 0.2)
        start.begin(plan)
    finally:
        client.close()
        api.client.delete(f"{RBAC}/clusterrolebindings/{user}")
        api.client.delete(f"{RBAC}/clusterroles/{user}")


def test_this_cluster_is_new_enough_and_one_that_is_not_would_be_refused(start: Start) -> None:
    check_version(start.client, OLDEST)
    major, minor = start.client.version()
    with pytest.raises(TREError, match=f"This cluster is Kubernetes {major}.{minor}"):
        check_version(start.client, (major, minor + 1))
