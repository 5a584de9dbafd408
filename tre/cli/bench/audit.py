"""`tre bench audit`: what the signed log costs: to write, to prove from, to verify.

Guarantees: events go the way that they always go: committed through the record's own change, given their leaves and
signed by the sequencer with a witness, on a disk, in the record's own settings. The peer hashes the same bytes with
SHA-256 and inserts as many rows into a plain SQLite table with the same settings, in as large transactions, and signs,
chains and proves nothing. Every log that is timed is verified, and a proof is checked before its time counts.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection

from tre.audit import keys
from tre.audit.proof import InclusionProof, prove_event, verify_proof
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.verify import verify_log
from tre.audit.witness import FileWitness
from tre.cli.bench.figures import Figure, Peer, figure, median, percentile
from tre.domain.clock import ManualClock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.store.database import Database, new_id
from tre.store.events import MAX_PAGE, append_many
from tre.store.migrate import migrate

SIZES = (10_000, 100_000, 1_000_000)
SINGLES = 500
PROOFS = 300
EVENTS_A_SECOND, PROOF_MS, GROWTH = 20_000.0, 1.0, 12.0
"""A log ten times as long may take twelve times a processor's time: a fifth more for caches that it outgrows."""

_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_PART = 4 * MAX_PAGE


class _Log:
    """A record on a disk, and what grows its log."""

    def __init__(self, place: Path) -> None:
        self.database = Database.sqlite(place / "record.sqlite")
        migrate(self.database)
        signer = keys.generate("bench.example.org/audit")
        self.keys = (signer.public,)
        self.size = 0
        clock = ManualClock(_NOW)
        self.sequencer = Sequencer(self.database, signer, clock, Terms(witness=FileWitness(place / "seen")))

    def grow(self, events: Sequence[Event]) -> None:
        append_many(self.database, events, _PART)
        self.size += self.sequencer.catch_up()

    def verify(self) -> None:
        """Raises `TREError(AuditBroken)`."""
        report = verify_log(self.database, self.keys)
        if not report.ok or report.size != self.size:
            raise TREError(Reason.AuditBroken, "The log that was measured does not verify.")


def bench(sizes: Sequence[int] = SIZES, singles: int = SINGLES) -> list[Figure]:
    """Measure logs of these sizes, the smallest first."""
    with tempfile.TemporaryDirectory(prefix="tre-bench-") as place:
        return list(_figures(Path(place), sizes, singles))


def _figures(place: Path, sizes: Sequence[int], singles: int) -> Iterator[Figure]:
    log = _Log(place)
    verified: list[float] = []
    for number, size in enumerate(sizes):
        rate, busy = _grown(log, place, size - log.size)
        if number == 1 or len(sizes) == 1:
            peer = Peer(name="SHA-256 and plain inserts", value=rate.theirs)
            target = (f"≥ {EVENTS_A_SECOND:,.0f}/s", rate.ours >= EVENTS_A_SECOND)
            yield figure(
                "committed, in the tree and signed, in batches", "events/s", rate.ours, peer=peer, target=target
            )
            peer = Peer(name="SHA-256 and plain inserts", value=busy.theirs)
            yield figure("the same, of a processor's second", "events", busy.ours, peer=peer)
            yield from _single(log, singles)
            yield _proven(log)
        took = _spent(log.verify)
        verified.append(took.processor)
        yield figure(f"verify {size:,} events", "s", took.seconds)
    pairs = zip(pairwise(sizes), pairwise(verified), strict=True)
    for (small, large), (short, long) in pairs:
        most = GROWTH * large / small / 10
        times = long / short
        yield figure(
            f"verify {large:,} beside {small:,}, on a processor",
            "times",
            times,
            target=(f"≤ {most:g} times", times <= most),
        )
    log.database.close()


class _Rates(NamedTuple):
    ours: float
    theirs: float


class _Spent(NamedTuple):
    """Seconds of the clock, and of a processor: those do not tell what else the machine does."""

    seconds: float
    processor: float

    def plus(self, other: _Spent) -> _Spent:
        return _Spent(self.seconds + other.seconds, self.processor + other.processor)


def _grown(log: _Log, place: Path, count: int) -> tuple[_Rates, _Rates]:
    """Grow the log by so many events, part by part in turn with the peer; events a second, and of a processor's."""
    ours = theirs = _Spent(0.0, 0.0)
    plain = _plain(place / "plain.sqlite")
    for start in range(0, count, 5 * _PART):
        events = [_event(number) for number in range(start, min(count, start + 5 * _PART))]
        ours = ours.plus(_spent(partial(log.grow, events)))
        theirs = theirs.plus(_spent(partial(_insert, plain, events)))
    plain.close()
    rates = _Rates(count / ours.seconds, count / theirs.seconds)
    return rates, _Rates(count / ours.processor, count / theirs.processor)


def _event(number: int) -> Event:
    detail = {"reason": "Requested", "number": number, "person": {"issuer": "local", "id": f"person{number % 977}"}}
    return Event(
        id=new_id(),
        at=_NOW,
        actor=program("gateway"),
        kind="workspace.entered",
        object=f"workspace/w-{number % 1009:012}",
        detail=detail,
    )


def _plain(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS plain (number INTEGER PRIMARY KEY, event BLOB, hash BLOB)")
    return connection


def _insert(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    for start in range(0, len(events), _PART):
        leaves = [event.leaf() for event in events[start : start + _PART]]
        connection.execute("BEGIN IMMEDIATE")
        rows = [(leaf, hashlib.sha256(leaf).digest()) for leaf in leaves]
        connection.executemany("INSERT INTO plain (event, hash) VALUES (?, ?)", rows)
        connection.execute("COMMIT")


def _single(log: _Log, singles: int) -> Iterator[Figure]:
    events = [_event(number) for number in range(singles)]
    taken = [1000 * _timed(partial(_commit, log, event)) for event in events]
    yield figure("one event committed and flushed, p50", "ms", median(taken))
    yield figure("one event committed and flushed, p99", "ms", percentile(taken, 0.99))
    log.size += log.sequencer.catch_up()


def _commit(log: _Log, event: Event) -> None:
    with log.database.change(event):
        pass


def _proven(log: _Log) -> Figure:
    with log.database.read() as connection:
        step = max(1, log.size // PROOFS)
        rows = connection.exec_driver_sql("SELECT id FROM audit_events WHERE number % ? = 0", (step,)).fetchall()
        made: list[InclusionProof] = []
        taken = [1000 * _timed(partial(_prove, connection, row.id, made)) for row in rows]
    for proof in made:
        verify_proof(proof, log.keys)
    took = median(taken)
    return figure("proof of one event", "ms", took, target=(f"≤ {PROOF_MS:g} ms", took <= PROOF_MS))


def _prove(connection: Connection, event: str, made: list[InclusionProof]) -> None:
    proof = prove_event(connection, event)
    if proof is None:
        raise TREError(Reason.AuditBroken, f"There is no proof of event {event}.")
    made.append(proof)


def _spent(work: Callable[[], object]) -> _Spent:
    begun = time.process_time()
    seconds = _timed(work)
    return _Spent(seconds, time.process_time() - begun)


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
