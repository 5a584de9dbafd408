"""What is kept beside the store while a delivery comes in, and the index that is written from it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.slices.conftest import Bench
from tre.demodata import NccidSpec, generate_nccid
from tre.slices import desk, indexwriter, ingest
from tre.slices.clinical import Patient
from tre.slices.headers import ImageHeader
from tre.slices.index import TABLES, Instance, Sidecar, build
from tre.slices.indexwriter import write_index
from tre.slices.places import DatasetPlaces
from tre.slices.spool import Spool, row_of
from tre.slices.walk import Found, Kind


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path / "spool")) as made:
        yield made
    assert not (tmp_path / "spool").exists()


def image(path: str) -> Found:
    return Found(tuple(path.split("/")), Kind.image)


def sidecar(path: str) -> Found:
    return Found(tuple(path.split("/")), Kind.sidecar)


def instance(uid: str = "1.1", stem: str = "one", content: bytes = b"1", **changes: object) -> Instance:
    values: dict[str, object] = {"pseudonym": "Covid1", "study_uid": "1", "series_uid": "1.2", "sop_uid": uid}
    values |= {"modality": "CT", "body_part": None, "study_date": date(2020, 4, 1), "slice_thickness_um": 5}
    values |= {"manufacturer": "Müller", "model": None, "view_position": None, "burned_in_annotation": None}
    header = ImageHeader(**(values | changes))  # type: ignore[arg-type]
    return Instance(header, "training", stem, content * 32, 7, b"c" * 32, 7)


def test_an_image_comes_with_the_sidecar_that_is_its_own(spool: Spool) -> None:
    spool.add_found(image("training/ct/Covid1/1/2/one.dcm"))
    spool.add_found(image("training/ct/Covid1/1/2/two.DCM"))
    spool.add_found(image("training/ct/Covid0/1/2/alone.dcm"))
    spool.add_found(image("loose.dcm"))
    for stem in ("one", "two", "nobody"):
        spool.add_found(sidecar(f"training/ct-metadata/Covid1/1/2/{stem}.json"))
    count, pairs = spool.pairs()
    found = [(pair.image.parts[-1], pair.sidecar and pair.sidecar.parts[-1], pair.patient) for pair in pairs]
    assert count == 4
    assert found == [
        ("loose.dcm", None, ""),
        ("alone.dcm", None, "Covid0"),
        ("one.dcm", "one.json", "Covid1"),
        ("two.DCM", "two.json", "Covid1"),
    ]


@pytest.mark.parametrize(
    "second", [image("b/ct/Covid1/1/2/one.dcm"), sidecar("b/ct-metadata/Covid1/1/2/one.json")], ids=["image", "sidecar"]
)
def test_where_two_claim_a_place_nobody_is_paired(spool: Spool, second: Found) -> None:
    for one in (image("a/ct/Covid1/1/2/one.dcm"), sidecar("a/ct-metadata/Covid1/1/2/one.json"), second):
        spool.add_found(one)
    assert {pair.sidecar for pair in spool.pairs()[1]} == {None}


def test_paths_are_in_the_order_of_their_parts(spool: Spool) -> None:
    paths = ["a/x", "a-b/x", "a b/x", "ä/x", "A/x", "a/x.y", "a/x y"]
    for path in paths:
        spool.add_found(image(path))
    assert [pair.image for pair in spool.pairs()[1]] == sorted(map(image, paths))


def test_what_was_taken_comes_back_as_it_was_in_the_order_of_the_index(spool: Spool) -> None:
    own = Sidecar(b"s" * 32, 3, None, None)
    given = [
        instance("1.3", "b", b"3"),
        instance("1.4", "a", b"4", series_uid="1.2-3", study_date=None),
        instance("1.5", "a", b"5").with_sidecar(own),
    ]
    spool.add_taken(row_of(image(f"{number}"), None, one) for number, one in enumerate(given))
    assert list(spool.instances()) == sorted(given, key=lambda one: (one.directory, one.stem))
    assert spool.has("1")
    assert not spool.has("9")


def test_repetitions_are_left_out(spool: Spool) -> None:
    assert spool.is_empty
    given = {
        "a": instance("1.1", "one", b"1"),
        "b": instance("1.1", "two", b"1"),  # the same again
        "c": instance("1.2", "three", b"2"),
        "d": instance("1.2", "four", b"3"),  # one identifier, two contents
        "e": instance("1.5", "five", b"5"),
        "f": instance("1.6", "five", b"6"),  # one place
        "g": instance("1.7", "seven", b"7"),
    }
    spool.add_taken(row_of(image(path), None, one) for path, one in reversed(given.items()))
    left = {(one.path, one.why) for one in spool.without_repetitions()}
    assert left == {("b", "again"), ("c", "several"), ("d", "several"), ("e", "place"), ("f", "place")}
    assert {one.stem for one in spool.instances()} == {"one", "seven"}


def test_a_disk_that_is_full_is_told_as_one(tmp_path: Path) -> None:
    with closing(Spool(tmp_path / "spool")) as spool:
        spool._run("PRAGMA max_page_count = 20")
        rows = [row_of(image(f"{number:0200}"), None, instance()) for number in range(2000)]
        with pytest.raises(OSError, match="full") as caught:
            spool.add_taken(rows)
        assert caught.value.errno == errno.ENOSPC
        with pytest.raises(OSError, match="syntax") as caught:
            spool._run("nonsense")
        assert caught.value.errno == errno.EIO
        assert isinstance(caught.value.__cause__, sqlite3.Error)


def test_an_index_that_is_written_on_the_way_is_the_one_that_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexwriter, "_BATCH", 3)
    monkeypatch.setattr(indexwriter, "_ROW_GROUP", 5)
    given = [
        instance(f"1.{number}", f"i{number}", bytes([number]), series_uid=f"1.{number % 4}") for number in range(20)
    ]
    given[3] = given[3].with_sidecar(Sidecar(b"s" * 32, 3, b"t" * 32, 3))
    people = [Patient(name, "training", age=40, sex="F") for name in ("Covid2", "Covid1")]
    built = build(given, people)
    written = write_index(sorted(given, key=lambda one: (one.directory, one.stem)), people, tmp_path)
    assert (written.digest, written.counts) == (built.digest, built.counts)
    for name in TABLES:
        rows = [tuple(row.values()) for row in pq.read_table(tmp_path / f"{name}.parquet").to_pylist()]
        assert rows == built.tables[name]


def test_large_images_are_taken_as_small_ones_are(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_nccid(tmp_path / "nccid", NccidSpec(patients=3, xray_pixels=(16,), ct_pixels=(16,)))
    small = bench.ingest(delivery=tmp_path / "nccid")
    monkeypatch.setattr(desk, "LARGE", 100)
    other = DatasetPlaces(tmp_path / "other")
    assert bench.ingest(delivery=tmp_path / "nccid", places=other) == small
    stores = [
        sorted(path.relative_to(root) for path in root.rglob("*")) for root in (bench.dataset.tier(""), other.tier(""))
    ]
    assert stores[0] == stores[1]


def test_what_was_there_is_not_copied_again(bench: Bench, tmp_path: Path) -> None:
    generate_nccid(tmp_path / "nccid", NccidSpec(patients=3, xray_pixels=(16,), ct_pixels=(16,)))
    bench.ingest(delivery=tmp_path / "nccid")
    before = {path: path.stat().st_ino for path in bench.dataset.tier("").rglob("*")}
    bench.ingest(delivery=tmp_path / "nccid", release="r2")
    assert {path: path.stat().st_ino for path in bench.dataset.tier("").rglob("*")} == before


def test_a_person_s_images_go_to_one_process() -> None:
    chunks = list(ingest._chunks([*("a" * 30), *("b" * 250), *("c" * 90)], str))
    assert ["".join(sorted(set(chunk))) for chunk in chunks] == ["ab", "c"]
    assert [len(chunk) for chunk in ingest._chunks("x" * 2500, str)] == [1000, 1000, 500]
    assert [len(chunk) for chunk in ingest._chunks(range(250), lambda _: "")] == [100, 100, 50]
