"""What is held and required, and what a grant that is read for a decision carries of its members."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.factories import ALICE, BOB, NOON, spec_plain
from tests.unit.store.conftest import an_event
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrantSpec, GrantRecord
from tre.domain.identity import MemberFacts
from tre.domain.people import Person, Role, Subject
from tre.domain.standing.models import Holder, Requirement, Span, Standing, StandingKind, StandingRules
from tre.store import grants, overview, people, standings
from tre.store.database import Database

DAY = timedelta(days=1)
TRAINING = Requirement(kind=StandingKind.training, name="safe-researcher")
AGREEMENT = Requirement(kind=StandingKind.agreement, name="data-use")
ORGANISATION = spec_plain()["project"]["organisation"]["id"]


def standing(**changes: Any) -> Standing:
    values = {"holder": Holder(person=ALICE), "kind": "training", "name": "safe-researcher"}
    return Standing.model_validate(values | {"since": NOON, "until": NOON + 30 * DAY} | changes)


def require(database: Database, *, of_people: bool = True, of_organisations: bool = True) -> None:
    rules = StandingRules(
        people=(TRAINING,) if of_people else (), organisations=(AGREEMENT,) if of_organisations else ()
    )
    with database.change(an_event()) as change:
        standings.keep_rules(change, rules, NOON)


def grant(database: Database, **changes: Any) -> GrantRecord:
    """A grant as one reads it by itself, which is how one reads it among many."""
    with database.change(an_event()) as change:
        grants.apply(change, "g", AccessGrantSpec.model_validate(spec_plain(**changes)), "file", NOON)
    with database.read() as connection:
        found = grants.require(connection, "g")
        assert overview.part(connection).found[0].grant == found
        assert overview.records(connection, ["g"]) == {"g": found}
    return found


def add(database: Database, new: Standing) -> str:
    with database.change(an_event()) as change:
        return standings.add(change, new)


class TestStandings:
    def test_kept_and_found_by_who_holds_them(self, database: Database) -> None:
        other = standing(holder=Holder(organisation="org-1"), kind="agreement", name="data-use", until=NOON + DAY)
        first, second = add(database, standing(reference="ONS 1234")), add(database, other)
        with database.read() as connection:
            assert [one.id for one in standings.everything(connection)] == [second, first]
            found = standings.require(connection, first)
            assert (found.reference, found.holder, found.warned_days) == ("ONS 1234", Holder(person=ALICE), None)
            assert [one.id for one in standings.of(connection, [Holder(person=ALICE)])] == [first]
            assert [one.id for one in standings.of(connection, [Holder(organisation="org-1")])] == [second]
            assert standings.of(connection, [Holder(person=BOB), Holder(organisation="org-2")]) == []
            assert standings.of(connection, []) == []
            many = [Holder(organisation=f"org-{number}") for number in range(60)]
            assert [one.id for one in standings.of(connection, many)] == [second]
            assert [one.id for one in standings.not_over(connection, NOON + DAY)] == [first]
            with pytest.raises(TREError) as unknown:
                standings.require(connection, "nothing")
        assert unknown.value.reason is Reason.ObjectNotFound

    @pytest.mark.parametrize("begins", [NOON - DAY, NOON, NOON + DAY])
    def test_ended_early_it_holds_no_more(self, database: Database, begins: Any) -> None:
        identifier = add(database, standing(since=begins))
        with database.change(an_event()) as change:
            standings.end(change, identifier, NOON)
        with database.read() as connection:
            found = standings.require(connection, identifier)
        assert found.until == NOON
        assert found.since == min(begins, NOON - timedelta(microseconds=1))
        with pytest.raises(TREError) as refused, database.change(an_event()) as change:
            standings.end(change, identifier, NOON)
        assert refused.value.reason is Reason.StateForbids

    def test_the_last_announcement_is_kept(self, database: Database) -> None:
        identifier = add(database, standing())
        with database.change(an_event()) as change:
            standings.set_warned(change, identifier, 14)
        with database.read() as connection:
            assert standings.require(connection, identifier).warned_days == 14

    def test_what_is_required_is_one_row(self, database: Database) -> None:
        with database.read() as connection:
            assert standings.rules(connection) == StandingRules()
        require(database)
        require(database, of_organisations=False)
        with database.read() as connection:
            assert standings.rules(connection) == StandingRules(people=(TRAINING,))


class TestWhatAGrantCarries:
    def test_nothing_where_nothing_is_known_or_required(self, database: Database) -> None:
        found = grant(database)
        assert (found.people, found.organisation_required) == ((), ())

    def test_what_is_required_and_held(self, database: Database) -> None:
        require(database)
        add(database, standing())
        add(database, standing(kind="agreement", name="data-use"))  # the person's own is not the organisation's
        add(database, standing(holder=Holder(organisation=ORGANISATION), name="safe-researcher"))
        found = grant(database)
        alice, bob = found.facts(ALICE), found.facts(BOB)
        assert [one.requirement for one in alice.required] == [TRAINING]
        assert alice.required[0].spans == (Span(since=NOON, until=NOON + 30 * DAY),)
        assert [one.spans for one in bob.required] == [()]
        assert [(one.requirement, one.spans) for one in found.organisation_required] == [(AGREEMENT, ())]
        add(database, standing(holder=Holder(organisation=ORGANISATION), kind="agreement", name="data-use"))
        with database.read() as connection:
            again = grants.require(connection, "g")
        assert again.organisation_required[0].spans == (Span(since=NOON, until=NOON + 30 * DAY),)

    def test_only_of_whom_it_is_required(self, database: Database) -> None:
        require(database, of_people=False)
        assert grant(database).people == ()
        require(database, of_organisations=False)
        with database.read() as connection:
            found = grants.require(connection, "g")
        assert found.organisation_required == ()
        assert {one.subject.id for one in found.people} == {"alice", "bob"}

    @pytest.mark.parametrize("crowd", [0, 60])
    def test_who_is_kept_out_or_must_be_confirmed(self, database: Database, crowd: int) -> None:
        elsewhere = Subject(issuer="https://idp", id="alice")
        with database.change(an_event()) as change:
            for subject in (ALICE, BOB, elsewhere):
                person = Person(subject=subject, display_name="A", roles=frozenset({Role.researcher}))
                people.keep_person(change, person, NOON)
            people.bar(change, elsewhere, Reason.NotVouchedFor)
            people.confirm(change, BOB, fresh_until=NOON + DAY, confirmed_until=NOON + 2 * DAY)
        members = [*spec_plain()["members"]]
        members += [{"subject": {"issuer": "local", "id": f"p{number}"}} for number in range(crowd)]
        found = grant(database, members=members)
        assert found.people == (MemberFacts(subject=BOB, fresh_until=NOON + DAY, confirmed_until=NOON + 2 * DAY),)
        with database.change(an_event()) as change:
            people.bar(change, ALICE, Reason.AccountDisabled)
            people.bar(change, BOB, Reason.NotVouchedFor)
        with database.read() as connection:
            again = grants.require(connection, "g")
        assert again.facts(ALICE).barred is Reason.AccountDisabled
        assert again.facts(BOB).barred is Reason.NotVouchedFor
        assert again.facts(BOB).confirmed_until == NOON + 2 * DAY
