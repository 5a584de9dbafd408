"""What is taken into the store, what stays out and by which rule, and that the same delivery gives one digest."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.unit.slices.conftest import Bench, Maker
from tre.demodata.nccid import generate_nccid
from tre.demodata.spec import NccidSpec
from tre.demodata.twins import poisoned_twins
from tre.domain.errors import Reason, TREError
from tre.slices import ingest as module
from tre.slices.ingest import REPORT
from tre.slices.places import DatasetPlaces
from tre.slices.store import stored_path


def refused(bench: Bench) -> dict[str, str]:
    assert bench.ingested is not None
    return {Path(one.path).name: one.rule for one in bench.ingested.refusals}


def stored(bench: Bench) -> list[Path]:
    return sorted(bench.dataset.tier("dates-full").rglob("*.*"))


def rows(bench: Bench, table: str) -> list[dict[str, object]]:
    path = bench.dataset.release("r1") / f"{table}.parquet"
    result = duckdb.sql(f"SELECT * FROM '{path}'")
    return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]


def test_a_delivery_becomes_files_an_index_and_counts(filled: Bench) -> None:
    assert filled.ingested is not None
    counts = filled.ingested.counts
    assert (counts.patients, counts.studies, counts.series, counts.instances, counts.files) == (3, 3, 4, 5, 8)
    assert filled.ingested.refused == {}
    assert len(stored(filled)) == 8
    assert [row["pseudonym"] for row in rows(filled, "patients")] == ["Covid1", "Covid2", "Covid3"]
    assert [row["age"] for row in rows(filled, "patients")] == [50, 70, 90]
    assert sum(row["instances"] for row in rows(filled, "profiles")) == 5  # type: ignore[misc]


def test_every_stored_file_has_one_name_and_nobody_may_write_it(filled: Bench) -> None:
    for path in stored(filled):
        found = path.stat()
        assert found.st_nlink == 1
        assert found.st_mode & 0o777 == 0o440
    assert filled.dataset.tier("dates-full").stat().st_mode & 0o777 == 0o700


def test_the_digest_does_not_depend_on_order_place_or_time(bench: Bench, tmp_path: Path) -> None:
    for maker, order in ((bench.maker, (1, 2, 3)), (Maker(tmp_path / "again"), (3, 1, 2))):
        for number in order:
            maker.number = number
            maker.record(f"Covid{number}", Age=40 + number)
            maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1", sop=f"1.9.{number}")
    first = bench.ingest()
    other = DatasetPlaces(tmp_path / "elsewhere")
    again = bench.ingest(places=other, delivery=tmp_path / "again", release="other-name")
    assert again.index_digest == first.index_digest


def test_one_changed_byte_or_attribute_changes_the_digest(bench: Bench) -> None:
    bench.maker.record(Age=40)
    bench.maker.image()
    first = bench.ingest().index_digest
    bench.maker.record(Age=41)
    assert bench.ingest(release="r2").index_digest != first
    bench.maker.record(Age=40)
    assert bench.ingest(release="r3").index_digest == first
    bench.maker.number = 0
    bench.maker.image(Manufacturer="Other")
    assert bench.ingest(release="r4").index_digest != first


def test_adding_the_same_again_copies_nothing_and_publishes_nothing(filled: Bench) -> None:
    assert filled.ingested is not None
    before = {path: path.stat().st_ino for path in stored(filled)}
    again = filled.ingest(published=filled.ingested.index_digest)
    assert {path: path.stat().st_ino for path in stored(filled)} == before
    assert again.counts.files == 8


def test_a_release_never_changes(filled: Bench) -> None:
    assert filled.ingested is not None
    known = filled.ingested.index_digest
    filled.maker.image("Covid3", "1.3", "1.3.9")
    with pytest.raises(TREError) as caught:
        filled.ingest(published=known)
    assert caught.value.reason is Reason.AlreadyExists
    assert len(rows(filled, "instances")) == 5


def test_links_and_special_files_of_a_delivery_stay_out(bench: Bench) -> None:
    bench.maker.record()
    image = bench.maker.image()
    (image.parent / "link.dcm").symlink_to(image)
    os.mkfifo(image.parent / "pipe.dcm")
    (image.parent / "up").symlink_to("../../../..")
    bench.ingest()
    assert refused(bench) == dict.fromkeys(("link.dcm", "pipe.dcm", "up"), "path")


def test_a_file_that_turns_into_a_link_while_it_is_read_is_not_followed(bench: Bench) -> None:
    """Between walking and opening, the delivery may change: opening follows no link at any part."""
    bench.maker.record()
    bench.maker.image("Covid1", "1.1", "1.1.0")
    moved = bench.maker.image("Covid1", "1.1", "1.1.1").parent

    class Swap:
        def step(self, name: str) -> None:
            if name == "images":
                moved.rename(bench.root / "outside")
                moved.symlink_to(bench.root / "outside")

        def progress(self, done: int, total: int) -> None:
            pass

    bench.ingest(Swap())
    assert bench.ingested is not None
    assert bench.ingested.refused == {"path": 1}


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda m: m.file("training/xray/Covid1/1.1/1.1.1/text.dcm", b"no dicom"), "not-dicom"),
        (lambda m: m.image("Covid9"), "unlisted-pseudonym"),
        (lambda m: m.image(path="training/xray/Covid2/1.1/1.1.1/x.dcm"), "folder-mismatch"),
        (lambda m: m.image(path="training/xray/Covid1/1.2/1.1.1/x.dcm"), "folder-mismatch"),
        (lambda m: m.image(path="training/xray/Covid1/1.1/1.1.2/x.dcm"), "folder-mismatch"),
        (lambda m: m.image(path="training/ct/Covid1/1.1/1.1.1/x.dcm"), "modality-folder"),
        (lambda m: m.image(path="training/xray/Covid1/1.1/1.1.1/-x y.dcm"), "path"),
        (lambda m: m.image(path="validation/xray/Covid1/1.1/1.1.1/x.dcm"), "two-partitions"),
        (lambda m: m.image("../../etc"), "pseudonym"),
        (lambda m: m.file("training/data/Covid1/data_2020-01-01.json", b"{"), "clinical-record"),
        (lambda m: m.file("training/data/Covid1/data_2020-01-01.json", b'{"Pseudonym": 1}'), "pseudonym"),
        (lambda m: m.file("training/data/X/data_2020-01-01.json", b'{"Pseudonym": "Y"}'), "folder-mismatch"),
        (lambda m: m.file("training/xray-metadata/Covid1/1.1/1.1.1/a.json", b"{}"), "sidecar"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_and_the_good_ones_are_taken(bench: Bench, make: object, rule: str) -> None:
    bench.maker.record()
    bench.maker.image()
    make(bench.maker)  # type: ignore[operator]
    taken = bench.ingest()
    assert taken.refused == {rule: 1}
    assert taken.counts.instances == 1
    assert len(stored(bench)) == 1, "nothing of a refused file stays in the store"
    lines = (bench.dataset.release("r1") / REPORT).read_text().splitlines()
    assert [json.loads(line)["rule"] for line in lines] == [rule]


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"00100020": {"Value": ["Covid2"]}, "00080018": {"Value": ["1.9.1"]}}',
        b'{"00100020": {"Value": ["Covid1"]}, "00080018": {"Value": ["1.9.2"]}}',
        b'{"00100020": null, "00080018": {"Value": []}}',
        b" " * (8 * 2**20 + 1),
    ],
)
def test_a_sidecar_must_speak_of_its_image(bench: Bench, data: bytes) -> None:
    bench.maker.record()
    image = bench.maker.image(sidecar=True)
    path = Path(str(image).replace("/xray/", "/xray-metadata/")).with_suffix(".json")
    good = path.read_bytes()
    path.write_bytes(data)
    assert bench.ingest().refused == {"sidecar": 1}
    path.write_bytes(good)
    assert bench.ingest(release="r2").refused == {}


def test_people_who_opted_out_do_not_come_in_again(bench: Bench) -> None:
    for number in (1, 2):
        bench.maker.record(f"Covid{number}")
        bench.maker.image(f"Covid{number}", f"1.{number}", f"1.{number}.1")
    taken = bench.ingest(denied=frozenset({"Covid2"}))
    assert taken.refused == {"withdrawn": 2}
    assert [row["pseudonym"] for row in rows(bench, "patients")] == ["Covid1"]
    assert not [path for path in bench.dataset.root.rglob("*") if "Covid2" in path.name]
    assert bench.ingest(release="r2").counts.patients == 2, "without the opt-out they are taken"


def test_two_images_with_one_identifier_are_both_left_out(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image()
    bench.maker.image(sop="1.9.99", BodyPartExamined="CHEST")
    bench.maker.image(sop="1.9.99", BodyPartExamined="HEAD")
    taken = bench.ingest()
    assert taken.refused == {"duplicate-sop-uid": 2}
    assert taken.counts.instances == 1


def test_the_same_image_twice_is_taken_once(bench: Bench) -> None:
    bench.maker.record()
    image = bench.maker.image()
    shutil.copy(image, image.with_name("zz.dcm"))
    taken = bench.ingest()
    assert taken.refused == {"duplicate-sop-uid": 1}
    assert taken.counts.instances == 1


def test_two_images_with_one_place_are_both_left_out(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image()
    bench.maker.image(path="one/xray/Covid1/1.1/1.1.1/x.dcm")
    bench.maker.image(path="two/xray/Covid1/1.1/1.1.1/x.dcm")
    assert bench.ingest().refused == {"same-place": 2}


def test_outside_the_layout_images_are_named_by_their_identifier(bench: Bench) -> None:
    bench.maker.record()
    bench.maker.image(path="anything/here")
    bench.ingest()
    assert [row["stem"] for row in rows(bench, "instances")] == ["1.9.1"]


@pytest.mark.parametrize("place", ["validation/xray", "xray"])
def test_validation_data_is_marked_wherever_the_delivery_begins(bench: Bench, place: str) -> None:
    root = bench.maker.root if place.startswith("validation") else bench.maker.root / "validation"
    maker = Maker(root)
    maker.image(path=f"{place}/Covid1/1.1/1.1.1/x.dcm")
    maker.file(f"{place.removesuffix('xray')}data/Covid1/data_2020-01-01.json", b'{"Pseudonym": "Covid1"}')
    bench.ingest(delivery=root)
    assert [row["partition"] for row in rows(bench, "series")] == ["validation"]


def test_nothing_that_can_be_taken_is_an_error_that_says_why(bench: Bench) -> None:
    bench.maker.image()
    with pytest.raises(TREError) as caught:
        bench.ingest()
    assert caught.value.reason is Reason.BadInput
    assert "unlisted-pseudonym" in caught.value.why
    assert not bench.dataset.release("r1").exists()


def test_an_empty_and_a_missing_delivery_are_errors(bench: Bench) -> None:
    for path in (bench.maker.root, bench.root / "missing"):
        with pytest.raises(TREError) as caught:
            bench.ingest(delivery=path)
        assert caught.value.reason is Reason.BadInput


def test_a_damaged_stored_file_is_mended_unless_a_slice_holds_it(bench: Bench) -> None:
    """A power cut may leave a name whose content never reached the disk; the digest tells."""
    bench.maker.record()
    bench.maker.image()
    bench.ingest()
    (path,) = stored(bench)
    good = path.read_bytes()
    path.chmod(0o640)
    path.write_bytes(b"")
    assert bench.ingest(release="r2").refused == {}
    assert path.read_bytes() == good
    path.chmod(0o640)
    path.write_bytes(b"")
    os.link(path, bench.root / "slice-link")
    with pytest.raises(TREError):
        bench.ingest(release="r3")
    assert path.read_bytes() == b""


def test_several_processes_take_the_same_as_one(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generate_nccid(tmp_path / "nccid", NccidSpec(patients=12, xray_pixels=(16,), ct_pixels=(16,)))
    alone = bench.ingest(delivery=tmp_path / "nccid")
    monkeypatch.setattr(module, "PARALLEL_FROM", 1)
    other = DatasetPlaces(tmp_path / "other")
    together = bench.ingest(delivery=tmp_path / "nccid", places=other, workers=2)
    assert together == alone
    assert alone.counts.instances > 20
    assert alone.refused == {}


def test_poisoned_twins_of_path_identity_and_folder_are_refused_and_clean_ones_taken(bench: Bench) -> None:
    """The faults that ingest itself must know; the header gate knows the rest."""
    known = {
        "ct-in-xray-folder": "modality-folder",
        "other-patients-folder": "folder-mismatch",
        "link": "path",
        "duplicate-sop-uid": "duplicate-sop-uid",
    }
    for twin in poisoned_twins(bench.root / "twins", 7):
        if twin.fault not in known:
            continue
        root = bench.root / "twins" / twin.fault
        assert known[twin.fault] not in said_of(bench, root / "clean")
        assert known[twin.fault] in said_of(bench, root / "poisoned")


def said_of(bench: Bench, delivery: Path) -> str:
    """The rules by which files of a delivery stay out, whether or not anything could be taken."""
    places = DatasetPlaces(bench.root / "twin-datasets" / delivery.parent.name / delivery.name)
    try:
        return str(bench.ingest(delivery=delivery, places=places).refused)
    except TREError as error:
        return error.why


def test_where_stored_files_lie_follows_from_patient_and_content(filled: Bench) -> None:
    tier = filled.dataset.tier("dates-full")
    for path in stored(filled):
        sha256 = bytes.fromhex(path.stem)
        assert path == stored_path(tier, path.parent.name, sha256, path.suffix)
