"""The objects that every workspace of a grant lives among, in the order in which they must be made: pure data.

Guarantees: the namespace carries the grant's end and the pinned restricted profile from its first moment; nothing
may be reached from it or reach into it but the door's port from the gateway; no pod without a deadline, and not
more pods than members; no service, workload or ingress at all; a service account that has no token and no right.

Does not guarantee: that the cluster's network plug-in enforces the policies. The seal and the probe answer for that.

Threat it answers: everything that somebody inside, or somebody with a right too many, could make in the namespace
while none of our services is alive to notice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from tre.domain import names
from tre.domain.model import Line, Record, UtcTime
from tre.domain.workspaces.models import Limits
from tre.runtimes.kubernetes.render.facts import ClusterFacts
from tre.runtimes.kubernetes.render.vocabulary import (
    DOOR_PORT,
    END_ANNOTATION,
    GRANT_ANNOTATION,
    GRANT_LABEL,
    IMAGE_AGE_ANNOTATION,
    MANAGED_BY,
    SERVICE_ACCOUNT,
    Object,
)

VOLUMES_PER_MEMBER = 64
NOTHING_OF = (
    "services", "services.loadbalancers", "services.nodeports", "replicationcontrollers",
    "count/deployments.apps", "count/replicasets.apps", "count/statefulsets.apps", "count/daemonsets.apps",
    "count/jobs.batch", "count/cronjobs.batch", "count/ingresses.networking.k8s.io",
)  # fmt: skip
DOOR_MEMORY = "64Mi"
DOOR_MILLIS = 500
EPHEMERAL_BYTES = 2**28
"""Of the node's disk: what a container prints, nothing else. Every scratch directory is memory."""


class GrantPlace(Record):
    """What the renderer must know of a grant: its name, its effective end, how many members, their largest limits."""

    grant: Line
    end: UtcTime
    members: Annotated[int, Field(ge=1)]
    limits: Limits = Limits()

    @property
    def namespace(self) -> str:
        """Where it lives."""
        return names.grant_namespace(self.grant)


def objects_for_grant(place: GrantPlace, facts: ClusterFacts) -> list[Object]:
    """Everything but the workspaces, each to be applied only once the one before it is there."""
    return [
        _namespace(place, facts),
        _deny_all(place),
        _door_from_gateway(place, facts),
        *_quotas(place),
        _limit_range(place),
        _service_account(place),
    ]


def moment(time: datetime) -> str:
    """A time as annotations carry it, and as CEL's `timestamp` reads it; parts of a second are cut off."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def labels(grant: str) -> dict[str, str]:
    """What every object of a grant is labelled with; the label's value is short and valid for any name."""
    return MANAGED_BY | {GRANT_LABEL: names.short_hash("grant", grant)}


def _metadata(place: GrantPlace, name: str) -> Object:
    return {"name": name, "namespace": place.namespace, "labels": labels(place.grant)}


def _namespace(place: GrantPlace, facts: ClusterFacts) -> Object:
    profile = {}
    for mode in ("enforce", "audit", "warn"):
        profile[f"pod-security.kubernetes.io/{mode}"] = "restricted"
        profile[f"pod-security.kubernetes.io/{mode}-version"] = facts.pod_security_version
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": place.namespace,
            "labels": labels(place.grant) | profile,
            "annotations": {END_ANNOTATION: moment(place.end), GRANT_ANNOTATION: place.grant} | _image_age(facts),
        },
    }


def _image_age(facts: ClusterFacts) -> dict[str, str]:
    days = facts.maximum_image_age_days
    return {} if days is None else {IMAGE_AGE_ANNOTATION: f"{24 * days}h"}


def _policy(place: GrantPlace, name: str, spec: Object) -> Object:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(place, name),
        "spec": {"podSelector": {}} | spec,
    }


def _deny_all(place: GrantPlace) -> Object:
    """An empty selector: no pod can be outside it by a label that is missing or misspelt."""
    return _policy(place, "deny-all", {"policyTypes": ["Ingress", "Egress"]})


def _door_from_gateway(place: GrantPlace, facts: ClusterFacts) -> Object:
    """Both selectors stand in one peer: apart they would mean *or*."""
    peer = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": facts.gateway.namespace}},
        "podSelector": {"matchLabels": facts.gateway.pod_labels},
    }
    ingress = [{"from": [peer], "ports": [{"protocol": "TCP", "port": DOOR_PORT}]}]
    return _policy(place, "door-from-gateway", {"policyTypes": ["Ingress"], "ingress": ingress})


def _quota(place: GrantPlace, name: str, hard: dict[str, str], *scopes: str) -> Object:
    spec: Object = {"hard": hard}
    if scopes:
        spec["scopes"] = list(scopes)
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": _metadata(place, name), "spec": spec}


def _quotas(place: GrantPlace) -> list[Object]:
    volumes = str(place.members * VOLUMES_PER_MEMBER)
    nothing = dict.fromkeys(NOTHING_OF, "0")
    return [
        _quota(place, "no-pod-without-deadline", {"pods": "0"}, "NotTerminating"),
        _quota(place, "one-pod-for-each-member", {"pods": str(place.members)}, "Terminating"),
        _quota(place, "nothing-else", nothing | {"persistentvolumeclaims": volumes}),
    ]


def _limit_range(place: GrantPlace) -> Object:
    """The most that one container may have: whoever gets a pod past everything else gets no larger one."""
    most: Object = {
        "cpu": f"{max(place.limits.cpu_millis, DOOR_MILLIS)}m",
        "memory": str(place.limits.memory_bytes),
        "ephemeral-storage": str(EPHEMERAL_BYTES),
    }
    usual = {"cpu": "100m", "memory": DOOR_MEMORY, "ephemeral-storage": "16Mi"}
    bound = {"type": "Container", "max": most, "default": usual, "defaultRequest": usual}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": _metadata(place, "most-for-a-container"),
        "spec": {"limits": [bound]},
    }


def _service_account(place: GrantPlace) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _metadata(place, SERVICE_ACCOUNT),
        "automountServiceAccountToken": False,
    }
