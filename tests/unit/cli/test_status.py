"""`tre status`: places that keep checkpoints are told of beside the services."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from tre.audit.courier import state_path
from tre.cli.main import app
from tre.system.files import write_json


def told(root: Path) -> dict[str, str]:
    done = CliRunner().invoke(app, ["status", "--root", str(root), "--json"])
    assert done.exit_code == 1  # no service runs here
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_a_place_stands_beside_the_services(tmp_path: Path) -> None:
    (tmp_path / "tre.yaml").write_text("witnesses: [{name: volume, file: /kept}]\n")
    assert told(tmp_path)["witness volume"] == "has nothing yet"
    state_path(tmp_path).parent.mkdir()
    late = {"size": 3, "keptAt": "2026-01-01T10:00:00Z", "dueAt": "2026-01-01T11:00:00Z", "trouble": "It is away."}
    write_json(state_path(tmp_path), {"places": {"volume": late}})
    assert "It is away." in told(tmp_path)["witness volume"]
    write_json(state_path(tmp_path), {"places": {"volume": {"size": 3, "keptAt": "2026-01-01T10:00:00Z"}}})
    assert told(tmp_path)["witness volume"] == "ok"


def test_without_places_none_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "tre.yaml").write_text("{}\n")
    assert not [name for name in told(tmp_path) if name.startswith("witness")]
