"""A portal with a committee and a dataset to ask of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.portal.applying_world import Committee
from tests.unit.portal.conftest import world
from tests.unit.portal.world import World

__all__ = ["world"]


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Committee:
    return Committee(world, tmp_path / "delivery")
