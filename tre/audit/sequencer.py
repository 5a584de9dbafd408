"""The sequencer: gives every committed event its place in the log, and signs what the log then is.

Guarantees: each batch is one transaction (leaves, inner nodes, checkpoint, queue), so a crash at any statement leaves
the log as it was before the batch or after it. An event gets exactly one leaf, however late its transaction
commits: a trigger queues it in that same transaction, and `mend_queue` finds what was written around the
trigger. Before a batch the stored log must match its last checkpoint, the one signed last by this program, and the
witness's; else `TREError(AuditBroken)`, and nothing is signed any more.

Does not guarantee: that an event between commit and leaf cannot be removed by whoever can write the database file;
that is why it stays there for less than a second. Nor that old leaves are intact: `tre.audit.verify` reads them all.

Threat: a database that was edited, shortened or put back to an older state under the running launcher.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, literal, select
from sqlalchemy.exc import IntegrityError

from tre.audit.checkpoint import Checkpoint, SignedCheckpoint, open_note, sign
from tre.audit.keys import PublicKey, Signer
from tre.audit.lease import Lease
from tre.audit.merkle import Frontier, Head, MissingNodeError, hash_leaf, root
from tre.audit.records import CheckpointRow, StoredNodes, is_kept, last_checkpoint, leaf_count
from tre.audit.witness import Witness
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.store.database import Database
from tre.store.events import EVENT_COLUMNS, leaf_of
from tre.store.tables.audit import audit_checkpoints, audit_events, audit_leaves, audit_nodes, audit_waiting

BATCH = 2000
"""Most events in one transaction: some 20 ms in which other writers wait."""


@dataclass(frozen=True)
class Terms:
    """What a sequencer may be told beside the essentials.

    `witness` remembers each checkpoint outside the database; `earlier_keys` verify checkpoints signed before the key
    was changed; `batch` is the most events in one transaction; `lease`, where there is one, must be held: each batch
    confirms it in its own transaction.
    """

    witness: Witness | None = None
    earlier_keys: tuple[PublicKey, ...] = ()
    batch: int = BATCH
    lease: Lease | None = None


@dataclass(frozen=True)
class _Waiting:
    number: int
    leaf_hash: bytes


class Sequencer:
    """Grows one log. The origin of the log is the signer's name.

    Call `step` until it returns 0, then wait for a change of the database; once at start call `mend_queue`.
    """

    def __init__(self, database: Database, signer: Signer, clock: Clock, terms: Terms | None = None) -> None:
        self._database = database
        self._signer = signer
        self._clock = clock
        self._terms = terms or Terms()
        self._keys = (signer.public, *self._terms.earlier_keys)
        self._signed: Checkpoint | None = None

    def step(self) -> int:
        """Sequence one batch; the number of events that got their leaf.

        Raises `TREError(AuditBroken)` where the stored log is not what was signed, `TREError(Conflict)` where
        another sequencer was faster or has the lease (nothing is lost: call again).
        """
        with self._database.read() as connection:
            waiting = _read_waiting(connection, self._terms.batch)
        if not waiting:
            return 0
        try:
            with self._database.extend_log() as connection:
                signed = self._extend(connection, waiting)
        except IntegrityError as error:
            raise TREError(Reason.Conflict, "Another program extended the audit log at the same moment.") from error
        self._signed = signed.checkpoint
        if self._terms.witness is not None:
            self._terms.witness.keep(signed)
        return len(waiting)

    def catch_up(self) -> int:
        """Sequence all that waits; the number of events that got their leaf."""
        total = 0
        while done := self.step():
            total += done
        return total

    def check(self) -> Head:
        """Compare the stored log with what was signed and witnessed; its size and root.

        Raises `TREError(AuditBroken)` where they differ. Costs a few reads, however long the log is.
        """
        with self._database.read() as connection:
            frontier, _ = self._open(connection)
        return Head(frontier.size, frontier.root())

    def mend_queue(self) -> int:
        """Make the queue hold exactly the events without a leaf (a scan of all events; for the start).

        Returns how many were queued anew: events that somebody wrote around the trigger.
        """
        has_leaf = select(literal(1)).where(audit_leaves.c.event_number == audit_events.c.number).exists()
        queued = select(literal(1)).where(audit_waiting.c.number == audit_events.c.number).exists()
        done = audit_waiting.c.number.in_(select(audit_leaves.c.event_number))
        with self._database.read() as connection:
            forgotten = connection.execute(select(audit_events.c.number).where(~has_leaf, ~queued)).scalars().all()
            stale = connection.execute(select(audit_waiting.c.number).where(done)).scalars().all()
        if forgotten or stale:
            with self._database.extend_log() as connection:
                connection.execute(delete(audit_waiting).where(done))
                if forgotten:
                    connection.execute(insert(audit_waiting), [{"number": number} for number in forgotten])
        return len(forgotten)

    def _extend(self, connection: Connection, waiting: Sequence[_Waiting]) -> SignedCheckpoint:
        if self._terms.lease is not None:
            self._terms.lease.confirm(connection)
        frontier, last_at = self._open(connection)
        first = frontier.size
        nodes: list[dict[str, Any]] = []
        for item in waiting:
            nodes += [
                {"level": coordinate.level, "position": coordinate.position, "hash": value}
                for coordinate, value in frontier.append(item.leaf_hash)
                if is_kept(coordinate)
            ]
        leaves = [
            {"position": first + offset, "event_number": item.number, "leaf_hash": item.leaf_hash}
            for offset, item in enumerate(waiting)
        ]
        now = self._clock.now()
        at = now if last_at is None else max(now, last_at)
        signed = sign(Checkpoint(self._signer.name, frontier.size, frontier.root(), at), self._signer)
        connection.execute(insert(audit_leaves), leaves)
        if nodes:
            connection.execute(insert(audit_nodes), nodes)
        _dequeue(connection, waiting[0].number, waiting[-1].number)
        values = {"size": frontier.size, "root": frontier.root(), "at": at, "note": signed.note()}
        connection.execute(insert(audit_checkpoints).values(values))
        return signed

    def _open(self, connection: Connection) -> tuple[Frontier, datetime | None]:
        """The right edge of the stored log, after comparing it with every checkpoint known here."""
        nodes = StoredNodes(connection)
        row = last_checkpoint(connection)
        size = 0 if row is None else row.size
        if (leaves := leaf_count(connection)) != size:
            raise _broken(f"The log holds {leaves} leaves, and its last checkpoint says {size}.")
        try:
            frontier = Frontier.load(nodes, size)
            if row is not None:
                self._check_stored(row, frontier)
            for seen in self._remembered():
                self._check_remembered(seen, frontier, nodes)
        except MissingNodeError as error:
            raise _broken(f"The log has {error}.") from error
        return frontier, None if row is None else row.at

    def _check_stored(self, row: CheckpointRow, frontier: Frontier) -> None:
        try:
            checkpoint = open_note(row.note, self._keys)
        except TREError as error:
            raise _broken(f"The last checkpoint (size {row.size}) is not ours: {error}") from error
        if (checkpoint.size, checkpoint.root, checkpoint.at) != (row.size, row.root, row.at):
            raise _broken("The last checkpoint's columns differ from the text that was signed.")
        if frontier.root() != checkpoint.root:
            raise _broken(f"The stored hashes do not give the signed root of size {row.size}.")

    def _remembered(self) -> list[Checkpoint]:
        remembered = [] if self._signed is None else [self._signed]
        if self._terms.witness is not None and (kept := self._terms.witness.last()) is not None:
            remembered.append(open_note(kept.note(), self._keys))
        return remembered

    def _check_remembered(self, seen: Checkpoint, frontier: Frontier, nodes: StoredNodes) -> None:
        if seen.size > frontier.size:
            raise _broken(
                f"The log was {seen.size} events long on {seen.at.isoformat()} and is {frontier.size} now.",
                why="It was shortened, or an older copy of the database was put in its place.",
            )
        now = frontier.root() if seen.size == frontier.size else root(nodes, seen.size)
        if now != seen.root:
            raise _broken(f"The first {seen.size} events are not those that were signed on {seen.at.isoformat()}.")


def _read_waiting(connection: Connection, limit: int) -> list[_Waiting]:
    query = (
        select(audit_waiting.c.number.label("queued"), *EVENT_COLUMNS)
        .select_from(audit_waiting.outerjoin(audit_events, audit_events.c.number == audit_waiting.c.number))
        .order_by(audit_waiting.c.number)
        .limit(limit)
    )
    return [_prepare(row) for row in connection.execute(query)]


def _dequeue(connection: Connection, first: int, last: int) -> None:
    """Take from the queue what has its leaf now, and nothing else, among these numbers."""
    has_leaf = select(audit_leaves.c.event_number).where(audit_leaves.c.event_number.between(first, last))
    among = audit_waiting.c.number.between(first, last)
    connection.execute(delete(audit_waiting).where(among, audit_waiting.c.number.in_(has_leaf)))


def _prepare(row: Row[*tuple[Any, ...]]) -> _Waiting:
    if row.id is None:
        raise _broken(f"Event number {row.queued} was deleted before it had its leaf.")
    try:
        leaf = leaf_of(row)
    except (TREError, TypeError, ValueError) as error:
        raise _broken(f"Event number {row.queued} is not an event any more.", why=f"{error}") from error
    return _Waiting(row.queued, hash_leaf(leaf))


def _broken(what: str, why: str = "") -> TREError:
    return TREError(
        Reason.AuditBroken,
        what,
        why=why,
        remedy="Stop the launcher, keep a copy of the database as it is, and run `tre audit verify`.",
    )
