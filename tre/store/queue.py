"""Who waits for room, and what holds it now, read from the rows: the queue is nothing but this.

Guarantees: it follows from the record alone, so whoever reads it, after whatever crash, finds the same order. One
read of those that live or wait, however many rest.

Does not guarantee: that somebody in the queue is still entitled. Whoever starts a workspace asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from tre.domain.workspaces.admission import Amounts, Live, Room, Scene, Waiting
from tre.domain.workspaces.models import Limits
from tre.domain.workspaces.states import ALIVE_PHASES, Wanted, WorkspacePhase
from tre.store.tables.grants import grants
from tre.store.tables.workspaces import workspaces

_ALIVE = sorted(phase.value for phase in ALIVE_PHASES)
_QUEUED = WorkspacePhase.Queued.value


def scene(connection: Connection, room: Room, needs: Mapping[str, Amounts], now: datetime) -> Scene:
    """What lives and who waits, now; `needs` says what each profile reserves."""
    between = and_(workspaces.c.wanted == Wanted.Restart, workspaces.c.phase == WorkspacePhase.Stopped)
    query = (
        select(
            workspaces.c.name,
            workspaces.c.grant,
            workspaces.c.wanted,
            workspaces.c.phase,
            workspaces.c.changed_at,
            workspaces.c.plan,
            grants.c.spec["workspace"].label("terms"),
        )
        .join(grants, grants.c.name == workspaces.c.grant)
        .where(or_(workspaces.c.phase.in_([*_ALIVE, _QUEUED]), between))
        .order_by(workspaces.c.name)
    )
    rows = connection.execute(query).all()
    live = [_live(row) for row in rows if row.phase in _ALIVE and row.plan is not None]
    found = [_waiting(row, needs) for row in rows if row.phase not in _ALIVE]
    return Scene(room, live, [one for one in found if one is not None], now)


def is_anybody_waiting(connection: Connection) -> bool:
    """Whether the queue holds anybody: what is asked often."""
    query = select(workspaces.c.name).where(workspaces.c.phase == _QUEUED).limit(1)
    return connection.execute(query).scalar() is not None


def length(connection: Connection) -> tuple[int, datetime | None]:
    """How many wait, and since when whoever has waited longest does."""
    query = select(func.count(), func.min(workspaces.c.changed_at)).where(workspaces.c.phase == _QUEUED)
    count, since = connection.execute(query).one()
    return int(count), since


def _live(row: Any) -> Live:
    holds = Amounts.of(Limits.model_validate(row.plan["limits"]))
    return Live(row.name, row.grant, holds, datetime.fromisoformat(row.plan["end"]))


def _waiting(row: Any, needs: Mapping[str, Amounts]) -> Waiting | None:
    """`None` where there is no such profile any more: whoever looks at it refuses it."""
    wants = needs.get((row.terms or {}).get("profile", "small"))
    if wants is None:
        return None
    return Waiting(row.name, row.grant, wants, row.changed_at, row.wanted == Wanted.Restart)
