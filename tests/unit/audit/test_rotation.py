"""Changing the log's key: in order, interrupted anywhere, after a loss, and by somebody who may not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.audit.conftest import ORIGIN, START, Log
from tre.audit import keys, rotation
from tre.audit.keychange import CHANGED, LOST, KeyChange, read_statement, state
from tre.audit.replay import Tampering
from tre.audit.rotation import NEXT_KEY_FILE, Place, rotate
from tre.audit.verify import verify_log
from tre.audit.witness import FileWitness
from tre.domain.errors import Reason, TREError


@pytest.fixture
def place(log: Log, tmp_path: Path) -> Place:
    directory = tmp_path / "keys"
    directory.mkdir()
    log.signer = keys.make_keys(directory, ORIGIN)
    log.keys = (log.signer.public,)

    def record(kind: str, about: str, statement: str) -> Any:
        return log.event(kind=kind, object=about, detail={"statement": statement})

    return Place(directory, log.database, log.clock, record, FileWitness(tmp_path / "seen"))


def go_on(log: Log, place: Place, count: int = 3) -> None:
    """The controller after a restart."""
    signer = keys.load_private(place.keys / keys.PRIVATE_KEY_FILE)
    known = keys.load_public(place.keys / keys.PUBLIC_KEY_FILE)
    log.signer = signer
    log.append(count)
    log.clock.advance(1)
    log.sequencer(earlier_keys=tuple(key for key in known if key != signer.public), witness=place.witness).catch_up()


def names(report: Any) -> set[Tampering]:
    return {fault.looks_like for fault in report.faults}


def test_whoever_trusts_the_first_key_follows_every_change(log: Log, place: Place) -> None:
    first = log.keys
    log.grow(5)
    rotate(place)
    go_on(log, place)
    rotate(place)
    go_on(log, place)
    report = verify_log(log.database, first)
    assert report.ok, report
    assert report.breaks == ()
    assert len(keys.load_public(place.keys / keys.PUBLIC_KEY_FILE)) == 3
    assert verify_log(log.database, keys.load_public(place.keys / keys.PUBLIC_KEY_FILE)).ok
    assert not (place.keys / NEXT_KEY_FILE).exists()


def test_without_the_event_the_same_new_key_is_foreign(log: Log, place: Place) -> None:
    first = log.keys
    log.grow(5)
    earlier, log.signer = log.signer, keys.generate(ORIGIN)
    log.append(1)
    log.sequencer(earlier_keys=(earlier.public,)).step()
    assert names(verify_log(log.database, first)) == {Tampering.foreign_signature}


def test_a_retired_key_signs_no_more(log: Log, place: Place) -> None:
    first, old = log.keys, log.signer
    log.grow(5)
    rotate(place)
    go_on(log, place)
    assert verify_log(log.database, first).ok
    new = log.signer.public
    log.signer = old
    log.append(2)
    log.sequencer(earlier_keys=(new,)).catch_up()
    assert names(verify_log(log.database, first)) >= {Tampering.retired_key}


def test_a_retired_key_hands_over_to_nobody(log: Log, place: Place) -> None:
    first, old = log.keys, log.signer
    log.grow(2)
    rotate(place)
    go_on(log, place)
    thief = keys.generate(ORIGIN)
    change = KeyChange(old.public, thief.public, log.clock.now())
    insert(log, place, CHANGED, state(change, [old, thief]))
    go_on(log, place)
    assert Tampering.false_key_change in names(verify_log(log.database, first))


def insert(log: Log, place: Place, kind: str, statement: str) -> None:
    with log.database.change(place.record(kind, "key/00000000", statement)):
        pass


@pytest.mark.parametrize("forged", ["unsigned", "by the new key alone", "another name", "rubbish", "called lost"])
def test_a_change_that_the_earlier_key_did_not_sign_brings_no_trust(log: Log, place: Place, forged: str) -> None:
    first, old = log.keys, log.signer
    log.grow(2)
    thief, other = keys.generate(ORIGIN), keys.generate("tre.example.net/audit")
    change = KeyChange(old.public, thief.public, log.clock.now())
    statement = {
        "unsigned": state(change, [thief]).partition("\u2014")[0],
        "by the new key alone": state(change, [thief]),
        "another name": state(KeyChange(old.public, other.public, log.clock.now()), [old, other]),
        "rubbish": "rubbish",
        "called lost": state(change, [old, thief]),
    }[forged]
    insert(log, place, LOST if forged == "called lost" else CHANGED, statement)
    log.sequencer().catch_up()
    assert names(verify_log(log.database, first)) == {Tampering.false_key_change}


@pytest.mark.parametrize("detail", [{}, {"statement": None}, {"statement": ["x"]}])
def test_an_event_of_that_kind_without_a_statement_is_false(log: Log, detail: dict[str, Any]) -> None:
    with log.database.change(log.event(kind=CHANGED, object="key/x", detail=detail)):
        pass
    log.sequencer().catch_up()
    assert names(log.verify()) == {Tampering.false_key_change}


def test_words_about_such_an_event_are_no_such_event(log: Log) -> None:
    with log.database.change(log.event(kind="grant.applied", detail={"what": CHANGED, "list": ["log.key-lost"]})):
        pass
    log.sequencer().catch_up()
    assert log.verify().ok


class PowerCutError(Exception):
    pass


@pytest.mark.parametrize("step", ["_say", "_sequence", "write_public", "flush_directory"])
@pytest.mark.parametrize("lost", [False, True])
def test_a_power_cut_anywhere_is_ended_by_doing_it_again(
    log: Log, place: Place, monkeypatch: pytest.MonkeyPatch, step: str, *, lost: bool
) -> None:
    first = log.keys
    log.grow(4)
    if lost:
        (place.keys / keys.PRIVATE_KEY_FILE).unlink()
    real: Callable[..., Any] = getattr(rotation, step)

    def cut(*words: Any) -> None:
        real(*words)
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(rotation, step, cut)
        with pytest.raises(PowerCutError):
            rotate(place, lost=lost)
    if step != "flush_directory":  # else the new key is in its place, and nothing is left to do
        if not lost:
            go_on(log, place)  # the controller goes on with the earlier key meanwhile
        rotate(place, lost=lost)
    go_on(log, place)
    known = keys.load_public(place.keys / keys.PUBLIC_KEY_FILE)
    assert len(known) == 2
    assert verify_log(log.database, known).ok
    assert verify_log(log.database, first).ok is not lost


def test_a_lost_key_is_a_break_that_is_told(log: Log, place: Place) -> None:
    first = log.keys
    log.grow(5)
    (place.keys / keys.PRIVATE_KEY_FILE).unlink()
    with pytest.raises(TREError) as caught:
        rotate(place)
    assert caught.value.reason is Reason.SetupIncomplete
    rotate(place, lost=True)
    go_on(log, place)
    report = verify_log(log.database, first)
    assert names(report) == {Tampering.foreign_signature}
    assert "was lost" in report.faults[0].message
    trusted = verify_log(log.database, keys.load_public(place.keys / keys.PUBLIC_KEY_FILE))
    assert trusted.ok
    assert [item.position for item in trusted.breaks] == [5]
    assert "only the operator's word" in trusted.breaks[0].message


def test_a_key_that_is_there_is_not_lost(log: Log, place: Place) -> None:
    log.grow(1)
    before = (place.keys / keys.PRIVATE_KEY_FILE).read_bytes()
    with pytest.raises(TREError) as caught:
        rotate(place, lost=True)
    assert caught.value.reason is Reason.StateForbids
    assert (place.keys / keys.PRIVATE_KEY_FILE).read_bytes() == before
    assert not (place.keys / NEXT_KEY_FILE).exists()


def test_a_broken_log_gets_no_new_key(log: Log, place: Place) -> None:
    log.grow(5)
    log.tamper("DELETE FROM audit_leaves WHERE position = 4")
    with pytest.raises(TREError) as caught:
        rotate(place)
    assert caught.value.reason is Reason.AuditBroken
    assert keys.load_private(place.keys / keys.PRIVATE_KEY_FILE).public == log.keys[0]


def test_a_statement_holds_one_spelling() -> None:
    old, new = keys.generate(ORIGIN), keys.generate(ORIGIN)
    note = state(KeyChange(old.public, new.public, START), [old, new])
    assert read_statement(note, CHANGED).later == new.public
    for changed in (note.replace("changed\n", "lost\n"), note.replace("T10:00", "T11:00"), note + "\n", note[1:]):
        with pytest.raises(TREError):
            read_statement(changed, CHANGED)
