"""What the engine knows of pods, namespaces and policies, and which of them select which: pure functions.

Guarantees: selectors mean what the API's documentation says; an absent selector selects nothing, an empty one all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]
OVER = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Pod:
    """A pod with an address of its own."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)  # by name and protocol

    @property
    def ipv4(self) -> str:
        """Its first IPv4 address, or nothing."""
        return next((a for a in self.addresses if ipaddress.ip_address(a).version == 4), "")


@dataclass(frozen=True)
class World:
    """Everything that the rules follow from."""

    pods: tuple[Pod, ...]
    namespaces: Mapping[str, Mapping[str, str]]  # labels by name
    policies: tuple[Object, ...]
    interfaces: Mapping[str, str] = field(default_factory=dict)  # the node's end of a pod's pair, by its IPv4 address


def read_pod(item: Object) -> Pod | None:
    """A pod as the API tells it; None where it has no address of its own, or has it no longer."""
    status, spec = item.get("status", {}), item["spec"]
    addresses = tuple(a["ip"] for a in status.get("podIPs", []) if a.get("ip"))
    if spec.get("hostNetwork") or status.get("phase") in OVER or not addresses:
        return None
    containers = [*spec.get("containers", []), *spec.get("initContainers", [])]
    ports = {
        (port["name"], port.get("protocol", "TCP")): port["containerPort"]
        for container in containers
        for port in container.get("ports") or []
        if port.get("name")
    }
    meta = item["metadata"]
    return Pod(meta["namespace"], meta["name"], meta.get("labels") or {}, addresses, ports)


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects something with these labels."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    expressions = selector.get("matchExpressions") or []
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in expressions
    )


def _holds(expression: Object, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise ValueError(f"no such operator: {expression['operator']}")


def policy_types(policy: Object) -> set[str]:
    """The directions that a policy speaks about; by default Ingress, and Egress where it has such rules."""
    spec = policy["spec"]
    if types := spec.get("policyTypes"):
        return set(types)
    return {"Ingress", "Egress"} if spec.get("egress") else {"Ingress"}


def policies_for(world: World, pod: Pod, direction: str) -> list[Object]:
    """The policies that isolate a pod in a direction."""
    return [
        policy
        for policy in world.policies
        if policy["metadata"]["namespace"] == pod.namespace
        and direction in policy_types(policy)
        and selects(policy["spec"].get("podSelector", {}), pod.labels)
    ]


def peers_of(world: World, peer: Object, namespace: str) -> Iterator[Pod]:
    """The pods that a peer of a policy in a namespace means: both of its selectors must hold."""
    for pod in world.pods:
        if "namespaceSelector" in peer:
            here = selects(peer["namespaceSelector"], world.namespaces.get(pod.namespace, {}))
        else:
            here = pod.namespace == namespace
        if here and selects(peer.get("podSelector", {}), pod.labels):
            yield pod


def of_family(addresses: Iterable[str], version: int) -> list[str]:
    """The addresses or ranges of one version of IP, sorted."""
    return sorted({a for a in addresses if ipaddress.ip_network(a, strict=False).version == version})
