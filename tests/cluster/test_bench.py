"""`tre bench cluster` against the launcher as the chart installs it: that it measures, and, in the long run, what."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from tests.cluster.launcher import PASSWORD, Launcher
from tre.cli.bench import cluster
from tre.cli.bench.figures import rows

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def site(launcher: Launcher, tmp_path: Path) -> Path:
    """What the benchmark has to know of this launcher."""
    certificate, key, grant = tmp_path / "front.crt", tmp_path / "committee.key", tmp_path / "grant.yaml"
    certificate.write_bytes(base64.b64decode(launcher.site.secret("tre-gateway-tls")["data"]["tls.crt"]))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key.write_bytes(launcher.committee.private_bytes(encoding, form, serialization.NoEncryption()))
    grant.write_text(yaml.safe_dump(launcher.template))
    file = tmp_path / "site.yaml"
    said = {
        "kubeconfig": str(launcher.site.reach.kubeconfig),
        "kubectl": launcher.site.reach.kubectl,
        "desk": launcher.origin("desk"),
        "certificate": str(certificate),
        "grant": str(grant),
        "key": str(key),
        "researcher": {"name": "alice", "password": PASSWORD},
        "operator": {"name": "olga", "password": PASSWORD},
        "image": launcher.site.images.workspace.reference,
    }
    file.write_text(json.dumps(said))
    return file


def test_the_benchmark_measures_an_installed_launcher(site: Path) -> None:
    found = {one.what: one for one in cluster.bench(site, runs=1)}
    assert found["runs"].ours == found["pairs"].ours == 1
    assert 0 < found["revoke to death observed, p50"].ours < 30
    beside = found["click to a kernel that answers, median"]
    assert beside.peer is not None
    assert beside.peer.value > 0


@pytest.mark.soak
def test_the_figures_that_are_published(site: Path) -> None:
    found = cluster.bench(site)
    for row in rows(found)[1]:
        print(" | ".join(str(cell) for cell in row))  # noqa: T201
    assert [one.what for one in found if one.met is False] == []
