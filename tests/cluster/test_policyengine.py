"""The tests' own policy engine as pure functions: from objects of the API to conditions of nftables."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest

from tests.cluster.harness.machine import SYSTEM_PATH
from tests.cluster.policyengine.model import Pod, World, read_pod, selects
from tests.cluster.policyengine.rules import Established, Mode, render

Object = dict[str, Any]
A = Pod("lab", "a", {"app": "a"}, ("10.0.0.1", "fd00::1"))
B = Pod("lab", "b", {"app": "b"}, ("10.0.0.2", "fd00::2"), {("web", "TCP"): 8080, ("dns", "UDP"): 53})
C = Pod("other", "c", {"app": "b"}, ("10.0.0.3", "fd00::3"), {("web", "TCP"): 9090})
NAMESPACES = {"lab": {"name": "lab"}, "other": {"name": "other", "team": "x"}}


def network_policy(selector: Object, types: list[str], **rules: Any) -> Object:
    """A policy in the namespace lab."""
    return {
        "metadata": {"namespace": "lab", "name": "p"},
        "spec": {"podSelector": selector, "policyTypes": types} | rules,
    }


def rules_of(pod: Pod, direction: str, *policies: Object) -> list[str] | None:
    """The lines of a pod's chain; None where it is not isolated."""
    world = World((A, B, C), NAMESPACES, policies)
    lines = [line.strip() for line in render(world, Mode.open, Established.cut).splitlines()]
    name = f"chain {direction}_{world.pods.index(pod)} {{"
    return lines[lines.index(name) + 1 : lines.index("}", lines.index(name))] if name in lines else None


def test_a_pod_without_policies_is_free() -> None:
    assert rules_of(A, "egress") is None
    assert rules_of(C, "egress", network_policy({}, ["Egress"])) is None  # another namespace


def test_default_deny_drops_everything_in_its_directions_only() -> None:
    deny = network_policy({}, ["Egress"])
    assert rules_of(A, "egress", deny) == ["drop"]
    assert rules_of(A, "ingress", deny) is None


def test_an_empty_rule_allows_everything() -> None:
    assert rules_of(A, "egress", network_policy({}, ["Egress"], egress=[{}])) == ["return", "drop"]


def test_two_policies_add_up() -> None:
    one = network_policy({}, ["Ingress"], ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "b"}}}]}])
    assert rules_of(A, "ingress", network_policy({}, ["Ingress"]), one) == [
        "ip saddr { 10.0.0.2 } return",
        "ip6 saddr { fd00::2 } return",
        "drop",
    ]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": {"matchLabels": {"app": "b"}}}, ["10.0.0.2"]),
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}}, ["10.0.0.3"]),
        ({"namespaceSelector": {}}, ["10.0.0.1, 10.0.0.2, 10.0.0.3"]),
        ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}}, ["10.0.0.2, 10.0.0.3"]),
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}, "podSelector": {"matchLabels": {"app": "a"}}}, []),
    ],
)
def test_both_selectors_of_a_peer_must_hold(peer: Object, expected: list[str]) -> None:
    found = rules_of(A, "egress", network_policy({}, ["Egress"], egress=[{"to": [peer]}])) or []
    assert [line for line in found if line.startswith("ip ")] == [f"ip daddr {{ {e} }} return" for e in expected]


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 80}, "tcp dport 80"),
        ({"port": 80, "endPort": 90, "protocol": "UDP"}, "udp dport 80-90"),
        ({"protocol": "SCTP", "port": 5}, "sctp dport 5"),
        ({"protocol": "UDP"}, "meta l4proto udp"),
    ],
)
def test_ports(port: Object, expected: str) -> None:
    rules = rules_of(A, "egress", network_policy({}, ["Egress"], egress=[{"ports": [port]}]))
    assert rules == [f"{expected} return", "drop"]


def test_a_named_port_is_what_the_reached_pod_calls_so() -> None:
    web = {"port": "web"}
    inwards = network_policy({}, ["Ingress"], ingress=[{"ports": [web]}])
    assert rules_of(B, "ingress", inwards) == ["tcp dport 8080 return", "drop"]
    assert rules_of(A, "ingress", inwards) == ["drop"]  # it has no port of that name
    outwards = network_policy({}, ["Egress"], egress=[{"to": [{"namespaceSelector": {}}], "ports": [web]}])
    assert [line for line in rules_of(A, "egress", outwards) or [] if line.startswith("ip ")] == [
        "ip daddr { 10.0.0.2 } tcp dport 8080 return",
        "ip daddr { 10.0.0.3 } tcp dport 9090 return",
    ]


def test_blocks_of_addresses_spare_their_exceptions() -> None:
    blocks = [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"ipBlock": {"cidr": "fd00::/8"}}]
    assert rules_of(A, "egress", network_policy({}, ["Egress"], egress=[{"to": blocks}])) == [
        "ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16 } return",
        "ip6 daddr fd00::/8 return",
        "drop",
    ]


@pytest.mark.parametrize(
    ("operator", "values", "labels", "expected"),
    [
        ("In", ["x"], {"team": "x"}, True),
        ("In", ["x"], {}, False),
        ("NotIn", ["x"], {"team": "x"}, False),
        ("NotIn", ["x"], {}, True),
        ("Exists", None, {"team": "y"}, True),
        ("Exists", None, {}, False),
        ("DoesNotExist", None, {}, True),
        ("DoesNotExist", None, {"team": "y"}, False),
    ],
)
def test_expressions(operator: str, values: list[str] | None, labels: dict[str, str], expected: bool) -> None:
    expression = {"key": "team", "operator": operator, "values": values}
    assert selects({"matchExpressions": [expression]}, labels) is expected


def test_an_absent_selector_selects_nothing_and_an_empty_one_everything() -> None:
    assert not selects(None, {"app": "a"})
    assert selects({}, {})


def test_pods_that_are_over_or_on_the_nodes_network_are_not_looked_at() -> None:
    pod: Object = {
        "metadata": {"namespace": "lab", "name": "x"},
        "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 1}]}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.9"}]},
    }
    assert read_pod(pod) == Pod("lab", "x", {}, ("10.0.0.9",), {("web", "TCP"): 1})
    assert read_pod(pod | {"status": {"phase": "Failed", "podIPs": [{"ip": "10.0.0.9"}]}}) is None
    assert read_pod(pod | {"status": {"phase": "Pending"}}) is None
    assert read_pod(pod | {"spec": {"hostNetwork": True}}) is None


def test_only_closed_drops_strangers_and_off_removes_the_table() -> None:
    world = World((A, B), NAMESPACES, ())
    assert "saddr != @known4 drop" in render(world, Mode.closed, Established.cut)
    assert "known" not in render(world, Mode.open, Established.cut)
    assert render(world, Mode.off, Established.cut) == "add table inet tre_policy\ndelete table inet tre_policy\n"


@pytest.mark.parametrize("mode", list(Mode))
def test_the_kernel_takes_every_kind_of_rule(mode: Mode) -> None:
    """In a network namespace of its own, which is gone with the program."""
    if shutil.which("nft", path=SYSTEM_PATH) is None:
        pytest.skip("nft is missing (as root: apt-get install nftables)")
    ports = [{"port": "web"}, {"port": 1, "endPort": 9, "protocol": "SCTP"}, {"protocol": "UDP"}]
    blocks = [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"ipBlock": {"cidr": "fd00::/8"}}]
    peers = [{"namespaceSelector": {}}, *blocks]
    both = network_policy(
        {}, ["Ingress", "Egress"], ingress=[{"from": peers, "ports": ports}], egress=[{"to": peers, "ports": ports}, {}]
    )
    world = World((A, B, C), NAMESPACES, (both,), {"10.0.0.1": "veth1"})
    script = render(world, mode, Established.keep)
    apart = ["unshare", "--map-root-user", "--net", "nft", "-f", "-"]
    environment = {"PATH": SYSTEM_PATH}
    done = subprocess.run(apart, input=script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{script}"
