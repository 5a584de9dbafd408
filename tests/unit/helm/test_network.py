"""Who may talk with whom: every pair of programs at every port, against the table of links."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.unit.helm.conftest import DIGESTS, Chart, Object, merged, named
from tests.unit.helm.network import End, allowed
from tests.unit.helm.test_chart import BUNDLED, MAIL, OIDC, SOURCES
from tre.cli.cluster_table import ON_CLUSTER, WITH_DATABASE
from tre.link.table import HEALTH_PORT, LINKS

PROGRAMS = (*ON_CLUSTER, "postgresql", "prepare", "shell", "keys", "test")
PORTS = sorted({link.port for link in LINKS} | {443, 5432, 6443, HEALTH_PORT, 8443, 10250, 53})
OUTSIDE = End(address="192.0.2.99", ours=False)
DOOR = End(labels={"tre.research/run": "x"}, namespace={"tre.research/grant": "g"}, ours=False)
NAME_SERVER = End({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}, ours=False)
MONITORING = End({}, {"name": "monitoring"}, ours=False)


def program(name: str) -> End:
    return End({"app.kubernetes.io/part-of": "tre", "app.kubernetes.io/component": name}, {"name": "tre-system"})


def policies(chart: Chart, changes: Object | None = None) -> list[Object]:
    return list(named(chart.objects(changes or {}), "NetworkPolicy").values())


def expected(source: str, target: str, port: int) -> bool:
    """What the design says, from the tables and nothing of the chart."""
    if any((link.caller, link.owner, link.port) == (source, target, port) for link in LINKS):
        return True
    if target == "postgresql":
        return port == 5432 and source in {*WITH_DATABASE, "prepare", "shell"}
    return target == "gateway" and port == 443 and source in {"test", "controller", "keys"}


def test_every_pair_of_programs_at_every_port(chart: Chart) -> None:
    found = policies(chart, BUNDLED)
    for source, target in itertools.permutations(PROGRAMS, 2):
        for port in PORTS:
            verdict = allowed(found, program(source), program(target), port)
            assert verdict == expected(source, target, port), (source, target, port)


def test_without_policies_everything_is_open(chart: Chart) -> None:
    found = policies(chart, {"networkPolicies": {"enabled": False}})
    assert found == []
    assert allowed(found, program("checker"), program("controller"), 9401)


def test_without_the_denying_one_the_checker_is_reached(chart: Chart) -> None:
    found = policies(chart)
    assert not allowed(found, OUTSIDE, program("checker"), 1234)
    rest = [one for one in found if one["metadata"]["name"] != "tre-deny-all"]
    assert allowed(rest, OUTSIDE, program("checker"), 1234)


@pytest.mark.parametrize("name", ON_CLUSTER)
def test_from_outside_only_the_gateway_is_reached(chart: Chart, name: str) -> None:
    found = policies(chart)
    for other in (OUTSIDE, DOOR, MONITORING, NAME_SERVER):
        for port in PORTS:
            assert allowed(found, other, program(name), port) == (name == "gateway" and port == 443)


def test_a_workspace_reaches_nothing_of_ours_but_the_front_that_everybody_reaches(chart: Chart) -> None:
    # Its own namespace's policies let nothing out at all; this is what holds if they are gone.
    found = policies(chart, {"networkPolicies": {"gatewayFrom": [{"ipBlock": {"cidr": "192.0.2.0/24"}}]}})
    assert not allowed(found, DOOR, program("gateway"), 443)
    assert allowed(found, OUTSIDE, program("gateway"), 443)
    assert allowed(found, program("test"), program("gateway"), 443)


@pytest.mark.parametrize(
    ("changes", "port", "protocol", "target", "may"),
    [
        ({}, 8443, "TCP", DOOR, {"gateway"}),
        ({}, 8888, "TCP", DOOR, set()),
        ({}, 6443, "TCP", OUTSIDE, {"controller", "keys"}),
        ({}, 10250, "TCP", OUTSIDE, {"controller"}),
        ({}, 5432, "TCP", OUTSIDE, {*WITH_DATABASE, "prepare", "shell"}),
        (BUNDLED, 5432, "TCP", OUTSIDE, set()),
        ({}, 53, "UDP", NAME_SERVER, {*WITH_DATABASE, "prepare", "shell"}),
        (BUNDLED, 53, "UDP", NAME_SERVER, {"controller"}),
        ({}, 443, "TCP", OUTSIDE, {"controller", "keys"}),
        (OIDC, 443, "TCP", OUTSIDE, {"controller", "keys", "hub"}),
        (OIDC, 53, "UDP", NAME_SERVER, {*WITH_DATABASE, "prepare", "shell", "hub"}),
        ({"database": {"addresses": ["192.0.2.7/32"]}}, 5432, "TCP", OUTSIDE, set()),
    ],
)
def test_who_gets_out_where(
    chart: Chart, changes: Object, port: int, protocol: str, target: End, may: set[str]
) -> None:
    found = policies(chart, changes)
    names = [name for name in PROGRAMS if name != "postgresql" or changes is BUNDLED]
    assert {name for name in names if allowed(found, program(name), target, port, protocol)} == may


MAIL_SERVER, REMS = End(address="192.0.2.25", ours=False), End(address="192.0.2.20", ours=False)
PROVIDER = {"networkPolicies": {"identityProvider": {"port": 8443, "addresses": ["192.0.2.20/32"]}}}


@pytest.mark.parametrize(
    ("changes", "target", "port", "may"),
    [
        ({}, MAIL_SERVER, 465, set()),
        (MAIL, MAIL_SERVER, 465, {"controller"}),
        (MAIL, End(address="2001:db8::25", ours=False), 465, {"controller"}),
        (MAIL, MAIL_SERVER, 587, set()),
        (MAIL, OUTSIDE, 465, set()),
        ({}, REMS, 8443, set()),
        (SOURCES, REMS, 8443, {"controller"}),
        (SOURCES, REMS, 8444, set()),
        (SOURCES, OUTSIDE, 8443, set()),
        (merged(OIDC, PROVIDER), REMS, 8443, {"hub"}),
        (merged(OIDC, PROVIDER), OUTSIDE, 8443, set()),
        (merged(OIDC, PROVIDER), OUTSIDE, 443, {"controller", "keys"}),
    ],
)
def test_mail_and_sources_are_reached_by_the_controller_at_their_addresses_alone(
    chart: Chart, changes: Object, target: End, port: int, may: set[str]
) -> None:
    found = policies(chart, changes)
    assert {name for name in PROGRAMS if allowed(found, program(name), target, port)} - {"postgresql"} == may


@pytest.mark.parametrize("changes", [MAIL, SOURCES])
def test_who_looks_for_a_mail_server_or_a_source_may_ask_for_its_name(chart: Chart, changes: Object) -> None:
    narrow = merged(changes, merged(BUNDLED, {"networkPolicies": {"controlPorts": [10250]}}))
    for protocol in ("TCP", "UDP"):
        assert allowed(policies(chart, narrow), program("controller"), NAME_SERVER, 53, protocol)
    assert not allowed(policies(chart, merged(narrow, {"mail": {"host": ""}, "sources": {"reach": []}})),
                       program("controller"), NAME_SERVER, 53, "TCP")  # fmt: skip


def test_metrics_are_for_whom_the_values_name(chart: Chart) -> None:
    given: dict[str, Any] = {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]}
    open_to_monitoring, closed = policies(chart, {"networkPolicies": given}), policies(chart)
    for name in ON_CLUSTER:
        assert allowed(open_to_monitoring, MONITORING, program(name), HEALTH_PORT)
        assert not allowed(closed, MONITORING, program(name), HEALTH_PORT)
        assert not allowed(open_to_monitoring, OUTSIDE, program(name), HEALTH_PORT)


def test_digests_of_the_matrix_differ() -> None:
    assert len(set(DIGESTS.values())) == len(DIGESTS)
