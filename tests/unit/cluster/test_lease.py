"""One replica acts, and one that lost its lease writes nothing more."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.support.factories import NOON
from tests.support.faulty_cluster import FaultyCluster
from tre.cluster.lease import LEASE, Elector, LeaseTerms, fenced
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Key, Kind, Object
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError

KEY = Key("tre", "controller")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")


class Replica:
    """One replica with a clock and a connection of its own."""

    def __init__(self, cluster: MemoryCluster, identity: str, clock: ManualClock) -> None:
        self.client = FaultyCluster(cluster)
        self.clock = clock
        self.elector = Elector(self.client, LeaseTerms(KEY, identity), clock, lambda: 0.0)

    def leads(self) -> bool:
        return self.elector.is_leading()


class Pair:
    """Two replicas of which each has its own clock."""

    def __init__(self) -> None:
        self.clocks = [ManualClock(NOON), ManualClock(NOON)]
        self.cluster = MemoryCluster(self.clocks[0].now)
        self.one, self.two = (
            Replica(self.cluster, name, clock) for name, clock in zip(("one", "two"), self.clocks, strict=True)
        )

    def advance(self, seconds: float) -> None:
        for clock in self.clocks:
            clock.advance(seconds)

    def lease(self) -> Object:
        found = self.cluster.get(LEASE, KEY)
        assert found is not None
        spec: Object = found["spec"]
        return spec


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_the_first_leads_and_goes_on_leading(pair: Pair) -> None:
    for _ in range(30):
        pair.one.elector.step()
        pair.two.elector.step()
        assert (pair.one.leads(), pair.two.leads()) == (True, False)
        pair.advance(2.0)
    assert pair.lease()["holderIdentity"] == "one"
    assert pair.lease()["leaseTransitions"] == 0


def test_when_it_is_cut_off_it_stops_before_the_other_starts(pair: Pair) -> None:
    pair.one.elector.step()
    pair.two.elector.step()
    starts = stops = None
    for tick in range(200):
        pair.advance(0.1)
        pair.two.elector.step()
        if stops is None and not pair.one.leads():
            stops = tick
        if starts is None and pair.two.leads():
            starts = tick
        assert not (pair.one.leads() and pair.two.leads())
    assert stops is not None
    assert starts is not None
    assert 4.0 <= (starts - stops) / 10 <= 6.0
    assert pair.lease()["leaseTransitions"] == 1


def test_a_replica_that_slept_knows_it(pair: Pair) -> None:
    pair.one.elector.step()
    pair.clocks[0].advance(3600.0)
    assert not pair.one.leads()


def test_clocks_that_disagree_do_not_matter(pair: Pair) -> None:
    """The other's wall clock is a day ahead: what it goes by is how long it saw nothing change."""
    pair.clocks[1].jump(NOON.replace(day=25))
    pair.one.elector.step()
    pair.two.elector.step()
    assert not pair.two.leads()


def test_silence_is_no_loss_until_the_deadline(pair: Pair) -> None:
    pair.one.elector.step()
    pair.one.client.writes = ["silent"] * 10
    pair.advance(9.0)
    pair.one.elector.step()
    assert pair.one.leads()
    pair.advance(1.5)
    pair.one.elector.step()
    assert not pair.one.leads()


def test_a_renewal_whose_answer_was_lost_counts_at_the_next_try(pair: Pair) -> None:
    pair.one.elector.step()
    pair.advance(2.0)
    pair.one.client.writes = ["lost-answer"]
    pair.one.elector.step()
    assert pair.one.leads()
    pair.advance(2.0)
    pair.one.elector.step()
    pair.advance(9.0)
    assert pair.one.leads()


def test_a_lease_that_somebody_else_took_is_lost_at_once(pair: Pair) -> None:
    pair.one.elector.step()
    metadata = {"name": KEY.name, "namespace": KEY.namespace}
    pair.cluster.apply(LEASE, {"metadata": metadata, "spec": {"holderIdentity": "two"}}, "somebody")
    pair.one.elector.step()
    assert not pair.one.leads()


def test_a_clean_exit_hands_over_at_once(pair: Pair) -> None:
    stop, lost = threading.Event(), []
    stop.set()
    pair.one.elector.step()
    pair.one.elector.run(stop, lambda: lost.append("lost"))
    assert not pair.one.leads()
    assert lost == []
    pair.two.elector.step()
    assert pair.two.leads()


class Waits(threading.Event):
    """Lets time pass instead of waiting; everything is silent from the third time on."""

    def __init__(self, replica: Replica) -> None:
        super().__init__()
        self.replica, self.count = replica, 0

    def wait(self, timeout: float | None = None) -> bool:
        self.count += 1
        assert self.count < 50, "it never ends"
        self.replica.clock.advance(timeout or 0.0)
        if self.count > 3:
            self.replica.client.writes = ["silent"]
        return False


def test_who_loses_it_is_told_once_and_does_not_take_it_back(pair: Pair) -> None:
    lost: list[float] = []
    waits = Waits(pair.one)
    pair.one.elector.run(waits, lambda: lost.append(pair.one.clock.boottime()))
    assert len(lost) == 1
    assert not pair.one.leads()
    assert lost[0] == 4 * 2.0 + 10.0 - 2.0  # the last renewal stands at 6 s
    assert pair.lease()["holderIdentity"] == "one"  # it runs out by itself


@pytest.mark.parametrize("verb", ["create", "apply", "apply_status", "delete"])
def test_no_write_without_the_lease(pair: Pair, verb: str) -> None:
    client = fenced(pair.cluster, pair.one.elector)
    content: Object = {"metadata": {"name": "a", "namespace": "tre"}}
    pair.cluster.create(CONFIG_MAP, {"metadata": {"name": "b", "namespace": "tre"}})
    calls: dict[str, Any] = {
        "create": lambda: client.create(CONFIG_MAP, content),
        "apply": lambda: client.apply(CONFIG_MAP, content),
        "apply_status": lambda: client.apply_status(CONFIG_MAP, {"metadata": {"name": "b", "namespace": "tre"}}),
        "delete": lambda: client.delete(CONFIG_MAP, Key("tre", "b")),
    }
    with pytest.raises(TREError) as caught:
        calls[verb]()
    assert caught.value.reason is Reason.LeadershipLost
    assert client.get(CONFIG_MAP, Key("tre", "b")) is not None
    pair.one.elector.step()
    calls[verb]()
    pair.advance(10.0)
    with pytest.raises(TREError):
        calls[verb]()


def test_who_leads_asks_once_for_each_renewal(pair: Pair) -> None:
    pair.one.elector.step()
    before = len(pair.one.client.calls)
    for _ in range(20):
        pair.advance(2.0)
        pair.one.elector.step()
    assert len(pair.one.client.calls) - before == 20


def test_who_waits_looks_again_when_the_silent_holders_time_is_over(pair: Pair) -> None:
    pair.one.elector.step()
    pauses = []
    while not pair.two.leads():
        pauses.append(pair.two.elector.step())
        pair.advance(pauses[-1])
    assert sum(pauses[:-1]) == pytest.approx(15.0)
