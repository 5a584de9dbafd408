"""Reading the events that were committed.

Guarantees: an event read back is equal to the one that was written, so its canonical bytes, and with them its leaf,
are the same. Order of reading is the order of commitment on SQLite; the place in the log is the leaf's position.

Does not guarantee: that an event is in the signed log already (`position` is None until the sequencer came by).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Row, Select, String, case, false, func, or_, select, type_coerce
from sqlalchemy.dialects import sqlite

from tre.domain.canonical import canonical_bytes
from tre.domain.events import Event
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.store.database import Database
from tre.store.tables.audit import audit_events, audit_leaves
from tre.store.tables.base import Moment

MAX_PAGE = 1000
"""Most events in one answer."""


class StoredEvent(Record):
    """An event with its number (order of reading) and, once it is in the log, its position there."""

    number: int
    position: int | None = None
    event: Event


class EventSearch(Record):
    """What to look for; every given condition must hold. `before` is a number to page on with.

    `who` is an actor's name, with or without the issuer before it (`local:alice`).
    """

    object: Line | None = None
    objects: tuple[Line, ...] | None = None
    kinds: tuple[Line, ...] = ()
    who: Line | None = None
    kind: Line | None = None
    actor: Subject | None = None
    since: UtcTime | None = None
    until: UtcTime | None = None
    before: int | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 100


EVENT_COLUMNS = (
    audit_events.c.number,
    audit_events.c.id,
    type_coerce(audit_events.c.at, String).label("at"),
    audit_events.c.kind,
    audit_events.c.actor_issuer,
    audit_events.c.actor_id,
    audit_events.c.object,
    type_coerce(audit_events.c.detail, String).label("detail"),
)
"""What `event_of` reads; time and detail as the driver gives them, so that one damaged row spoils one row only."""

_MOMENT = Moment()
_DIALECT = sqlite.dialect()


def latest_moment(connection: Connection, among: int = MAX_PAGE) -> datetime | None:
    """The latest time that the newest events carry; `None` without events."""
    newest = select(audit_events.c.at).order_by(audit_events.c.number.desc()).limit(among).subquery()
    return connection.execute(select(func.max(newest.c.at))).scalar()


def last_of_kind(connection: Connection, kind: str) -> datetime | None:
    """When something of this kind happened last; `None` where it never did."""
    newest = select(func.max(audit_events.c.number)).where(audit_events.c.kind == kind).scalar_subquery()
    return connection.execute(select(audit_events.c.at).where(audit_events.c.number == newest)).scalar()


def event_of(row: Row[*tuple[Any, ...]]) -> Event:
    """The event that a row of `EVENT_COLUMNS` holds.

    Raises `ValueError` where the row is no event, which only somebody who changed it can bring about.
    """
    at = _MOMENT.process_result_value(row.at, _DIALECT)
    if at is None:
        msg = "the event has no time"
        raise ValueError(msg)
    return Event(
        id=row.id,
        at=at,
        actor=Subject(issuer=row.actor_issuer, id=row.actor_id),
        kind=row.kind,
        object=row.object,
        detail=json.loads(row.detail) if isinstance(row.detail, str) else row.detail,
    )


def leaf_of(row: Row[*tuple[Any, ...]]) -> bytes:
    """The bytes that the log commits to for a row of `EVENT_COLUMNS`, whatever today's rules for events are.

    For an event that was written through `Change.record` these are `Event.leaf()`. It is not validated anew, so that
    old events remain verifiable when the rules grow stricter. Raises `TREError` or `ValueError` where the row has no
    canonical form.
    """
    return canonical_bytes(
        {
            "id": row.id,
            "at": _spelled(row.at),
            "actor": {"issuer": row.actor_issuer, "id": row.actor_id},
            "kind": row.kind,
            "object": row.object,
            "detail": json.loads(row.detail) if isinstance(row.detail, str) else row.detail,
        }
    )


def _spelled(at: datetime | str) -> str:
    """A time as `Event` spells it: in UTC, with microseconds only where there are any."""
    text = at if isinstance(at, str) else str(_MOMENT.process_bind_param(at, _DIALECT))
    return text.removesuffix(".000000Z") + "Z" if text.endswith(".000000Z") else text


def search(connection: Connection, wanted: EventSearch) -> list[StoredEvent]:
    """Events that fit, newest first."""
    query = _with_position().order_by(audit_events.c.number.desc()).limit(wanted.limit)
    for column, value in (
        (audit_events.c.object, wanted.object),
        (audit_events.c.kind, wanted.kind),
        (audit_events.c.actor_issuer, wanted.actor.issuer if wanted.actor else None),
        (audit_events.c.actor_id, wanted.actor.id if wanted.actor else None),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.objects is not None:
        query = query.where(audit_events.c.object.in_(wanted.objects))
    if wanted.kinds:
        query = query.where(audit_events.c.kind.in_(wanted.kinds))
    if wanted.who is not None:
        query = query.where(_concerns(connection, wanted.who))
    if wanted.since is not None:
        query = query.where(audit_events.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(audit_events.c.at < wanted.until)
    if wanted.before is not None:
        query = query.where(audit_events.c.number < wanted.before)
    return _stored(connection, query)


def after(connection: Connection, number: int, limit: int = MAX_PAGE) -> list[StoredEvent]:
    """Events with a higher number, oldest first: what `tail` follows."""
    query = _with_position().where(audit_events.c.number > number)
    return _stored(connection, query.order_by(audit_events.c.number).limit(limit))


def _concerns(connection: Connection, who: str) -> ColumnElement[bool]:
    """Whether an event is somebody's act, or a program says it of them (`person` in the detail)."""
    issuer, identity = audit_events.c.actor_issuer, audit_events.c.actor_id
    person = audit_events.c.detail["person"]
    told_issuer, told = person["issuer"].as_string(), person["id"].as_string()
    is_told = or_(told == who, told_issuer + ":" + told == who)
    if connection.dialect.name == "sqlite":  # a row that somebody damaged must not hide the others
        is_told = case((func.json_valid(type_coerce(audit_events.c.detail, String)) == 1, is_told), else_=false())
    return or_(identity == who, issuer + ":" + identity == who, is_told)


def signed_after(
    connection: Connection, position: int, since: datetime | None = None, limit: int = MAX_PAGE
) -> list[StoredEvent]:
    """Events of the signed log after a position, in its order; with `since`, only those that happened then or later."""
    query = _with_position().where(audit_leaves.c.position > position)
    if since is not None:
        query = query.where(audit_events.c.at >= since)
    return _stored(connection, query.order_by(audit_leaves.c.position).limit(limit))


def leaf_at(connection: Connection, position: int) -> bytes | None:
    """The hash of the leaf at a position; `None` where the log does not reach it."""
    return connection.execute(select(audit_leaves.c.leaf_hash).where(audit_leaves.c.position == position)).scalar()


def of_object(connection: Connection, name: str) -> list[StoredEvent]:
    """Everything that happened to an object (`grant/nccid-00123`), oldest first."""
    return _stored(connection, _with_position().where(audit_events.c.object == name).order_by(audit_events.c.number))


def course_of(connection: Connection, name: str) -> list[tuple[str, datetime]]:
    """Which kinds of things happened to an object and when, oldest first: nobody's name, no detail."""
    query = select(audit_events.c.kind, audit_events.c.at).where(audit_events.c.object == name)
    return [(row.kind, row.at) for row in connection.execute(query.order_by(audit_events.c.number))]


def by_id(connection: Connection, event_id: str) -> StoredEvent | None:
    """One event by its id."""
    found = _stored(connection, _with_position().where(audit_events.c.id == event_id))
    return found[0] if found else None


def known(connection: Connection, ids: Sequence[str]) -> dict[str, Event]:
    """Those of these events that were committed already, by id."""
    rows = connection.execute(select(*EVENT_COLUMNS).where(audit_events.c.id.in_(ids)))
    return {row.id: event_of(row) for row in rows}


def last_number(connection: Connection) -> int:
    """Number of the newest event; 0 where there is none."""
    return int(connection.execute(select(func.coalesce(func.max(audit_events.c.number), 0))).scalar_one())


def append_many(database: Database, events: Iterable[Event], batch: int = 4 * MAX_PAGE) -> int:
    """Commit events that go with no other change, `batch` of them in a transaction; say how many."""
    total = 0
    for part in _parts(events, batch):
        with database.change(part[0], *part[1:]):
            total += len(part)
    return total


def _parts(events: Iterable[Event], size: int) -> Iterator[list[Event]]:
    iterator = iter(events)
    while part := list(islice(iterator, size)):
        yield part


def _with_position() -> Select[Any]:
    joined = audit_events.outerjoin(audit_leaves, audit_leaves.c.event_number == audit_events.c.number)
    return select(*EVENT_COLUMNS, audit_leaves.c.position).select_from(joined)


def _stored(connection: Connection, query: Select[Any]) -> list[StoredEvent]:
    return [
        StoredEvent(number=row.number, position=row.position, event=event_of(row)) for row in connection.execute(query)
    ]
