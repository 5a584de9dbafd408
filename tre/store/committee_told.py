"""What the public reads of the committee, in the record: seats, and decisions that ended an application.

Guarantees: a decision is told in the transaction that keeps it, once; everything here reads columns that hold nothing
else, so that the public process needs no right to a vote, an account or a draft.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import TypeAdapter
from sqlalchemy import Connection, insert, select, update

from tre.domain.committee.decision import DecisionRecord
from tre.domain.committee.published import PublicDecision, PublicSeat, without_words
from tre.domain.committee.tally import Outcome
from tre.domain.errors import Reason, TREError
from tre.store.database import Change
from tre.store.tables.committee import committee_seats
from tre.store.tables.register import register_decisions as decisions

_SEATS: TypeAdapter[list[PublicSeat]] = TypeAdapter(list[PublicSeat])
_DECISIONS: TypeAdapter[list[PublicDecision]] = TypeAdapter(list[PublicDecision])
_BY_TIME = (decisions.c.decided_at.desc(), decisions.c.digest)


def tell(change: Change, record: DecisionRecord, told: PublicDecision) -> None:
    """Let the public read of a decision."""
    values = {"digest": record.digest(), "outcome": told.outcome.value, "grant": record.grant}
    change.connection.execute(insert(decisions).values(**values, decided_at=told.decided_at, told=told.as_plain()))


def withhold(change: Change, digest: str, why: str) -> PublicDecision:
    """Take a decision's words from what the public reads; the signed record keeps them.

    Raises `TREError(ObjectNotFound)` for one that is not told.
    """
    row = change.connection.execute(select(decisions.c.told).where(decisions.c.digest == digest)).scalar()
    if row is None:
        raise TREError(
            Reason.ObjectNotFound,
            "The public reads nothing of this decision.",
            why="Only what was approved or declined is told.",
            remedy="See `tre committee minutes`.",
        )
    told = without_words(PublicDecision.model_validate(row), why)
    change.connection.execute(update(decisions).where(decisions.c.digest == digest).values(told=told.as_plain()))
    return told


def seats(connection: Connection) -> list[PublicSeat]:
    """Every seat there ever was, by constituency and name; of one person's several terms the latest first."""
    found = _SEATS.validate_python(list(connection.execute(select(committee_seats.c.told)).scalars()))
    return sorted(found, key=lambda one: (one.constituency, one.name, -one.begins.timestamp()))


def declined(connection: Connection, most: int | None = None) -> list[PublicDecision]:
    """Applications that were declined, at most so many, the latest first."""
    query = select(decisions.c.told).where(decisions.c.outcome == Outcome.declined.value).order_by(*_BY_TIME)
    return _read(connection.execute(query if most is None else query.limit(most)).scalars().all())


def declined_by_year(connection: Connection) -> dict[int, int]:
    """How many applications were declined in each year, the latest first."""
    query = select(decisions.c.decided_at).where(decisions.c.outcome == Outcome.declined.value)
    years = Counter(moment.year for moment in connection.execute(query).scalars())
    return dict(sorted(years.items(), reverse=True))


def decisions_on(connection: Connection, grant: str) -> list[PublicDecision]:
    """What was decided of a project, the latest first."""
    query = select(decisions.c.told).where(decisions.c.grant == grant).order_by(*_BY_TIME)
    return _read(connection.execute(query).scalars().all())


def decisions_by_project(connection: Connection) -> dict[str, list[PublicDecision]]:
    """The same for every project."""
    query = select(decisions.c.grant, decisions.c.told).where(decisions.c.grant.is_not(None)).order_by(*_BY_TIME)
    found: dict[str, list[PublicDecision]] = {}
    for row in connection.execute(query):
        found.setdefault(row.grant, []).append(PublicDecision.model_validate(row.told))
    return found


def _read(rows: Sequence[object]) -> list[PublicDecision]:
    return _DECISIONS.validate_python(rows)
