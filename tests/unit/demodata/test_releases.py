"""Indexes of any size: what a real ingest of these images would have written, without the images."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tre.demodata import releases
from tre.demodata.releases import Made, ReleaseSpec, write_release
from tre.domain.errors import Reason, TREError
from tre.domain.slices.spec import SliceSpec
from tre.slices import index
from tre.slices.clinical import Patient
from tre.slices.headers import ImageHeader
from tre.slices.index import SCHEMAS, Instance, Sidecar
from tre.slices.plan import PlanOrder, plan

SPEC: dict[str, Any] = {
    "slice": 1,
    "dataset": "demo",
    "release": "r1",
    "images": [{"modality": ["CT"], "slice_thickness_mm": {"max": 2.5}}, {"modality": ["DX"], "view_position": ["PA"]}],
    "patients": {"covid_status": ["positive"], "age": {"from": 18}},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Made]:
    target = tmp_path_factory.mktemp("release") / "r1"
    return target, write_release(target, ReleaseSpec(5_000, 7), SCHEMAS)


def rows(target: Path, name: str) -> list[dict[str, Any]]:
    return list(pq.read_table(target / f"{name}.parquet").to_pylist())


def test_it_has_exactly_as_many_images_as_asked_for(made: tuple[Path, Made]) -> None:
    target, counts = made
    counted = {name: len(rows(target, name)) for name in ("instances", "series", "patients", "profiles")}
    assert counted["instances"] == counts.instances == 5_000
    assert (counted["series"], counted["patients"]) == (counts.series, counts.patients)
    assert counts.studies == len({row["study"] for row in rows(target, "series")})
    assert {row["group"] for row in rows(target, "series")} == {"ct", "xray"} | (
        {"mri"} if any(row["modality"] == "MR" for row in rows(target, "instances")) else set()
    )


def test_a_real_index_over_the_same_images_has_the_same_rows(made: tuple[Path, Made]) -> None:
    """Everything is built again by the ingest's own function, from what is listed."""
    target, _ = made
    series = {row["series"]: row for row in rows(target, "series")}
    people = {row.pop("patient"): row for row in rows(target, "patients")}
    instances = []
    for row in rows(target, "instances"):
        of = series[row["series"]]
        known = {name: row[name] for name in index.ATTRIBUTES}
        header = ImageHeader(
            people[of["patient"]]["pseudonym"], of["study_uid"], of["series_uid"], row["sop_uid"], **known
        )
        beside = Sidecar(row["sidecar_sha256"], row["sidecar_bytes"]) if row["sidecar_sha256"] else None
        found = Instance(header, of["partition"], row["stem"], row["sha256"], row["bytes"], sidecar=beside)
        instances.append(found)
    built = index.build(reversed(instances), [Patient(**row) for row in people.values()])
    for name in index.TABLES:
        assert [tuple(row.values()) for row in rows(target, name)] == built.tables[name], name


def test_plans_of_it_are_plans(made: tuple[Path, Made]) -> None:
    order = PlanOrder(SliceSpec.model_validate(SPEC), made[0], "sha256:" + "0" * 64)
    found = plan(order)
    assert 0 < found.counts.instances < 5_000
    assert {"images.modality", "images.slice_thickness_mm"} <= set(found.rejected)


def digests(target: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in target.iterdir()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(made: tuple[Path, Made], tmp_path: Path) -> None:
    write_release(tmp_path / "again", ReleaseSpec(5_000, 7), SCHEMAS)
    write_release(tmp_path / "other", ReleaseSpec(5_000, 8), SCHEMAS)
    assert digests(tmp_path / "again") == digests(made[0])
    assert not set(digests(tmp_path / "other").values()) & set(digests(made[0]).values())


def test_rows_are_written_as_they_come_and_never_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    flush = releases._Table._flush

    def watch(table: releases._Table) -> None:
        held.append(max(map(len, table.columns.values()), default=0))
        flush(table)

    monkeypatch.setattr(releases, "_ROWS_AT_ONCE", 1_000)
    monkeypatch.setattr(releases._Table, "_flush", watch)
    write_release(tmp_path / "many", ReleaseSpec(20_000), SCHEMAS)
    assert len(held) > 10
    assert max(held) < 1_000 + 521, "a batch and one series"


def test_columns_that_it_does_not_know_are_empty(tmp_path: Path) -> None:
    wider = dict(SCHEMAS)
    wider["instances"] = SCHEMAS["instances"].append(SCHEMAS["instances"].field("bytes").with_name("later"))
    write_release(tmp_path / "wide", ReleaseSpec(10), wider)
    assert {row["later"] for row in rows(tmp_path / "wide", "instances")} == {None}
    assert all(isinstance(row["study_date"], date) for row in rows(tmp_path / "wide", "instances"))


@pytest.mark.parametrize("images", [0, -1, 10**9])
def test_a_number_out_of_bounds_is_refused(images: int) -> None:
    with pytest.raises(TREError) as refused:
        ReleaseSpec(images)
    assert refused.value.reason is Reason.BadInput


def test_a_directory_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(TREError) as refused:
        write_release(tmp_path, ReleaseSpec(1), SCHEMAS)
    assert refused.value.reason is Reason.AlreadyExists
