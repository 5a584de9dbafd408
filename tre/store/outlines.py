"""What is shown of grants and workspaces elsewhere, read as it stands in their rows: quick, and nothing rests on it.

Guarantees: a part is of one moment; what it says is what the rows say, without the work of reading each as a record.
Whoever compares ten thousand of them with what is shown can do so in a second or two.

Does not guarantee: that what stands in a row means anything. Nobody's entitlement may be asked of an outline; a row
that nobody understands is found by whoever reads records (`tre.store.overview`), within the minute.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select

from tre.domain.grants.policies import End, earliest_end
from tre.domain.grants.states import GrantPhase
from tre.domain.workspaces.states import WorkspacePhase
from tre.store.spans import Span
from tre.store.tables.grants import grant_slices, grants
from tre.store.tables.workspaces import workspaces

PART = 250
"""Grants in one part: some 40 ms of work."""


class SliceOutline(NamedTuple):
    """One slice of a grant."""

    name: str
    state: str
    slice_id: str
    content_digest: str | None
    files: int


class WorkspaceOutline(NamedTuple):
    """One workspace; `ends` is the end of its plan."""

    name: str
    grant: str
    issuer: str
    subject: str
    wanted: str
    phase: str
    reason: str
    message: str
    instance: int
    ready_at: datetime | None
    ends: datetime | None


class GrantOutline(NamedTuple):
    """One grant with its slices and workspaces; `spec` as it was written down."""

    name: str
    source: str
    generation: int
    phase: GrantPhase
    spec: dict[str, Any]
    conditions: list[dict[str, Any]]
    evidence_verified: bool
    confirmed_until: datetime | None
    slices: Sequence[SliceOutline]
    workspaces: Sequence[WorkspaceOutline]

    @property
    def end(self) -> End:
        """When it ends. Raises `KeyError`, `TypeError` or `ValueError` where nobody understands its content."""
        law = self.spec.get("legalBasis")
        ends = None if law is None else datetime.fromisoformat(law["ends"])
        return earliest_end(datetime.fromisoformat(self.spec["expires"]), ends)

    @property
    def running(self) -> int:
        """How many of its workspaces run."""
        return sum(one.phase == WorkspacePhase.Running for one in self.workspaces)


_GRANT = ("name", "source", "generation", "phase", "spec", "conditions", "evidence_verified", "confirmed_until")
_SPACE = ("name", "grant", "issuer", "subject", "wanted", "phase", "reason", "message", "instance", "ready_at")


def get(connection: Connection, name: str) -> GrantOutline | None:
    """One grant."""
    found = _read(connection, grants.c.name == name, 1)
    return found[0] if found else None


def workspace(connection: Connection, name: str) -> WorkspaceOutline | None:
    """One workspace."""
    found = _spaces(connection, workspaces.c.name == name)
    return found[0] if found else None


def part(connection: Connection, after: str = "", size: int = PART) -> list[GrantOutline]:
    """The next grants after a name, of whatever phase, in order; fewer than `size` of them are the last."""
    return _read(connection, grants.c.name > after, size)


def _read(connection: Connection, which: ColumnElement[bool], size: int) -> list[GrantOutline]:
    query = select(*(grants.c[column] for column in _GRANT)).where(which).order_by(grants.c.name).limit(size)
    rows = connection.execute(query).all()
    if not rows:
        return []
    span = Span(rows[0].name, rows[-1].name)
    slices, present = _slices(connection, span), _by_grant(_spaces(connection, span.holds(workspaces.c.grant)))
    return [_outline(row, slices.get(row.name, ()), present.get(row.name, ())) for row in rows]


def _outline(row: Row[Any], slices: Sequence[SliceOutline], present: Sequence[WorkspaceOutline]) -> GrantOutline:
    return GrantOutline(
        row.name,
        row.source,
        row.generation,
        GrantPhase(row.phase),
        row.spec,
        row.conditions,
        row.evidence_verified,
        row.confirmed_until,
        slices,
        present,
    )


def _slices(connection: Connection, span: Span) -> dict[str, list[SliceOutline]]:
    columns = (grant_slices.c.grant, *(grant_slices.c[name] for name in SliceOutline._fields))
    query = select(*columns).where(span.holds(grant_slices.c.grant)).order_by(grant_slices.c.name)
    found: dict[str, list[SliceOutline]] = {}
    for grant, *rest in connection.execute(query):
        found.setdefault(grant, []).append(SliceOutline._make(rest))
    return found


def _spaces(connection: Connection, which: ColumnElement[bool]) -> list[WorkspaceOutline]:
    columns = (*(workspaces.c[name] for name in _SPACE), workspaces.c.plan["end"].as_string())
    rows = connection.execute(select(*columns).where(which).order_by(workspaces.c.name))
    return [WorkspaceOutline._make((*rest, end and datetime.fromisoformat(end))) for *rest, end in rows]


def _by_grant(found: Sequence[WorkspaceOutline]) -> dict[str, list[WorkspaceOutline]]:
    sorted_by: dict[str, list[WorkspaceOutline]] = {}
    for one in found:
        sorted_by.setdefault(one.grant, []).append(one)
    return sorted_by
