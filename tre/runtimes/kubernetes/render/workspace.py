"""One run of a workspace as objects of the cluster, in the order in which they must be made: pure data.

Guarantees: the same plan, facts and moment give the same objects, so a run that was half made is completed, not made
twice. The pod is named after the run; its deadline is the earlier of the plan's end and its cap, and every other
end (the first process', the controller's) comes no later. No secret and no person's name stands in any of them.

Does not guarantee: that a pod that waits for a node ends in time by its deadline, which is counted from its start;
its first process looks at the end itself before it starts anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap import sandbox
from tre.runtimes.kubernetes.render.facts import ClusterFacts, PodProfile
from tre.runtimes.kubernetes.render.grant import labels
from tre.runtimes.kubernetes.render.pod import PodSpec, pod_spec
from tre.runtimes.kubernetes.render.vocabulary import (
    DOOR_INSTRUCTION_FILE,
    DOOR_PORT,
    HEALTH_PORT,
    INSTRUCTION_FILE,
    REPORT_SOCKET,
    WORKSPACE_LABEL,
    Object,
)
from tre.runtimes.kubernetes.render.volumes import place, volume_objects

MARGIN_SECONDS = 2
"""Between reading the clock and creating the pod; without it the guard on deadlines would refuse now and then."""


@dataclass(frozen=True)
class Moment:
    """What changes between two starts of one plan.

    `now` is the API server's time (its `Date` header), since its clock is the one that the guards go by. `probe` is
    the list of targets and its time limit, as the first process takes it; None starts without one.
    """

    now: datetime
    probe: Object | None = None


def objects_for_workspace(plan: WorkspacePlan, facts: ClusterFacts, moment: Moment) -> list[Object]:
    """Volumes, claims, instruction, pod.

    Raises `TREError`: `SetupIncomplete` for an unknown profile or a path that no area holds, `DeadlineReached` where
    no time is left.
    """
    profile, seconds = _profile(plan, facts), deadline_seconds(plan, moment.now)
    namespace = names.grant_namespace(plan.grant)
    placed = place(plan, facts)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(plan, namespace),
        "spec": pod_spec(PodSpec(plan, facts, profile, placed, seconds)),
    }
    return [*volume_objects(plan, namespace, placed), _instruction_object(plan, namespace, moment), pod]


def deadline_seconds(plan: WorkspacePlan, now: datetime) -> int:
    """The pod's `activeDeadlineSeconds`; raises `TREError(DeadlineReached)` where no time is left."""
    seconds = min(plan.cap_seconds, int((plan.end - now).total_seconds()) - MARGIN_SECONDS)
    if seconds < 1:
        raise TREError(
            Reason.DeadlineReached,
            f"{plan.identity} has no time left.",
            why=f"Its permission ends at {plan.end.isoformat()}.",
            remedy="Ask the committee for an extension.",
        )
    return seconds


def instruction(plan: WorkspacePlan, moment: Moment) -> Object:
    """What the first process is told, the same as on one machine but for limits that only a process can set."""
    limits = plan.limits
    return {
        "version": 1,
        "workspace": plan.identity,
        "end": plan.end.timestamp(),
        "cap": float(plan.cap_seconds),
        "argv": sandbox.lab_command(),
        "env": sandbox.lab_environment(plan.grant, plan.end.isoformat()),
        "cwd": sandbox.HOME,
        "probe": moment.probe,
        "rlimits": {
            "CORE": [0, 0],
            "NOFILE": [limits.open_files, limits.open_files],
            "FSIZE": [limits.home_bytes, limits.home_bytes],
            "NPROC": [limits.processes, limits.processes],
        },
        "umask": 0o027,
    }


def door_instruction(plan: WorkspacePlan, moment: Moment) -> Object:
    """What the door is told: where to listen, where the server will be, and what it is to try as the control."""
    return {
        "version": 1,
        "workspace": plan.identity,
        "port": DOOR_PORT,
        "health": HEALTH_PORT,
        "socket": f"{sandbox.DOOR}/{sandbox.SOCKET_NAME}",
        "report": REPORT_SOCKET,
        "probe": moment.probe,
    }


def _profile(plan: WorkspacePlan, facts: ClusterFacts) -> PodProfile:
    profile = facts.profiles.get(plan.profile)
    if profile is None:
        raise TREError(
            Reason.SetupIncomplete,
            f"The cluster has no profile {plan.profile!r}.",
            remedy=f"Add it to the cluster's settings, or ask for one of {', '.join(sorted(facts.profiles))}.",
        )
    return profile


def _metadata(plan: WorkspacePlan, namespace: str) -> Object:
    found = labels(plan.grant) | {WORKSPACE_LABEL: plan.workspace}
    return {"name": plan.identity, "namespace": namespace, "labels": found}


def _instruction_object(plan: WorkspacePlan, namespace: str, moment: Moment) -> Object:
    """Immutable: nobody changes the end, the program or the targets of a run that exists."""
    told = {INSTRUCTION_FILE: instruction(plan, moment), DOOR_INSTRUCTION_FILE: door_instruction(plan, moment)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(plan, namespace),
        "immutable": True,
        "data": {name: json.dumps(content, sort_keys=True) for name, content in told.items()},
    }
