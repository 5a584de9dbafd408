"""Proofs: what somebody outside can check alone."""

from __future__ import annotations

import base64
import time

import pytest

from tests.unit.audit.conftest import Log
from tre.audit import keys
from tre.audit.checkpoint import open_note
from tre.audit.proof import (
    ConsistencyProof,
    InclusionProof,
    prove_event,
    prove_growth,
    prove_object,
    verify_growth,
    verify_proof,
)
from tre.audit.records import checkpoint_after, last_checkpoint
from tre.domain.errors import Reason, TREError
from tre.domain.model import parse_record
from tre.domain.people import Subject


def proof_of(log: Log, event_id: str) -> InclusionProof:
    with log.database.read() as connection:
        found = prove_event(connection, event_id)
    assert found is not None
    return found


def test_every_event_can_be_proven_and_the_proof_stays_the_same(log: Log) -> None:
    written = log.grow(9, 1, 20)
    proofs = [proof_of(log, event.id) for event in written]
    for event, proof in zip(written, proofs, strict=True):
        again = parse_record(InclusionProof, proof.as_plain())  # as it travels, as JSON
        assert again == proof
        assert again.event == event
        assert verify_proof(again, log.keys).size in {9, 10, 30}
    log.grow(5)
    assert [proof_of(log, event.id) for event in written] == proofs


def test_an_event_that_waits_has_no_proof_yet(log: Log) -> None:
    log.grow(2)
    event = log.append(1)[0]
    with log.database.read() as connection:
        assert prove_event(connection, event.id) is None
        assert prove_object(connection, event.object)[0].position == 0
    log.sequencer().step()
    assert verify_proof(proof_of(log, event.id), log.keys).size == 3


def test_an_unknown_event_is_named(log: Log) -> None:
    with log.database.read() as connection, pytest.raises(TREError, match="no event 'nothing'") as caught:
        prove_event(connection, "nothing")
    assert caught.value.reason is Reason.BadInput


def test_everything_that_happened_to_an_object_is_proven_in_one_log(log: Log) -> None:
    log.grow(3, 3)
    with log.database.read() as connection:
        proofs = prove_object(connection, "workspace/w-1")
        assert prove_object(connection, "workspace/none") == []
    assert [proof.position for proof in proofs] == [1, 4]
    assert {verify_proof(proof, log.keys).size for proof in proofs} == {6}


def test_an_object_in_an_empty_log_has_no_proofs(log: Log) -> None:
    log.append(1)
    with log.database.read() as connection:
        assert prove_object(connection, "workspace/w-0") == []


def test_a_changed_proof_is_refused(log: Log) -> None:
    written = log.grow(9)
    proof = proof_of(log, written[4].id)
    other = base64.b64encode(bytes(32)).decode()
    changes = (
        {"event": proof.event.model_copy(update={"actor": Subject(issuer="local", id="mallory")})},
        {"event": written[5]},
        {"position": 5},
        {"path": (other, *proof.path[1:])},
        {"path": proof.path[:-1]},
        {"path": (*proof.path, other)},
    )
    assert verify_proof(proof, log.keys)
    for change in changes:
        with pytest.raises(TREError, match="does not show") as caught:
            verify_proof(proof.model_copy(update=change), log.keys)
        assert caught.value.reason is Reason.AuditBroken


def test_a_proof_signed_by_somebody_else_is_refused(log: Log) -> None:
    proof = proof_of(log, log.grow(3)[0].id)
    with pytest.raises(TREError, match="No trusted key") as caught:
        verify_proof(proof, [keys.generate(log.signer.name).public])
    assert caught.value.reason is Reason.SignatureInvalid


def test_growth_is_proven_from_any_checkpoint(log: Log) -> None:
    log.grow(3, 5, 9)
    with log.database.read() as connection:
        last = last_checkpoint(connection)
        assert last is not None
        for size in (0, 3, 8):
            row = checkpoint_after(connection, size)
            assert row is not None
            proof = prove_growth(connection, open_note(row.note, log.keys), row.note)
            assert verify_growth(parse_record(ConsistencyProof, proof.as_plain()), log.keys).size == 17
        assert checkpoint_after(connection, 17) is None


def test_a_shortened_log_has_no_proof_of_growth(log: Log) -> None:
    log.grow(3)
    with log.database.read() as connection:
        row = last_checkpoint(connection)
    assert row is not None
    earlier = open_note(row.note, log.keys)
    log.tamper("DELETE FROM audit_checkpoints")
    with log.database.read() as connection, pytest.raises(TREError, match="was shortened") as caught:
        prove_growth(connection, earlier, row.note)
    assert caught.value.reason is Reason.AuditBroken


def test_a_false_proof_of_growth_is_refused(log: Log) -> None:
    log.grow(3, 5)
    with log.database.read() as connection:
        first = checkpoint_after(connection, 0)
        assert first is not None
        proof = prove_growth(connection, open_note(first.note, log.keys), first.note)
    swapped = proof.model_copy(update={"earlier": proof.later, "later": proof.earlier})
    for false in (swapped, proof.model_copy(update={"path": proof.path[:-1]})):
        with pytest.raises(TREError, match="does not go on") as caught:
            verify_growth(false, log.keys)
        assert caught.value.reason is Reason.AuditBroken


def test_a_proof_is_quick_in_a_long_log(log: Log) -> None:
    """The bound is one millisecond; four are allowed here because the machine may be busy, or twenty by a server."""
    written = log.append(8000)
    log.sequencer().catch_up()
    taken = []
    with log.database.read() as connection:
        for event in written[::400]:
            before = time.perf_counter()
            prove_event(connection, event.id)
            taken.append(time.perf_counter() - before)
    assert sorted(taken)[len(taken) // 2] < (0.004 if log.backend.kind == "sqlite" else 0.02)
