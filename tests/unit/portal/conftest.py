"""Fixtures of the portal's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.portal.world import World, populated


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A portal with people and one running grant."""
    with populated(tmp_path / "root") as made:
        yield made
