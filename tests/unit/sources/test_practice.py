"""Grants of practice data: what a data manager's key opens, and everything that it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.factories import access_grant
from tre.domain.canonical import digest
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant
from tre.sources.signed import (
    PRACTICE,
    PRACTICE_SIGNERS,
    SOURCE,
    Kind,
    _signed,
    check_evidence,
    is_evidence_good,
    key_id,
    load_signers,
    sign,
    sign_practice,
)
from tre.sources.verified import VerifiedEvidence

COMMITTEE, MANAGER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Any]:
    """A committee's key and a data manager's, each where its kind belongs."""
    for directory, key in (("grant-signers", COMMITTEE), (PRACTICE_SIGNERS, MANAGER)):
        (tmp_path / directory).mkdir()
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        (tmp_path / directory / "one.pub").write_bytes(key.public_key().public_bytes(encoding, form))
    return load_signers(tmp_path / "grant-signers")


def named(name: str, *datasets: str) -> AccessGrant:
    """A grant of this name over slices of these datasets."""
    plain = access_grant().model_dump(mode="json", by_alias=True, exclude_none=True)
    plain["metadata"]["name"] = name
    (first, *_) = plain["spec"]["slices"]
    slices = []
    for number, dataset in enumerate(datasets):
        spec = first["spec"] | {"dataset": dataset}
        slices.append(first | {"name": f"s{number}", "dataset": dataset, "spec": spec})
    plain["spec"]["slices"] = slices
    if len(slices) > 1:
        for item in slices:
            item["planDigest"] = "sha256:" + "1" * 64
        plain["spec"]["approval"]["planDigest"] = digest({item["name"]: item["planDigest"] for item in slices})
    return AccessGrant.model_validate(plain)


def forged(grant: AccessGrant, source: str, context: bytes, **evidence: Any) -> AccessGrant:
    """Evidence that the tools would not make."""
    made = _signed(grant, MANAGER, Kind(source, context, "", ""))
    assert made.spec.approval.evidence is not None
    changed = made.spec.approval.evidence.model_copy(update=evidence)
    approval = made.spec.approval.model_copy(update={"evidence": changed})
    return made.model_copy(update={"spec": made.spec.model_copy(update={"approval": approval})})


def test_a_data_managers_key_opens_practice_data(keys: dict[str, Any]) -> None:
    grant = sign_practice(named("practice-cxr", "practice-nccid", "practice-other"), MANAGER)
    assert grant.spec.approval.evidence is not None
    assert grant.spec.approval.evidence.source == PRACTICE
    check_evidence(grant, keys)


@pytest.mark.parametrize(
    ("name", "datasets"),
    [
        ("practice-cxr", ["nccid"]),
        ("practice-cxr", ["practice-nccid", "nccid"]),
        ("practice-cxr", ["practicenccid"]),
        ("practice-cxr", ["my-practice-nccid"]),
        ("nccid-00001", ["practice-nccid"]),
    ],
)
def test_it_opens_nothing_else_whatever_is_written_into_the_evidence(
    keys: dict[str, Any], name: str, datasets: list[str]
) -> None:
    grant = named(name, *datasets)
    with pytest.raises(TREError) as caught:
        sign_practice(grant, MANAGER)
    assert caught.value.reason is Reason.EvidenceUnverified
    manager = key_id(MANAGER.public_key())
    for source in (PRACTICE, SOURCE):
        for context in (b"tre.research practice grant v1\0", b"tre.research grant v1\0"):
            for claimed in (manager, f"practice:{manager}", f"practice:practice:{manager}", ""):
                assert not is_evidence_good(forged(grant, source, context, key=claimed), keys)


def test_content_that_was_changed_afterwards_does_not_count(keys: dict[str, Any]) -> None:
    grant = sign_practice(named("practice-cxr", "practice-nccid"), MANAGER)
    real = named("practice-cxr", "nccid").spec.slices
    assert not is_evidence_good(grant.model_copy(update={"spec": grant.spec.model_copy(update={"slices": real})}), keys)


def test_neither_kind_of_key_is_taken_for_the_other(keys: dict[str, Any]) -> None:
    grant = named("practice-cxr", "practice-nccid")
    assert is_evidence_good(sign(grant, COMMITTEE), keys), "an approving body may sign anything"
    assert not is_evidence_good(sign_practice(grant, COMMITTEE), keys)
    assert not is_evidence_good(sign(grant, MANAGER), keys)
    assert not is_evidence_good(sign(named("nccid-1", "nccid"), MANAGER), keys)


def test_without_a_data_managers_key_nothing_is_opened(tmp_path: Path, keys: dict[str, Any]) -> None:
    grant = sign_practice(named("practice-cxr", "practice-nccid"), MANAGER)
    remembered = VerifiedEvidence()
    remembered.check(grant, keys)
    (tmp_path / PRACTICE_SIGNERS / "one.pub").unlink()
    fewer = load_signers(tmp_path / "grant-signers")
    assert not is_evidence_good(grant, fewer)
    with pytest.raises(TREError, match="practice-signers"):
        remembered.check(grant, fewer)
    (tmp_path / PRACTICE_SIGNERS).rmdir()
    assert load_signers(tmp_path / "grant-signers") == fewer
