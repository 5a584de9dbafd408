"""Deliveries of practice data: what a specification asks for, again and again the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.slices.conftest import Bench, make_spec
from tre.demodata.practice import TwinSpec, generate_practice

CONDITIONS: list[dict[str, Any]] = [
    {"images": [{"manufacturer": ["SIEMENS"], "model": ["X-9"], "modality": ["CT"]}]},
    {"images": [{"modality": ["MG", "US"]}]},
    {"images": [{"view_position": ["PA"], "modality": ["DX"]}]},
    {"images": [{"burned_in_annotation": ["unknown"], "modality": ["CR"]}]},
    {"images": [{"study_date": {"to": "2019-01-31"}}]},
    {"images": [{"study_date": {"from": "2024-02-29"}, "slice_thickness_mm": {"min": 0.625}, "modality": ["CT"]}]},
    {"patients": {"sex": ["female"], "ethnicity_group": ["black"], "site": ["ROYAL-9"]}},
    {"patients": {"site": {"not": ["TRUST-01"]}, "covid_status": ["negative"]}},
    {"patients": {"age": {"from": 100}}},
]


@pytest.mark.parametrize("conditions", CONDITIONS, ids=str)
def test_what_is_made_up_is_what_was_asked_for(bench: Bench, conditions: dict[str, Any]) -> None:
    conditions = {"images": [{"modality": ["CR", "DX", "CT"]}]} | conditions
    bench.maker.root.rmdir()
    generate_practice(bench.maker.root, TwinSpec(make_spec(**conditions), 12))
    bench.ingest()
    assert bench.keep(**conditions).counts.patients >= 4, "the dirt of records takes some away"


def test_without_images_there_are_people_only(tmp_path: Path) -> None:
    made = generate_practice(tmp_path / "none", TwinSpec(make_spec(images=[]), 3))
    assert (made.patients, made.instances) == (3, 0)


def test_the_same_specification_gives_the_same_bytes_and_another_none_of_them(tmp_path: Path) -> None:
    for name, spec in (("a", make_spec()), ("b", make_spec()), ("c", make_spec(layout="flat"))):
        generate_practice(tmp_path / name, TwinSpec(spec, 4))
    found = {
        name: {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.dcm")}
        for name in "abc"
    }
    assert found["a"] == found["b"]
    assert not set(found["a"]) & set(found["c"])
    assert not set(found["a"].values()) & set(found["c"].values())
