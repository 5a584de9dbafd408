"""Reading the log's own tables: hashes, checkpoints, and how much waits.

Guarantees: a proof's hashes come in three or four statements, by primary key. `status` reads no more than three rows
and the queue's count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, func, or_, select

from tre.audit.merkle import Coordinate, hash_children
from tre.store.tables.audit import audit_checkpoints, audit_events, audit_leaves, audit_nodes, audit_waiting

KEPT_LEVELS = 3
"""Inner hashes are stored for every third level only (subtrees of 8, 64, 512, … leaves): a seventh of the rows, and
what lies between is at most four hashes away."""

_PAIRS = 32
_READ_PAIRS = select(audit_nodes).where(
    or_(
        *(
            and_(audit_nodes.c.level == bindparam(f"level{n}"), audit_nodes.c.position == bindparam(f"position{n}"))
            for n in range(_PAIRS)
        )
    )
)
"""One statement for up to 32 hashes by primary key, always the same text: no database reads more than these rows."""


def is_kept(coordinate: Coordinate) -> bool:
    """Whether the hash of this subtree is stored as an inner hash."""
    return coordinate.level > 0 and coordinate.level % KEPT_LEVELS == 0


class StoredNodes:
    """Hashes of complete subtrees, from the database: leaves in one table, inner hashes in another."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, wanted: Sequence[Coordinate]) -> Mapping[Coordinate, bytes]:
        """The hashes that are there, computed from the nearest stored ones below."""
        below = {item: _stored_below(item) for item in wanted}
        stored = self._read_stored({part for parts in below.values() for part in parts})
        found: dict[Coordinate, bytes] = {}
        for item, parts in below.items():
            hashes = [stored[part] for part in parts if part in stored]
            if len(hashes) == len(parts):
                found[item] = _join(hashes)
        return found

    def _read_stored(self, wanted: set[Coordinate]) -> dict[Coordinate, bytes]:
        leaves = [item.position for item in wanted if item.level == 0]
        inner = [item for item in wanted if item.level > 0]
        found: dict[Coordinate, bytes] = {}
        if leaves:
            columns = select(audit_leaves.c.position, audit_leaves.c.leaf_hash)
            for position, value in self._connection.execute(columns.where(audit_leaves.c.position.in_(leaves))):
                found[Coordinate(0, position)] = value
        for start in range(0, len(inner), _PAIRS):
            for level, position, value in self._connection.execute(_READ_PAIRS, _pairs(inner[start : start + _PAIRS])):
                found[Coordinate(level, position)] = value
        return found


def _pairs(wanted: Sequence[Coordinate]) -> dict[str, int]:
    padded = [*wanted, *[Coordinate(-1, -1)] * (_PAIRS - len(wanted))]
    return {f"level{n}": item.level for n, item in enumerate(padded)} | {
        f"position{n}": item.position for n, item in enumerate(padded)
    }


def _stored_below(item: Coordinate) -> list[Coordinate]:
    """The stored subtrees that make up a subtree: itself, or 2 or 4 smaller ones."""
    steps = item.level % KEPT_LEVELS
    return [Coordinate(item.level - steps, (item.position << steps) + offset) for offset in range(1 << steps)]


def _join(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [hash_children(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


class CheckpointRow(NamedTuple):
    """A checkpoint as it is stored: the columns, and the note that they were taken from."""

    size: int
    root: bytes
    at: datetime
    note: str


def last_checkpoint(connection: Connection) -> CheckpointRow | None:
    """The checkpoint of the greatest size."""
    row = connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.size.desc()).limit(1)).one_or_none()
    return None if row is None else _checkpoint(row)


def checkpoint_after(connection: Connection, size: int) -> CheckpointRow | None:
    """The first checkpoint of a greater size."""
    query = select(audit_checkpoints).where(audit_checkpoints.c.size > size).order_by(audit_checkpoints.c.size)
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else _checkpoint(row)


def leaf_count(connection: Connection) -> int:
    """One more than the greatest position: the number of leaves, unless some were removed in between."""
    return int(connection.execute(select(func.coalesce(func.max(audit_leaves.c.position) + 1, 0))).scalar_one())


@dataclass(frozen=True)
class AuditStatus:
    """What a page shows about the log.

    `size`: events in the signed log; `last_checkpoint_at`: when it was last signed; `waiting`: events committed and
    not yet signed; `waiting_since`: the time of the oldest of them.
    """

    size: int
    last_checkpoint_at: datetime | None
    waiting: int
    waiting_since: datetime | None


def status(connection: Connection) -> AuditStatus:
    """How the log stands now."""
    last = last_checkpoint(connection)
    waiting = connection.execute(select(func.count()).select_from(audit_waiting)).scalar_one()
    oldest = select(audit_events.c.at).join(audit_waiting, audit_waiting.c.number == audit_events.c.number)
    since = connection.execute(oldest.order_by(audit_waiting.c.number).limit(1)).scalar_one_or_none()
    return AuditStatus(
        size=0 if last is None else last.size,
        last_checkpoint_at=None if last is None else last.at,
        waiting=int(waiting),
        waiting_since=since,
    )


def _checkpoint(row: Row[*tuple[Any, ...]]) -> CheckpointRow:
    return CheckpointRow(row.size, row.root, row.at, row.note)
