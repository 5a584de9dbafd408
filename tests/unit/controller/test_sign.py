"""The label by which services find the leader: on its pod, on no other, whoever took it off."""

from __future__ import annotations

import threading

import pytest

from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import ClusterError, Key, Kind
from tre.controller.sign import LEADS, Sign
from tre.domain.errors import Reason, TREError

POD = Kind("", "v1", "Pod", "pods")
NAMESPACE = "tre-system"


@pytest.fixture
def cluster() -> MemoryCluster:
    found = MemoryCluster()
    for name in ("tre-controller-a", "tre-controller-b"):
        found.create(POD, {"metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": "x"}}})
    return found


def sign(cluster: MemoryCluster, name: str) -> Sign:
    return Sign(cluster, Key(NAMESPACE, name))


def bearers(cluster: MemoryCluster) -> list[str]:
    items = cluster.list(POD, NAMESPACE).items
    return [item["metadata"]["name"] for item in items if item["metadata"]["labels"].get(LEADS) == "true"]


def test_who_leads_has_it_and_who_led_before_loses_it(cluster: MemoryCluster) -> None:
    assert sign(cluster, "tre-controller-a").put_up()
    assert bearers(cluster) == ["tre-controller-a"]
    assert sign(cluster, "tre-controller-b").put_up()
    assert bearers(cluster) == ["tre-controller-b"]


def test_what_is_in_order_is_not_written_again_and_what_is_not_is_restored(cluster: MemoryCluster) -> None:
    found = sign(cluster, "tre-controller-a")
    found.put_up()
    before = cluster.list(POD, NAMESPACE).version
    found.put_up()
    assert cluster.list(POD, NAMESPACE).version == before
    cluster.patch(POD, Key(NAMESPACE, "tre-controller-a"), {"metadata": {"labels": {LEADS: None}}})
    found.put_up()
    assert bearers(cluster) == ["tre-controller-a"]


def test_outside_a_pod_there_is_nothing_to_put_it_on(cluster: MemoryCluster) -> None:
    found = sign(cluster, "a-laptop")
    assert not found.put_up()
    found.keep_up(threading.Event())  # comes back
    assert bearers(cluster) == []


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (ClusterError(Reason.ServiceUnavailable, "The API server did not answer."), True),
        (TREError(Reason.LeadershipLost, "Another one leads."), False),
    ],
    ids=["API server away", "another leads"],
)
def test_what_is_in_the_way_is_tried_again_unless_another_leads(
    cluster: MemoryCluster, monkeypatch: pytest.MonkeyPatch, error: TREError, goes_on: bool
) -> None:
    found = sign(cluster, "tre-controller-a")

    def refuse(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(cluster, "patch", refuse)
        assert found._try() is goes_on
    assert found._try()
    assert bearers(cluster) == ["tre-controller-a"]
