"""The page on the gate: its manifest is one, does what the page says of it, and its figures are the generator's."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from typer.testing import CliRunner

from tests.unit.slices.conftest import Maker
from tre.cli.main import app
from tre.demodata.scanner_files import distributed_files
from tre.slices.gate.manifest import TagManifest

PAGE = (Path(__file__).parents[2] / "docs" / "header-gate.md").read_text(encoding="utf-8")


def test_its_manifest_makes_the_gate_milder_as_it_says(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert TagManifest.model_validate(yaml.safe_load(block)).metadata.name == "nccid"
    (tmp_path / "manifest.yaml").write_text(block)
    maker = Maker(tmp_path / "delivery")
    maker.record("Covid1", **{"Frailty score": 4})
    maker.image("Covid1", ImageType=["DERIVED", "PRIMARY"], StudyDescription="Wunderkammer")
    words = ["dataset", "gate", str(maker.root)]
    said = CliRunner().invoke(app, words)
    assert said.stdout.splitlines()[-1] == "0 pass, 2 quarantine, 0 refuse", said.output
    said = CliRunner().invoke(app, [*words, "--manifest", str(tmp_path / "manifest.yaml")])
    assert said.stdout.splitlines()[-1] == "2 pass, 0 quarantine, 0 refuse", said.output


def test_it_counts_the_files_that_there_are() -> None:
    (count,) = re.findall(r"None of the (\d+) files", PAGE)
    assert len(distributed_files()) == int(count)
