"""The sequencer: every event gets one leaf, crash or not; what does not match is refused."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, select

from tests.support.databases import Sqlite
from tests.unit.audit.conftest import START, Log
from tre.audit import keys
from tre.audit.checkpoint import open_note
from tre.audit.merkle import Frontier, hash_leaf
from tre.audit.records import last_checkpoint, status
from tre.audit.sequencer import Sequencer, Terms
from tre.audit.witness import FileWitness
from tre.domain.errors import Reason, TREError
from tre.store import events
from tre.store.tables.audit import audit_checkpoints, audit_events, audit_leaves, audit_nodes, audit_waiting


def counts(log: Log) -> dict[str, int]:
    with log.database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (audit_events, audit_waiting, audit_leaves, audit_nodes, audit_checkpoints)
        }


def test_events_get_their_places_and_a_signed_checkpoint(log: Log) -> None:
    written = log.grow(3, 4)
    expected = Frontier()
    for item in written:
        expected.append(hash_leaf(item.leaf()))
    with log.database.read() as connection:
        last = last_checkpoint(connection)
        stored = events.after(connection, 0)
    assert last is not None
    checkpoint = open_note(last.note, log.keys)
    assert checkpoint.head == (7, expected.root())
    assert checkpoint.at == START + timedelta(seconds=2)
    assert [item.position for item in stored] == list(range(7))
    assert [item.event for item in stored] == written
    assert counts(log) == {
        "audit_events": 7,
        "audit_waiting": 0,
        "audit_leaves": 7,
        "audit_nodes": 0,
        "audit_checkpoints": 2,
    }
    assert log.sequencer().check() == checkpoint.head


def test_nothing_waiting_signs_nothing(log: Log) -> None:
    assert log.sequencer().step() == 0
    log.grow(1)
    assert log.sequencer().step() == 0
    assert counts(log)["audit_checkpoints"] == 1


def test_a_long_queue_is_taken_in_batches(log: Log) -> None:
    log.append(10)
    assert log.sequencer(batch=4).catch_up() == 10
    with log.database.read() as connection:
        assert connection.execute(select(audit_checkpoints.c.size)).scalars().all() == [4, 8, 10]
    assert log.verify().ok


def add_numbered(log: Log, number: int, kind: str) -> None:
    with log.database.extend_log() as connection:
        connection.exec_driver_sql(
            "INSERT INTO audit_events (number, id, at, kind, actor_issuer, actor_id, object, detail)"
            f" VALUES ({number}, '{number:032x}', '2026-11-01T10:00:00.000000Z', '{kind}', 'a', 'b', 'grant/x', '{{}}')"
        )


def test_an_event_whose_transaction_commits_late_still_gets_its_leaf(log: Log) -> None:
    """With numbers given before the commit (as sequences do), a lower number may appear after a higher one."""
    add_numbered(log, 100, "grant.applied")
    assert log.sequencer().step() == 1
    add_numbered(log, 7, "grant.revoked")
    assert log.sequencer().step() == 1
    with log.database.read() as connection:
        assert [(item.number, item.position) for item in events.after(connection, 0)] == [(7, 1), (100, 0)]
    assert log.verify().ok


def test_finding_what_waits_does_not_scan_the_events(sqlite: Sqlite, tmp_path: Path) -> None:
    log = Log(sqlite, tmp_path / "log.sqlite")
    log.grow(5)
    log.append(1)
    steps: list[str] = []
    event.listen(log.database.engine, "before_cursor_execute", lambda *arguments: steps.append(arguments[2]))
    log.sequencer().step()
    query = next(text for text in steps if "LEFT OUTER JOIN audit_events" in text)
    with sqlite3.connect(log.path) as connection:
        plan = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + query, (10, 0))]
    connection.close()
    assert not any(line.startswith("SCAN audit_events") for line in plan), plan
    assert any("SEARCH audit_events USING INTEGER PRIMARY KEY" in line for line in plan), plan


def test_an_event_written_around_the_trigger_is_queued_at_the_next_start(log: Log) -> None:
    log.grow(2)
    log.append(1)
    log.tamper("DELETE FROM audit_waiting")
    assert log.sequencer().step() == 0
    assert log.sequencer().mend_queue() == 1
    assert log.sequencer().step() == 1
    assert log.sequencer().mend_queue() == 0


def test_an_event_queued_twice_gets_one_leaf(log: Log) -> None:
    log.grow(2)
    log.tamper("INSERT INTO audit_waiting (number) VALUES (1)")
    with pytest.raises(TREError, match="at the same moment") as caught:
        log.sequencer().step()
    assert caught.value.reason is Reason.Conflict
    assert log.sequencer().mend_queue() == 0
    assert log.sequencer().step() == 0
    assert counts(log)["audit_leaves"] == 2


def test_two_sequencers_never_give_one_event_two_places(log: Log) -> None:
    log.append(6)
    one, other = log.sequencer(batch=2), log.sequencer(batch=2)
    while one.step() + other.step():
        pass
    assert log.verify().ok
    assert counts(log)["audit_leaves"] == 6


def test_a_clock_set_back_does_not_set_the_log_back(log: Log) -> None:
    log.grow(1)
    log.append(1)
    log.clock.jump(START - timedelta(days=1))
    log.sequencer().step()
    with log.database.read() as connection:
        moments = connection.execute(select(audit_checkpoints.c.at)).scalars().all()
    assert moments == [START + timedelta(seconds=1)] * 2
    assert log.verify().ok


@contextmanager
def failing_at(log: Log, statement: int) -> Iterator[list[str]]:
    """Let the n-th statement of the connection fail, before it runs."""
    seen: list[str] = []

    def fail(_c: Any, _cursor: Any, text: str, *_more: Any) -> None:
        seen.append(text)
        if len(seen) == statement:
            raise OSError(text)

    event.listen(log.database.engine, "before_cursor_execute", fail)
    try:
        yield seen
    finally:
        event.remove(log.database.engine, "before_cursor_execute", fail)


def test_a_failure_at_any_statement_leaves_the_log_whole(log: Log) -> None:
    log.grow(3)
    hits = 0
    for statement in range(1, 50):
        log.append(2)
        before = counts(log)
        with failing_at(log, statement) as seen:
            try:
                log.sequencer().step()
            except OSError:
                hits += 1
                assert counts(log) == before, f"half a batch after: {seen[-1]}"
                assert log.verify().ok
                continue
        break
    assert hits >= 7, "the batch has fewer statements than were to be interrupted"
    assert counts(log)["audit_waiting"] == 0
    assert log.verify().ok


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from tre.audit import keys
from tre.audit.sequencer import Sequencer
from tre.store.database import Database
from tre.system.clock import SystemClock
directory, fatal = Path(sys.argv[2]), int(sys.argv[3])
database = Database(sys.argv[1])
sequencer = Sequencer(database, keys.load_private(directory / keys.PRIVATE_KEY_FILE), SystemClock())
count = 0
def die(*_):
    global count
    count += 1
    if count == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(database.engine, "before_cursor_execute", die)
event.listen(database.engine, "commit", die)
print(sequencer.step())
"""


def test_kill_9_at_any_statement_leaves_the_log_whole(log: Log, tmp_path: Path) -> None:
    log.signer = keys.make_keys(tmp_path, "tre.example.org/audit")
    log.keys = (log.signer.public,)
    log.clock.jump(START - timedelta(days=3650))
    log.grow(5)
    killed = 0
    for fatal in range(1, 40):
        log.append(3)
        before = counts(log)
        command = [sys.executable, "-c", KILLED, log.database.url, str(tmp_path), str(fatal)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            assert counts(log)["audit_waiting"] == 0
            break
        assert done.returncode == -9, done.stderr
        killed += 1
        assert counts(log) == before
        assert log.verify().ok
    assert killed >= 8
    assert log.verify().ok


def refused(sequencer: Sequencer, words: str) -> TREError:
    with pytest.raises(TREError, match=words) as caught:
        sequencer.step()
    assert caught.value.reason is Reason.AuditBroken
    with pytest.raises(TREError, match=words):
        sequencer.check()
    return caught.value


DAMAGE = {
    "a leaf cut off": (
        "DELETE FROM audit_leaves WHERE position = 12",
        "holds 12 leaves, and its last checkpoint says 13",
    ),
    "a leaf added": (
        "INSERT INTO audit_leaves VALUES (13, 99, zeroblob(32))",
        "holds 14 leaves, and its last checkpoint says 13",
    ),
    "an edge leaf changed": ("UPDATE audit_leaves SET leaf_hash = zeroblob(32) WHERE position = 9", "signed root"),
    "an edge node changed": ("UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 3", "signed root"),
    "an edge node removed": ("DELETE FROM audit_nodes WHERE level = 3", "no hash of subtree 0 at level 3"),
    "the root column changed": ("UPDATE audit_checkpoints SET root = zeroblob(32) WHERE size = 13", "columns differ"),
    "the note changed": ("UPDATE audit_checkpoints SET note = replace(note, 'at 2026', 'at 2025')", "is not ours"),
    "the note gone": ("UPDATE audit_checkpoints SET note = ''", "is not ours"),
    "a checkpoint removed": ("DELETE FROM audit_checkpoints WHERE size = 13", "last checkpoint says 8"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_log_that_does_not_match_its_checkpoint_is_not_signed(log: Log, name: str) -> None:
    statement, words = DAMAGE[name]
    log.grow(8, 5)
    log.append(1)
    assert log.sequencer().check().size == 13
    log.tamper(statement)
    assert "tre audit verify" in refused(log.sequencer(), words).remedy


def test_a_checkpoint_by_a_foreign_key_is_refused_and_an_earlier_key_is_admitted(log: Log) -> None:
    log.grow(3)
    earlier = log.signer
    log.signer = keys.generate(earlier.name)
    log.append(1)
    refused(log.sequencer(), "is not ours")
    assert log.sequencer(earlier_keys=(earlier.public,)).step() == 1


def shorten(log: Log, size: int) -> None:
    log.tamper(
        (
            "DELETE FROM audit_events WHERE number IN (SELECT event_number FROM audit_leaves WHERE position >= ?)",
            (size,),
        ),
        ("DELETE FROM audit_leaves WHERE position >= ?", (size,)),
        ("DELETE FROM audit_nodes WHERE ((position + 1) << level) > ?", (size,)),
        ("DELETE FROM audit_checkpoints WHERE size > ?", (size,)),
    )


def test_a_log_cut_back_to_an_earlier_checkpoint_is_noticed_by_who_remembers(log: Log, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "last")
    log.append(16)
    running = log.sequencer(witness=witness, batch=8)
    running.catch_up()
    shorten(log, 8)
    log.append(1)
    refused(running, "was 16 events long")  # it remembers what it signed itself
    error = refused(log.sequencer(witness=witness), "was 16 events long")
    assert "older copy" in error.why
    assert log.sequencer().step() == 1  # without memory nothing shows: that is what witnesses are for


def test_a_log_rewritten_by_the_holder_of_the_key_is_noticed_by_the_witness(log: Log, tmp_path: Path) -> None:
    witness = FileWitness(tmp_path / "last")
    log.append(8)
    log.sequencer(witness=witness).step()
    shorten_all = ["DELETE FROM audit_events", "DELETE FROM audit_leaves", "DELETE FROM audit_nodes"]
    log.tamper(*shorten_all, "DELETE FROM audit_checkpoints")
    log.grow(9)
    log.append(1)
    refused(log.sequencer(witness=witness), "first 8 events are not those that were signed")
    assert log.sequencer().step() == 1


def test_a_restored_witness_that_lags_is_no_fault(log: Log, tmp_path: Path) -> None:
    """A crash between the commit and the witness leaves the witness one batch behind."""
    witness = FileWitness(tmp_path / "last")
    log.append(2)
    log.sequencer(witness=witness).step()
    log.grow(2)
    log.append(1)
    assert log.sequencer(witness=witness).step() == 1
    kept = witness.last()
    assert kept is not None
    assert kept.checkpoint.size == 5


def test_an_event_deleted_before_it_had_its_leaf_stops_the_log(log: Log) -> None:
    log.append(2)
    log.tamper("DELETE FROM audit_events WHERE number = 1")
    with pytest.raises(TREError, match="number 1 was deleted before") as caught:
        log.sequencer().step()
    assert caught.value.reason is Reason.AuditBroken


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET detail = '{\"a\": 0.5}' WHERE number = 1",
        "UPDATE audit_events SET detail = 'no json' WHERE number = 1",
    ],
)
def test_an_event_made_unreadable_before_it_had_its_leaf_stops_the_log(log: Log, statement: str) -> None:
    log.append(1)
    if not log.can_hold(statement):
        return
    log.tamper(statement)
    with pytest.raises(TREError) as caught:
        log.sequencer().step()
    assert caught.value.reason is Reason.AuditBroken


def test_status_says_size_time_and_what_waits(log: Log) -> None:
    with log.database.read() as connection:
        empty = status(connection)
    assert (empty.size, empty.last_checkpoint_at, empty.waiting, empty.waiting_since) == (0, None, 0, None)
    log.grow(3)
    log.clock.advance(5)
    log.append(2)
    with log.database.read() as connection:
        found = status(connection)
    assert (found.size, found.waiting) == (3, 2)
    assert found.last_checkpoint_at == START + timedelta(seconds=1)
    assert found.waiting_since == START + timedelta(seconds=6)


def test_the_default_terms_remember_nothing(log: Log) -> None:
    assert Sequencer(log.database, log.signer, log.clock).step() == 0
    assert Terms().witness is None
