"""Reading events: equal to what was written, whatever it was."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.support.databases import Backend
from tests.unit.store.conftest import NOW, an_event
from tre.domain.events import Event
from tre.domain.people import Subject
from tre.store.database import Database
from tre.store.events import (
    EVENT_COLUMNS,
    EventSearch,
    after,
    append_many,
    by_id,
    event_of,
    known,
    leaf_of,
    of_object,
    search,
)
from tre.store.tables.audit import audit_events

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=40)
LINES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
EVENTS = st.builds(
    Event,
    id=st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}"),
    at=st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.timezones()),  # noqa: DTZ001
    actor=st.builds(Subject, issuer=LINES, id=LINES),
    kind=st.from_regex(r"[a-z]{1,10}(-[a-z]{1,10})?\.[a-z]{1,10}", fullmatch=True),
    object=LINES,
    detail=st.dictionaries(TEXTS, JSON, max_size=4),
)


@pytest.fixture(scope="module")
def shared(module_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Database:
    return module_backend.make(tmp_path_factory.mktemp("events") / "tre.sqlite")


@settings(max_examples=60, deadline=None)
@given(event=EVENTS)
def test_every_event_comes_back_with_the_same_leaf(shared: Database, event: Event) -> None:
    event = event.model_copy(update={"id": secrets.token_hex(16)})
    with shared.change(event):
        pass
    with shared.read() as connection:
        row = connection.execute(select(*EVENT_COLUMNS).where(audit_events.c.id == event.id)).one()
    assert event_of(row) == event
    assert leaf_of(row) == event.leaf()


@pytest.mark.parametrize("microsecond", [0, 1, 10, 500_000, 999_999, 100])
def test_a_time_is_spelled_in_the_leaf_as_events_spell_it(database: Database, microsecond: int) -> None:
    event = an_event(at=NOW.replace(microsecond=microsecond))
    append_many(database, [event])
    with database.read() as connection:
        row = connection.execute(select(*EVENT_COLUMNS)).one()
    assert leaf_of(row) == event.leaf()


class DriverRow:
    """A row as a driver gives it that knows times and JSON itself."""

    def __init__(self, event: Event) -> None:
        self.number, self.id, self.at, self.kind, self.object = 1, event.id, event.at, event.kind, event.object
        self.actor_issuer, self.actor_id, self.detail = event.actor.issuer, event.actor.id, event.detail


def test_rows_of_a_driver_that_knows_times_and_json_give_the_same_event() -> None:
    event = an_event(detail={"a": [1]}, at=NOW.replace(microsecond=7))
    row: Any = DriverRow(event)
    assert event_of(row) == event
    assert leaf_of(row) == event.leaf()


def test_a_row_without_a_time_is_no_event() -> None:
    row: Any = DriverRow(an_event())
    row.at = None
    with pytest.raises(ValueError, match="no time"):
        event_of(row)


def ids(found: Any) -> list[str]:
    return [item.event.id for item in found]


def test_searching_by_every_condition(database: Database) -> None:
    alice = Subject(issuer="local", id="alice")
    events = [
        an_event(object="grant/a", kind="grant.applied", actor=alice),
        an_event(object="grant/a", kind="grant.revoked", at=NOW + timedelta(hours=1)),
        an_event(object="grant/b", kind="grant.applied", at=NOW + timedelta(hours=2)),
    ]
    append_many(database, events)
    first, second, third = (item.id for item in events)
    with database.read() as connection:
        assert ids(search(connection, EventSearch())) == [third, second, first]
        assert ids(search(connection, EventSearch(limit=1))) == [third]
        assert ids(search(connection, EventSearch(object="grant/a"))) == [second, first]
        assert ids(search(connection, EventSearch(kind="grant.applied"))) == [third, first]
        assert ids(search(connection, EventSearch(actor=alice))) == [first]
        assert ids(search(connection, EventSearch(actor=Subject(issuer="other", id="alice")))) == []
        assert ids(search(connection, EventSearch(since=NOW + timedelta(hours=1)))) == [third, second]
        assert ids(search(connection, EventSearch(until=NOW + timedelta(hours=1)))) == [first]
        assert ids(search(connection, EventSearch(before=2))) == [first]
        assert ids(search(connection, EventSearch(object="grant/a", kind="grant.applied", actor=alice))) == [first]
        assert ids(after(connection, 1)) == [second, third]
        assert ids(after(connection, 0, limit=2)) == [first, second]
        assert ids(of_object(connection, "grant/a")) == [first, second]
        assert of_object(connection, "grant/none") == []
        assert by_id(connection, "none") is None
        assert known(connection, [first, "none"]) == {first: events[0]}
        assert known(connection, []) == {}


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_bounds(limit: int) -> None:
    with pytest.raises(ValueError, match="limit"):
        EventSearch(limit=limit)


def test_appending_many_commits_in_parts(database: Database) -> None:
    assert append_many(database, (an_event() for _ in range(25)), batch=10) == 25
    assert append_many(database, []) == 0
    with database.read() as connection:
        assert [item.number for item in after(connection, 0)] == list(range(1, 26))
        assert {item.position for item in after(connection, 0)} == {None}


def test_a_part_that_fails_is_not_there_at_all(database: Database) -> None:
    twice = an_event()
    with pytest.raises(Exception, match=r"append-only|duplicate key"):
        append_many(database, [an_event(), an_event(), an_event(), twice, twice], batch=2)
    with database.read() as connection:
        assert len(after(connection, 0)) == 4
