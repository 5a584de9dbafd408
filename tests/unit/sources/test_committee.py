"""Grants that a committee decided here: a signature by this service's own key, bound to one record of a decision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tests.support.factories import access_grant
from tre.domain.committee.signed import SignedDecision
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.sources.decisions import check_record
from tre.sources.signed import (
    COMMITTEE,
    COMMITTEE_SIGNERS,
    KINDS,
    PRACTICE_SIGNERS,
    SOURCE,
    check_evidence,
    is_evidence_good,
    key_id,
    load_signers,
    sign,
    sign_decision,
)

SERVICE, BODY, MANAGER = (Ed25519PrivateKey.generate() for _ in range(3))
DECISION, OTHER = "sha256:" + "d" * 64, "sha256:" + "e" * 64


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Any]:
    """A key of each kind, each where its kind belongs."""
    for directory, key in (("grant-signers", BODY), (PRACTICE_SIGNERS, MANAGER), (COMMITTEE_SIGNERS, SERVICE)):
        (tmp_path / directory).mkdir()
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        (tmp_path / directory / "one.pub").write_bytes(key.public_key().public_bytes(encoding, form))
    return load_signers(tmp_path / "grant-signers")


def with_evidence(grant: AccessGrant, **changes: Any) -> AccessGrant:
    """A grant whose evidence somebody edited."""
    assert grant.spec.approval.evidence is not None
    evidence = grant.spec.approval.evidence.model_copy(update=changes)
    approval = grant.spec.approval.model_copy(update={"evidence": evidence})
    return grant.model_copy(update={"spec": grant.spec.model_copy(update={"approval": approval})})


def test_this_services_key_makes_a_decision_count(keys: dict[str, Any]) -> None:
    grant = sign_decision(access_grant(), DECISION, SERVICE)
    assert grant.spec.approval.evidence is not None
    assert (grant.spec.approval.evidence.source, grant.spec.approval.evidence.digest) == (COMMITTEE, DECISION)
    check_evidence(grant, keys)


def test_a_signature_is_for_one_decision(keys: dict[str, Any]) -> None:
    grant = with_evidence(sign_decision(access_grant(), DECISION, SERVICE), digest=OTHER)
    with pytest.raises(TREError, match="changed after it was signed") as caught:
        check_evidence(grant, keys)
    assert caught.value.reason is Reason.EvidenceUnverified


def test_no_kind_of_key_is_taken_for_another(keys: dict[str, Any]) -> None:
    for key in (BODY, MANAGER):
        assert not is_evidence_good(sign_decision(access_grant(), DECISION, key), keys)
    assert not is_evidence_good(sign(access_grant(), SERVICE), keys)
    assert not is_evidence_good(with_evidence(sign_decision(access_grant(), DECISION, SERVICE), source=SOURCE), keys)
    forged = with_evidence(sign(access_grant(), SERVICE), source=COMMITTEE)
    assert not is_evidence_good(forged, keys), "the words in front of the content differ"


def test_without_this_services_key_its_decisions_open_nothing(tmp_path: Path, keys: dict[str, Any]) -> None:
    grant = sign_decision(access_grant(), DECISION, SERVICE)
    (tmp_path / COMMITTEE_SIGNERS / "one.pub").unlink()
    with pytest.raises(TREError, match="committee-signers"):
        check_evidence(grant, load_signers(tmp_path / "grant-signers"))


def test_kinds_share_neither_directory_nor_mark_nor_words() -> None:
    for values in zip(*((kind.directory, kind.mark, kind.context) for kind in KINDS.values()), strict=True):
        assert len(set(values)) == len(KINDS)


OLD = Path(__file__).parents[2] / "assets" / "committee" / "before-words-for-the-public"


def test_a_decision_that_was_signed_before_members_wrote_for_the_public_still_holds() -> None:
    written = json.loads(OLD.with_suffix(".json").read_text())
    key = serialization.load_pem_public_key(OLD.with_suffix(".pub").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    keys = {KINDS[COMMITTEE].mark + key_id(key): key}
    found = SignedDecision.model_validate(written)
    check_record(found, keys)
    assert found.as_plain() == written
    assert (found.record.public_reasons, found.record.patient_reasons) == ((), ())
    written["record"]["votes"][0]["forThePublic"] = "Added later."
    with pytest.raises(TREError) as caught:
        check_record(SignedDecision.model_validate(written), keys)
    assert caught.value.reason is Reason.SignatureInvalid
