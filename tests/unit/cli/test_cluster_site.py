"""What `tre bench cluster` brings to a launcher: approvals that the launcher would believe, at the addresses it has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.cli.trial import cluster_site
from tre.cli.trial.cluster_site import ClusterSite, ClusterWorld
from tre.domain.grants.models import AccessGrant
from tre.sources.signed import is_evidence_good, key_id
from tre.system.paths import CHECKOUT

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def world(tmp_path: Path) -> ClusterWorld:
    key = tmp_path / "committee.key"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(KEY.private_bytes(encoding, form, serialization.NoEncryption()))
    site: dict[str, Any] = {
        "kubeconfig": tmp_path / "config",
        "desk": "https://desk.tre.example.org:8443",
        "grant": CHECKOUT / "examples" / "grant.yaml",
        "key": key,
        "researcher": {"name": "alice", "password": "correct horse battery"},
        "operator": {"name": "olga", "password": "correct horse battery"},
        "image": f"registry.example.org/workspace@sha256:{'0' * 64}",
    }
    with mock.patch.object(cluster_site, "connect"):
        return ClusterWorld(ClusterSite.model_validate(site))


def test_an_approval_is_for_the_researcher_alone_and_signed(world: ClusterWorld) -> None:
    item = world.approval("bench-1")
    assert item["metadata"] == {"name": "bench-1", "namespace": "tre-system"}
    grant = AccessGrant.model_validate(yaml.safe_load(yaml.safe_dump(item | {"metadata": {"name": "bench-1"}})))
    assert [member.subject.id for member in grant.spec.members] == ["alice"]
    assert is_evidence_good(grant, {key_id(KEY.public_key()): KEY.public_key()})
    longer = grant.spec.model_copy(update={"expires": grant.spec.expires + timedelta(days=1)})
    assert not is_evidence_good(grant.model_copy(update={"spec": longer}), {key_id(KEY.public_key()): KEY.public_key()})


def test_hosts_are_named_as_the_desk_is(world: ClusterWorld) -> None:
    assert world.shell_of("w-one") == "https://w-one.open.tre.example.org:8443"


def test_no_password_is_shown(world: ClusterWorld) -> None:
    assert "battery" not in repr(world.site)
