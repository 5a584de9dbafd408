"""An installation for checks, apart from this checkout's own policies and this machine's control groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.satre.world import Means, World
from tre.cli.satre import settings_checks


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A record without a row, and a root directory with nothing in it."""
    shipped = tmp_path / "shipped" / "airlock"
    shipped.mkdir(parents=True)
    for folder in (shipped, shipped.parent):
        folder.chmod(0o755)
    monkeypatch.setattr(settings_checks, "shipped_directory", lambda: shipped)
    monkeypatch.setattr(settings_checks.limits, "choose", lambda _name: Means("control group v2"))
    made = World(tmp_path)
    (made.layout.root / "policies").mkdir()
    (made.layout.root / "policies").chmod(0o755)
    yield made
    made.database.close()
