"""Events for the person at the terminal: series, rates, and that telling never fails."""

from __future__ import annotations

from tests.support.factories import NOON
from tests.support.faulty_cluster import FaultyCluster
from tre.cluster.events import EVENT, SERIES_SECONDS, WAITING, Recorder, Said
from tre.cluster.memory import MemoryCluster
from tre.cluster.protocol import Object
from tre.domain.clock import ManualClock


class Site:
    """A recorder on a cluster in memory."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOON)
        self.cluster = MemoryCluster(self.clock.now)
        self.client = FaultyCluster(self.cluster)
        self.recorder = Recorder(self.client, "tre.research/controller", "test", self.clock)

    def say(self, note: str = "It waits.", uid: str = "u1") -> None:
        head = {"apiVersion": "tre.research/v1alpha1", "kind": "AccessGrant"}
        item = head | {"metadata": {"name": "a", "namespace": "tre", "uid": uid}}
        self.recorder.say(Said(item, "GrantPending", note))
        self.recorder.flush()

    def told(self) -> list[Object]:
        return self.cluster.list(EVENT, "tre").items


def test_the_same_said_again_is_a_series() -> None:
    site = Site()
    for _ in range(4):
        site.say()
        site.clock.advance(10.0)
    (told,) = site.told()
    assert told["series"]["count"] == 4
    assert (told["reason"], told["type"], told["note"]) == ("GrantPending", "Normal", "It waits.")
    assert told["regarding"]["uid"] == "u1"
    site.clock.advance(SERIES_SECONDS + 1)
    site.say()
    assert len(site.told()) == 2


def test_one_object_cannot_flood() -> None:
    site = Site()
    for number in range(60):
        site.say(f"note {number}")
    assert len(site.told()) == 25
    site.say("another", uid="u2")
    assert len(site.told()) == 26
    site.clock.advance(300.0)
    site.say("later")
    assert len(site.told()) == 27


def test_all_together_are_bounded_and_what_waits_too() -> None:
    site = Site()
    for number in range(WAITING + 100):
        site.recorder.say(Said({"metadata": {"name": "a", "uid": f"u{number}"}} | _HEAD, "GrantPending", "x"))
    site.recorder.flush()
    assert len(site.cluster.list(EVENT).items) == 100
    site.clock.advance(1.0)
    site.recorder.flush()
    assert len(site.cluster.list(EVENT).items) == 110


_HEAD = {"apiVersion": "v1", "kind": "Namespace"}


def test_telling_never_fails() -> None:
    site = Site()
    site.client.writes = ["500"]
    site.say()
    assert site.told() == []
    site.say()
    assert len(site.told()) == 1


def test_long_notes_are_cut() -> None:
    site = Site()
    site.say("x" * 5000)
    assert len(site.told()[0]["note"]) == 1000
