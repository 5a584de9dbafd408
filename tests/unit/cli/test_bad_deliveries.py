"""`tre dataset add` and folders that are no delivery, or one with broken files in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Here
from tests.unit.slices.conftest import Maker, dicom


def good(maker: Maker) -> None:
    maker.record("Covid1", Sex=1, Age=40)
    maker.image("Covid1", "1.1", "1.1.1")


def folder(patient: str, kind: str = "xray") -> str:
    return f"training/{kind}/{patient}/1.1/1.1.1"


PIXELS_CUT = b"\xe0\x7f\x10\0OW\0\0\xe8\x03\0\0" + b"\1\2" * 400
"""The head of a thousand bytes of pixels, and 800 of them."""

BROKEN: dict[str, tuple[Callable[[Maker], object], str]] = {
    "truncated DICOM": (
        lambda maker: maker.file(f"{folder('Covid1')}/cut.dcm", dicom(PatientID="Covid1")[:140]),
        "truncated",
    ),
    "DICOM that ends within its pixels": (
        lambda maker: maker.file(f"{folder('Covid1')}/cut.dcm", dicom(PatientID="Covid1") + PIXELS_CUT),
        "truncated",
    ),
    "text in a DICOM's place": (lambda maker: maker.file(f"{folder('Covid1')}/letter.dcm", b"dear"), "not-dicom"),
    "empty image": (lambda maker: maker.file(f"{folder('Covid1')}/empty.dcm", b""), "not-dicom"),
    "another patient's image": (
        lambda maker: maker.image("Covid2", "1.1", "1.1.1", path=f"{folder('Covid1')}/other.dcm"),
        "folder-mismatch",
    ),
    "an image of nobody": (lambda maker: maker.image("Covid9", "1.9", "1.9.1"), "unlisted-pseudonym"),
    "broken JSON": (lambda maker: maker.file("training/data/Covid2/data_2020-05-01.json", b"{"), "clinical-record"),
    "a key twice": (
        lambda maker: maker.file(
            "training/data/Covid2/data_2020-05-01.json", b'{"Pseudonym": "Covid2", "Pseudonym": "Covid1"}'
        ),
        "clinical-record",
    ),
    "JSON that is no object": (
        lambda maker: maker.file("training/data/Covid2/data_2020-05-01.json", b"[1, 2]"),
        "clinical-record",
    ),
    "a record of another patient": (
        lambda maker: maker.file(
            "training/data/Covid2/data_2020-05-01.json", json.dumps({"Pseudonym": "Covid1"}).encode()
        ),
        "folder-mismatch",
    ),
    "a pseudonym with dots": (
        lambda maker: maker.file("training/data/Covid2/data_2020-05-01.json", b'{"Pseudonym": "../../etc"}'),
        "pseudonym",
    ),
    "one pseudonym in two partitions": (
        lambda maker: maker.image("Covid1", "1.8", "1.8.1", partition="validation"),
        "two-partitions",
    ),
    "a link": (lambda maker: (maker.root / folder("Covid1") / "link.dcm").symlink_to("/etc/passwd"), "path"),
    "a name with a newline": (lambda maker: maker.file(f"{folder('Covid1')}/a\nb.dcm", b"x"), "path"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_left_out_by_rule_and_the_rest_is_taken(here: Here, tmp_path: Path, name: str) -> None:
    make, rule = BROKEN[name]
    maker = Maker(tmp_path / "broken")
    good(maker)
    make(maker)
    found = here.done("dataset", "add", "more", str(maker.root), "--release", "r1")
    assert "1 images" in found.out
    assert f"left out by {rule}: " in found.err, found
    assert all(line.isprintable() for line in found.err.splitlines())
    shown = here.done("dataset", "show", "more", "--release", "r1", "--json")
    assert {item["rule"] for item in json.loads(shown.out)["leftOut"]} == {rule}


BARREN: dict[str, tuple[Callable[[Maker], object], str]] = {
    "empty": (lambda maker: maker.root.mkdir(), "no clinical record (data_DATE.json or status_DATE.json) and no image"),
    "images alone": (lambda maker: maker.image("Covid1", "1.1", "1.1.1"), "There is no clinical record"),
    "records alone": (lambda maker: maker.record("Covid1"), "There is no image"),
    "links alone": (
        lambda maker: (maker.root.mkdir(), (maker.root / "a.dcm").symlink_to("/etc/passwd")),
        "There is no clinical record",
    ),
}


@pytest.mark.parametrize("name", BARREN)
def test_a_folder_that_is_no_delivery_registers_nothing(shared: Here, tmp_path: Path, name: str) -> None:
    make, words = BARREN[name]
    maker = Maker(tmp_path / "barren")
    make(maker)
    found = shared.refused("dataset", "add", "more", str(maker.root), "--release", "r1")
    assert f"BadInput: Nothing in {maker.root} can be taken" in found.err
    assert words in found.err


def test_a_release_never_changes_and_is_not_overwritten(here: Here, tmp_path: Path) -> None:
    maker = Maker(tmp_path / "other")
    good(maker)
    found = here.refused("dataset", "add", "demo", str(maker.root), "--release", "r1")
    assert "AlreadyExists: The release 'r1' exists and holds something else" in found.err


def test_a_folder_that_nobody_may_read_is_named(here: Here, tmp_path: Path) -> None:
    found = here.refused("dataset", "add", "demo", str(tmp_path / "none"), "--release", "r2")
    assert f"{tmp_path}/none is not a directory" in found.err


def test_what_was_made_of_values_is_told_by_key(here: Here, tmp_path: Path) -> None:
    maker = Maker(tmp_path / "typed")
    maker.record("Covid1", Sex="F", Age="45.5")
    maker.record("Covid2", Sex=3, Age=45)
    maker.image("Covid1", "1.1", "1.1.1")
    added = json.loads(here.done("dataset", "add", "typed", str(maker.root), "--release", "r1", "--json").out)
    made = {
        "Age": {"rounded down to whole years": 1, "whole years, as they stand": 1},
        "Sex": {"F → female": 1, "not understood, now missing": 1},
        "SubmittingCentre": {"as it stands": 2},
    }
    assert added["conversions"] == made
    assert added["valuesNotUnderstood"] == {"Sex": 1}
    shown = here.done("dataset", "show", "typed", "--release", "r1", "--json")
    assert json.loads(shown.out)["conversions"] == made
    assert "F → female" in here.done("dataset", "show", "typed", "--release", "r1").out
