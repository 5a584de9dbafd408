"""One version, wherever it is said."""

from __future__ import annotations

import tomllib
from pathlib import Path

from typer.testing import CliRunner

from tre import __version__
from tre.airlock.examination import tool_versions
from tre.cli.main import app


def test_the_program_knows_its_version_where_no_package_is_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert __version__ == project["version"] == tool_versions()["tre"]
    assert CliRunner().invoke(app, ["version"]).output.strip() == __version__
