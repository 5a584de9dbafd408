"""Network policies and real packets: what a policy stops, when, and what an engine that sleeps lets through."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.cluster.conftest import Reach
from tests.cluster.harness.basics import wait_until
from tests.cluster.harness.layout import INNER_PORT
from tests.cluster.harness.running import Running
from tests.cluster.packets import EAGER, HOLDER, OTHER_PORT, PORT, allow, deny_all, probe, serve
from tests.cluster.place import Place, addresses

Object = dict[str, Any]


def targets_of(server: list[str], *ports: int) -> list[str]:
    """Every protocol, address and port of a server."""
    return [f"{kind}/{address}/{port}" for kind in ("tcp", "udp") for address in server for port in ports]


def api_servers_of(node: Reach) -> list[str]:
    """The API server as pods are told of it."""
    service = node.client.get("/api/v1/namespaces/default/services/kubernetes")["spec"]
    return [f"tcp/{address}/{service['ports'][0]['port']}" for address in service["clusterIPs"]]


def await_outcome(place: Place, pod: str, outcome: str, *targets: str) -> None:
    """Engines act a moment after the API server: wait until all targets are open, or closed."""
    wait_until(lambda: set(probe(place, pod, *targets).values()) == {outcome}, f"{targets} should be {outcome}", 40)


def test_default_deny_stops_packets_and_one_allow_opens_one_way(node: Reach, place: Place) -> None:
    server = serve(place, "server")
    place.run("client")
    everything = [*targets_of(server, PORT, OTHER_PORT), *api_servers_of(node)]
    await_outcome(place, "client", "open", *everything)

    place.client.create(place.policies, deny_all())
    await_outcome(place, "client", "closed", *everything)

    for content in allow("client", "server", PORT):
        place.client.create(place.policies, content)
    permitted = [f"tcp/{address}/{PORT}" for address in server]
    await_outcome(place, "client", "open", *permitted)
    forbidden = [target for target in everything if target not in permitted]
    assert set(probe(place, "client", *forbidden).values()) == {"closed"}

    for name in ("deny", "allow-out", "allow-in"):
        place.client.delete(f"{place.policies}/{name}")
    await_outcome(place, "client", "open", *everything)


def test_our_node_speaks_both_versions_of_ip(our_node: Running, place: Place) -> None:
    """So that the test above has tried IPv6."""
    assert all(addresses(place.run("any")))


def test_an_engine_that_is_off_enforces_nothing(our_node: Running, place: Place) -> None:
    """As a CNI does that knows no policies: the API accepts them, and packets pass."""
    server = serve(place, "server")
    place.run("client")
    our_node.await_policy(place.client.create(place.policies, deny_all()))
    targets = targets_of(server, PORT)
    assert set(probe(place, "client", *targets).values()) == {"closed"}
    our_node.set_engine("off")
    assert set(probe(place, "client", *targets).values()) == {"open"}
    our_node.set_engine("closed")
    assert set(probe(place, "client", *targets).values()) == {"closed"}


def link_local_of_the_node(our_node: Running, pod: Object) -> str:
    """The node's end of a pod's pair of interfaces, in the pod's words."""
    link = next(
        route["dev"]
        for route in json.loads(our_node.inside("ip", "-json", "-4", "route"))
        if route["dst"] == addresses(pod)[0]
    )
    shown = json.loads(our_node.inside("ip", "-json", "-6", "address", "show", "dev", link, "scope", "link"))
    address = next(info["local"] for item in shown for info in item.get("addr_info", []) if "local" in info)
    return f"{address}%eth0"


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_link_local_addresses_are_no_way_round(our_node: Running, place: Place, mode: str) -> None:
    """The hole of engines that know IPv4 only: the API server answers on every address of the node."""
    our_node.set_engine("off")
    target = f"tcp/{link_local_of_the_node(our_node, place.run('client'))}/{INNER_PORT}"
    assert probe(place, "client", target)[target] == "open"
    our_node.set_engine(mode)
    our_node.await_policy(place.client.create(place.policies, deny_all()))
    assert probe(place, "client", target)[target] == "closed"


@contextmanager
def asleep(our_node: Running) -> Iterator[None]:
    """The policy engine does nothing for a while; what it gave the kernel stays."""
    our_node.command("signal", "policy-engine", signal.SIGSTOP)
    try:
        yield
    finally:
        our_node.command("signal", "policy-engine", signal.SIGCONT)


@pytest.mark.parametrize("version", [0, 1], ids=["IPv4", "IPv6"])
def test_only_a_closed_engine_has_no_window_at_the_start_of_a_pod(
    our_node: Running, place: Place, version: int
) -> None:
    """The policy is in force before the pod is made; an engine that lets unknown pods pass is late nevertheless.

    Lateness is milliseconds on an idle machine; here the engine sleeps, so that the outcome hangs on no race.
    """
    address = serve(place, "server")[version]
    egress_only = deny_all()
    egress_only["spec"]["policyTypes"] = ["Egress"]
    our_node.await_policy(place.client.create(place.policies, egress_only))
    for mode, gets_through in (("open", True), ("closed", False)):
        our_node.set_engine(mode)
        with asleep(our_node):
            place.start(place.pod(mode, "python3", "-c", EAGER, address, str(PORT)))
            assert (int(place.outcome(mode)) > 0) is gets_through
    our_node.set_engine("open")
    place.run("known")
    await_outcome(place, "known", "closed", f"tcp/{address}/{PORT}")


@pytest.mark.parametrize(("established", "outcome"), [("cut", True), ("keep", False)])
def test_an_open_connection_ends_with_its_permission_only_if_the_engine_looks_again(
    our_node: Running, place: Place, established: str, outcome: bool
) -> None:
    """So the end of a pod, not of a policy, is what ends access."""
    our_node.set_engine("closed", established)
    address = serve(place, "server")[0]
    place.run("client", "python3", "-c", HOLDER, address, str(PORT))
    wait_until(lambda: place.logs("client").count("answered") > 3, "the connection should be used")
    our_node.await_policy(place.client.create(place.policies, deny_all()))
    before = place.logs("client").count("answered")
    if outcome:
        wait_until(lambda: "cut" in place.logs("client"), "the connection should be cut")
    else:
        wait_until(lambda: place.logs("client").count("answered") > before + 10, "the connection should live on")
        assert "cut" not in place.logs("client")
