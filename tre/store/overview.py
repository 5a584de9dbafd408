"""Looking over all grants in a few reads: everything that is known of each, some hundred at a time.

Guarantees: a part is of one moment; what it says of a grant is what the single reads of `tre.store.grants` and its
neighbours say. A row that nobody understands is named, with nothing of it, and hides no other.

Does not guarantee: that two parts are of one moment, or that what was read is still so. Whoever decides that something
must be done looks at the grant by itself, and changes it in a transaction that asks again. Whoever decides that nothing
needs to be done hears of every later change by its event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from tre.domain.grants.models import GrantRecord, SuspensionScope
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.models import Workspace
from tre.store import grant_slices, workspaces
from tre.store.grant_slices import StoredSlice
from tre.store.grants import StoredSuspension, bare_record, suspensions_among, with_suspensions
from tre.store.members import with_members
from tre.store.spans import Span
from tre.store.tables.grants import grants

PART = 100
"""Grants in one part: some 50 ms of work, in which nothing else is begun."""


@dataclass(frozen=True)
class Overview:
    """Everything of one grant; `close_asked` and `warned_minutes` as in the record, `source` where it came from."""

    grant: GrantRecord
    source: str
    conditions: list[dict[str, Any]]
    warned_minutes: int | None
    close_asked: bool
    slices: Sequence[StoredSlice]
    workspaces: Sequence[Workspace]


@dataclass(frozen=True)
class Part:
    """Some grants in order of their names; `last` is the name to go on after, `None` where there are no more."""

    found: tuple[Overview, ...]
    unreadable: tuple[str, ...]
    last: str | None


def part(connection: Connection, after: str = "", size: int = PART, *, open_only: bool = True) -> Part:
    """The next grants after a name; those that are Closed only where `open_only` is false."""
    query = select(grants).where(grants.c.name > after).order_by(grants.c.name).limit(size)
    if open_only:
        query = query.where(grants.c.phase != GrantPhase.Closed)
    rows = [row._mapping for row in connection.execute(query)]
    if not rows:
        return Part((), (), None)
    names = [row["name"] for row in rows]
    last = names[-1] if len(rows) == size else None
    records, unreadable = _records(connection, rows)
    try:
        slices = grant_slices.among(connection, Span.over(names))
        present = workspaces.among(connection, Span.over(names))
    except ValueError:  # one of them is not to be understood; looked at one by one, it stays one
        return Part((), tuple(names), last)
    found = tuple(
        Overview(
            grant=records[row["name"]],
            source=row["source"],
            conditions=row["conditions"],
            warned_minutes=row["warned_minutes"],
            close_asked=row["close_asked_at"] is not None,
            slices=slices.get(row["name"], ()),
            workspaces=present.get(row["name"], ()),
        )
        for row in rows
        if row["name"] in records
    )
    return Part(found, unreadable, last)


def records(connection: Connection, names: Sequence[str]) -> dict[str, GrantRecord]:
    """The grants of these names, by name; one that nobody understands is left out."""
    found: dict[str, GrantRecord] = {}
    for start in range(0, len(names), PART):
        among = grants.c.name.in_(names[start : start + PART])
        rows = [row._mapping for row in connection.execute(select(grants).where(among).order_by(grants.c.name))]
        found |= _records(connection, rows)[0] if rows else {}
    return found


def _records(connection: Connection, rows: Sequence[Any]) -> tuple[dict[str, GrantRecord], tuple[str, ...]]:
    records, unreadable = {}, []
    stored = suspensions_among(connection, Span.over([row["name"] for row in rows]))
    for row in rows:
        try:
            bare = bare_record(row)
        except ValueError:
            unreadable.append(row["name"])
        else:
            records[bare.name] = with_suspensions(bare, [one for of, one in stored if _touches(of, one, bare)])
    whole = with_members(connection, list(records.values()))
    return {grant.name: grant for grant in whole}, tuple(unreadable)


def _touches(of: str | None, one: StoredSuspension, grant: GrantRecord) -> bool:
    if one.scope is SuspensionScope.organisation:
        return one.ref == grant.spec.project.organisation.id
    return of == grant.name
