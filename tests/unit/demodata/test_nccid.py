"""The make-believe NCCID: repeatable, confined to its target, and laid out as the real one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.unit.demodata.conftest import SMALL, Made, tree_digest
from tre.demodata import NccidSpec, generate_nccid
from tre.demodata.people import make_patient, pseudonym, quota
from tre.domain.errors import Reason, TREError

UID = r"2\.25\.[1-9][0-9]{0,38}"
STEM = rf"([0-9a-f-]{{36}}|{UID})"
IMAGE = re.compile(rf"training/(ct|mri|xray)/Covid[0-9]+/{UID}/{UID}/{STEM}\.dcm")
SIDECAR = re.compile(rf"training/(ct|mri|xray)-metadata/Covid[0-9]+/{UID}/{UID}/{STEM}\.json")
CLINICAL = re.compile(r"training/data/Covid[0-9]+/(status|data)_\d{4}-\d\d-\d\d\.json")
SMALL_DIGEST = "c55e7801a226e6ba9f0802716789c5a9c2ef0c24dfd1cd1fdcf0e3396f18e0ab"


def files_of(root: Path) -> list[str]:
    """Relative paths of all files."""
    return [p.relative_to(root).as_posix() for p in root.rglob("*") if not p.is_dir()]


def test_the_same_seed_gives_the_bytes_of_the_day_this_was_written(small_set: Made) -> None:
    assert tree_digest(small_set.root) == SMALL_DIGEST


def test_another_process_under_other_circumstances_gives_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from tests.unit.demodata.conftest import SMALL; from tre.demodata import generate_nccid;"
        "generate_nccid(Path(sys.argv[1]), SMALL)"
    )
    circumstances = {"PYTHONHASHSEED": "12345", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"}
    environment = os.environ | circumstances | {"PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "other")]
    subprocess.run(command, check=True, env=environment, cwd=tmp_path)
    assert tree_digest(tmp_path / "other") == SMALL_DIGEST


def test_another_seed_gives_other_bytes_throughout(small_set: Made, tmp_path: Path) -> None:
    generate_nccid(tmp_path / "other", replace(SMALL, seed=SMALL.seed + 1))
    assert not set(files_of(small_set.root)) & set(files_of(tmp_path / "other"))


def test_a_larger_set_begins_with_the_smaller(small_set: Made, tmp_path: Path) -> None:
    generate_nccid(tmp_path / "fewer", replace(SMALL, patients=5))
    for name in files_of(tmp_path / "fewer"):
        assert (tmp_path / "fewer" / name).read_bytes() == (small_set.root / name).read_bytes()


def test_every_file_has_its_place_and_every_image_its_sidecar(default_set: Made) -> None:
    names = files_of(default_set.root)
    images = {name for name in names if IMAGE.fullmatch(name)}
    sidecars = {name for name in names if SIDECAR.fullmatch(name)}
    clinical = {name for name in names if CLINICAL.fullmatch(name)}
    assert len(images) + len(sidecars) + len(clinical) == len(names)
    assert {name.replace("-metadata", "").replace(".json", ".dcm") for name in sidecars} == images
    folders = {name.split("/")[2] for name in images}
    assert folders < {name.split("/")[2] for name in clinical}, "some patients have no images"


def test_the_summary_is_what_lies_on_disk(default_set: Made) -> None:
    root, summary = default_set.root, default_set.summary
    paths = [path for path in root.rglob("*") if path.is_file()]
    images = [path.relative_to(root).parts for path in paths if path.suffix == ".dcm"]
    assert summary.files == len(paths)
    assert summary.bytes == sum(path.stat().st_size for path in paths)
    assert summary.instances == len(images) == sum(summary.by_modality.values())
    assert summary.series == len({parts[2:5] for parts in images})
    assert summary.studies == len({parts[2:4] for parts in images})
    by_group = dict.fromkeys(("ct", "mri", "xray"), 0)
    for group, _ in {(parts[1], parts[3]) for parts in images}:
        by_group[group] += 1
    assert summary.studies_by_group == by_group
    people = list((root / "training" / "data").iterdir())
    positive = [person for person in people if any(person.glob("data_*"))]
    assert summary.patients == len(people) == NccidSpec().patients
    assert summary.by_covid_status == {
        "negative": len(people) - len(positive),
        "positive": len(positive),
    }
    assert json.loads(json.dumps(summary.as_dict()))["by_modality"] == dict(summary.by_modality)


def test_a_summary_cannot_be_changed(small_set: Made) -> None:
    with pytest.raises(TypeError):
        small_set.summary.by_modality["CT"] = 0  # type: ignore[index]


def test_folders_headers_and_sidecars_agree(small_set: Made) -> None:
    seen = set()
    for path in (small_set.root / "training").rglob("*.dcm"):
        image = dcmread(path)
        group, patient, study, series = path.parts[-5:-1]
        assert (image.PatientID, str(image.PatientName)) == (patient, patient)
        assert (image.StudyInstanceUID, image.SeriesInstanceUID) == (study, series)
        assert group == {"CT": "ct", "MR": "mri"}.get(image.Modality, "xray")
        seen.add(image.SOPInstanceUID)
        folder = small_set.root / "training" / f"{group}-metadata" / patient / study / series
        model = json.loads((folder / f"{path.stem}.json").read_bytes())
        assert model["00100020"]["Value"] == [patient]
        assert model["00080018"]["Value"] == [image.SOPInstanceUID]
        assert set(model) == {f"{e.tag:08X}" for e in image if e.keyword != "PixelData"}
    assert len(seen) == small_set.summary.instances, "no instance identifier twice"


def test_progress_is_told_after_each_patient(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    generate_nccid(tmp_path / "x", replace(SMALL, patients=3), lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_nothing_is_written_outside_the_target(tmp_path: Path) -> None:
    bystander = tmp_path / "bystander.txt"
    bystander.write_text("mine")
    generate_nccid(tmp_path / "new" / "store", replace(SMALL, patients=2))
    assert bystander.read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"bystander.txt", "new"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["store"]
    assert [path.name for path in (tmp_path / "new" / "store").iterdir()] == ["training"]


def test_a_directory_with_anything_in_it_is_refused_and_an_empty_one_taken(tmp_path: Path) -> None:
    target = tmp_path / "store"
    target.mkdir()
    (target / "precious").write_text("mine")
    with pytest.raises(TREError) as refusal:
        generate_nccid(target, replace(SMALL, patients=1))
    assert refusal.value.reason is Reason.AlreadyExists
    assert refusal.value.remedy
    assert [path.name for path in target.iterdir()] == ["precious"]
    (target / "precious").unlink()
    assert generate_nccid(target, replace(SMALL, patients=1)).patients == 1


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_target_that_is_no_directory_is_refused(tmp_path: Path, kind: str) -> None:
    target, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "file":
        target.write_text("mine")
    else:
        target.symlink_to(elsewhere)
    with pytest.raises(TREError) as refusal:
        generate_nccid(target, replace(SMALL, patients=1))
    assert refusal.value.reason is Reason.AlreadyExists
    assert not list(elsewhere.iterdir())


@pytest.mark.parametrize(
    "wrong",
    [
        {"patients": 0},
        {"patients": 900_001},
        {"positive_permille": 1001},
        {"ct_permille": -1},
        {"mr_permille": 1001},
        {"without_images_permille": -1},
        {"xray_pixels": ()},
        {"xray_pixels": (15,)},
        {"ct_pixels": (4097,)},
        {"ct_slices": (0, 3)},
        {"ct_slices": (5, 4)},
    ],
    ids=str,
)
def test_a_specification_out_of_bounds_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(TREError) as refusal:
        NccidSpec(**wrong)  # type: ignore[arg-type]
    assert refusal.value.reason is Reason.BadInput


def test_proportions_are_followed_to_their_ends(tmp_path: Path) -> None:
    none = generate_nccid(tmp_path / "none", replace(SMALL, positive_permille=0))
    everyone = generate_nccid(tmp_path / "all", replace(SMALL, positive_permille=1000))
    bare = generate_nccid(tmp_path / "bare", replace(SMALL, without_images_permille=1000))
    assert none.by_covid_status == {"negative": SMALL.patients}
    assert everyone.by_covid_status == {"positive": SMALL.patients}
    assert (bare.instances, bare.studies, bare.patients) == (0, 0, SMALL.patients)


def test_pseudonyms_never_collide() -> None:
    assert len({pseudonym(3, number) for number in range(1, 20_001)}) == 20_000
    widths = {len(pseudonym(3, number)) for number in range(1, 20_001)}
    assert len(widths) > 1, "no fixed width"


def test_quotas_are_exact_in_every_thousand() -> None:
    for permille in (0, 1, 20, 340, 999, 1000):
        assert sum(quota(number, permille) for number in range(1, 1001)) == permille


def test_dates_of_a_patient_are_in_a_possible_order() -> None:
    for number in range(1, 1001):
        patient = make_patient(NccidSpec(), number)
        assert patient.swab < patient.last_known
        assert not patient.intubated or patient.intensive_care
        assert not patient.intensive_care or patient.admitted


def test_demography_is_skewed_and_holds_rare_people() -> None:
    people = [make_patient(NccidSpec(), number) for number in range(1, 301)]
    centres = [person.centre for person in people]
    assert set(centres) == {f"TRUST-{number:02}" for number in range(1, 13)}
    assert centres.count("TRUST-01") > 5 * centres.count("TRUST-11")
    assert sum(person.sex == "M" for person in people) > 160
    assert sum(person.ethnicity in "ABC" for person in people) > 180
    assert any(person.age > 100 or person.age < 15 for person in people)
