"""`tre policy`: lists, compares, tries out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tre.airlock.policy import shipped_directory
from tre.cli import policy


def run(*words: str | Path) -> tuple[int, Any]:
    result = CliRunner().invoke(policy.app, [*(str(word) for word in words), "--json"])
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A site with a policy of its own under the name of a shipped one."""
    own = tmp_path / "policies" / "airlock"
    own.mkdir(parents=True)
    text = (shipped_directory() / "default.yaml").read_text()
    (own / "default.yaml").write_text(text.replace("threshold: 10 ", "threshold: 5 "))
    return tmp_path


def test_the_site_s_own_policy_stands_for_the_shipped_one(root: Path) -> None:
    _, listed = run("list", "--root", root)
    names = [item["name"] for item in listed]
    assert sorted(set(names)) == sorted(names)
    assert {"default", "opensafely", "nhse-sde"} <= set(names)


def test_a_difference_is_named_key_by_key(root: Path) -> None:
    shipped = shipped_directory() / "default.yaml"
    code, changes = run("diff", shipped, "default", "--root", root)
    assert (code, changes) == (1, [{"key": "counts.threshold", "before": 10, "after": 5}])


def test_two_that_decide_alike_do_not_differ() -> None:
    assert run("diff", "default", shipped_directory() / "default.yaml") == (0, [])


def test_a_change_is_tried_out_on_files(root: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "small.csv").write_text("sex,n\nF,7\nM,120\n")
    (files / "large.csv").write_text("sex,n\nF,70\nM,120\n")
    shipped = shipped_directory() / "default.yaml"
    code, printed = run("test", "default", files, "--against", shipped, "--root", root)
    verdicts = {
        Path(row["path"]).name: (row["against"]["verdict"], row["under"]["verdict"]) for row in printed["files"]
    }
    assert verdicts == {"small.csv": ("exception", "clear"), "large.csv": ("clear", "clear")}
    assert (code, printed["changed"]) == (1, 1)


def test_a_policy_that_is_missing_is_told() -> None:
    result = CliRunner().invoke(policy.app, ["diff", "default", "none"])
    assert result.exit_code == 1
    assert "no airlock policy 'none'" in result.stderr
