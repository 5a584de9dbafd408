"""What a pod's object says of its run: pure reading.

Guarantees: a run has ended only when its node said so of the workspace's container, or when it was taken back before
any node had it; a reason is of the one vocabulary, with a sentence for the researcher and, in brackets, the cluster's
own word for the operator.

Does not guarantee: that a run which has ended is dead. `death` looks at both containers, and asks anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import ValidationError

from tre.cluster.protocol import Object
from tre.domain.errors import Reason
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.init.report import ExitCode
from tre.runtimes.kubernetes.render.vocabulary import (
    DOOR_CONTAINER,
    ENDING_ANNOTATION,
    PLAN_ANNOTATION,
    RUN_END_ANNOTATION,
    WORKSPACE_CONTAINER,
)

FETCHING_FOR = timedelta(seconds=60)
WAITING_FOR = timedelta(hours=1)
BINDING_FOR = timedelta(seconds=10)
"""How long it is nothing to speak of that a volume's claim is not bound yet: every start passes through it."""
_LONGEST = 800

_NOT_FETCHED = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
_NOT_MADE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}

_EXITS = {
    ExitCode.DEADLINE: (Reason.DeadlineReached, "The run's end was reached."),
    ExitCode.NOT_SEALED: (Reason.IsolationFailed, "The workspace could not be sealed, so nothing was started."),
    ExitCode.INSTRUCTION_REFUSED: (Reason.RuntimeFailed, "The workspace did not understand its instruction."),
    ExitCode.NOT_FIRST_PROCESS: (Reason.RuntimeFailed, "The workspace was not alone in its pod."),
    ExitCode.CHILD_NOT_STARTED: (Reason.RuntimeFailed, "JupyterLab could not be started."),
}


class Ending(NamedTuple):
    """Why a run ended or has to end."""

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Pod:
    """One run's pod."""

    item: Object
    plan: WorkspacePlan

    @classmethod
    def of(cls, item: Object) -> Pod | None:
        """Read a pod; None for one that carries no plan of ours."""
        text = (item["metadata"].get("annotations") or {}).get(PLAN_ANNOTATION)
        try:
            return None if text is None else cls(item, WorkspacePlan.model_validate_json(text))
        except ValidationError:
            return None

    @property
    def status(self) -> Object:
        """What its node says."""
        found: Object = self.item.get("status") or {}
        return found

    @property
    def annotations(self) -> dict[str, str]:
        """What we wrote on it."""
        found: dict[str, str] = self.item["metadata"].get("annotations") or {}
        return found

    @property
    def node(self) -> str:
        """Where it runs; empty while it waits."""
        return str(self.item["spec"].get("nodeName", ""))

    @property
    def is_deleted(self) -> bool:
        """Whether its end was asked for."""
        return "deletionTimestamp" in self.item["metadata"]

    @property
    def end(self) -> datetime:
        """Until when it runs."""
        earlier = self.annotations.get(RUN_END_ANNOTATION)
        return self.plan.end if earlier is None else min(self.plan.end, datetime.fromisoformat(earlier))

    @property
    def created_at(self) -> datetime:
        """When the API server made it."""
        return moment(self.item["metadata"]["creationTimestamp"])

    def container(self, name: str) -> Object:
        """The state of a container: `waiting`, `running` or `terminated`; empty before its node spoke of it."""
        lists = ("containerStatuses", "initContainerStatuses")
        for one in (one for kind in lists for one in self.status.get(kind) or [] if one["name"] == name):
            state: Object = one.get("state") or {}
            return state
        return {}

    @property
    def is_ready(self) -> bool:
        """Whether its door says that a person may be let in."""
        conditions = self.status.get("conditions") or []
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    @property
    def has_ended(self) -> bool:
        """Whether nothing of the workspace runs, by its node's word, or because no node ever had it."""
        return "terminated" in self.container(WORKSPACE_CONTAINER) or (self.is_deleted and not self.node)

    def still_runs(self) -> tuple[str, ...]:
        """The containers of which its node has not said that they terminated."""
        if not self.node:
            return () if self.is_deleted else ("it waits for a node and may still start",)
        return tuple(
            f"{name} on node {self.node}"
            for name in (WORKSPACE_CONTAINER, DOOR_CONTAINER)
            if "terminated" not in self.container(name) and not self._never_began(name)
        )

    def _never_began(self, name: str) -> bool:
        """A pod that its node gave up before a container began: the node says so by the pod's own end."""
        over = self.status.get("phase") in {"Failed", "Succeeded"}
        return over and name == WORKSPACE_CONTAINER and "waiting" in self.container(name)


def moment(text: str) -> datetime:
    """A time of the API."""
    return datetime.fromisoformat(text).astimezone(UTC)


def began_at(pod: Pod) -> datetime | None:
    """When its node took the pod on, by that node's clock: from then on it takes room there."""
    at = pod.status.get("startTime")
    return moment(at) if at else None


def ended_at(pod: Pod) -> datetime | None:
    """When the workspace's container ended, by its node's clock, in whole seconds."""
    at = (pod.container(WORKSPACE_CONTAINER).get("terminated") or {}).get("finishedAt")
    return moment(at) if at else None


def ending_of(pod: Pod) -> Ending:
    """Why a run that has ended did: our own word if there is one, else what its node says."""
    written = pod.annotations.get(ENDING_ANNOTATION)
    if written is not None:
        content = json.loads(written)
        return Ending(Reason(content["reason"]), str(content["detail"]))
    why = str(pod.status.get("reason", ""))
    if why == "DeadlineExceeded":
        return Ending(Reason.DeadlineReached, "The run's end was reached.")
    if why:  # Evicted, NodeLost, Shutdown, …
        said = f"{why}: {pod.status.get('message', '')}"
        return _told(Reason.RuntimeFailed, "The cluster ended the run.", said)
    return _by_exit(pod, pod.container(WORKSPACE_CONTAINER).get("terminated") or {})


def _by_exit(pod: Pod, over: Object) -> Ending:
    if over.get("reason") == "OOMKilled":
        return _told(Reason.RuntimeFailed, "The workspace used more memory than it has.", "OOMKilled")
    code = over.get("exitCode")
    if code == ExitCode.TERMINATED:
        return _terminated(pod)
    if code in _EXITS:
        return Ending(*_EXITS[ExitCode(code)])
    return _told(Reason.RuntimeFailed, "JupyterLab ended by itself.", f"exit code {code}")


def _terminated(pod: Pod) -> Ending:
    """Told to stop, and not by us: by the node at the deadline (its own word for it comes a moment later), or by
    whoever deleted the pod or emptied the node."""
    began, ended = pod.status.get("startTime"), ended_at(pod)
    seconds = timedelta(seconds=int(pod.item["spec"].get("activeDeadlineSeconds", 0)) - 1)
    if began is not None and ended is not None and ended >= moment(began) + seconds:
        return Ending(Reason.DeadlineReached, "The run's end was reached.")
    by = "the pod was deleted" if pod.is_deleted else "the node ended the pod"
    return _told(Reason.RuntimeFailed, "The cluster ended the run.", by)


def trouble_of(pod: Pod, now: datetime) -> tuple[Ending | None, bool]:
    """What holds a start up, and whether it has done so for too long."""
    age = now - pod.created_at
    for name in (DOOR_CONTAINER, WORKSPACE_CONTAINER):
        waiting = pod.container(name).get("waiting") or {}
        said = f"{waiting.get('reason')}: {waiting.get('message', '')}"
        if waiting.get("reason") in _NOT_FETCHED:
            found = _told(Reason.SetupIncomplete, "The image of the workspace cannot be fetched.", said)
            return found, age > FETCHING_FOR
        if waiting.get("reason") in _NOT_MADE:
            return _told(Reason.SetupIncomplete, "The cluster cannot make the workspace.", said), age > FETCHING_FOR
    for one in pod.status.get("conditions") or []:
        if one["type"] == "PodScheduled" and one["status"] == "False":
            return _unplaced(str(one.get("message", "")), age), age > WAITING_FOR
    if pod.status.get("phase") == "Pending" and age > WAITING_FOR:
        return Ending(Reason.StartTimeout, "The workspace has waited for an hour to be started."), True
    return None, False


def _unplaced(message: str, age: timedelta) -> Ending | None:
    if "persistentvolume" in message.lower():
        if age < BINDING_FOR:
            return None
        return _told(Reason.SetupIncomplete, "A volume of the workspace is missing.", message)
    return _told(Reason.StartTimeout, "No machine of the cluster has room for the workspace.", message)


def _told(reason: Reason, sentence: str, said: str) -> Ending:
    word = " ".join(said.split())
    return Ending(reason, f"{sentence} [{word}]"[:_LONGEST])
