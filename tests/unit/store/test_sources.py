"""Sources elsewhere in the record, on both databases: what is kept, what is forgotten, who may write what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import ProgrammingError

from tests.support.databases import Postgres
from tests.support.factories import NOON
from tests.support.sources import entitlement
from tests.unit.store.conftest import an_event
from tre.domain.errors import Reason
from tre.domain.sources.truth import NOTHING, Answer, Truth, Withheld
from tre.store import sources as store
from tre.store.database import Database
from tre.store.sources import Channel, MessageState, Outcome, StoredGrant, StoredSource
from tre.store.tables.sources import source_grants, source_messages, sources

REMS, OTHER = "rems:one", "rems:two"


def tell(database: Database, source: str = REMS, body: bytes = b"{}") -> None:
    with database.change(an_event()) as change:
        store.tell(change, source, Channel.event, body, NOON)


def settle(database: Database, number: int, outcome: Outcome) -> None:
    with database.change(an_event()) as change:
        store.settle(change, number, outcome, NOON)


def test_messages_have_numbers_in_their_order_whatever_their_source(database: Database) -> None:
    with database.read() as connection:
        assert store.newest_number(connection) == 0
    for source in (REMS, OTHER, REMS):
        tell(database, source)
    with database.read() as connection:
        assert [one.number for one in store.waiting(connection, REMS)] == [1, 3]
        assert [one.number for one in store.latest(connection, REMS, 1)] == [3]
        assert (store.newest_number(connection), store.backlog(connection, REMS)) == (3, 2)


def test_what_was_taken_in_is_forgotten_but_for_its_digest(database: Database) -> None:
    tell(database, body='{"user": "é\0"}'.encode())
    with database.read() as connection:
        [before] = store.waiting(connection, REMS)
    settle(database, 1, Outcome(state=MessageState.taken, identity="event 1", kind="revoked"))
    with database.read() as connection:
        [after] = store.latest(connection, REMS)
        assert store.waiting(connection, REMS) == []
        assert store.was_taken(connection, REMS, "event 1")
        assert not store.was_taken(connection, OTHER, "event 1")
    assert (before.body, after.body) == ('{"user": "é\ufffd"}', None)
    assert (after.digest, after.taken_at, after.kind) == (before.digest, NOON, "revoked")


def test_only_what_was_taken_counts_as_taken(database: Database) -> None:
    tell(database)
    settle(database, 1, Outcome(state=MessageState.repeated, identity="event 1", reason=Reason.Entitled))
    with database.read() as connection:
        assert not store.was_taken(connection, REMS, "event 1")


def test_a_source_that_was_never_heard_has_said_nothing(database: Database) -> None:
    with database.read() as connection:
        assert store.get(connection, REMS) == StoredSource(id=REMS, truth=NOTHING)


def test_the_truth_comes_back_as_it_went_in(database: Database) -> None:
    answer = Answer(asked_at=NOON, after=3, entitlements=(entitlement(), entitlement("bob", end=None)))
    truth = Truth(answer=answer, withheld=(Withheld(number=4, application=7, user="bob"),))
    found = StoredSource(id=REMS, truth=truth, tried_at=NOON, heard_at=NOON, reason=Reason.Entitled)
    for one in (StoredSource(id=REMS), found):
        with database.change(an_event()) as change:
            store.keep(change, one)
        with database.read() as connection:
            assert store.get(connection, REMS) == one
            assert store.get(connection, OTHER).truth == NOTHING


def test_outcomes_are_kept_by_what_the_source_calls_them(database: Database) -> None:
    first = StoredGrant(source=REMS, key="7 a", grant="from-one-7")
    later = first.model_copy(update={"number": 2, "missing_since": NOON, "told_over": True, "message": "gone"})
    for one in (first, later):
        with database.change(an_event()) as change:
            store.keep_grants(change, [one, StoredGrant(source=OTHER, key="7 a", grant="from-two-7")])
    with database.read() as connection:
        assert store.grants_of(connection, REMS) == {"7 a": later}


def test_on_a_server_each_program_writes_its_own(postgres: Postgres, tmp_path: object) -> None:
    owner = postgres.make(tmp_path)  # type: ignore[arg-type]
    portal, controller, public = (postgres.as_role(owner, role) for role in ("portal", "controller", "public"))
    tell(portal)
    with controller.read() as connection:
        assert store.backlog(connection, REMS) == 1
    forged = [
        update(source_messages).values(state="taken"),
        delete(source_messages),
        insert(sources).values(id=REMS, truth={}, reason="Entitled", message=""),
        insert(source_grants).values(
            source=REMS, key="k", number=1, grant="g", told_over=False, reason="Entitled", message=""
        ),
        insert(source_messages).values(
            number=99, source=REMS, channel="event", received_at=NOON, digest="d", state="waiting", reason="Requested"
        ),
    ]
    for statement in forged:
        with pytest.raises(ProgrammingError, match="permission denied"), portal.change(an_event()) as change:
            change.connection.execute(statement)
    with pytest.raises(ProgrammingError, match="permission denied"), public.read() as connection:
        store.backlog(connection, REMS)
    with controller.change(an_event()) as change:
        store.settle(change, 1, Outcome(state=MessageState.taken), NOON + timedelta(seconds=1))
        store.keep(change, StoredSource(id=REMS))
    with pytest.raises(ProgrammingError, match="permission denied"), controller.change(an_event()) as change:
        change.connection.execute(delete(source_messages))
