"""The public account in the record, by intent.

Guarantees: what anybody may read is written in the same transaction as the act that makes it public, each wording once;
what is taken down leaves in the transaction that says so. Of two who act at once one is refused with `Conflict`. No
event holds a word of a text: kinds, states, and digests of what is public.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.names import short_hash
from tre.domain.people import Subject
from tre.domain.publicaccount.acts import is_public
from tre.domain.publicaccount.figures import Clock
from tre.domain.publicaccount.models import Body, Item
from tre.domain.publicaccount.states import FROM_STRANGERS, WAITS_FOR_TEAM, ItemKind, ItemState
from tre.store.database import Change, new_id
from tre.store.tables.publicaccount import account_items, account_published

_BODY: TypeAdapter[Body] = TypeAdapter(Body)
_LETTERS = {
    ItemKind.enquiry: "q",
    ItemKind.comment: "c",
    ItemKind.outcome: "o",
    ItemKind.incident: "i",
    ItemKind.complaint: "p",
    ItemKind.consultation: "v",
}
_items, _published = account_items.c, account_published.c


@dataclass(frozen=True)
class Wording:
    """One wording as it was published."""

    item: str
    number: int
    kind: ItemKind
    about: str
    at: datetime
    body: Body


def new_item_id(kind: ItemKind) -> str:
    """A random identifier: a letter for the kind, and twelve characters."""
    return f"{_LETTERS[kind]}-{short_hash('account', new_id())}"


def event_of(verb: str, item: Item, actor: Subject, now: datetime, **detail: Any) -> Event:
    """The event of a change; `verb` in the past: `published` gives `enquiry.published`.

    Of what is public it holds the digest, so that nobody can exchange it unnoticed; of what is not, nothing at all.
    """
    facts = {"state": item.state.value} | ({"about": item.about} if item.about else {})
    facts |= {"body": digest(item.body.as_plain())} if is_public(item) else {}
    return Event(
        id=new_id(),
        at=now,
        actor=actor,
        kind=f"{item.kind}.{verb}",
        object=f"{item.kind}/{item.id}",
        detail=facts | detail,
    )


def get(connection: Connection, name: str, kinds: Iterable[ItemKind] = tuple(ItemKind)) -> Item:
    """One item of these kinds. Raises `TREError(ObjectNotFound)`."""
    named = (_items.id == name) & _items.kind.in_([kind.value for kind in kinds])
    row = connection.execute(select(account_items).where(named)).first()
    if row is None:
        raise TREError(
            Reason.ObjectNotFound, "There is nothing of that name.", why="It was never here.", remedy="See the list."
        )
    return _item(row)


def waiting(connection: Connection) -> list[Item]:
    """What the team has to act on, the most urgent first."""
    query = select(account_items).where(_items.state.in_(sorted(WAITS_FOR_TEAM)))
    return [_item(row) for row in connection.execute(query.order_by(_items.due_at, _items.id))]


def latest(connection: Connection, most: int) -> list[Item]:
    """What is done, the latest first."""
    query = select(account_items).where(_items.state.not_in(sorted(WAITS_FOR_TEAM)))
    return [_item(row) for row in connection.execute(query.order_by(_items.received_at.desc(), _items.id).limit(most))]


def of_object(connection: Connection, kind: ItemKind, about: str) -> list[Item]:
    """Every item of a kind about a grant or a consultation, newest first."""
    query = select(account_items).where(_items.kind == kind.value, _items.about == about)
    return [_item(row) for row in connection.execute(query.order_by(_items.received_at.desc(), _items.id))]


def reported(connection: Connection, grant: str) -> list[datetime]:
    """When a project said what came of it, whatever became of that."""
    query = select(_items.received_at).where(_items.kind == ItemKind.outcome.value, _items.about == grant)
    return list(connection.execute(query.order_by(_items.received_at)).scalars())


def all_reported(connection: Connection) -> dict[str, list[datetime]]:
    """The same for every project."""
    query = select(_items.about, _items.received_at).where(_items.kind == ItemKind.outcome.value)
    found: dict[str, list[datetime]] = {}
    for grant, at in connection.execute(query.order_by(_items.received_at)):
        found.setdefault(grant, []).append(at)
    return found


def same_text(connection: Connection, known: str, since: datetime) -> str | None:
    """An item with the very same text that came since then."""
    query = select(_items.id).where(_items.digest == known, _items.received_at > since).limit(1)
    return connection.execute(query).scalar()


def strangers_waiting(connection: Connection) -> int:
    """How many questions and comments nobody has read yet."""
    query = select(func.count()).where(_items.kind.in_(sorted(FROM_STRANGERS)), _items.state == ItemState.Waiting.value)
    return int(connection.execute(query).scalar_one())


def clocks(connection: Connection, kind: ItemKind, name: str = "") -> list[Clock]:
    """The clocks of a kind, or of one item of it, newest first. The public process may read these and no texts."""
    columns = (_items.id, _items.kind, _items.state, _items.received_at, _items.acknowledged_at, _items.closed_at)
    query = select(*columns, _items.due_at, _items.refusal).where(_items.kind == kind.value)
    query = query.where(_items.id == name) if name else query
    return [
        Clock(row[0], ItemKind(row[1]), ItemState(row[2]), *row[3:])
        for row in connection.execute(query.order_by(_items.received_at.desc(), _items.id))
    ]


def waiting_clocks(connection: Connection) -> list[Clock]:
    """The clocks of everything that waits for the team."""
    columns = (_items.id, _items.kind, _items.state, _items.received_at, _items.acknowledged_at, _items.closed_at)
    query = select(*columns, _items.due_at, _items.refusal).where(_items.state.in_(sorted(WAITS_FOR_TEAM)))
    return [
        Clock(row[0], ItemKind(row[1]), ItemState(row[2]), *row[3:])
        for row in connection.execute(query.order_by(_items.id))
    ]


def about(connection: Connection, kind: ItemKind, name: str) -> str:
    """What an item is about: the grant of an outcome, the change of a comment; nothing where there is no such item."""
    query = select(_items.about).where(_items.kind == kind.value, _items.id == name)
    return str(connection.execute(query).scalar() or "")


def wordings(connection: Connection, kind: ItemKind, *, item: str = "", about: str = "") -> list[Wording]:
    """What was published of a kind, newest first; of an item its wordings, the one in force first."""
    chosen: ColumnElement[bool] = _published.kind == kind.value
    if item:
        chosen &= _published.item == item
    if about:
        chosen &= _published.about == about
    query = select(account_published).where(chosen)
    rows = connection.execute(query.order_by(_published.at.desc(), _published.item, _published.number.desc()))
    return [
        Wording(row.item, row.number, ItemKind(row.kind), row.about, row.at, _BODY.validate_python(row.body))
        for row in rows
    ]


def in_force(connection: Connection, kind: ItemKind, about: str = "") -> list[list[Wording]]:
    """For each published item of a kind all its wordings, the one in force first; the items newest first."""
    found: dict[str, list[Wording]] = {}
    for one in wordings(connection, kind, about=about):
        found.setdefault(one.item, []).append(one)
    ordered = [sorted(texts, key=lambda one: -one.number) for texts in found.values()]
    return sorted(ordered, key=lambda texts: texts[-1].at, reverse=True)


def create(change: Change, item: Item) -> Item:
    """Keep a new item, and publish it where its kind is public at once."""
    change.connection.execute(insert(account_items).values(_row(item)))
    _show(change, item, item.received_at)
    return item


def save(change: Change, before: Item, after: Item, now: datetime) -> Item:
    """Write an item that the domain made from `before`; returns it with its new version.

    Raises `TREError(Conflict)` where somebody else changed it since it was read; the whole change is undone.
    """
    stored = after.changed(version=before.version + 1)
    written = change.connection.execute(
        update(account_items).where(_items.id == before.id, _items.version == before.version).values(_row(stored))
    )
    if written.rowcount != 1:
        raise TREError(
            Reason.Conflict, "Somebody else changed this meanwhile.", remedy="Look at it again, then decide."
        )
    if is_public(stored):
        if not is_public(before) or stored.body != before.body:
            _show(change, stored, now)
    elif is_public(before):
        change.connection.execute(delete(account_published).where(_published.item == stored.id))
    return stored


def _show(change: Change, item: Item, now: datetime) -> None:
    if not is_public(item):
        return
    query = select(func.count()).where(_published.item == item.id)
    values = {
        "item": item.id,
        "number": int(change.connection.execute(query).scalar_one()) + 1,
        "kind": item.kind.value,
        "about": item.about,
        "at": now,
        "body": item.body.as_plain(),
    }
    change.connection.execute(insert(account_published).values(values))


def _row(item: Item) -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind.value,
        "state": item.state.value,
        "about": item.about,
        "version": item.version,
        "digest": item.digest,
        "received_at": item.received_at,
        "acknowledged_at": item.acknowledged_at,
        "closed_at": item.closed_at,
        "due_at": item.due_at,
        "refusal": item.refusal or "",
        "body": item.body.as_plain(),
    }


def _item(row: Row[Any]) -> Item:
    return Item(
        id=row.id,
        state=ItemState(row.state),
        about=row.about,
        version=row.version,
        digest=row.digest,
        received_at=row.received_at,
        acknowledged_at=row.acknowledged_at,
        closed_at=row.closed_at,
        due_at=row.due_at,
        refusal=row.refusal or None,
        body=_BODY.validate_python(row.body),
    )
