"""`tre dataset quarantine`, `decide` and `sign-manifest` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.cli.conftest import Here
from tests.unit.slices.conftest import Maker

MANIFEST = """
apiVersion: tre.research/v1alpha1
kind: TagManifest
metadata: {name: more}
spec: {words: [seen, Adaeze]}
"""


def delivery(tmp_path: Path) -> Path:
    maker = Maker(tmp_path / "strange")
    maker.record("Covid1")
    maker.image("Covid1", "1.1", "1.1.1")
    maker.image("Covid1", "1.1", "1.1.1", SeriesDescription="seen by Adaeze")
    return maker.root


def test_files_wait_are_shown_without_their_text_and_released(here: Here, tmp_path: Path) -> None:
    path = str(delivery(tmp_path))
    added = here.done("dataset", "add", "more", path, "--release", "r1")
    assert "waits in quarantine for free-text: 1" in added.err
    shown = here.done("dataset", "quarantine", "more")
    assert "SeriesDescription" in shown.out
    assert "Adaeze" not in shown.out
    (one,) = json.loads(here.done("dataset", "quarantine", "more", "--json").out)["files"]
    here.refused("dataset", "decide", "more", "--release", "--rule", "free-text")
    here.refused("dataset", "decide", "more", one["sha256"][:3], "--release", "--reason", "too short a name")
    here.refused("dataset", "decide", "more", "--release", "--reason", "of what?")
    here.done("dataset", "decide", "more", one["sha256"][:8], "--release", "--reason", "harmless")
    assert "2 images" in here.done("dataset", "add", "more", path, "--release", "r2").out
    here.refused("dataset", "decide", "more", "--rule", "free-text", "--reason", "nothing waits any more")


def test_a_manifest_is_signed_and_used(here: Here, tmp_path: Path) -> None:
    path = str(delivery(tmp_path))
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(MANIFEST)
    told = here.done("dataset", "gate", path, "--manifest", str(manifest))
    assert "3 pass, 0 quarantine, 0 refuse" in told.out
    assert "not signed" in told.err
    here.refused("dataset", "add", "more", path, "--release", "r1", "--manifest", str(manifest))
    here.done("dataset", "sign-manifest", str(manifest))
    added = here.done("dataset", "add", "more", path, "--release", "r1", "--manifest", str(manifest))
    assert "2 images" in added.out
