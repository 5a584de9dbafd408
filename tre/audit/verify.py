"""Verifying the log in a database, all of it.

Guarantees: one pass in one consistent view. Every leaf is recomputed from its event, every inner hash and every root
from the leaves, every checkpoint's signature is checked, and checkpoints that somebody kept outside (`seen`) must be
beginnings of this log. Cost is linear, memory constant. The report names the first position that does not fit.

Does not guarantee: to notice a log cut back to an earlier checkpoint, if no later checkpoint was kept outside.
Nor does it judge the truth of what an event says.

Threat: whoever can write the database file, the triggers notwithstanding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, literal, select

from tre.audit.checkpoint import Checkpoint
from tre.audit.keys import PublicKey
from tre.audit.merkle import Coordinate, hash_leaf
from tre.audit.records import KEPT_LEVELS, CheckpointRow, is_kept
from tre.audit.replay import Replay, Tampering, VerifyReport, report
from tre.domain.errors import TREError
from tre.store.database import Database
from tre.store.events import EVENT_COLUMNS, leaf_of
from tre.store.tables.audit import audit_checkpoints, audit_events, audit_leaves, audit_nodes

CHUNK = 4096
OVERDUE = timedelta(seconds=10)
"""A running sequencer comes by within a second; an event that waited this long was overlooked or hidden."""


@dataclass(frozen=True)
class Expectations:
    """What is known from outside the database.

    `seen`: checkpoints kept elsewhere, their signatures checked (`open_note`). `overdue_before`: events of an earlier
    time must be in the log (now less `OVERDUE` where a sequencer runs, else `None`).
    """

    seen: tuple[Checkpoint, ...] = ()
    overdue_before: datetime | None = None


def verify_log(database: Database, keys: Sequence[PublicKey], expectations: Expectations | None = None) -> VerifyReport:
    """Recompute the whole log and compare it with what was signed."""
    expected = expectations or Expectations()
    replay = Replay(keys, expected.seen)
    with database.read() as connection:
        checkpoints = _Checkpoints(connection)
        for chunk in read_leaves(connection):
            nodes = _read_nodes(connection, replay.size, replay.size + len(chunk))
            if not _take_chunk(replay, checkpoints, chunk, nodes):
                break
        checkpoints.judge(replay)
        _check_ends(connection, replay, checkpoints)
        waiting = _check_waiting(connection, replay, expected.overdue_before)
        replay.finish()
    return report(replay, waiting)


class StoredLeaf(NamedTuple):
    """A leaf as stored, and the bytes its event gives now (`None`: the event is gone; empty: it is no event)."""

    position: int
    leaf_hash: bytes
    data: bytes | None
    number: int | None


def read_leaves(connection: Connection, chunk: int = CHUNK) -> Iterator[list[StoredLeaf]]:
    """Every leaf in order, with its event's canonical bytes, in chunks."""
    joined = audit_leaves.outerjoin(audit_events, audit_events.c.number == audit_leaves.c.event_number)
    query = select(audit_leaves.c.position, audit_leaves.c.leaf_hash, *EVENT_COLUMNS).select_from(joined)
    last = -1
    while rows := connection.execute(
        query.where(audit_leaves.c.position > last).order_by(audit_leaves.c.position).limit(chunk)
    ).all():
        yield [_stored_leaf(row) for row in rows]
        last = rows[-1].position


def _stored_leaf(row: Row[*tuple[Any, ...]]) -> StoredLeaf:
    if row.id is None:
        return StoredLeaf(row.position, row.leaf_hash, None, None)
    try:
        data = leaf_of(row)
    except (TREError, TypeError, ValueError):
        data = b""
    return StoredLeaf(row.position, row.leaf_hash, data, row.number)


class _Checkpoints:
    """The stored checkpoints in order of size, each judged when the replay has reached its size."""

    def __init__(self, connection: Connection) -> None:
        self._rows = read_checkpoints(connection)
        self.next = next(self._rows, None)

    def judge(self, replay: Replay) -> None:
        """Judge those whose size is reached."""
        while self.next is not None and self.next.size <= replay.size:
            replay.checkpoint(self.next.note, (self.next.size, self.next.root, self.next.at))
            self.next = next(self._rows, None)


def read_checkpoints(connection: Connection, chunk: int = 500) -> Iterator[CheckpointRow]:
    """Every checkpoint, smallest first."""
    size = -1
    query = select(audit_checkpoints).order_by(audit_checkpoints.c.size).limit(chunk)
    while rows := connection.execute(query.where(audit_checkpoints.c.size > size)).all():
        for row in rows:
            yield CheckpointRow(row.size, row.root, row.at, row.note)
        size = rows[-1].size


def _read_nodes(connection: Connection, first: int, end: int) -> dict[Coordinate, bytes]:
    """The stored inner hashes of the subtrees whose last leaf is one of `first` up to, not including, `end`."""
    stored: dict[Coordinate, bytes] = {}
    for level in range(KEPT_LEVELS, end.bit_length(), KEPT_LEVELS):
        query = select(audit_nodes.c.position, audit_nodes.c.hash).where(
            audit_nodes.c.level == level,
            audit_nodes.c.position >= first >> level,
            audit_nodes.c.position < end >> level,
        )
        stored |= {Coordinate(level, row.position): row.hash for row in connection.execute(query)}
    return stored


def _take_chunk(
    replay: Replay, checkpoints: _Checkpoints, chunk: Sequence[StoredLeaf], nodes: dict[Coordinate, bytes]
) -> bool:
    """Take leaves in order; false where one is missing, after which no position is certain."""
    for leaf in chunk:
        checkpoints.judge(replay)
        if leaf.position != replay.size:
            message = f"The leaves {replay.size} to {leaf.position - 1} are gone; what follows was not looked at."
            replay.fault(replay.size, Tampering.deleted_leaf, message)
            return False
        for coordinate, value in _take_leaf(replay, leaf):
            if is_kept(coordinate) and nodes.get(coordinate) != value:
                replay.suspect(coordinate)
    return True


def _take_leaf(replay: Replay, leaf: StoredLeaf) -> list[tuple[Coordinate, bytes]]:
    """Take a leaf by its stored hash, which the root vouches for, and hold the event against it."""
    if leaf.data is None:
        replay.fault(leaf.position, Tampering.deleted_event, f"The event of leaf {leaf.position} is gone.")
    elif leaf.leaf_hash != hash_leaf(leaf.data):
        message = f"Event number {leaf.number} (leaf {leaf.position}) is not what it was when it was signed."
        replay.fault(leaf.position, Tampering.changed_event, message)
    else:
        replay.event(leaf.data)
    return replay.leaf_hash(leaf.leaf_hash)


def _check_ends(connection: Connection, replay: Replay, checkpoints: _Checkpoints) -> None:
    if checkpoints.next is not None and not any(item.looks_like is Tampering.deleted_leaf for item in replay.faults):
        message = f"A checkpoint covers {checkpoints.next.size} leaves, and {replay.size} are there."
        replay.fault(replay.size, Tampering.truncated_log, message)
        return
    nodes = connection.execute(select(func.count()).select_from(audit_nodes)).scalar_one()
    expected = sum(replay.size >> level for level in range(KEPT_LEVELS, replay.size.bit_length(), KEPT_LEVELS))
    if not replay.faults and nodes > expected:
        replay.fault(replay.size, Tampering.changed_node, "There are inner hashes that belong to no leaf.")


def _check_waiting(connection: Connection, replay: Replay, before: datetime | None) -> int:
    """Count the events without a leaf; those older than `before` are faults."""
    has_leaf = select(literal(1)).where(audit_leaves.c.event_number == audit_events.c.number).exists()
    rows = connection.execute(select(audit_events.c.number, audit_events.c.at).where(~has_leaf)).all()
    for row in rows:
        if before is not None and row.at < before:
            message = f"Event number {row.number} of {row.at.isoformat()} has no leaf yet, though a sequencer runs."
            replay.fault(replay.size, Tampering.overdue_event, message)
    return len(rows)
