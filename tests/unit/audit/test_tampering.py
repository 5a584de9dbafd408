"""What is done to a log by whoever can write its record or has its key: both verifiers find each, and pass the log as
it was. The second verifier is a file of its own, run by a bare interpreter: it has none of our code to lean on."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.audit.conftest import START, Log
from tre.audit import keys
from tre.audit.checkpoint import Checkpoint, open_note, sign
from tre.audit.export import export_log, verify_export
from tre.audit.keychange import CHANGED, KeyChange, state
from tre.audit.merkle import hash_leaf
from tre.audit.proof import prove_growth, prove_object
from tre.audit.records import last_checkpoint
from tre.audit.verify import Expectations, read_leaves, verify_log
from tre.domain.errors import TREError

PROGRAM = Path(__file__).parents[3] / "verifier" / "tre_log_verify.py"


def note_of(log: Log) -> str:
    with log.database.read() as connection:
        row = last_checkpoint(connection)
    assert row is not None
    return row.note


def export(log: Log) -> bytes:
    file = io.BytesIO()
    export_log(log.database, file)
    return file.getvalue()


class Auditor:
    """Somebody outside: the key and a checkpoint of earlier, and a bare interpreter."""

    def __init__(self, place: Path, log: Log) -> None:
        self.place, self.keys = place, log.keys
        self.key, self.seen = place / "log.pub", place / "seen"
        self.key.write_text("".join(key.line() + "\n" for key in log.keys))
        self.seen.write_text(note_of(log))

    def bare(self, exported: bytes, *words: str, bare: bool = True) -> tuple[int, str]:
        file = self.place / "log.jsonl"
        file.write_bytes(exported)
        flags = ["-I", "-S"] if bare else []
        command = [sys.executable, *flags, str(PROGRAM), str(file), "--key", str(self.key), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
        assert done.stderr == "", done.stderr
        return done.returncode, done.stdout

    def judge(self, log: Log) -> tuple[bool, bool, str]:
        """What both verifiers say of a log with the checkpoint that was kept: whether it fits."""
        seen = open_note(self.seen.read_text(), self.keys)
        ours = verify_log(log.database, self.keys, Expectations((seen,))).ok
        try:
            exported = export(log)
        except TREError as error:  # where a row is no event any more nothing is exported, and it says so
            return ours, False, f"{error}"
        code, said = self.bare(exported, "--seen", str(self.seen))
        return ours, code == 0, said


def retell(log: Log) -> None:
    """Write the whole log anew and sign it with the service's own key, as whoever holds it could."""
    log.tamper(
        "UPDATE audit_events SET actor_id = 'nobody' WHERE number = 2",
        "DELETE FROM audit_leaves",
        "DELETE FROM audit_nodes",
        "DELETE FROM audit_checkpoints",
        "INSERT INTO audit_waiting SELECT number FROM audit_events",
    )
    log.sequencer().catch_up()


def older_time(log: Log) -> None:
    found = open_note(note_of(log), log.keys)
    older = Checkpoint(found.origin, found.size, found.root, START - timedelta(days=1))
    words = "UPDATE audit_checkpoints SET note = ?, at = '2026-10-31T10:00:00.000000Z' WHERE size = ?"
    log.tamper((words, (sign(older, log.signer).note(), found.size)))


def replayed(log: Log) -> None:
    words = "UPDATE audit_checkpoints SET note = (SELECT note FROM audit_checkpoints WHERE size = 4) WHERE size = 9"
    log.tamper(words)


def swapped(log: Log) -> None:
    log.signer = keys.generate(log.signer.name)
    retell(log)


def forged_change(log: Log) -> None:
    thief = keys.generate(log.signer.name)
    change = KeyChange(log.signer.public, thief.public, START)
    event = log.event(kind=CHANGED, object="key/x", detail={"statement": state(change, [thief])})
    with log.database.change(event):
        pass
    log.sequencer().catch_up()


def rehashed(log: Log) -> None:
    log.tamper("UPDATE audit_events SET object = 'grant/x' WHERE number = 3")
    with log.database.read() as connection:
        leaf = [item for chunk in read_leaves(connection) for item in chunk][2]
    assert leaf.data
    log.tamper(("UPDATE audit_leaves SET leaf_hash = ? WHERE position = 2", (hash_leaf(leaf.data),)))


class Deed(NamedTuple):
    do: Callable[[Log], None]
    word: str
    """What the second verifier has to say of it."""


DEEDS = {
    "a row altered": Deed(
        lambda log: log.tamper("UPDATE audit_events SET actor_id = 'mallory' WHERE number = 3"), "rewritten"
    ),
    "a row altered with its leaf": Deed(rehashed, "rewritten"),
    "a row removed": Deed(
        lambda log: log.tamper(
            "DELETE FROM audit_events WHERE number = 3", "DELETE FROM audit_leaves WHERE position = 2"
        ),
        "one is missing",
    ),
    "an event removed, its leaf kept": Deed(
        lambda log: log.tamper("DELETE FROM audit_events WHERE number = 3"), "cannot be read"
    ),
    "two rows exchanged": Deed(
        lambda log: log.tamper(
            "UPDATE audit_leaves SET event_number = 99 WHERE position = 2",
            "UPDATE audit_leaves SET event_number = 3 WHERE position = 6",
            "UPDATE audit_leaves SET event_number = 7 WHERE position = 2",
        ),
        "rewritten",
    ),
    "the end cut off with its checkpoint": Deed(
        lambda log: log.tamper(
            "DELETE FROM audit_events WHERE number > 4",
            "DELETE FROM audit_leaves WHERE position > 3",
            "DELETE FROM audit_nodes",
            "DELETE FROM audit_checkpoints WHERE size > 4",
        ),
        "cut off",
    ),
    "the last checkpoint removed": Deed(
        lambda log: log.tamper("DELETE FROM audit_checkpoints WHERE size = 9"), "no checkpoint covers"
    ),
    "the whole log written anew with the service's own key": Deed(retell, "rewritten: the first 9 events"),
    "an old checkpoint in a new one's place": Deed(replayed, "of size 4 stands after 9"),
    "the key swapped": Deed(swapped, "signed by no key of this log"),
    "a change of key that the key did not sign": Deed(forged_change, "falsely that the key changed"),
    "the clock turned back": Deed(older_time, "older than the one before"),
}


@pytest.mark.parametrize("name", DEEDS)
def test_both_verifiers_find_it_and_pass_the_log_as_it_was(log: Log, tmp_path: Path, name: str) -> None:
    log.grow(4, 5)
    auditor = Auditor(tmp_path, log)
    assert auditor.judge(log)[:2] == (True, True)
    DEEDS[name].do(log)
    ours, theirs, said = auditor.judge(log)
    assert not ours
    assert not theirs
    assert DEEDS[name].word in said


def test_only_what_was_kept_shows_a_log_written_anew_with_the_key(log: Log, tmp_path: Path) -> None:
    log.grow(4, 5)
    auditor = Auditor(tmp_path, log)
    retell(log)
    assert auditor.bare(export(log))[0] == 0
    assert auditor.bare(export(log), "--seen", str(auditor.seen))[0] == 1


def test_every_kept_checkpoint_is_held_against_the_log(log: Log, tmp_path: Path) -> None:
    notes = []
    for _ in range(4):
        log.grow(3)
        notes.append(note_of(log))
    auditor = Auditor(tmp_path, log)
    lines = [json.dumps({"checkpoint": note}) for note in notes]
    kept = tmp_path / "kept.jsonl"
    kept.write_text("\n".join(lines) + "\n")
    code, said = auditor.bare(export(log), "--seen", str(kept))
    assert code == 0, said
    found = open_note(notes[1], log.keys)
    other = sign(Checkpoint(found.origin, 5, b"\x07" * 32, found.at), log.signer)  # shown to somebody else
    kept.write_text("\n".join([*lines, json.dumps({"checkpoint": other.note()})]) + "\n")
    code, said = auditor.bare(export(log), "--seen", str(kept))
    assert (code, "the first 5 events are not those" in said) == (1, True)


def test_a_kept_checkpoint_of_somebody_else_says_nothing_good(log: Log, tmp_path: Path) -> None:
    log.grow(4)
    auditor = Auditor(tmp_path, log)
    found = open_note(note_of(log), log.keys)
    auditor.seen.write_text(sign(found, keys.generate(log.signer.name)).note())
    assert auditor.bare(export(log), "--seen", str(auditor.seen))[0] == 1


def test_given_events_are_looked_for_and_proofs_are_checked(log: Log, tmp_path: Path) -> None:
    first, *_ = log.grow(4)
    auditor = Auditor(tmp_path, log)
    earlier = open_note(auditor.seen.read_text(), log.keys)
    log.grow(7, 2)
    with log.database.read() as connection:
        shown = [item.as_plain() for item in prove_object(connection, "workspace/w-1")]
        grown = prove_growth(connection, earlier, auditor.seen.read_text()).as_plain()
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps([*shown, grown]))
    code, said = auditor.bare(export(log), "--event", first.id, "--proof", str(good))
    assert code == 0, said
    assert f"event {first.id} stands at 0" in said
    assert "the log of 13 goes on from that of 4" in said
    assert auditor.bare(export(log), "--event", "0" * 32)[0] == 1
    wrongs: list[dict[str, Any]] = [
        shown[0] | {"position": 2},
        shown[0] | {"path": shown[0]["path"][:-1]},
        shown[0] | {"path": [*shown[0]["path"], shown[0]["path"][0]]},
        shown[0] | {"event": shown[0]["event"] | {"kind": "grant.applied"}},
        grown | {"path": grown["path"][1:]},
        grown | {"path": grown["path"][::-1]},
        grown | {"earlier": grown["later"], "later": grown["earlier"]},
        {"format": "else"},
    ]
    for wrong in wrongs:
        bad.write_text(json.dumps(wrong))
        assert auditor.bare(export(log), "--proof", str(bad))[0] == 1, wrong


def test_it_follows_a_change_of_key_and_tells_of_a_loss(log: Log, tmp_path: Path) -> None:
    log.grow(4)
    auditor = Auditor(tmp_path, log)
    old, new = log.signer, keys.generate(log.signer.name)
    change = KeyChange(old.public, new.public, START)
    with log.database.change(log.event(kind=CHANGED, object="key/x", detail={"statement": state(change, [old, new])})):
        pass
    log.sequencer().catch_up()
    log.signer = new
    log.append(2)
    log.sequencer(earlier_keys=(old.public,)).catch_up()
    assert auditor.bare(export(log))[0] == 0
    newest = keys.generate(log.signer.name)
    lost = KeyChange(new.public, newest.public, START, lost=True)
    event = log.event(kind="log.key-lost", object="key/y", detail={"statement": state(lost, [newest])})
    with log.database.change(event):
        pass
    log.signer = newest
    log.sequencer(earlier_keys=(old.public, new.public)).catch_up()
    code, said = auditor.bare(export(log))
    assert (code, "was lost: from event 7 on it is signed by" in said) == (1, True)
    auditor.key.write_text(f"{newest.public.line()}\n# the earlier one\n{old.public.line()}\n")
    code, said = auditor.bare(export(log))
    assert (code, "A BREAK: the key" in said) == (0, True)


def test_both_kinds_of_arithmetic_agree_and_it_says_which_it_used(log: Log, tmp_path: Path) -> None:
    log.grow(3)
    auditor = Auditor(tmp_path, log)
    assert "own arithmetic" in auditor.bare(export(log))[1]
    assert "package cryptography" in auditor.bare(export(log), bare=False)[1]


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 511))
def test_its_ed25519_takes_true_signatures_and_no_bit_of_another(data: bytes, bit: int) -> None:
    verify = _program()["ed25519"]
    signer = keys.generate("x")
    signature = signer.sign(data)
    assert verify(signer.public.raw, data, signature)
    changed = (int.from_bytes(signature, "little") ^ (1 << bit)).to_bytes(64, "little")
    assert not verify(signer.public.raw, data, changed)
    assert not verify(signer.public.raw, data + b"x", signature)


def test_its_ed25519_refuses_what_is_no_key_and_no_signature() -> None:
    verify = _program()["ed25519"]
    signer = keys.generate("x")
    signature = signer.sign(b"x")
    order = 2**252 + 27742317777372353535851937790883648493
    again = int.from_bytes(signature[32:], "little") + order  # the same residue, another spelling
    assert not verify(signer.public.raw, b"x", signature[:32] + again.to_bytes(32, "little"))
    for public in (b"\xff" * 32, b"\x02" + bytes(31), b"\x01" + bytes(30) + b"\x80"):
        assert not verify(public, b"x", signature)
    for short in (b"", signature[:63], signature + b"\0"):
        assert not verify(signer.public.raw, b"x", short)


def _program() -> dict[str, Any]:
    space: dict[str, Any] = {"__name__": "tre_log_verify"}
    exec(compile(PROGRAM.read_text(encoding="utf-8"), str(PROGRAM), "exec"), space)
    return space


BAD_FILES = [b"", b"{}", b"null", b"[" * 100_000, b'{"format":"tre-audit-export/1"}', b"\xff\xfe"]
LINES = [
    b"[]",
    b'{"event":{"a":1.5},"position":3}',
    b'{"event":{"a":9007199254740993},"position":3}',
    b'{"event":{"a":1,"a":2},"position":3}',
    b'{"event":{"a":"\\ud800"},"position":3}',
    b'{"event":{},"position":true}',
    b'{"event":{},"position":7}',
    b'{"event":{"a":NaN},"position":3}',
    b'{"checkpoint":"x"}',
    b'{"checkpoint":null}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("number", range(len(BAD_FILES)))
def test_a_file_that_is_no_log_is_said_to_be_none(log: Log, tmp_path: Path, number: int) -> None:
    log.grow(3)
    code, said = Auditor(tmp_path, log).bare(BAD_FILES[number])
    assert (code, "WRONG" in said) == (1, True)


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_that_is_none_is_found_by_both(log: Log, tmp_path: Path, number: int) -> None:
    log.grow(3)
    auditor = Auditor(tmp_path, log)
    lines = export(log).splitlines(keepends=True)
    changed = b"".join([*lines[:4], LINES[number] + b"\n", *lines[4:]])
    code, said = auditor.bare(changed)
    assert (code, "WRONG" in said) == (1, True)
    assert not verify_export(io.BytesIO(changed), log.keys).ok


def test_text_of_every_kind_has_the_same_leaf_in_both(log: Log, tmp_path: Path) -> None:
    detail = {"\U0001f600": 1, "\ufb33": 2, 'a\u0000\u001f\u007f\u2028\\/"': [2**53 - 1, -5, True, None, {}], "": ""}
    with log.database.change(log.event(detail=detail)):
        pass
    log.sequencer().catch_up()
    assert Auditor(tmp_path, log).bare(export(log))[0] == 0
