"""`tre metrics` and `tre status`: what is typed wrongly, and what services said."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tre.cli.main import app
from tre.cli.status import _readiness


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tre.yaml").write_text("base: tre.localhost\n")
    return tmp_path


@pytest.mark.parametrize(
    "listen", ["9464", "0.0.0.0:9464", ":9464", "127.0.0.1:0", "127.0.0.1:70000", "localhost:9464", "[::]:9464", "x"]
)
def test_an_address_that_others_reach_or_that_is_none_is_refused(root: Path, listen: str) -> None:
    done = CliRunner().invoke(app, ["metrics", "serve", "--root", str(root), "--listen", listen])
    assert done.exit_code == 1
    assert "BadInput" in done.stderr


def test_nothing_runs_and_the_command_says_so(root: Path) -> None:
    done = CliRunner().invoke(app, ["metrics", "show", "--root", str(root)])
    assert done.exit_code == 1
    assert "controller does not answer." in done.stdout


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"status": "ready"}, "ok"),
        (None, "ok"),
        (
            {"status": "not-ready", "checks": {"record": {"reason": "SetupIncomplete", "what": "Old."}}},
            "not ready: record: SetupIncomplete: Old.",
        ),
        (
            {"status": "leading", "heldBack": {"granting": {"reason": "AuditBroken", "what": "Not whole."}}},
            "held back: granting: AuditBroken: Not whole.",
        ),
    ],
)
def test_what_a_service_said_of_its_readiness(said: object, shown: str) -> None:
    assert _readiness(said) == shown
