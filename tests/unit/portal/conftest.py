"""Fixtures of the portal's tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.portal.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A portal with people and one running grant."""
    made = World(tmp_path / "root")
    made.add_people()
    made.add_grant()
    yield made
    made.close()
    shutil.rmtree(made.layout.run, ignore_errors=True)
