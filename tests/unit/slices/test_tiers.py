"""Plans of the tier with coarse dates: its own files, sizes and months, and what it lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import make_spec
from tests.unit.slices.test_plan import World, make_world, some_images
from tre.domain.errors import TREError
from tre.slices.contents import FILES, ROWS, check_contents, plan_and_keep
from tre.slices.files import NOBODY_ELSE
from tre.slices.plan import plan
from tre.slices.release import tiers

LACKING = "i5"


def coarse(content: bytes) -> bytes:
    return bytes(255 - one for one in content)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Ten people; each image but one has a copy with coarse dates, of another content and size."""
    images, people = some_images(10)
    copied = [
        replace(one, coarse_sha256=coarse(one.sha256), coarse_size=7) if one.stem != LACKING else one for one in images
    ]
    return make_world(tmp_path / "world", copied, people)


def kept(world: World, **spec: Any) -> Any:
    asked = make_spec(images=[{"modality": ["DX", "CT"]}], **spec)
    return plan_and_keep(world.order(asked, set()), world.places, NOBODY_ELSE)


def test_a_tier_has_its_own_files_sizes_and_months(world: World) -> None:
    assert tiers(world.places.release("r1")) == ("dates-full", "dates-coarse")
    full, part = kept(world), kept(world, tier="dates-coarse")
    assert full.counts.instances == 40
    assert part.counts.instances == 39
    assert part.counts.bytes == 7 * 39
    assert part.rejected == {"tier": 1}
    assert part.plan_digest != full.plan_digest
    contents = world.places.plan(part.plan_digest)
    check_contents(contents, part.identity)
    listed = {row["sop_uid"]: row for row in pq.read_table(contents / FILES).to_pylist()}
    before = {row["sop_uid"]: row for row in pq.read_table(world.places.plan(full.plan_digest) / FILES).to_pylist()}
    assert len(listed) == 39
    for name, row in listed.items():
        assert row["sha256"] == coarse(before[name]["sha256"])
        assert row["study_date"].day == 1
    days = pq.read_table(contents / ROWS).column("first_study_date").to_pylist()
    assert {day.day for day in days} == {1}


def test_a_series_that_is_taken_in_part_has_the_tiers_files(world: World) -> None:
    part = kept(world, tier="dates-coarse", keep_whole="instance", exclude=[{"body_part": ["unknown"]}])
    check_contents(world.places.plan(part.plan_digest), part.identity)
    assert part.rejected["exclude.body_part"] + part.rejected["tier"] + part.counts.instances == 40


def test_months_are_asked_for_and_days_are_not(world: World) -> None:
    wanted = {"from": date(2020, 3, 1), "to": date(2020, 4, 30)}
    asked = make_spec(images=[{"study_date": wanted}], tier="dates-coarse", keep_whole="instance")
    assert plan(world.order(asked, set())).counts.instances > 0


def test_a_release_without_the_tier_says_which_it_has(tmp_path: Path) -> None:
    bare = make_world(tmp_path / "world", *some_images(3))
    assert tiers(bare.places.release("r1")) == ("dates-full",)
    with pytest.raises(TREError, match="has no tier 'dates-coarse'; it has dates-full"):
        plan(bare.order(make_spec(tier="dates-coarse"), set()))
