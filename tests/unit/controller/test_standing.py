"""Whoever is vouched for no more, or lacks what must be held, is out at that moment; ends are announced before."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.factories import ALICE, BOB, NOON
from tests.unit.controller.conftest import World
from tre.controller.standing import StandingKeeper, load_rules
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.people import Person
from tre.domain.standing.models import Holder, Standing, StandingRules
from tre.store import events, people, standings

DAY = timedelta(days=1)
TRAINING = {"kind": "training", "name": "safe-researcher"}


def write_policy(world: World, **spec: Any) -> None:
    path = world.layout.root / "policies" / "standing.yaml"
    path.parent.mkdir(exist_ok=True)
    plain = {"apiVersion": "tre.research/v1alpha1", "kind": "StandingPolicy", "metadata": {"name": "standing"}}
    path.write_text(yaml.safe_dump({**plain, "spec": spec}))


def keeper(world: World) -> StandingKeeper:
    made = StandingKeeper(world.context)
    world.reconciler.handlers["standing"] = made.reconcile
    return made


def add(world: World, holder: Holder, **changes: Any) -> str:
    values = {"holder": holder, "since": NOON - DAY, "until": NOON + 2 * DAY, **TRAINING}
    new = Standing.model_validate(values | changes)
    with world.database.change(world.event("standing.added", holder.object)) as change:
        return standings.add(change, new)


def vouch(world: World, **until: Any) -> None:
    with world.database.change(world.event("identity.confirmed", f"person/{ALICE}")) as change:
        people.keep_person(change, Person(subject=ALICE, display_name="Alice"), world.clock.now())
        people.confirm(change, ALICE, **until)


def found(world: World, kind: str) -> list[Event]:
    with world.database.read() as connection:
        return [stored.event for stored in events.search(connection, events.EventSearch(kind=kind))]


def test_who_is_barred_is_ended_at_once_and_starts_no_more(world: World) -> None:
    world.apply()
    name = world.run()
    vouch(world, fresh_until=NOON + DAY, confirmed_until=NOON + DAY)
    world.settle()
    assert world.workspace(name).phase == "Running"
    with world.database.change(world.event("person.not-vouched", f"person/{ALICE}")) as change:
        people.bar(change, ALICE, Reason.NotVouchedFor)
    world.settle()
    assert world.workspace(name).phase in {"Stopping", "Stopped"}
    assert world.workspace(name).reason is Reason.NotVouchedFor
    told = [message for message in world.published if message["type"] == "grant"][-1]
    assert told["record"]["people"][0]["barred"] == "NotVouchedFor"


def test_staleness_ends_what_runs_by_the_clock_alone(world: World) -> None:
    world.apply()
    vouch(world, fresh_until=NOON + timedelta(minutes=30), confirmed_until=NOON + timedelta(minutes=60))
    name = world.run()
    world.clock.advance((NOON + timedelta(minutes=31) - world.clock.now()).total_seconds())
    world.settle()
    assert world.workspace(name).phase == "Running"  # nothing new would begin, what runs goes on
    world.clock.advance((NOON + timedelta(minutes=60) - timedelta(microseconds=1) - world.clock.now()).total_seconds())
    world.settle()
    assert world.workspace(name).phase == "Running"
    world.clock.advance((NOON + timedelta(minutes=60) - world.clock.now()).total_seconds())
    world.settle()
    assert world.workspace(name).reason is Reason.IdentityStale


def test_what_is_not_fresh_does_not_start(world: World) -> None:
    world.apply()
    vouch(world, fresh_until=NOON, confirmed_until=NOON + DAY)
    world.settle()
    name = world.want()
    world.settle()
    assert (world.workspace(name).phase, world.workspace(name).reason) == ("Refused", Reason.IdentityStale)


def test_training_that_ends_ends_the_workspace(world: World) -> None:
    world.apply()
    write_policy(world, people=[TRAINING])
    keeper(world)
    add(world, Holder(person=ALICE))
    name = world.run()
    assert [event.detail["rules"]["people"] for event in found(world, "policy.applied")] == [[TRAINING]]
    bob = world.want(subject=BOB)
    world.settle()
    assert world.workspace(bob).reason is Reason.StandingMissing  # he never had it
    world.clock.advance((NOON + 2 * DAY - world.clock.now()).total_seconds())
    world.settle()
    assert world.workspace(name).reason is Reason.StandingMissing


def test_an_agreement_that_is_ended_closes_the_projects_of_the_organisation(world: World) -> None:
    world.apply()
    write_policy(world, organisations=[{"kind": "agreement", "name": "data-use"}])
    keeper(world)
    organisation = world.grant().spec.project.organisation.id
    identifier = add(world, Holder(organisation=organisation), kind="agreement", name="data-use")
    name = world.run()
    with world.database.change(world.event("standing.ended", f"organisation/{organisation}")) as change:
        standings.end(change, identifier, world.clock.now())
    world.settle()
    assert world.workspace(name).reason is Reason.OrganisationStandingMissing


def test_ends_are_announced_once_each(world: World) -> None:
    made = keeper(world)
    add(world, Holder(person=ALICE), until=NOON + 40 * DAY)
    for days in range(41):
        world.clock.advance((NOON + days * DAY - world.clock.now()).total_seconds())
        made.reconcile("all")
        made.reconcile("all")
    told = [event.detail["days"] for event in reversed(found(world, "standing.end-announced"))]
    assert told == [30, 14, 7, 1]
    assert found(world, "standing.end-announced")[0].object == f"person/{ALICE}"


def test_what_is_renewed_is_not_announced_and_only_the_nearest_is(world: World) -> None:
    made = keeper(world)
    add(world, Holder(person=ALICE), until=NOON + 5 * DAY)
    add(world, Holder(person=ALICE), since=NOON, until=NOON + 500 * DAY)
    made.reconcile("all")
    assert found(world, "standing.end-announced") == []
    add(world, Holder(person=BOB), until=NOON + 5 * DAY)
    made.reconcile("all")
    assert [event.detail["days"] for event in found(world, "standing.end-announced")] == [7]


def test_a_damaged_policy_drops_no_requirement(world: World) -> None:
    write_policy(world, people=[TRAINING])
    made = keeper(world)
    made.reconcile("all")
    path = world.layout.root / "policies" / "standing.yaml"
    path.write_text(path.read_text().replace("people:", "peple:"))
    with pytest.raises(TREError, match="peple"):
        made.reconcile("all")
    with pytest.raises(TREError):
        StandingKeeper(world.context)
    with world.database.read() as connection:
        assert len(standings.rules(connection).people) == 1
    write_policy(world)
    made.reconcile("all")
    made.reconcile("all")
    with world.database.read() as connection:
        assert standings.rules(connection) == StandingRules()
    assert len(found(world, "policy.applied")) == 2


def test_the_launchers_own_policy_requires_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_rules(tmp_path) == StandingRules()
    monkeypatch.setattr("tre.controller.standing.policy_file", lambda *_: None)
    with pytest.raises(TREError) as missing:
        load_rules(tmp_path)
    assert missing.value.reason is Reason.PolicyMissing
