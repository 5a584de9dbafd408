"""One run of a workspace as objects of the cluster, in the order in which they must be made: pure data.

Guarantees: the same plan, facts and moment give the same objects, so a run that was half made is completed, not made
twice. The pod is named after the run; its deadline is the earlier of the plan's end and its cap, and every other
end (the first process', the controller's) comes no later. No secret stands in any of
them but the Secret, and no person's name in a label or a name: who it is for stands in the plan, an annotation.

Does not guarantee: that a pod that waits for a node ends in time by its deadline, which is counted from its start;
its first process looks at the end itself before it starts anything.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from tre.domain import names
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap import sandbox
from tre.runtimes.kubernetes.render import probe
from tre.runtimes.kubernetes.render.facts import ClusterFacts, PodProfile
from tre.runtimes.kubernetes.render.grant import labels
from tre.runtimes.kubernetes.render.grant import moment as as_moment
from tre.runtimes.kubernetes.render.pod import PodSpec, pod_spec
from tre.runtimes.kubernetes.render.probe import ProbeAddress
from tre.runtimes.kubernetes.render.vocabulary import (
    CERTIFICATE_ANNOTATION,
    CERTIFICATE_FILE,
    DOOR_INSTRUCTION_FILE,
    DOOR_OWN_DIRECTORY,
    DOOR_PORT,
    GATEWAY_FILE,
    HEALTH_PORT,
    IMAGE_BUILT_ANNOTATION,
    INSTRUCTION_FILE,
    KEY_FILE,
    PLAN_ANNOTATION,
    PROOF_FINALIZER,
    REPORT_SOCKET,
    WORKSPACE_LABEL,
    Object,
)
from tre.runtimes.kubernetes.render.volumes import place, volume_objects

_TO_MEMORY = ("/bin/sh", "-c", 'exec "$@" >/tmp/jupyterlab.log 2>&1', "sh")
"""What a container prints, the cluster keeps on the node's disk and shows to whoever may read logs; whatever a program
of the researcher's prints goes into memory instead, and with the run."""

MARGIN_SECONDS = 2
"""Between reading the clock and creating the pod; without it the guard on deadlines would refuse now and then."""


@dataclass(frozen=True)
class Keys:
    """PEM texts: the door's certificate and its key, and the certificate of the one client that it lets in."""

    certificate: str
    key: str
    gateway: str


@dataclass(frozen=True)
class Moment:
    """What changes between two starts of one plan.

    `now` is the API server's time (its `Date` header), since its clock is the one that the guards go by. `answered`
    are the cluster's addresses that answered the controller just now; `keys` the door's, made for this run.
    """

    now: datetime
    keys: Keys
    addresses: tuple[ProbeAddress, ...] = ()
    answered: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Told:
    """Whatever the two instructions of a pod follow from."""

    plan: WorkspacePlan
    facts: ClusterFacts
    moment: Moment

    @property
    def sealed(self) -> list[Object]:
        """What the first process tries: one list for it and for its door."""
        return probe.sealed(self.plan, self.facts, self.moment.addresses)


def objects_for_workspace(plan: WorkspacePlan, facts: ClusterFacts, moment: Moment) -> list[Object]:
    """Volumes, claims, the door's keys, instruction, pod.

    Raises `TREError`: `SetupIncomplete` for an unknown profile or a path that no area holds, `DeadlineReached` where
    no time is left.
    """
    profile, seconds = _profile(plan, facts), deadline_seconds(plan, moment.now)
    namespace = names.grant_namespace(plan.grant)
    placed = place(plan, facts)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(plan, namespace)
        | {
            "annotations": {
                PLAN_ANNOTATION: json.dumps(plan.as_plain(), sort_keys=True),
                CERTIFICATE_ANNOTATION: moment.keys.certificate,
                **_built(facts),
            },
            "finalizers": [PROOF_FINALIZER],
        },
        "spec": pod_spec(PodSpec(plan, facts, profile, placed, seconds)),
    }
    told = _Told(plan, facts, moment)
    return [
        *volume_objects(plan, namespace, placed),
        _keys_object(plan, namespace, moment.keys),
        _instruction_object(told, namespace),
        pod,
    ]


def check_plan(plan: WorkspacePlan, facts: ClusterFacts, now: datetime) -> None:
    """Raise `TREError(SetupIncomplete)` for what would be refused later, before anything is made."""
    _profile(plan, facts)
    place(plan, facts)
    built, days = facts.images.built_at, facts.maximum_image_age_days
    if built is None or days is None or built <= now <= built + timedelta(days=days):
        return
    raise TREError(
        Reason.SetupIncomplete,
        "The images of workspaces are too old to be started."
        if built < now
        else "The images of workspaces are said to be built in the future.",
        why=f"They were built on {built:%Y-%m-%d}, and {days} days are the most that this site allows.",
        remedy="Build them anew, then name their digests and the day in the settings of the cluster.",
    )


def _built(facts: ClusterFacts) -> dict[str, str]:
    built = facts.images.built_at
    return {} if built is None else {IMAGE_BUILT_ANNOTATION: as_moment(built)}


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


def instruction(told: _Told) -> Object:
    """What the first process is told, the same as on one machine but for limits that only a process can set."""
    plan, limits = told.plan, told.plan.limits
    return {
        "version": 1,
        "workspace": plan.identity,
        "end": plan.end.timestamp(),
        "cap": float(plan.cap_seconds),
        "argv": [*_TO_MEMORY, *sandbox.lab_command()],
        "env": sandbox.lab_environment(plan.grant, plan.end.isoformat()),
        "cwd": sandbox.HOME,
        "probe": {"targets": told.sealed, "seconds": probe.SECONDS},
        "rlimits": {
            "CORE": [0, 0],
            "NOFILE": [limits.open_files, limits.open_files],
            "FSIZE": [limits.home_bytes, limits.home_bytes],
            "NPROC": [limits.processes, limits.processes],
        },
        "umask": 0o027,
    }


def door_instruction(told: _Told) -> Object:
    """What the door is told: where to listen, where the server will be, and what to try against what control."""
    return {
        "version": 1,
        "workspace": told.plan.identity,
        "port": DOOR_PORT,
        "health": HEALTH_PORT,
        "socket": f"{sandbox.DOOR}/{sandbox.SOCKET_NAME}",
        "uid": told.plan.uid,
        "report": REPORT_SOCKET,
        "own": DOOR_OWN_DIRECTORY,
        "sealed": told.sealed,
        "network": probe.network(told.moment.addresses),
        "answered": sorted(told.moment.answered),
        "seconds": probe.SECONDS,
        "every": probe.EVERY_SECONDS,
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


def _keys_object(plan: WorkspacePlan, namespace: str, keys: Keys) -> Object:
    """The door's pair, and whom it lets in. Nobody can read it back through the API, the controller included."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(plan, namespace) | {"name": f"{plan.identity}-door"},
        "immutable": True,
        "type": "Opaque",
        "stringData": {CERTIFICATE_FILE: keys.certificate, KEY_FILE: keys.key, GATEWAY_FILE: keys.gateway},
    }


def _instruction_object(told: _Told, namespace: str) -> Object:
    """Immutable: nobody changes the end, the program or the targets of a run that exists."""
    content = {INSTRUCTION_FILE: instruction(told), DOOR_INSTRUCTION_FILE: door_instruction(told)}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(told.plan, namespace),
        "immutable": True,
        "data": {name: json.dumps(one, sort_keys=True) for name, one in content.items()},
    }
