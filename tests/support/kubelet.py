"""A cluster in memory with a node's agent, a quota controller and a door that say what a test has them say."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from tests.support import kubernetes as given
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Key, Object
from tre.domain import names
from tre.domain.clock import ManualClock
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.kubernetes.control import Controls
from tre.runtimes.kubernetes.kinds import NAMESPACE, NODE, POD, QUOTA
from tre.runtimes.kubernetes.render.grant import GrantPlace
from tre.runtimes.kubernetes.render.vocabulary import DOOR_CONTAINER, WORKSPACE_CONTAINER
from tre.runtimes.kubernetes.runtime import KubernetesRuntime
from tre.runtimes.kubernetes.starting import Terms
from tre.runtimes.protocol import Observation

NODE_NAME = "node1"
CERTIFICATE = given.KEYS.gateway


class Site:
    """One cluster, one runtime."""

    def __init__(self) -> None:
        self.clock = ManualClock(given.NOW)
        self.cluster = MemoryCluster(now=self.clock.now)
        self.answering = {one.item for one in given.ADDRESSES}
        self.grant_end = given.GRANT_END
        self.members = 2
        self.attempts = 0
        self.node(ready=True)
        self.runtime = self.new_runtime()
        self.runtime.watcher.step()

    def new_runtime(self) -> KubernetesRuntime:
        """A controller without memory."""
        terms = Terms(given.facts(), given.ADDRESSES, CERTIFICATE)
        self.controls = Controls(given.ADDRESSES, self.clock, self.attempt)
        return KubernetesRuntime(self.cluster, terms, self.place, self.clock, self.controls)

    def place(self, grant: str) -> GrantPlace:
        """The grant as the record has it."""
        return given.place(grant=grant, end=self.grant_end, members=self.members)

    def attempt(self, targets: list[Object]) -> list[Object]:
        """The controller's own attempt at the cluster's addresses."""
        self.attempts += 1
        return [
            {"item": one["item"], "outcome": "open" if one["item"] in self.answering else "closed"} for one in targets
        ]

    # --- the cluster's own programs

    def node(self, *, ready: bool) -> None:
        """The node's object."""
        condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": "2026-11-24T12:00:00Z"}
        self.cluster.apply(NODE, {"metadata": {"name": NODE_NAME}})
        self.cluster.apply_status(NODE, {"metadata": {"name": NODE_NAME}, "status": {"conditions": [condition]}})

    def count_quotas(self) -> None:
        """The quota controller."""
        for quota in self.cluster.list(QUOTA).items:
            self._report(QUOTA, quota, {"hard": quota["spec"]["hard"]})

    def _report(self, kind: Any, item: Object, status: Object) -> None:
        metadata = {name: item["metadata"][name] for name in ("name", "namespace")}
        self.cluster.apply_status(kind, {"metadata": metadata, "status": status})

    def place_pod(self, plan: WorkspacePlan) -> None:
        """The scheduler."""
        self.cluster.patch(POD, self.key(plan), {"spec": {"nodeName": NODE_NAME}})

    def says(self, plan: WorkspacePlan, workspace: Object, door: Object, **status: Any) -> None:
        """The kubelet: the states of both containers."""
        pod = self.cluster.get(POD, self.key(plan))
        assert pod is not None
        content: Object = {
            "phase": "Running",
            "podIP": "10.244.0.7",
            "startTime": "2026-11-24T12:00:00Z",
            "containerStatuses": [{"name": WORKSPACE_CONTAINER, "state": workspace}],
            "initContainerStatuses": [{"name": DOOR_CONTAINER, "state": door}],
        }
        self._report(POD, pod, content | status)
        self.look()

    def runs(self, plan: WorkspacePlan, *, ready: bool = False) -> None:
        """Both containers run."""
        conditions = [{"type": "Ready", "status": str(ready)}]
        self.says(plan, {"running": {}}, {"running": {}}, conditions=conditions)

    def ended(self, plan: WorkspacePlan, code: int = 76, door: Object | None = None, **status: Any) -> None:
        """The workspace terminated, and the door unless said otherwise."""
        over = {"terminated": {"exitCode": code, "finishedAt": "2026-11-24T12:10:00Z"} | status.pop("over", {})}
        self.says(plan, over, {"terminated": {"exitCode": 0}} if door is None else door, **status)

    def door_says(self, plan: WorkspacePlan, *lines: Object) -> None:
        """The door's log."""
        text = "\n".join(json.dumps(line) for line in lines)
        self.cluster.logs[self.key(plan), DOOR_CONTAINER] = f"a line of the node's own\n{text}\n"

    def proof(self, **network: Any) -> tuple[Object, Object]:
        """What a content door says."""
        sealed = {"event": "isolation", "probe": "sealed", "proven": True, "provenItems": ["create /usr"]}
        content = {"event": "isolation", "probe": "network", "proven": True}
        tried = {"triedAt": self.clock.now().timestamp(), "provenItems": sorted(self.answering)}
        return sealed, content | tried | network

    # --- the controller

    def key(self, plan: WorkspacePlan) -> Key:
        """The pod's."""
        return Key(names.grant_namespace(plan.grant), plan.identity)

    def look(self) -> None:
        """Let the watch bring what is new."""
        self.runtime.watcher.step()

    def start(self, plan: WorkspacePlan) -> None:
        """Ask until the pod is there."""
        self.controls.try_now()
        self.runtime.start(plan)
        self.count_quotas()
        self.runtime.start(plan)
        self.look()
        assert self.cluster.get(POD, self.key(plan)) is not None

    def ready(self, plan: WorkspacePlan) -> Observation:
        """Start, and let everything go well."""
        self.start(plan)
        self.place_pod(plan)
        self.door_says(plan, *self.proof(), {"event": "server-answers"})
        self.runs(plan, ready=True)
        return self.observation(plan)

    def observation(self, plan: WorkspacePlan) -> Observation:
        """What is observed of a run."""
        self.look()
        return next(run for run in self.runtime.observe() if run.identity == plan.identity)

    def namespace(self, plan: WorkspacePlan) -> Object:
        """The grant's namespace."""
        found = self.cluster.get(NAMESPACE, Key("", names.grant_namespace(plan.grant)))
        assert found is not None
        return found

    def later(self, seconds: float) -> datetime:
        """Some time passes."""
        self.clock.advance(seconds)
        return self.clock.now()


HOUR = timedelta(hours=1)
