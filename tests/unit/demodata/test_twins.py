"""The poisoned twins: each differs from its clean twin in one fault and in nothing else."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.unit.demodata.conftest import tree_digest
from tre.demodata import Twin, poisoned_twins
from tre.demodata.faults import SECRET_NAME, nhs_number
from tre.demodata.twins import TABLE
from tre.domain.errors import Reason, TREError

HEADER_FAULTS = {
    "name-in-nested-sequence": {"ReferencedStudySequence"},
    "institution-name": {"InstitutionName"},
    "accession-number": {"AccessionNumber"},
    "private-tag": {"00110010", "00111001"},
    "unknown-representation": {"00209FF0"},
    "overlay": {f"6000{e}" for e in ("0010", "0011", "0040", "0050", "0100", "0102", "3000")},
    "patient-name": {"PatientName"},
    "birth-date": {"PatientBirthDate"},
    "identity-not-removed": {"PatientIdentityRemoved"},
    "nhs-number-in-text": {"StudyDescription"},
    "ten-digits-in-text": {"StudyDescription"},
    "doctor-in-text": {"SeriesDescription"},
    "burned-in-text": {"PixelData", "BurnedInAnnotation"},
    "secondary-image": {"ImageType"},
    "ct-in-xray-folder": {"Modality"},
    "other-patients-folder": {"PatientID", "PatientName"},
    "empty-other-ids": {"OtherPatientNames"},
    "spaced-nhs-number": {"SeriesDescription"},
    "mail-in-text": {"ProtocolName"},
    "postcode-in-text": {"StudyDescription"},
    "name-in-text": {"StudyDescription"},
    "date-in-text": {"SeriesDescription"},
    "plain-words-in-text": {"StudyDescription"},
    "nested-private-tag": {"ReferencedImageSequence"},
    "curve": {"50000005", "50000010", "50003000"},
    "document": {"EncapsulatedDocument"},
    "operator": {"OperatorsName"},
    "serial-number": {"DeviceSerialNumber"},
    "ultrasound-silent-about-text": {"BurnedInAnnotation"},
}
"""Which attributes each fault of the header may change, typed by hand."""

TREE_FAULTS = {
    "unlisted-pseudonym": {"pseudonyms.txt"},
    "withdrawn-patient": {"withdrawals.csv"},
    "link": {"elsewhere.dcm", "IMAGE"},
    "path-with-dots": set(),
    "duplicate-sop-uid": {"SECOND IMAGE", "SECOND SIDECAR"},
    "preamble": {"IMAGE"},
    "leaking-sidecar": {"SIDECAR"},
    "truncated": {"IMAGE"},
    "no-dicom": {"IMAGE"},
    **{
        f"{fault}-in-record": {"RECORD"}
        for fault in ("number", "name", "mail", "postcode", "day", "stranger", "no-number", "key-twice", "dirt")
    },
}
"""Which files each other fault may change."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Twin]]:
    """The twins, by the name of their fault."""
    root = tmp_path_factory.mktemp("twins") / "made"
    return root, {twin.fault: twin for twin in poisoned_twins(root, 11)}


def differing(one: Dataset, other: Dataset) -> set[str]:
    """Keywords (numbers where there is none) of the attributes that differ."""
    left, right = ({e.tag: e for e in dataset} for dataset in (one, other))
    changed = [tag for tag in left.keys() | right.keys() if left.get(tag) != right.get(tag)]
    return {(left | right)[tag].keyword or f"{tag:08X}" for tag in changed}


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a twin's directory; links by what they say."""
    paths = [path for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    return {
        path.relative_to(root).as_posix(): bytes(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in paths
    }


def checks_out(number: str) -> bool:
    """The NHS number's check: the weighted sum of all ten digits is divisible by 11."""
    weighted = sum(w * int(d) for w, d in zip(range(10, 0, -1), number, strict=True))
    return weighted % 11 == 0


def test_the_table_covers_every_fault_and_says_what_is_due(
    made: tuple[Path, dict[str, Twin]],
) -> None:
    root, twins = made
    assert set(twins) == set(HEADER_FAULTS) | set(TREE_FAULTS)
    assert {twin.expected_verdict for twin in twins.values()} == {"refuse", "quarantine", "pass"}
    assert {path.name for path in root.iterdir()} == {*twins, TABLE}
    for twin in twins.values():
        assert bool(twin.rule) == (twin.expected_verdict != "pass")
        assert twin.path.is_relative_to(root / twin.fault / "poisoned")
        assert twin.clean.is_relative_to(root / twin.fault / "clean")
        assert twin.path.is_file()
        assert twin.clean.is_file()
        assert not twin.clean.is_symlink()


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_header_fault_changes_what_it_names_only(made: tuple[Path, dict[str, Twin]], fault: str) -> None:
    twin = made[1][fault]
    assert differing(dcmread(twin.clean), dcmread(twin.path)) == HEADER_FAULTS[fault]


@pytest.mark.parametrize("fault", HEADER_FAULTS)
def test_a_header_fault_stands_in_the_sidecar_too(made: tuple[Path, dict[str, Twin]], fault: str) -> None:
    twin = made[1][fault]
    place = twin.path.relative_to(made[0] / fault / "poisoned" / "training")
    folder = twin.path.parents[4] / f"{place.parts[0]}-metadata"
    model = json.loads(folder.joinpath(*place.parts[1:]).with_suffix(".json").read_bytes())
    header = {f"{e.tag:08X}" for e in dcmread(twin.path) if e.keyword != "PixelData"}
    assert set(model) == header


@pytest.mark.parametrize("fault", TREE_FAULTS)
def test_another_fault_changes_its_files_only(made: tuple[Path, dict[str, Twin]], fault: str) -> None:
    root, twins = made
    clean, poisoned = contents(root / fault / "clean"), contents(root / fault / "poisoned")
    [image] = [name for name in clean if name.endswith(".dcm")]
    sidecar = image.replace("training/xray", "training/xray-metadata").replace(".dcm", ".json")
    [record] = [name for name in clean if name.startswith("training/data/")]
    names = {image: "IMAGE", sidecar: "SIDECAR", record: "RECORD"}
    changed = {n for n in clean.keys() | poisoned.keys() if clean.get(n) != poisoned.get(n)}
    for name in changed - clean.keys():
        if name.startswith("training/"):
            names[name] = "SECOND IMAGE" if name.endswith(".dcm") else "SECOND SIDECAR"
    assert {names.get(name, name) for name in changed} == TREE_FAULTS[fault]
    judged = sidecar if fault == "leaking-sidecar" else record if fault.endswith("-in-record") else image
    assert twins[fault].clean == root / fault / "clean" / judged


def test_a_clean_twin_is_clean(made: tuple[Path, dict[str, Twin]]) -> None:
    root, twins = made
    for twin in twins.values():
        files = contents(root / twin.fault / "clean")
        assert not any(SECRET_NAME.encode() in content for content in files.values())
        images = [name for name in files if name.endswith(".dcm")]
        image = dcmread(root / twin.fault / "clean" / images[0])
        known = files["pseudonyms.txt"].decode().split()
        assert image.PatientID == str(image.PatientName) == images[0].split("/")[2]
        assert image.PatientID in known
        assert image.PatientID not in files["withdrawals.csv"].decode()
        assert image.pixel_array.shape == (96, 96)


def test_the_faults_are_what_they_claim_to_be(made: tuple[Path, dict[str, Twin]]) -> None:
    twins = made[1]
    images = {f: dcmread(t.path) for f, t in twins.items() if t.path.suffix == ".dcm" and f != "no-dicom"}
    number = images["spaced-nhs-number"].SeriesDescription
    assert checks_out(number.replace(" ", "").replace("-", ""))
    assert SECRET_NAME in str(images["nested-private-tag"].ReferencedImageSequence[0][0x0011, 0x1001].value)
    assert twins["truncated"].path.stat().st_size == twins["truncated"].clean.stat().st_size - 1000
    assert checks_out(images["nhs-number-in-text"].StudyDescription.split()[1])
    assert not checks_out(images["ten-digits-in-text"].StudyDescription.split()[1])
    nested = images["name-in-nested-sequence"].ReferencedStudySequence[0]
    assert nested.PurposeOfReferenceCodeSequence[0].OtherPatientNames == SECRET_NAME
    assert SECRET_NAME.encode() in twins["preamble"].path.read_bytes()[:128]
    assert twins["link"].path.is_symlink()
    assert twins["link"].path.resolve().is_relative_to(made[0])
    assert ".." in twins["path-with-dots"].path.parts
    second = twins["duplicate-sop-uid"].path
    uids = [dcmread(path).SOPInstanceUID for path in second.parent.iterdir()]
    assert len(uids) == 2
    assert len(set(uids)) == 1
    withdrawn = twins["withdrawn-patient"]
    listed = (made[0] / "withdrawn-patient" / "poisoned" / "withdrawals.csv").read_text()
    assert dcmread(withdrawn.path).PatientID in listed
    assert SECRET_NAME in twins["leaking-sidecar"].path.read_text()


def test_the_table_lies_beside_the_twins_and_says_the_same(made: tuple[Path, dict[str, Twin]]) -> None:
    root, twins = made
    with (root / TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["fault"] for row in rows] == list(twins)
    for row in rows:
        twin = twins[row["fault"]]
        assert (root / row["path"], root / row["clean"]) == (twin.path, twin.clean)
        assert (row["expected_verdict"], row["rule"]) == (twin.expected_verdict, twin.rule)


@pytest.mark.parametrize("seed", range(50))
def test_made_nhs_numbers_are_valid_test_numbers(seed: int) -> None:
    number = nhs_number(seed)
    assert len(number) == 10
    assert number.startswith("999")
    assert checks_out(number)


def test_the_same_seed_gives_the_same_twins_and_another_seed_others(
    made: tuple[Path, dict[str, Twin]], tmp_path: Path
) -> None:
    poisoned_twins(tmp_path / "again", 11)
    poisoned_twins(tmp_path / "other", 12)
    assert tree_digest(tmp_path / "again") == tree_digest(made[0])
    assert tree_digest(tmp_path / "other") != tree_digest(made[0])


def test_a_directory_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(TREError) as refusal:
        poisoned_twins(tmp_path, 1)
    assert refusal.value.reason is Reason.AlreadyExists
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
