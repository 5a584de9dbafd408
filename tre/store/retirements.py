"""Retired datasets and releases in the record, by intent.

Guarantees: a retirement is written once and never changed or taken back.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, insert, literal, select

from tre.domain.datasets import Release
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Subject
from tre.domain.retirement import Retirement, check_offered
from tre.store.database import Change
from tre.store.datasets import releases_of, require_release
from tre.store.tables.data import retirements, slices
from tre.store.tables.grants import grant_slices, grants

_WHOLE = ""
"""The name in the row of a retired dataset."""


def of_dataset(connection: Connection, dataset: str) -> list[Retirement]:
    """What of a dataset is retired: first the whole, where it is."""
    rows = connection.execute(
        select(retirements).where(retirements.c.dataset == dataset).order_by(retirements.c.release)
    )
    return [_retirement(row) for row in rows]


def require_offered(connection: Connection, dataset: str, release: str) -> Release:
    """One release that something new may be given from.

    Raises `TREError(DatasetRetired)`, and as `tre.store.datasets.require_release`.
    """
    found = require_release(connection, dataset, release)
    check_offered(of_dataset(connection, dataset), release)
    return found


def retire(change: Change, new: Retirement) -> None:
    """Record a retirement. Raises `TREError(DatasetRetired)` for what is retired already."""
    check_offered(of_dataset(change.connection, new.dataset), new.release)
    change.connection.execute(
        insert(retirements).values(
            dataset=new.dataset,
            release=new.release or _WHOLE,
            reason=new.reason,
            by_issuer=new.by.issuer,
            by_id=new.by.id,
            at=new.at,
        )
    )


def abandoned(connection: Connection, dataset: str) -> frozenset[str]:
    """Retired releases whose files nobody can ask for any more: no slice stands, and no grant but closed ones names
    them."""
    retired = of_dataset(connection, dataset)
    names = [one.name for one in releases_of(connection, dataset) if any(other.covers(one.name) for other in retired)]
    return frozenset(name for name in names if not _asked_for(connection, dataset, name))


def _asked_for(connection: Connection, dataset: str, release: str) -> bool:
    standing = select(literal(1)).where(slices.c.dataset == dataset, slices.c.release == release)
    open_grants = select(literal(1)).where(
        grant_slices.c.dataset == dataset,
        grant_slices.c.release == release,
        grants.c.name == grant_slices.c.grant,
        grants.c.phase != GrantPhase.Closed.value,
    )
    return bool(connection.execute(select(standing.exists() | open_grants.exists())).scalar_one())


def _retirement(row: Row[Any]) -> Retirement:
    return Retirement(
        dataset=row.dataset,
        release=row.release or None,
        reason=row.reason,
        by=Subject(issuer=row.by_issuer, id=row.by_id),
        at=row.at,
    )
