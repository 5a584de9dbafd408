"""Signed grants: whose signature counts, over what, and everything that does not count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.factories import access_grant
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.sources.signed import check_evidence, is_evidence_good, key_id, load_signers, sign

COMMITTEE, STRANGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {key_id(COMMITTEE.public_key()): COMMITTEE.public_key()}


def changed(grant: AccessGrant, **changes: Any) -> AccessGrant:
    """A grant whose content somebody edited after it was signed; the evidence stays."""
    return grant.model_copy(update={"spec": grant.spec.model_copy(update=changes)})


def with_evidence(grant: AccessGrant, **changes: Any) -> AccessGrant:
    """A grant whose evidence somebody edited."""
    assert grant.spec.approval.evidence is not None
    evidence = grant.spec.approval.evidence.model_copy(update=changes)
    return changed(grant, approval=grant.spec.approval.model_copy(update={"evidence": evidence}))


def refusal(grant: AccessGrant) -> str:
    with pytest.raises(TREError) as caught:
        check_evidence(grant, KEYS)
    assert caught.value.reason is Reason.EvidenceUnverified
    assert caught.value.remedy
    return caught.value.what


def test_a_configured_key_makes_a_grant_count() -> None:
    grant = sign(access_grant(), COMMITTEE)
    check_evidence(grant, KEYS)
    assert is_evidence_good(grant, KEYS)


def test_a_grant_without_signature_counts_for_nothing() -> None:
    assert "no signature" in refusal(access_grant())


def test_a_strangers_signature_counts_for_nothing() -> None:
    assert "not configured" in refusal(sign(access_grant(), STRANGER))


def test_a_stranger_who_claims_the_committees_key_is_found_out() -> None:
    forged = with_evidence(sign(access_grant(), STRANGER), key=key_id(COMMITTEE.public_key()))
    assert "changed after it was signed" in refusal(forged)
    assert not is_evidence_good(forged, KEYS)


@pytest.mark.parametrize("field", ["members", "expires", "slices", "workspace", "export", "conditions", "legal_basis"])
def test_any_change_after_the_signature_is_found(field: str) -> None:
    other = access_grant(
        members=[{"subject": {"issuer": "local", "id": "eve"}, "role": "lead"}],
        expires="2031-01-01T00:00:00Z",
        slices=[dict(access_grant("other").spec.as_plain()["slices"][0], name="other")],
        workspace={"budgets": {"fileReads": "1Gi/h"}},
        export={"policy": "lax"},
        conditions=["DUO:0000042"],
        legalBasis={"name": "another law", "ends": "2031-01-01T00:00:00Z"},
    )
    signed = sign(access_grant(), COMMITTEE)
    assert "changed after it was signed" in refusal(changed(signed, **{field: getattr(other.spec, field)}))


def test_a_signature_is_for_one_name() -> None:
    signed = sign(access_grant("nccid-00123"), COMMITTEE)
    renamed = signed.model_copy(update={"metadata": signed.metadata.model_copy(update={"name": "nccid-00124"})})
    assert "changed after it was signed" in refusal(renamed)


def test_another_source_is_not_a_signed_file() -> None:
    assert "no signature" in refusal(with_evidence(sign(access_grant(), COMMITTEE), source="portal"))


def test_signers_are_read_from_their_files_and_a_broken_one_is_named(tmp_path: Path) -> None:
    pem = COMMITTEE.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "committee.pub").write_bytes(pem)
    (tmp_path / "notes.txt").write_text("not a key", encoding="ascii")
    assert list(load_signers(tmp_path)) == [key_id(COMMITTEE.public_key())]
    (tmp_path / "broken.pub").write_text("not a key", encoding="ascii")
    with pytest.raises(TREError) as caught:
        load_signers(tmp_path)
    assert "broken.pub" in caught.value.what
