"""What people and organisations hold, and what is required of them, in the record.

Guarantees: a standing is never overwritten: it is added, ended early, or runs out, and the log has each; what is
required is read by everybody from the same row, so that two programs never ask for different things. Writing demands
a `Change`, and with it an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update

from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.model import Line
from tre.domain.people import Subject
from tre.domain.standing.models import Holder, Required, Requirement, Span, Standing, StandingRules
from tre.store.database import Change, new_id
from tre.store.tables.standing import standing_rules, standings

_ONLY = 1
_RULES = select(standing_rules.c.rules).where(standing_rules.c.number == _ONLY)
"""Put together once: it is asked whenever a grant is read."""
_MOMENT = timedelta(microseconds=1)
_FEW = 50
"""Holders that are named in a statement; for more, reading every standing costs less."""


class StoredStanding(Standing):
    """A standing with the identifier by which it is ended, and which announcement of its end was made last."""

    id: Line
    warned_days: int | None = None


def rules(connection: Connection) -> StandingRules:
    """What is required; nothing before the controller first read the policy."""
    found = connection.execute(_RULES).scalar()
    return StandingRules() if found is None else StandingRules.model_validate(found)


def keep_rules(change: Change, required: StandingRules, now: datetime) -> None:
    """Put what is required into the record."""
    plain = required.as_plain()
    values = {"digest": digest(plain), "rules": plain, "taken_at": now}
    done = change.connection.execute(update(standing_rules).where(standing_rules.c.number == _ONLY).values(**values))
    if done.rowcount == 0:
        change.connection.execute(insert(standing_rules).values(number=_ONLY, **values))


def add(change: Change, new: Standing) -> str:
    """Record a standing; return its identifier."""
    identifier, person = new_id(), new.holder.person
    change.connection.execute(
        insert(standings).values(
            id=identifier,
            issuer=None if person is None else person.issuer,
            subject=None if person is None else person.id,
            organisation=new.holder.organisation,
            kind=new.kind,
            name=new.name,
            reference=new.reference,
            since=new.since,
            until=new.until,
        )
    )
    return identifier


def require(connection: Connection, identifier: str) -> StoredStanding:
    """One standing. Raises `TREError(ObjectNotFound)`."""
    row = connection.execute(select(standings).where(standings.c.id == identifier)).one_or_none()
    if row is None:
        raise TREError(
            Reason.ObjectNotFound, "There is no such standing.", why="The record knows none of that identifier.",
            remedy="See `tre standing list`.",
        )  # fmt: skip
    return _standing(row._mapping)


def end(change: Change, identifier: str, now: datetime) -> None:
    """End a standing now; one that was still to begin never holds. Raises `TREError(ObjectNotFound | StateForbids)`."""
    found = require(change.connection, identifier)
    if found.until <= now:
        raise TREError(
            Reason.StateForbids,
            "This is over already.",
            why=f"It ended {found.until:%Y-%m-%d %H:%M} UTC.",
            remedy="Look again at what is held now.",
        )
    values = {"since": min(found.since, now - _MOMENT), "until": now}
    change.connection.execute(update(standings).where(standings.c.id == identifier).values(**values))


def of(connection: Connection, holders: Iterable[Holder]) -> list[StoredStanding]:
    """Everything that these hold or held, the latest end last."""
    few = list(holders)
    if not few:
        return []
    query = select(standings).order_by(standings.c.until, standings.c.id)
    if len(few) <= _FEW:
        query = query.where(or_(*(_held_by(one) for one in few)))
    found = [_standing(row._mapping) for row in connection.execute(query)]
    return found if len(few) <= _FEW else [one for one in found if one.holder in few]


def everything(connection: Connection) -> list[StoredStanding]:
    """Every standing there ever was, the latest end last."""
    rows = connection.execute(select(standings).order_by(standings.c.until, standings.c.id))
    return [_standing(row._mapping) for row in rows]


def set_warned(change: Change, identifier: str, days: int) -> None:
    """Keep that the announcement of so many days before the end was made."""
    change.connection.execute(update(standings).where(standings.c.id == identifier).values(warned_days=days))


def not_over(connection: Connection, now: datetime) -> list[StoredStanding]:
    """Standings that have not ended: those whose end may be announced."""
    rows = connection.execute(select(standings).where(standings.c.until > now).order_by(standings.c.until))
    return [_standing(row._mapping) for row in rows]


def required_of(
    requirements: Sequence[Requirement], held: Sequence[StoredStanding], holder: Holder
) -> tuple[Required, ...]:
    """Each requirement with every time in which a holder meets it."""
    return tuple(
        Required(
            requirement=one,
            spans=tuple(
                Span(since=item.since, until=item.until) for item in held if item.holder == holder and item.meets == one
            ),
        )
        for one in requirements
    )


def _held_by(holder: Holder) -> Any:
    person: Subject | None = holder.person
    if person is None:
        return standings.c.organisation == holder.organisation
    return and_(standings.c.issuer == person.issuer, standings.c.subject == person.id)


def _standing(row: Any) -> StoredStanding:
    person = None if row["issuer"] is None else Subject(issuer=row["issuer"], id=row["subject"])
    return StoredStanding(
        id=row["id"],
        holder=Holder(person=person, organisation=row["organisation"]),
        kind=row["kind"],
        name=row["name"],
        reference=row["reference"],
        since=row["since"],
        until=row["until"],
        warned_days=row["warned_days"],
    )
