"""Sources elsewhere in the record: their last truth, the messages that came in, and the grants that came of them.

Guarantees: messages have numbers in the order of their commits, since writers take turns, so that an answer knows
which of them came before it was asked for; a message is kept as it came until it is taken in, then only its digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from tre.domain.canonical import digest_of_bytes
from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.sources.truth import NOTHING, Truth
from tre.store.database import Change
from tre.store.tables.sources import source_grants, source_messages, sources


class Channel(StrEnum):
    """How a message came."""

    event = "event"
    add = "add"
    remove = "remove"
    asked = "asked"


class MessageState(StrEnum):
    """What came of a message."""

    waiting = "waiting"
    taken = "taken"
    repeated = "repeated"
    refused = "refused"


class StoredMessage(Record):
    """One message."""

    number: int
    source: Line
    channel: Channel
    received_at: UtcTime
    body: str | None
    digest: str
    state: MessageState
    identity: str | None = None
    kind: Line = ""
    reason: Reason
    message: str = ""
    taken_at: UtcTime | None = None


class Standing(Record):
    """How a source stands: `heard_at` is the moment of its last whole answer."""

    id: Line
    tried_at: UtcTime | None = None
    heard_at: UtcTime | None = None
    reason: Reason = Reason.SourceStale
    message: str = ""


class StoredSource(Standing):
    """The same with what it said."""

    truth: Truth = NOTHING


class StoredGrant(Record):
    """What came of one thing that a source approved."""

    source: Line
    key: Line
    number: int = 1
    grant: Line
    begun_at: UtcTime | None = None
    missing_since: UtcTime | None = None
    told_over: bool = False
    reason: Reason = Reason.GrantPending
    message: str = ""


class Outcome(Record):
    """What came of a message when it was taken in."""

    state: MessageState
    identity: str | None = None
    kind: Line = ""
    reason: Reason = Reason.Entitled
    message: str = ""


def tell(change: Change, source: str, channel: Channel, body: bytes, now: datetime) -> None:
    """Keep what came in, as it came; it is UTF-8."""
    values = {"state": MessageState.waiting, "reason": Reason.Requested, "message": "", "kind": ""}
    change.connection.execute(
        insert(source_messages).values(
            source=source,
            channel=channel,
            received_at=now,
            body=body.decode().replace("\0", "\ufffd"),  # which PostgreSQL cannot keep and no JSON holds
            digest=digest_of_bytes(body),
            **values,
        )
    )


def backlog(connection: Connection, source: str) -> int:
    """How many messages of a source wait."""
    waiting = (source_messages.c.source == source) & (source_messages.c.state == MessageState.waiting)
    return int(connection.execute(select(func.count()).select_from(source_messages).where(waiting)).scalar_one())


def waiting(connection: Connection, source: str, most: int = 200) -> list[StoredMessage]:
    """The messages of a source that wait, the oldest first."""
    query = select(source_messages).where(
        source_messages.c.source == source, source_messages.c.state == MessageState.waiting
    )
    return _messages(connection, query.order_by(source_messages.c.number).limit(most))


def latest(connection: Connection, source: str, most: int = 20) -> list[StoredMessage]:
    """The messages that came last, the newest first."""
    query = select(source_messages).where(source_messages.c.source == source)
    return _messages(connection, query.order_by(source_messages.c.number.desc()).limit(most))


def _messages(connection: Connection, query: object) -> list[StoredMessage]:
    return [StoredMessage.model_validate(dict(row._mapping)) for row in connection.execute(query)]  # type: ignore[call-overload]


def newest_number(connection: Connection) -> int:
    """The number of the message that came last, of whatever source; 0 before the first."""
    return int(connection.execute(select(func.max(source_messages.c.number))).scalar() or 0)


def was_taken(connection: Connection, source: str, identity: str) -> bool:
    """Whether a message of this identity was taken in before."""
    query = select(source_messages.c.number).where(
        source_messages.c.source == source,
        source_messages.c.identity == identity,
        source_messages.c.state == MessageState.taken,
    )
    return connection.execute(query.limit(1)).first() is not None


def settle(change: Change, number: int, outcome: Outcome, now: datetime) -> None:
    """Keep what came of a message; what it said is forgotten, but for its digest."""
    values = outcome.model_dump() | {"body": None, "taken_at": now}
    change.connection.execute(update(source_messages).where(source_messages.c.number == number).values(**values))


def get(connection: Connection, source: str) -> StoredSource:
    """How a source stands; one that was never heard has said nothing."""
    row = connection.execute(select(sources).where(sources.c.id == source)).one_or_none()
    return StoredSource(id=source) if row is None else StoredSource.model_validate(dict(row._mapping))


def standing(connection: Connection, source: str) -> Standing:
    """The same without what it said, which names people."""
    columns = (sources.c[name] for name in Standing.model_fields)
    row = connection.execute(select(*columns).where(sources.c.id == source)).one_or_none()
    return Standing(id=source) if row is None else Standing.model_validate(dict(row._mapping))


def keep(change: Change, source: StoredSource) -> None:
    """Keep how a source stands."""
    values = source.model_dump(exclude={"truth"}) | {"truth": source.truth.as_plain()}
    known = change.connection.execute(update(sources).where(sources.c.id == source.id).values(**values)).rowcount
    if not known:
        change.connection.execute(insert(sources).values(**values))


def grants_of(connection: Connection, source: str) -> dict[str, StoredGrant]:
    """What came of everything that a source approved, by what it calls it."""
    rows = connection.execute(select(source_grants).where(source_grants.c.source == source))
    found = [StoredGrant.model_validate(dict(row._mapping)) for row in rows]
    return {one.key: one for one in sorted(found, key=lambda one: one.key)}


def keep_grants(change: Change, found: Sequence[StoredGrant]) -> None:
    """Keep what came of these."""
    for one in found:
        values = one.model_dump()
        same = (source_grants.c.source == one.source) & (source_grants.c.key == one.key)
        if not change.connection.execute(update(source_grants).where(same).values(**values)).rowcount:
            change.connection.execute(insert(source_grants).values(**values))
