"""Where grants came from, and until when their source vouches for them.

Guarantees: which resource a grant came from is read from the audit event that put it into force, so nobody who can
write to a cluster can claim to be it; a confirmation never shortens another one, only `unconfirm` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, or_, select, update

from tre.domain.grants.states import ENDED_PHASES
from tre.store.database import Change
from tre.store.spans import Span
from tre.store.tables.audit import audit_events
from tre.store.tables.grants import grants

APPLIED = "grant.applied"
FOLLOWED = ("rems", "directory")
"""What names of sources that a policy names begin with."""

_MANY = 500


class Origin(NamedTuple):
    """The resource that a grant came from: its identity, and the generation and content that are in force."""

    uid: str
    generation: int
    digest: str


def _origin(detail: object) -> Origin | None:
    if not isinstance(detail, dict) or "uid" not in detail:
        return None
    return Origin(str(detail["uid"]), int(detail["generation"]), str(detail["digest"]))


def source_of(connection: Connection, name: str) -> str | None:
    """Which source a grant belongs to; `None` where there is no such grant."""
    found = connection.execute(select(grants.c.source).where(grants.c.name == name)).scalar()
    return None if found is None else str(found)


def origin_of(connection: Connection, name: str) -> Origin | None:
    """The resource that was last put into force under this name."""
    return _origin(_last_applied(connection, name))


def digest_in_force(connection: Connection, name: str) -> str | None:
    """The digest of the content that was last put into force under this name, from wherever it came."""
    detail = _last_applied(connection, name)
    return str(detail["digest"]) if isinstance(detail, dict) and "digest" in detail else None


def _last_applied(connection: Connection, name: str) -> object:
    return connection.execute(
        select(audit_events.c.detail)
        .where(audit_events.c.object == f"grant/{name}", audit_events.c.kind == APPLIED)
        .order_by(audit_events.c.number.desc())
        .limit(1)
    ).scalar()


def origins(connection: Connection, span: Span | None = None) -> dict[str, Origin]:
    """The resources of all grants that came from one, or of those in a span of names, by the grant's name."""
    query = select(audit_events.c.object, audit_events.c.detail).where(audit_events.c.kind == APPLIED)
    if span is not None:
        query = query.where(Span(f"grant/{span.first}", f"grant/{span.last}").holds(audit_events.c.object))
    rows = connection.execute(query.order_by(audit_events.c.number))
    last = {row.object.removeprefix("grant/"): row.detail for row in rows}
    return {name: found for name, detail in last.items() if (found := _origin(detail)) is not None}


def was_in_force(connection: Connection, name: str, digest: str) -> bool:
    """Whether content of this digest was put into force under this name at any time."""
    details = connection.execute(
        select(audit_events.c.detail).where(audit_events.c.object == f"grant/{name}", audit_events.c.kind == APPLIED)
    ).scalars()
    return any(isinstance(detail, dict) and detail.get("digest") == digest for detail in details)


def following(connection: Connection) -> list[str]:
    """Sources of a policy, REMS and directories, that have grants which have not ended."""
    query = select(grants.c.source).distinct().where(grants.c.phase.not_in(sorted(ENDED_PHASES)))
    return sorted(one for one in connection.execute(query).scalars() if one.partition(":")[0] in FOLLOWED)


def open_grants(connection: Connection, source: str) -> dict[str, datetime | None]:
    """A source's grants that have not ended, by name, and until when it vouches for each."""
    columns = (grants.c.name, grants.c.confirmed_until)
    query = select(*columns).where(grants.c.source == source, grants.c.phase.not_in(sorted(ENDED_PHASES)))
    return {row.name: row.confirmed_until for row in connection.execute(query.order_by(grants.c.name))}


def confirm(change: Change, names: Sequence[str], until: datetime) -> None:
    """Keep that the source vouches for these grants until then."""
    for start in range(0, len(names), _MANY):
        change.connection.execute(
            update(grants)
            .where(grants.c.name.in_(names[start : start + _MANY]))
            .where(or_(grants.c.confirmed_until.is_(None), grants.c.confirmed_until < until))
            .values(confirmed_until=until)
        )


def vouched_beyond(connection: Connection, source: str, until: datetime) -> list[str]:
    """A source's grants that have not ended and that it vouches for beyond a moment, by name."""
    return [name for name, moment in open_grants(connection, source).items() if moment is not None and moment > until]


def shorten(change: Change, names: Sequence[str], until: datetime) -> None:
    """Keep that the source vouches for these grants until then, and no longer."""
    for start in range(0, len(names), _MANY):
        part = grants.c.name.in_(names[start : start + _MANY]) & (grants.c.confirmed_until > until)
        change.connection.execute(update(grants).where(part).values(confirmed_until=until))


def unconfirm(change: Change, name: str, now: datetime) -> None:
    """Keep that the source no longer vouches for a grant."""
    change.connection.execute(update(grants).where(grants.c.name == name).values(confirmed_until=now))
