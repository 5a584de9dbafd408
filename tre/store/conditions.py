"""Conditions in words in the record: kept with the decision that made them, changed by the domain's functions only.

Guarantees: of two who change one at once, one is refused with `Conflict` and nothing of that change is kept; words
never reach an event: `event_of` carries names, states and digests.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from tre.domain.committee.decision import DecisionRecord
from tre.domain.committee.tracking import Around, ConditionState, TrackedCondition, fresh, not_found
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.names import short_hash
from tre.domain.people import Subject
from tre.store import applications, committee, grants
from tre.store.database import Change, new_id
from tre.store.tables.conditions import committee_conditions as table

ACTOR = program("controller")


def new_condition_id() -> str:
    """A random identifier: `k-` and twelve characters."""
    return f"k-{short_hash('condition', new_id())}"


def event_of(kind: str, condition: TrackedCondition, actor: Subject, now: datetime, **detail: Any) -> Event:
    """The event of a change; `kind` is the verb in the past: `reported` gives `condition.reported`."""
    facts = {"grant": condition.grant, "state": condition.state.value}
    about = f"condition/{condition.id}"
    return Event(id=new_id(), at=now, actor=actor, kind=f"condition.{kind}", object=about, detail=facts | detail)


def begin(change: Change, record: DecisionRecord) -> list[TrackedCondition]:
    """Keep the conditions in words of an approval; what an earlier one asks for already is not asked for twice."""
    if record.grant is None:
        return []
    made = []
    for text in fresh(record.condition_texts, of_grant(change.connection, record.grant)):
        one = TrackedCondition(
            id=new_condition_id(),
            grant=record.grant,
            application=record.application,
            decision=record.digest(),
            text=text,
            created_at=record.decided_at,
            changed_at=record.decided_at,
        )
        change.connection.execute(insert(table).values(_row(one)))
        change.record(event_of("set", one, ACTOR, record.decided_at, decision=one.decision))
        made.append(one)
    return made


def require(connection: Connection, name: str) -> TrackedCondition:
    """One condition. Raises `TREError(ObjectNotFound)`."""
    if (found := get(connection, name)) is None:
        raise not_found()
    return found


def get(connection: Connection, name: str) -> TrackedCondition | None:
    """One condition; `None` where there is none."""
    row = connection.execute(select(table.c.document).where(table.c.id == name)).scalar()
    return None if row is None else TrackedCondition.model_validate(row)


def of_grant(connection: Connection, grant: str) -> list[TrackedCondition]:
    """Every condition of a project, in the order in which they were set."""
    return _many(connection, select(table.c.document).where(table.c.grant == grant))


def in_states(connection: Connection, states: Iterable[ConditionState], limit: int = 200) -> list[TrackedCondition]:
    """Conditions in these states, in the order in which they were set."""
    query = select(table.c.document).where(table.c.state.in_([state.value for state in states]))
    return _many(connection, query.limit(limit))


def _many(connection: Connection, query: Select[Any]) -> list[TrackedCondition]:
    ordered = query.order_by(table.c.created_at, table.c.id)
    return [TrackedCondition.model_validate(document) for document in connection.execute(ordered).scalars()]


def ticking(connection: Connection) -> list[str]:
    """Open conditions that have a day."""
    query = select(table.c.id).where(table.c.state == ConditionState.Open.value, table.c.due.is_not(None))
    return list(connection.execute(query.order_by(table.c.due, table.c.id)).scalars())


def papers_of(connection: Connection, application: str) -> frozenset[str]:
    """The digests of every paper that was shown with a report on a condition of an application."""
    query = select(table.c.document).where(table.c.application == application)
    return frozenset(paper.digest for one in _many(connection, query) for paper in one.papers)


def around(connection: Connection, condition: TrackedCondition) -> Around:
    """What the rules need to know. Raises `TREError(ApplicationNotFound)`."""
    grant = grants.get(connection, condition.grant)
    return Around(
        members=[] if grant is None else [member.subject for member in grant.spec.members],
        running=grant is not None and grant.phase not in ENDED_PHASES,
        application=applications.require(connection, condition.application),
        ballot=committee.ballot(connection, condition.application),
    )


def save(change: Change, before: TrackedCondition, after: TrackedCondition) -> TrackedCondition:
    """Write a condition that the domain made from `before`; returns it with its new version.

    Raises `TREError(Conflict)` where somebody else changed it since `before` was read; the whole change is undone.
    """
    stored = after.changed(version=before.version + 1)
    written = change.connection.execute(
        update(table).where(table.c.id == before.id, table.c.version == before.version).values(_row(stored))
    )
    if written.rowcount != 1:
        raise TREError(
            Reason.Conflict,
            "Somebody else changed this condition meanwhile.",
            why="You, perhaps, in another window.",
            remedy="Look at it again, then decide.",
        )
    return stored


def _row(condition: TrackedCondition) -> dict[str, Any]:
    return {
        "id": condition.id,
        "version": condition.version,
        "grant": condition.grant,
        "application": condition.application,
        "state": condition.state.value,
        "due": condition.terms.due,
        "document": condition.model_dump(mode="json", by_alias=True),
        "created_at": condition.created_at,
    }
