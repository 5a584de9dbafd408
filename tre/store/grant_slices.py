"""The slices of grants in the record: what was planned, what is built, what is gone."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, update

from tre.domain.errors import Reason
from tre.domain.model import Line, Record
from tre.store.database import Change
from tre.store.spans import Span
from tre.store.tables.data import slices
from tre.store.tables.grants import grant_slices


class SliceState(StrEnum):
    """Where a grant's slice is."""

    Pending = "Pending"
    Planned = "Planned"
    Ready = "Ready"
    Failed = "Failed"
    Gone = "Gone"


class StoredSlice(Record):
    """One slice of a grant as the record has it."""

    grant: Line
    name: Line
    slice_id: Line
    dataset: Line
    release: Line
    state: SliceState
    reason: Reason
    message: str = ""
    plan_digest: str | None = None
    content_digest: str | None = None
    manifest_version: int = 0
    files: int = 0
    data_group: int | None = None


def of_grant(connection: Connection, grant: str) -> list[StoredSlice]:
    """Every slice of a grant, by name."""
    rows = connection.execute(select(grant_slices).where(grant_slices.c.grant == grant).order_by(grant_slices.c.name))
    return [StoredSlice.model_validate(dict(row._mapping)) for row in rows]


def holders(connection: Connection, slice_id: str) -> list[str]:
    """The grants that have or had a slice."""
    query = select(grant_slices.c.grant).where(grant_slices.c.slice_id == slice_id).order_by(grant_slices.c.grant)
    return list(connection.execute(query).scalars())


def among(connection: Connection, span: Span) -> dict[str, list[StoredSlice]]:
    """Every slice of the grants in a span of names, by grant."""
    found: dict[str, list[StoredSlice]] = {}
    query = select(grant_slices).where(span.holds(grant_slices.c.grant)).order_by(grant_slices.c.name)
    for row in connection.execute(query):
        found.setdefault(row.grant, []).append(StoredSlice.model_validate(dict(row._mapping)))
    return found


def with_slice_id(connection: Connection, slice_id: str) -> StoredSlice | None:
    """The slice that a directory's name belongs to."""
    row = connection.execute(select(grant_slices).where(grant_slices.c.slice_id == slice_id)).one_or_none()
    return None if row is None else StoredSlice.model_validate(dict(row._mapping))


def set_state(change: Change, grant: str, name: str, state: SliceState, reason: Reason, **values: Any) -> None:
    """Keep a slice's state and reason, and whichever of its other columns are given."""
    change.connection.execute(
        update(grant_slices)
        .where(grant_slices.c.grant == grant, grant_slices.c.name == name)
        .values(state=state, reason=reason, **values)
    )


def changed_at(connection: Connection, grant: str) -> list[datetime]:
    """When each slice of a grant that is no longer in its first version was last written."""
    query = (
        select(slices.c.built_at)
        .join(grant_slices, grant_slices.c.slice_id == slices.c.slice_id)
        .where(grant_slices.c.grant == grant, slices.c.manifest_version > 1)
    )
    return list(connection.execute(query).scalars())
