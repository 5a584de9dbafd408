"""The verifier: what it says about a log that was tampered with, and about one that was not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.databases import Sqlite
from tests.unit.audit.conftest import START, Log
from tre.audit import keys
from tre.audit.checkpoint import Checkpoint, open_note, parse, sign
from tre.audit.export import export_log, verify_export
from tre.audit.merkle import Frontier, hash_leaf
from tre.audit.records import checkpoint_after, last_checkpoint
from tre.audit.replay import Tampering
from tre.audit.verify import OVERDUE, read_leaves, verify_log
from tre.domain.errors import Reason, TREError


def last(log: Log) -> Any:
    with log.database.read() as connection:
        row = last_checkpoint(connection)
    assert row is not None
    return row


def test_an_untouched_log_verifies(log: Log) -> None:
    written = log.grow(8, 1, 30)
    expected = Frontier()
    for item in written:
        expected.append(hash_leaf(item.leaf()))
    report = log.verify()
    assert report.ok
    assert report.first is None
    assert (report.size, report.checkpoints, report.root) == (39, 3, expected.root().hex())
    assert report.signed_at == START + timedelta(seconds=3)


def test_an_empty_log_verifies(log: Log) -> None:
    report = log.verify()
    assert report.ok
    assert (report.size, report.checkpoints, report.signed_at) == (0, 0, None)


def test_a_log_longer_than_a_chunk_verifies(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.grow(20, 3, 50)
    monkeypatch.setattr("tre.audit.verify.read_leaves", lambda connection: read_leaves(connection, 7))
    assert log.verify().ok
    log.tamper("UPDATE audit_events SET object = 'grant/other' WHERE number = 41")
    assert log.verify().first.position == 40


# What was done; the kind that the verifier names; the first position that does not fit. The log: 16 + 8 + 6 leaves.
TAMPERED: dict[str, tuple[list[str], Tampering, int]] = {
    "an event changed": (
        ["UPDATE audit_events SET actor_id = 'mallory' WHERE number = 10"],
        Tampering.changed_event,
        9,
    ),
    "an event's time changed": (
        ["UPDATE audit_events SET at = '2026-11-01T10:00:00.000001Z' WHERE number = 10"],
        Tampering.changed_event,
        9,
    ),
    "an event made unreadable": (
        ["UPDATE audit_events SET detail = '{' WHERE number = 10"],
        Tampering.changed_event,
        9,
    ),
    "an event given a float": (["UPDATE audit_events SET detail = '1.5' WHERE number = 3"], Tampering.changed_event, 2),
    "an event without a time": (["UPDATE audit_events SET at = 7 WHERE number = 3"], Tampering.changed_event, 2),
    "two events changed": (
        ["UPDATE audit_events SET kind = 'grant.applied' WHERE number IN (27, 5)"],
        Tampering.changed_event,
        4,
    ),
    "an event deleted": (["DELETE FROM audit_events WHERE number = 17"], Tampering.deleted_event, 16),
    "an event and its leaf deleted": (
        ["DELETE FROM audit_events WHERE number = 20", "DELETE FROM audit_leaves WHERE position = 19"],
        Tampering.deleted_leaf,
        19,
    ),
    "the first leaf deleted": (["DELETE FROM audit_leaves WHERE position = 0"], Tampering.deleted_leaf, 0),
    "two events swapped": (
        [
            "UPDATE audit_leaves SET event_number = 99 WHERE position = 2",
            "UPDATE audit_leaves SET event_number = 3 WHERE position = 6",
            "UPDATE audit_leaves SET event_number = 7 WHERE position = 2",
        ],
        Tampering.changed_event,
        2,
    ),
    "the end cut off": (
        ["DELETE FROM audit_events WHERE number > 28", "DELETE FROM audit_leaves WHERE position > 27"],
        Tampering.truncated_log,
        28,
    ),
    "everything cut off": (
        ["DELETE FROM audit_events", "DELETE FROM audit_leaves", "DELETE FROM audit_nodes"],
        Tampering.truncated_log,
        0,
    ),
    "the last checkpoint removed": (["DELETE FROM audit_checkpoints WHERE size = 30"], Tampering.unsigned_tail, 24),
    "every checkpoint removed": (["DELETE FROM audit_checkpoints"], Tampering.unsigned_tail, 0),
    "an inner hash changed": (
        ["UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 3 AND position = 1"],
        Tampering.changed_node,
        8,
    ),
    "an inner hash removed": (["DELETE FROM audit_nodes WHERE level = 3 AND position = 2"], Tampering.changed_node, 16),
    "an inner hash too many": (["INSERT INTO audit_nodes VALUES (3, 9, zeroblob(32))"], Tampering.changed_node, 30),
    "two inner hashes changed": (
        ["UPDATE audit_nodes SET hash = zeroblob(32) WHERE level = 3"],
        Tampering.changed_node,
        0,
    ),
    "a checkpoint's root changed": (
        ["UPDATE audit_checkpoints SET root = zeroblob(32) WHERE size = 24"],
        Tampering.changed_checkpoint,
        24,
    ),
    "a checkpoint's size changed": (
        ["UPDATE audit_checkpoints SET size = 20 WHERE size = 24"],
        Tampering.changed_checkpoint,
        24,
    ),
    "a checkpoint's time changed": (
        ["UPDATE audit_checkpoints SET note = replace(note, '10:00:02', '10:00:01') WHERE size = 24"],
        Tampering.changed_checkpoint,
        24,
    ),
    "a checkpoint's text gone": (
        ["UPDATE audit_checkpoints SET note = 'nothing' WHERE size = 24"],
        Tampering.changed_checkpoint,
        24,
    ),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampering_is_found_and_named(log: Log, name: str) -> None:
    statements, looks_like, position = TAMPERED[name]
    log.grow(16, 8, 6)
    assert log.verify().ok
    if not log.can_hold(*statements):
        return
    log.tamper(*statements)
    report = log.verify()
    assert not report.ok
    assert (report.first.looks_like, report.first.position) == (looks_like, position), report


@pytest.fixture(scope="module")
def tampered_log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    made = Log(Sqlite(), tmp_path_factory.mktemp("bits") / "log.sqlite")
    made.grow(16, 8, 6)
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_any_changed_character_of_any_event_is_found(tampered_log: Log, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, 30))
    column = data.draw(st.sampled_from(["id", "at", "kind", "actor_issuer", "actor_id", "object", "detail"]))
    with tampered_log.database.read() as connection:
        row = connection.exec_driver_sql(f"SELECT {column} FROM audit_events WHERE number = {number}")
        text = str(row.scalar_one())
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters(codec="ascii").filter(lambda item: item != text[place]))
    changed = text[:place] + character + text[place + 1 :]
    if column == "detail" and same_json(text, changed):
        return  # another spelling of the same value is the same event
    statement = f"UPDATE audit_events SET {column} = ? WHERE number = ?"
    tampered_log.tamper((statement, (changed, number)))
    try:
        report = tampered_log.verify()
    finally:
        tampered_log.tamper((statement, (text, number)))
    assert report.first.position == number - 1
    assert report.first.looks_like in {Tampering.changed_event, Tampering.deleted_event}
    assert tampered_log.verify().ok


def same_json(one: str, other: str) -> bool:
    try:
        return repr(json.loads(one)) == repr(json.loads(other))
    except ValueError:
        return False


def rewrite(log: Log, number: int) -> None:
    """Change an event and its leaf, as somebody would who has read how the log works but has no key."""
    log.tamper(("UPDATE audit_events SET object = 'grant/x', detail = '{}' WHERE number = ?", (number,)))
    with log.database.read() as connection:
        leaf = [item for chunk in read_leaves(connection) for item in chunk][number - 1]
    assert leaf.data
    log.tamper(("UPDATE audit_leaves SET leaf_hash = ? WHERE position = ?", (hash_leaf(leaf.data), number - 1)))


def test_an_event_rewritten_together_with_its_leaf_is_placed_by_the_inner_hashes(log: Log) -> None:
    log.grow(16, 8, 6)
    rewrite(log, 13)
    report = log.verify()
    assert [(item.looks_like, item.position) for item in report.faults] == [(Tampering.rewritten_log, 8)]


def test_an_event_rewritten_with_everything_above_it_is_placed_between_two_checkpoints(log: Log) -> None:
    log.grow(16, 8, 6)
    rewrite(log, 30)
    report = log.verify()
    assert [(item.looks_like, item.position) for item in report.faults] == [(Tampering.rewritten_log, 24)]


def test_a_log_signed_by_somebody_else_is_foreign(log: Log, make_log: Callable[[], Log]) -> None:
    log.grow(3)
    report = verify_log(log.database, make_log().keys)
    assert [(item.looks_like, item.position) for item in report.faults] == [(Tampering.foreign_signature, 3)]


def test_a_checkpoint_resigned_by_a_thief_of_nothing_is_foreign(log: Log) -> None:
    log.grow(3, 2)
    forged = sign(parse(last(log).note).checkpoint, keys.generate(log.signer.name))
    log.tamper(("UPDATE audit_checkpoints SET note = ? WHERE size = 5", (forged.note(),)))
    assert (log.verify().first.looks_like, log.verify().first.position) == (Tampering.foreign_signature, 5)


def test_checkpoints_of_an_earlier_key_verify_with_both_keys(log: Log) -> None:
    log.grow(3)
    earlier = log.signer.public
    log.signer = keys.generate(log.signer.name)
    log.append(2)
    log.sequencer(earlier_keys=(earlier,)).step()
    assert verify_log(log.database, (log.signer.public, earlier)).ok
    assert not verify_log(log.database, (log.signer.public,)).ok


def test_a_log_cut_back_with_its_checkpoints_is_found_by_what_was_seen(log: Log) -> None:
    log.grow(8, 8)
    seen = open_note(last(log).note, log.keys)
    assert log.verify(seen=(seen,)).ok
    log.tamper(
        "DELETE FROM audit_events WHERE number > 8",
        "DELETE FROM audit_leaves WHERE position > 7",
        "DELETE FROM audit_nodes WHERE position > 0",
        "DELETE FROM audit_checkpoints WHERE size > 8",
    )
    assert log.verify().ok  # nothing inside tells; this is why checkpoints are kept outside
    report = log.verify(seen=(seen,))
    assert (report.first.looks_like, report.first.position) == (Tampering.truncated_log, 8)


def test_a_log_rewritten_by_the_holder_of_the_key_is_found_by_what_was_seen(
    log: Log, make_log: Callable[[], Log]
) -> None:
    log.grow(4, 4)
    with log.database.read() as connection:
        first = checkpoint_after(connection, 0)
    assert first is not None
    seen = open_note(first.note, log.keys)
    other = make_log()
    other.signer, other.keys = log.signer, log.keys
    other.grow(4, 4)
    assert other.verify().ok
    report = other.verify(seen=(seen,))
    assert report.first.looks_like is Tampering.rewritten_log


def test_checkpoints_out_of_order_of_time_are_found(log: Log) -> None:
    log.grow(3, 2)
    found = open_note(last(log).note, log.keys)
    older = Checkpoint(found.origin, found.size, found.root, START - timedelta(days=1))
    log.tamper(
        (
            "UPDATE audit_checkpoints SET note = ?, at = '2026-10-31T10:00:00.000000Z' WHERE size = 5",
            (sign(older, log.signer).note(),),
        )
    )
    assert "older than the one before" in log.verify().first.message


def test_events_that_wait_are_no_fault_until_they_are_overdue(log: Log) -> None:
    log.grow(3)
    log.append(2)
    report = log.verify()
    assert report.ok
    assert report.waiting == 2
    now = log.clock.now()
    assert log.verify(overdue_before=now - OVERDUE).ok
    later = log.verify(overdue_before=now + timedelta(seconds=11) - OVERDUE)
    assert [item.looks_like for item in later.faults] == [Tampering.overdue_event] * 2
    assert later.waiting == 2


def test_verifying_needs_no_right_to_write(log: Log) -> None:
    log.grow(3)
    reader = log.backend.again(log.database, read_only=True)
    assert verify_log(reader, log.keys).ok


# The exported file


def exported(log: Log) -> list[bytes]:
    file = io.BytesIO()
    with log.database.read() as connection:
        row = last_checkpoint(connection)
    assert export_log(log.database, file) == (0 if row is None else row.size)
    return file.getvalue().splitlines(keepends=True)


def judge(lines: list[bytes], log: Log, **more: Any) -> Any:
    return verify_export(io.BytesIO(b"".join(lines)), log.keys, **more)


def test_an_export_verifies_without_the_database(log: Log) -> None:
    log.grow(8, 5)
    log.append(3)  # waiting: not in the log yet, so not in the file
    lines = exported(log)
    assert len(lines) == 1 + 13 + 2
    report = judge(lines, log)
    assert report.ok
    assert (report.size, report.checkpoints, report.root) == (13, 2, log.verify().root)


def test_an_empty_export_verifies(log: Log) -> None:
    assert judge(exported(log), log).ok


CHANGED_FILES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], Tampering]] = {
    "an event changed": (
        lambda lines: [line.replace(b'"number":3', b'"number":4') for line in lines],
        Tampering.rewritten_log,
    ),
    "an event removed": (lambda lines: lines[:4] + lines[5:], Tampering.changed_event),
    "two events exchanged": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], Tampering.changed_event),
    "the end torn off": (lambda lines: [*lines[:-3], lines[-3][:20]], Tampering.changed_event),
    "the end cut off": (lambda lines: lines[:-3], Tampering.truncated_log),
    "the last checkpoint cut off": (lambda lines: lines[:-1], Tampering.unsigned_tail),
    "a checkpoint moved": (lambda lines: [*lines[:4], lines[-1], *lines[4:-1]], Tampering.changed_checkpoint),
    "a line of rubbish": (lambda lines: [*lines[:4], b"[]\n", *lines[4:]], Tampering.changed_event),
    "a line nested too deeply": (lambda lines: [*lines[:4], b"[" * 100_000 + b"\n"], Tampering.changed_event),
    "a float in an event": (
        lambda lines: [line.replace(b'"number":3', b'"number":3.5') for line in lines],
        Tampering.changed_event,
    ),
}


@pytest.mark.parametrize("name", CHANGED_FILES)
def test_a_changed_export_is_found(log: Log, name: str) -> None:
    change, looks_like = CHANGED_FILES[name]
    log.grow(8, 5)
    report = judge(change(exported(log)), log)
    assert looks_like in {item.looks_like for item in report.faults}, report


def test_an_export_signed_by_somebody_else_is_foreign(log: Log, make_log: Callable[[], Log]) -> None:
    log.grow(3)
    report = judge(exported(log), make_log())
    assert Tampering.foreign_signature in {item.looks_like for item in report.faults}


def test_an_export_older_than_what_was_seen_is_found(log: Log) -> None:
    log.grow(3)
    old = exported(log)
    log.grow(3)
    seen = open_note(last(log).note, log.keys)
    assert judge(exported(log), log, seen=(seen,)).ok
    assert judge(old, log).ok
    assert judge(old, log, seen=(seen,)).first.looks_like is Tampering.truncated_log


@pytest.mark.parametrize("text", [b"", b"{}", b"no json", b'{"format":"tre-audit-export/1"}', b'{"size":1}\n'])
def test_a_file_that_is_no_export_is_refused(log: Log, text: bytes) -> None:
    with pytest.raises(TREError, match="not an exported audit log") as caught:
        judge([text], log)
    assert caught.value.reason is Reason.BadInput


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit_events WHERE number = 2", "UPDATE audit_events SET detail='{'"]
)
def test_a_log_with_a_missing_event_is_not_exported(log: Log, statement: str) -> None:
    log.grow(3)
    if not log.can_hold(statement):
        return
    log.tamper(statement)
    with pytest.raises(TREError) as caught:
        exported(log)
    assert caught.value.reason is Reason.AuditBroken
