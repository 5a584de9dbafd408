"""When projects are asked what came of them, as pages show it.

Guarantees: the clock is the domain's; a project that never began is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.grants.models import GrantRecord
from tre.domain.publicaccount.policies import ended_at, outcome_due
from tre.portal.context import Portal
from tre.store import grants
from tre.store import publicaccount as store

MOST_SHOWN = 50


@dataclass(frozen=True)
class DueOutcome:
    """A project that owes a word about what came of it, and since when."""

    grant: GrantRecord
    due: datetime


def outcome_due_of(portal: Portal, grant: GrantRecord, reported: Sequence[datetime]) -> datetime | None:
    """When a project is next asked what came of it; `None` where nothing more is due, or it never began."""
    if grant.activated_at is None:
        return None
    return outcome_due(portal.account, grant.activated_at, ended_at(grant, portal.clock.now()), reported)


def due_outcomes(portal: Portal, connection: Connection) -> list[DueOutcome]:
    """Projects whose word is due, the longest overdue first."""
    now, told = portal.clock.now(), store.all_reported(connection)
    found = [
        DueOutcome(grant, due)
        for grant in grants.ever_active(connection)
        if (due := outcome_due_of(portal, grant, told.get(grant.name, []))) is not None and due <= now
    ]
    return sorted(found, key=lambda one: one.due)[:MOST_SHOWN]
