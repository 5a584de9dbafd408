"""A portal with a committee and a dataset to ask of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.portal.applying_world import Committee, committee_in
from tests.unit.portal.world import World


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Committee]:
    with committee_in(tmp_path / "root") as made:
        yield made


@pytest.fixture
def world(desk: Committee) -> World:
    return desk.world
