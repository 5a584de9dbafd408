"""Keys and policies: each as it should be, then one of them made wrong."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.unit.cli.doctor.conftest import Patient
from tre.airlock.policy import shipped_directory
from tre.audit.keys import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, generate

YEAR = 365 * 86400


@pytest.mark.parametrize(
    "name", ["dataset-salt.key", "hub-cookie-secret", "sources/rems.key", "database-owner.password"]
)
def test_a_key_that_others_can_read_is_bad(patient: Patient, name: str) -> None:
    assert patient.state("modes of keys") == "good"
    path = patient.layout.keys / name
    path.touch()
    path.chmod(0o604)
    found = patient.said("modes of keys")
    assert (found.state, f"keys/{name} is open to others (604)" in found.detail) == ("bad", True)
    path.chmod(0o640)
    assert patient.state("modes of keys") == "good", "two services may share one by its group"


def test_a_signer_that_others_can_change_is_bad(patient: Patient) -> None:
    (signer,) = (patient.layout.keys / "grant-signers").glob("*.pub")
    signer.chmod(0o646)
    assert patient.state("modes of keys") == "bad"


def test_a_key_that_is_missing_is_named(patient: Patient) -> None:
    assert patient.state("keys") == "good"
    patient.layout.grant_key.unlink()
    assert patient.state("keys") == "good", "the approving body may keep it elsewhere"
    (patient.layout.keys / "portal-session.key").unlink()
    shutil.rmtree(patient.layout.keys / "source-signers")
    patient.layout.source_key.unlink()
    found = patient.said("keys")
    assert (found.state, found.detail) == ("bad", "portal-session.key is missing; source-signing.key is missing")


def test_a_key_of_somebody_else_is_named(patient: Patient) -> None:
    assert patient.state("owners of keys") == "good"
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(patient.layout.keys / "portal-session.key", 65534, -1)
    found = patient.said("owners of keys")
    assert (found.state, "portal-session.key belongs to 65534" in found.detail) == ("bad", True)


def test_a_key_that_grew_old_is_named(patient: Patient) -> None:
    assert patient.state("age of keys") == "good"
    old = time.time() - 4 * YEAR
    os.utime(patient.layout.keys / "dataset-salt.key", (old, old))
    assert patient.state("age of keys") == "good", "nobody can replace it"
    os.utime(patient.layout.keys / "hub-cookie-secret", (old, old))
    found = patient.said("age of keys")
    assert (found.state, "tre keys rotate hub-cookie-secret" in found.remedy) == ("weak", True)


def test_the_key_that_signs_must_be_among_those_that_count(patient: Patient) -> None:
    assert patient.state("key of the log") == "good"
    public = patient.layout.keys / PUBLIC_KEY_FILE
    kept = public.read_text()
    public.write_text(generate("tre.localhost/audit").public.line() + "\n")
    assert patient.state("key of the log") == "bad"
    public.write_text(kept)
    (patient.layout.keys / PRIVATE_KEY_FILE).chmod(0o644)
    found = patient.said("key of the log")
    assert (found.state, "may not be read by this user" in found.detail) == ("bad", False)
    (patient.layout.keys / PRIVATE_KEY_FILE).unlink()
    assert patient.state("key of the log") == "weak"
    public.unlink()
    assert patient.state("key of the log") == "bad"


@pytest.mark.parametrize(
    "name", ["roles.yaml", "committee.yaml", "standing.yaml", "public-account.yaml", "sources.yaml", "airlock/x.yaml"]
)
def test_a_policy_that_cannot_be_read_is_bad(patient: Patient, name: str) -> None:
    assert patient.state("policy files") == "good"
    path = patient.root / "policies" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no: [policy\n")
    found = patient.said("policy files")
    assert (found.state, Path(name).name in found.detail) == ("bad", True)


def test_a_policy_that_others_can_change_is_bad(patient: Patient) -> None:
    assert patient.state("who changes policies") == "good"
    own = patient.root / "policies" / "airlock"
    own.mkdir(parents=True, exist_ok=True)
    own.chmod(0o775)
    assert patient.state("who changes policies") == "bad"
    own.chmod(0o755)
    (patient.root / "tre.yaml").chmod(0o666)
    assert "tre.yaml (666)" in patient.said("who changes policies").detail


def test_what_a_site_decides_by_itself_is_told(patient: Patient) -> None:
    assert "none of this site's own" in patient.said("own policies").detail
    own = patient.root / "policies" / "airlock"
    own.mkdir(parents=True, exist_ok=True)
    shutil.copy(shipped_directory() / "default.yaml", own)
    assert "in place of shipped ones: default" in patient.said("own policies").detail


def test_a_cluster_that_nobody_described_is_bad(patient: Patient) -> None:
    assert patient.state("cluster.yaml") == "good"
    assert patient.state("cluster.yaml", runtime="kubernetes") == "bad"
