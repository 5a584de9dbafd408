"""Conditions in words behind the decision: kept with it, their days told and missed, a project stopped where that was
said; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.applications import SEATS, TERMS, act, text
from tests.support.databases import Backend, Sqlite
from tests.support.factories import ALICE, EVE
from tests.support.power_cuts import Cutter
from tests.unit.controller.test_decisions import CHOICES, Committee
from tre.domain.committee import tracking
from tre.domain.committee.tracking import ConditionState, ConditionTerms, TrackedCondition
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.grants.states import GrantPhase
from tre.domain.letters.topics import Relation
from tre.domain.people import Person, Role
from tre.store import applications, circles, committee, conditions, grants
from tre.store.events import EventSearch, search

S = ConditionState
TOLD, SHOWN = "Tell the ethics committee.", "Show the code."
ALICE_HERSELF = Person(subject=ALICE, display_name="Alice", roles=frozenset({Role.researcher}))
CHAIR = next(one.subject.id for one in SEATS if one.chair)


class Conditions(Committee):
    """A controller with a project that was approved under conditions in words."""

    def approve(self, *texts: str, name: str = "") -> str:
        """The grant of an application that was approved with these conditions."""
        name = name or self.reviewed()
        for one, choice in zip(SEATS, CHOICES, strict=True):
            doing = act(one.subject.id, self.clock.now())
            said = text("approve-with-conditions", conditions=[], condition_texts=texts) if texts else text(choice)
            with self.database.change(self.event("committee.voted", f"application/{name}")) as change:
                found = applications.require(change.connection, name)
                committee.cast(change, name, said, found.matter or "", TERMS, doing)
        self.settle()
        made = self.application(name).grant
        assert made is not None
        return made

    def conditions(self, grant: str) -> list[TrackedCondition]:
        with self.database.read() as connection:
            return conditions.of_grant(connection, grant)

    def arrange(self, one: TrackedCondition, days: int, *, suspends: bool = False) -> datetime:
        due = self.clock.now() + timedelta(days=days)
        self.change(one, "arranged", ConditionTerms(due=due, suspends=suspends))
        self.settle()
        return due

    def change(self, one: TrackedCondition, verb: str, terms: ConditionTerms | None = None) -> None:
        """The chair arranges, or the project reports."""
        now = self.clock.now()
        with self.database.change(conditions.event_of(verb, one, ALICE, now)) as change:
            before = conditions.require(change.connection, one.id)
            around = conditions.around(change.connection, before)
            if terms is not None:
                after = tracking.arrange(before, around, terms, act(CHAIR, now))
            else:
                after = tracking.report(before, ALICE_HERSELF, around, ("Done.", ()), now)
            conditions.save(change, before, after)

    def told(self, kind: str) -> list[Event]:
        with self.database.read() as connection:
            return [stored.event for stored in search(connection, EventSearch(kind=kind))]


@pytest.fixture
def here(backend: Backend, tmp_path: Path) -> Iterator[Conditions]:
    found = Conditions(backend, tmp_path / "root")
    found.offer()
    yield found
    found.reconciler._feed.close()


def test_the_conditions_of_an_approval_are_kept_with_it(here: Conditions) -> None:
    grant = here.approve(TOLD, SHOWN)
    found = here.conditions(grant)
    assert sorted(one.text for one in found) == sorted([TOLD, SHOWN])
    assert {one.state for one in found} == {S.Open}
    with here.database.read() as connection:
        decision = committee.require_decision(connection, grant)
        assert conditions.in_states(connection, [S.Open]) == found
        assert conditions.in_states(connection, [S.Met]) == []
    assert {one.decision for one in found} == {decision.record.digest()}
    (first, *_) = here.told("condition.set")
    assert (first.detail["grant"], TOLD in str(first.detail)) == (grant, False)


def test_an_approval_without_words_has_none(here: Conditions) -> None:
    assert here.conditions(here.approve()) == []


def test_a_change_of_the_project_adds_what_is_new(here: Conditions) -> None:
    grant = here.approve(TOLD)
    name = here.hand_in(varies=grant, title="Another title")
    here.settle()
    here.approve(TOLD, SHOWN, name=name)
    assert sorted(one.text for one in here.conditions(grant)) == sorted([TOLD, SHOWN])


def test_a_day_is_told_ahead_once_and_missed_once(here: Conditions) -> None:
    grant = here.approve(TOLD)
    (one,) = here.conditions(grant)
    here.arrange(one, 30)
    assert here.told("condition.due-announced") == []
    here.advance(16 * 86400)
    here.restart()
    here.settle()
    here.advance(120)
    here.settle()
    assert len(here.told("condition.due-announced")) == 1
    here.advance(14 * 86400)
    here.restart()
    here.settle()
    here.advance(120)
    here.settle()
    assert len(here.told("condition.missed")) == 1
    assert [found.state for found in here.conditions(grant)] == [S.Missed]
    assert here.grant(grant).phase is GrantPhase.Active, "nobody said that it stops the project"


@pytest.mark.parametrize("reported", [False, True])
def test_a_missed_day_suspends_where_that_was_said(here: Conditions, reported: bool) -> None:
    grant = here.approve(TOLD)
    (one,) = here.conditions(grant)
    here.arrange(one, 3, suspends=True)
    if reported:
        here.change(here.conditions(grant)[0], "reported")
    here.advance(3 * 86400 - 10)
    here.settle()
    assert here.grant(grant).phase is GrantPhase.Active
    here.advance(70)
    here.settle()
    assert here.grant(grant).phase is (GrantPhase.Active if reported else GrantPhase.Suspended)
    if not reported:
        (missed,) = here.told("condition.missed")
        assert missed.detail["reason"] == Reason.ConditionMissed
        here.advance(120)
        here.settle()
        assert len(here.told("suspension.added")) == 1
        here.change(here.conditions(grant)[0], "reported")
        here.settle()
        assert here.grant(grant).phase is GrantPhase.Suspended, "nothing lifts that by itself"


def test_what_has_ended_is_not_suspended(here: Conditions) -> None:
    grant = here.approve(TOLD)
    (one,) = here.conditions(grant)
    here.arrange(one, 3, suspends=True)
    with here.database.change(here.event("grant.revoke-asked", f"grant/{grant}")) as change:
        grants.set_phase(change, grant, GrantPhase.Revoked, here.clock.now())
    here.advance(4 * 86400)
    here.settle()
    assert here.told("suspension.added") == []
    assert len(here.told("condition.missed")) == 1


def test_of_two_windows_one_is_refused(here: Conditions) -> None:
    (one,) = here.conditions(here.approve(TOLD))
    here.change(one, "reported")
    with (
        pytest.raises(TREError) as caught,
        here.database.change(here.event("condition.reported", "condition/x")) as change,
    ):
        conditions.save(change, one, one.changed(text="Other"))
    assert caught.value.reason is Reason.Conflict
    assert here.conditions(one.grant)[0].text == TOLD


def test_whom_a_letter_about_a_condition_reaches(here: Conditions) -> None:
    (one,) = here.conditions(here.approve(TOLD))
    with here.database.read() as connection:
        found = circles.around(connection, conditions.event_of("missed", one, EVE, here.clock.now()), here.clock.now())
        gone = one.changed(id="k-" + "2" * 12)
        none = circles.around(connection, conditions.event_of("missed", gone, EVE, here.clock.now()), here.clock.now())
    assert {who.id for who in found.people[Relation.members]} == {"alice", "bob"}
    assert {who.id for who in found.people[Relation.committee]} == {seat.subject.id for seat in SEATS}
    assert found.words == {"name": one.id, "grant": one.grant}
    assert Relation.members not in none.people


def test_a_power_cut_leaves_both_the_missing_and_the_suspension_or_neither(tmp_path: Path) -> None:
    here = Conditions(Sqlite(), tmp_path / "root")
    here.offer()
    grant = here.approve(TOLD)
    here.arrange(here.conditions(grant)[0], 3, suspends=True)
    here.clock.advance(3 * 86400)
    cutter = Cutter(here.layout.root, tmp_path / "kept", here.runtime)
    with cutter.watching():
        cutter.cut("before")
        here.settle(3)
    seen: set[Any] = set()
    for snapshot in cutter.found:
        here.database.close()
        here.context.database.close()
        snapshot.restore(here.layout.root, here.runtime)
        here.restart()
        missed, stopped = here.told("condition.missed"), here.told("suspension.added")
        assert len(missed) == len(stopped), snapshot.step
        seen.add(len(missed))
        here.settle(3)
        assert (len(here.told("condition.missed")), len(here.told("suspension.added"))) == (1, 1)
    assert seen == {0, 1}
    here.reconciler._feed.close()
