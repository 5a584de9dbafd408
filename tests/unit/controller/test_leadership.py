"""Who leads: one of several, by one lease or by two of which one follows the other; who lost it never does again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.databases import Postgres, Sqlite
from tests.support.factories import NOON
from tests.support.faulty_cluster import FaultyCluster
from tre.audit.lease import LEASE_SECONDS, Lease
from tre.cluster.lease import Elector, LeaseTerms
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Key
from tre.controller.leadership import Leadership
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.store.database import Database, new_id

KEY = Key("tre-system", "tre-controller")


class Replica:
    """One controller's part, with its own connections."""

    def __init__(self, database: Database, cluster: MemoryCluster, clock: ManualClock, name: str) -> None:
        self.database, self.clock = database, clock
        self.client = FaultyCluster(cluster)
        self.lease = Lease(database, clock)
        self.elector = Elector(self.client, LeaseTerms(KEY, name), clock, lambda: 0.0)
        self.leadership = Leadership(self.lease, self.elector)
        self.told = 0
        self.leadership._told = self._tell
        database.fence(self.leadership.fence)

    def _tell(self) -> None:
        self.told += 1

    def step(self) -> None:
        self.elector.step()
        self.leadership.step()

    def write(self) -> None:
        event = Event(id=new_id(), at=self.clock.now(), actor=program("test"), kind="test.done", object="test/1")
        with self.database.change(event):
            pass


@pytest.fixture
def pair(postgres: Postgres, tmp_path: Path) -> tuple[Replica, Replica, Callable[[float], None]]:
    clock, cluster = ManualClock(NOON), MemoryCluster()
    first = postgres.make(tmp_path)
    one, two = (Replica(postgres.again(first, role="controller"), cluster, clock, name) for name in ("one", "two"))
    return one, two, clock.advance


Pair = tuple[Replica, Replica, Callable[[float], None]]


def refused(replica: Replica) -> None:
    with pytest.raises(TREError) as caught:
        replica.write()
    assert caught.value.reason is Reason.LeadershipLost


def test_one_leads_by_both_leases_and_the_other_writes_nothing(pair: Pair) -> None:
    one, two, advance = pair
    for _ in range(20):
        one.step()
        two.step()
        assert (one.leadership.leads(), two.leadership.leads()) == (True, False)
        advance(1.0)
    one.write()
    refused(two)


def test_the_records_lease_follows_the_clusters(pair: Pair) -> None:
    """Whoever does not hold the cluster's lease does not try for the one in the record, however free it is."""
    one, two, advance = pair
    one.elector.step()
    for _ in range(10):
        two.step()
        advance(1.0)
        one.elector.step()
    assert two.lease.token is None
    one.leadership.step()
    assert one.leadership.leads()


def test_when_the_leader_dies_the_other_leads_as_soon_as_the_clusters_lease_is_over(pair: Pair) -> None:
    one, two, advance = pair
    one.step()
    two.step()
    waited = 0.0
    while not two.leadership.leads():
        pause = two.elector.step()
        two.leadership.step()
        advance(pause)
        waited += pause
        assert waited < 20.0
    assert LEASE_SECONDS < 15.0 <= waited
    two.write()


def test_who_slept_writes_nothing_whatever_it_believes_and_is_told_once(pair: Pair) -> None:
    one, two, advance = pair
    one.step()
    two.step()
    advance(15.0)
    two.step()
    assert two.leadership.leads()
    refused(one)
    one.elector._renewed_at = one.clock.boottime()  # as if it had been renewed: the record knows better
    assert one.leadership.leads()
    refused(one)
    one.leadership.step()
    one.leadership.step()
    assert one.told == 1
    assert not one.leadership.leads()
    two.write()


def test_who_lost_it_does_not_take_it_back(pair: Pair) -> None:
    one, two, advance = pair
    one.step()
    advance(20.0)
    two.step()
    two.step()
    advance(15.0)
    two.step()
    two.leadership.release()
    two.elector.release()
    one.step()
    one.leadership.step()
    assert not one.leadership.leads()
    refused(one)


def test_a_clean_exit_hands_over_at_once(pair: Pair) -> None:
    one, two, _ = pair
    one.step()
    two.step()
    one.leadership.release()
    one.elector.release()
    refused(one)
    two.step()
    assert two.leadership.leads()
    two.write()


def test_a_record_that_is_away_is_no_loss(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _, advance = pair
    one.step()

    def away() -> bool:
        raise TREError(Reason.ServiceUnavailable, "The record cannot be reached.")

    monkeypatch.setattr(one.lease, "keep", away)
    advance(2.0)
    one.step()
    assert one.leadership.leads()
    assert one.told == 0


def test_where_the_record_is_a_file_its_one_controller_leads(sqlite: Sqlite, tmp_path: Path) -> None:
    database, alone = sqlite.make(tmp_path / "record.sqlite"), Leadership()
    database.fence(alone.fence)
    alone.step()
    assert alone.leads()
    event = Event(id=new_id(), at=NOON, actor=program("test"), kind="test.done", object="test/1")
    with database.change(event):
        pass
    alone.release()
    with pytest.raises(TREError, match="does not lead"), database.change(event):
        pass
