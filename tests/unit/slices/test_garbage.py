"""What belongs to nothing is found, and nothing else is ever deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.slices.conftest import Bench
from tre.slices.garbage import leftover
from tre.slices.places import patient_directory
from tre.slices.verify import verify


def stored(bench: Bench) -> list[Path]:
    return sorted(path for path in bench.dataset.tier("dates-full").rglob("*") if path.is_file())


def test_what_a_release_names_is_never_left_over(filled: Bench) -> None:
    recorded = filled.build()
    found = leftover(filled.dataset, delete=True)
    assert (found.files, found.unnamed, found.deleted) == (2 * len(stored(filled)), 0, 0), "in two tiers"
    assert not verify(recorded, filled.slices, filled.dataset).differences


def abandoned(bench: Bench, patient: str = "Covid1") -> Path:
    """A file as an addition that was cut off leaves it."""
    folder = bench.dataset.tier("dates-full") / patient_directory(patient)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ("a" * 64 + ".dcm")
    path.write_bytes(b"left")
    return path


@pytest.mark.parametrize("patient", ["Covid1", "Covid99", "AAA", "zzz"])
def test_what_no_release_names_is_counted_and_deleted_only_when_told_to(filled: Bench, patient: str) -> None:
    before = stored(filled)
    path = abandoned(filled, patient)
    found = leftover(filled.dataset)
    assert (found.unnamed, found.bytes, found.deleted) == (1, 4, 0)
    assert path.exists()
    assert leftover(filled.dataset, delete=True).deleted == 1
    assert stored(filled) == before


def test_what_a_slice_holds_stays(filled: Bench) -> None:
    path = abandoned(filled)
    os.link(path, filled.root / "held")
    found = leftover(filled.dataset, delete=True)
    assert (found.unnamed, found.held, found.deleted) == (1, 1, 0)
    assert path.exists()


def test_every_release_counts_the_oldest_too(filled: Bench) -> None:
    for path in filled.maker.root.rglob("image1.*"):
        path.unlink()
    filled.ingest(release="r2")
    assert leftover(filled.dataset, delete=True).deleted == 0
    filled.build()


def test_other_tiers_and_an_empty_dataset_are_left_alone(filled: Bench) -> None:
    other = filled.dataset.root / "store" / "other" / "00" / "Covid1"
    other.mkdir(parents=True)
    (other / "x.dcm").write_bytes(b"x")
    assert leftover(filled.dataset, delete=True).unnamed == 0
    assert (other / "x.dcm").exists()


def test_nothing_there_is_nothing_left_over(bench: Bench) -> None:
    assert leftover(bench.dataset).files == 0
