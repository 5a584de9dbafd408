"""No order of events, and no failure of the API server, gives more access than what was signed and is there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.cluster_source import NAME, NAMESPACE, STALENESS, SourceWorld
from tests.support.factories import ALICE, BOB, EVE, access_grant
from tests.support.faulty_cluster import CALL_FAULTS, LIST_FAULTS, WATCH_FAULTS
from tre.cluster.protocol import Key
from tre.cluster.resources import ACCESS_GRANT
from tre.cluster.watch import RELIST_SECONDS
from tre.domain.people import Subject
from tre.store.database import Database
from tre.store.migrate import migrate

PEOPLE = (ALICE, BOB, EVE)
HORIZON = STALENESS + timedelta(seconds=RELIST_SECONDS + 120)
"""How long something that is no longer so may still count: the time vouched for, from the last complete list on."""

OPERATIONS = (
    "sign-both",
    "sign-one",
    "replay",
    "edit-unsigned",
    "edit-by-stranger",
    "delete",
    "remove-by-force",
    "restart",
    "minute",
    "hour",
    "look",
    "look",
    "look",
)


class Step(NamedTuple):
    """One thing that somebody does, and what then fails."""

    operation: str
    lists: list[str]
    watches: list[str]
    writes: list[str]


steps = st.builds(
    Step,
    st.sampled_from(OPERATIONS),
    st.lists(st.sampled_from(LIST_FAULTS), max_size=2),
    st.lists(st.sampled_from(WATCH_FAULTS), max_size=2),
    st.lists(st.sampled_from(CALL_FAULTS), max_size=2),
)


class Truth:
    """What the cluster held, moment by moment: who is named by signed content of the resource that is there."""

    def __init__(self) -> None:
        self.allowed: dict[tuple[str, str], datetime] = {}

    def note(self, world: SourceWorld, signed: dict[str, frozenset[tuple[str, str]]]) -> None:
        """Keep who is allowed now."""
        item = world.item()
        if item is None or "deletionTimestamp" in item["metadata"]:
            return
        for person in signed.get(item["metadata"]["uid"], frozenset()):
            self.allowed[person] = world.clock.now()

    def permits(self, subject: Subject, now: datetime) -> bool:
        """Whether somebody was allowed lately."""
        last = self.allowed.get(subject.key)
        return last is not None and now - last <= HORIZON


class Play:
    """One story: what people do with kubectl, with a committee that signs."""

    def __init__(self, world: SourceWorld) -> None:
        self.world, self.truth = world, Truth()
        self.signed: dict[str, frozenset[tuple[str, str]]] = {}
        self.history: list[tuple[dict[str, Any], frozenset[tuple[str, str]]]] = []
        self.approved = 0

    def perform(self, step: Step) -> None:
        """Do it, let things fail, and look once."""
        self.operate(step.operation)
        client = self.world.client
        client.lists, client.watches, client.writes = list(step.lists), list(step.watches), list(step.writes)
        self.truth.note(self.world, self.signed)
        self.world.look()

    def operate(self, operation: str) -> None:
        match operation:
            case "sign-both":
                self.sign([ALICE, BOB])
            case "sign-one":
                self.sign([ALICE])
            case "replay" if self.history:
                content, people = self.history[0]
                self.put(content, people)
            case "edit-unsigned" | "edit-by-stranger":
                grant = access_grant(members=[{"subject": EVE.as_plain(), "role": "lead"}])
                content = self.world.resource(grant)
                if operation == "edit-by-stranger":
                    content = self.world.signed(self.world.stranger, members=[{"subject": EVE.as_plain()}])
                self.put(content, None)
            case "delete":
                self.world.delete()
            case "remove-by-force" if self.world.item() is not None:
                self.world.cluster.remove_by_force(ACCESS_GRANT, Key(NAMESPACE, NAME))
            case "restart":
                self.world.restart()
            case "minute" | "hour":
                self.wait(60 if operation == "minute" else 3600)

    def wait(self, seconds: int) -> None:
        """Time passes; what is there goes on being there."""
        self.world.clock.advance(seconds)

    def sign(self, people: list[Subject]) -> None:
        self.approved += 1
        approved = datetime.fromisoformat("2026-11-02T00:00:00Z") + timedelta(minutes=self.approved)
        approval = access_grant().as_plain()["spec"]["approval"] | {"approvedAt": approved.isoformat()}
        members = [{"subject": person.as_plain()} for person in people]
        content = self.world.signed(members=members, approval=approval)
        keys = frozenset(person.key for person in people)
        self.history.append((content, keys))
        self.put(content, keys)

    def put(self, content: dict[str, Any], people: frozenset[tuple[str, str]] | None) -> None:
        item = self.world.item()
        if item is not None and "deletionTimestamp" in item["metadata"]:
            return
        uid = self.world.write(content)["metadata"]["uid"]
        if people is not None:
            self.signed[uid] = people

    def wrongly_in(self) -> list[Subject]:
        """Who is let in and was not allowed lately; nobody ever signed for Eve."""
        now, inside = self.world.clock.now(), [person for person in (*PEOPLE, EVE) if self.world.allows(person)]
        if inside:
            event("somebody is let in")
        return [person for person in inside if person == EVE or not self.truth.permits(person, now)]

    def calm(self) -> None:
        """Nothing fails any more: the record follows what is there."""
        client = self.world.client
        client.lists, client.watches, client.writes = [], [], []
        for _ in range(4):
            self.wait(int(RELIST_SECONDS) + 1)
            self.truth.note(self.world, self.signed)
            self.world.settle(4)
        item = self.world.item()
        if item is None or "deletionTimestamp" in item["metadata"]:
            assert not any(self.world.allows(person) for person in PEOPLE)
            return
        first = self.world.first_uid()
        if first is not None and first != item["metadata"]["uid"]:
            event("settled: made anew")
            assert not any(self.world.allows(person) for person in PEOPLE)
            return
        named = self.signed.get(item["metadata"]["uid"], frozenset())
        accepted = self.world.condition("Accepted")["status"] == "True"
        for person in PEOPLE:
            if accepted:
                assert self.world.allows(person) == (person.key in named)
                event("settled: let in" if self.world.allows(person) else "settled: not let in")
            elif person.key not in named:
                assert not self.world.allows(person) or self.replayed(item)

    def replayed(self, item: dict[str, Any]) -> bool:
        """Whether what stands there is old content that a later approval replaced: then that one goes on."""
        oldest = self.history[0][0] if self.history else None
        return oldest is not None and item["spec"] == oldest["spec"]


@pytest.fixture(scope="module")
def empty_record() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite"
        database = Database.sqlite(path)
        migrate(database)
        database.close()
        yield path


QUICK = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(st.lists(steps, min_size=1, max_size=14))
def test_no_order_of_events_gives_more_access(empty_record: Path, story: list[Step]) -> None:
    tell(empty_record, story)


@pytest.mark.soak
@pytest.mark.timeout(900)
@settings(QUICK, max_examples=400)
@given(st.lists(steps, min_size=1, max_size=30))
def test_no_long_order_of_events_does(empty_record: Path, story: list[Step]) -> None:
    tell(empty_record, story)


def tell(empty_record: Path, story: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.sqlite"
        shutil.copy(empty_record, path)
        world = SourceWorld(path)
        try:
            play = Play(world)
            for step in story:
                play.perform(step)
                assert play.wrongly_in() == []
                applied = world.applied()
                assert applied == sorted(applied), "an older state came into force after a newer one"
            play.calm()
        finally:
            world.close()
