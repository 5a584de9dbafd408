"""What network policies say of a connection between two pods, evaluated without a cluster.

Guarantees: both directions are asked, as the API defines them (policies add, a selected pod is denied what none of
them allows, items of a peer are joined by "and", peers by "or"). Covers what the chart uses: selectors by labels and
by existence, blocks of addresses, numbered and named ports.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class End:
    """A pod, or with an address something outside."""

    labels: dict[str, str] = field(default_factory=dict)
    namespace: dict[str, str] = field(default_factory=dict)
    address: str = "10.1.2.3"
    ours: bool = True
    """Whether it is in the policies' own namespace."""


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether labels fit a selector; an empty one fits all."""
    assert set(selector) <= {"matchLabels", "matchExpressions"}
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "Exists"
        if rule["key"] not in labels:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _peer(peer: Object, end: End) -> bool:
    if "ipBlock" in peer:
        assert set(peer["ipBlock"]) == {"cidr"}
        return ipaddress.ip_address(end.address) in ipaddress.ip_network(peer["ipBlock"]["cidr"])
    there = selects(peer["namespaceSelector"], end.namespace) if "namespaceSelector" in peer else end.ours
    return there and selects(peer.get("podSelector", {}), end.labels)


def _rule(rule: Object, peers: str, end: End, port: tuple[str, int]) -> bool:
    fits = peers not in rule or any(_peer(peer, end) for peer in rule[peers])
    listed = rule.get("ports")
    return fits and (listed is None or any((one["protocol"], one["port"]) == port for one in listed))


def _direction(policies: list[Object], which: str, near: End, far: End, port: tuple[str, int]) -> bool:
    peers, rules = ("from", "ingress") if which == "Ingress" else ("to", "egress")
    over = [
        one["spec"]
        for one in policies
        if near.ours and which in one["spec"]["policyTypes"] and selects(one["spec"]["podSelector"], near.labels)
    ]
    return not over or any(_rule(rule, peers, far, port) for spec in over for rule in spec.get(rules) or [])


def allowed(policies: list[Object], source: End, target: End, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection may be made."""
    wanted = (protocol, port)
    return _direction(policies, "Egress", source, target, wanted) and _direction(
        policies, "Ingress", target, source, wanted
    )
