"""Real scanner files: taken from the installed package alone, blanked at every depth, countable."""

from __future__ import annotations

import json
import re
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pydicom.data.data_manager
import pydicom.data.download
import pytest
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from tests.unit.demodata.conftest import Made, tree_digest
from tre.demodata import pydicom_dataset
from tre.demodata.blanking import blank
from tre.demodata.scanner_files import distributed_files
from tre.domain.errors import Reason, TREError

FORBIDDEN = {
    "PatientAddress",
    "PatientTelephoneNumbers",
    "OtherPatientIDs",
    "OtherPatientNames",
    "OtherPatientIDsSequence",
    "PatientBirthName",
    "PatientBirthTime",
    "PatientMotherBirthName",
    "IssuerOfPatientID",
    "AccessionNumber",
    "StudyID",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "RequestingPhysician",
    "NameOfPhysiciansReadingStudy",
    "ReferringPhysicianIdentificationSequence",
    "PerformingPhysicianIdentificationSequence",
    "RequestingPhysicianIdentificationSequence",
    "PhysiciansReadingStudyIdentificationSequence",
    "OperatorsName",
    "OperatorIdentificationSequence",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "PatientComments",
    "ImageComments",
    "VisitComments",
    "AdditionalPatientHistory",
    "RequestAttributesSequence",
    "InsurancePlanIdentification",
    "Occupation",
    "EthnicGroup",
    "EncapsulatedDocument",
}
"""What a pseudonymised store may not hold, typed by hand from the header gate's list."""

PLACE = re.compile(
    r"training/((ct|mri|unknown|xray)/Real\d{4}/[0-9.]{1,64}/[0-9.]{1,64}/[0-9.]{1,64}\.dcm"
    r"|(ct|mri|unknown|xray)-metadata/Real\d{4}/[0-9.]{1,64}/[0-9.]{1,64}/[0-9.]{1,64}\.json"
    r"|data/Real\d{4}/(status|data)_\d{4}-\d\d-\d\d\.json)"
)

pytestmark = pytest.mark.filterwarnings("ignore")  # real headers break rules


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The arranged files."""
    root = tmp_path_factory.mktemp("scanner") / "made"
    return Made(root, pydicom_dataset(root))


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """Every element at every depth."""
    for element in dataset:
        yield element
        if element.VR == "SQ":
            for item in element.value:
                yield from elements(item)


def forbidden(dataset: Dataset) -> set[str]:
    """What stands in a header and may not."""
    found = set()
    for element in elements(dataset):
        group = element.tag.group
        curve_or_overlay = 0x5000 <= group <= 0x50FF or 0x6000 <= group <= 0x60FF
        named = element.keyword in FORBIDDEN and not element.is_empty
        if named or curve_or_overlay or element.tag.is_private or element.VR == "UN":
            found.add(element.keyword or f"{element.tag:08X}")
    return found


def images(root: Path) -> list[Dataset]:
    """Every image of a tree."""
    return [dcmread(path) for path in sorted(root.rglob("*.dcm"))]


def test_no_identifying_attribute_is_left_at_any_depth(made: Made) -> None:
    assert [forbidden(image) for image in images(made.root)] == [set()] * made.summary.instances


def test_the_files_did_hold_such_attributes_before() -> None:
    found: set[str] = set()
    for path in distributed_files():
        if path.suffix == ".dcm" and path.stat().st_size < 200_000:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    found |= forbidden(dcmread(path))
                except (pydicom.errors.InvalidDicomError, AttributeError, ValueError):
                    continue
    assert {"InstitutionName", "ReferringPhysicianName", "AccessionNumber"} <= found


def test_only_the_pseudonym_names_the_patient(made: Made) -> None:
    for path in made.root.rglob("*.dcm"):
        image = dcmread(path)
        pseudonym = path.parts[-4]
        assert (image.PatientID, str(image.PatientName)) == (pseudonym, pseudonym)
        names = {str(e.value) for e in elements(image) if e.VR == "PN" and not e.is_empty}
        assert names == {pseudonym}
        assert str(image.get("PatientBirthDate", ""))[4:] in ("", "0101")
        assert image.PatientIdentityRemoved == "YES"
        assert image.preamble == bytes(128)


def test_every_image_can_be_read_with_pydicom_alone(made: Made) -> None:
    for image in images(made.root):
        assert image.pixel_array.size
    assert {"CT", "MR", "CR"} <= set(made.summary.by_modality)


def test_every_file_has_its_place_and_every_patient_a_record(made: Made) -> None:
    names = [p.relative_to(made.root).as_posix() for p in made.root.rglob("*") if p.is_file()]
    assert [name for name in names if not PLACE.fullmatch(name)] == []
    patients = {path.parts[-4] for path in made.root.rglob("*.dcm")}
    records = [path for path in names if path.startswith("training/data/")]
    assert {name.split("/")[2] for name in records} == patients
    assert len(records) == len(patients) == made.summary.patients
    assert patients == {f"Real{number:04}" for number in range(1, len(patients) + 1)}
    for name in records:
        record = json.loads((made.root / name).read_bytes())
        assert record["Pseudonym"] == name.split("/")[2]
        assert record["SwabStatus"] == int("/data_" in name)


def test_every_source_file_is_taken_or_counted_with_its_reason(made: Made) -> None:
    summary = made.summary
    assert summary.instances + sum(summary.left_out.values()) == len(distributed_files())
    assert summary.instances == sum(summary.by_modality.values()) > 30
    uids = [image.SOPInstanceUID for image in images(made.root)]
    assert len(set(uids)) == len(uids)
    assert summary.left_out["the same instance again"] > 0


def test_the_network_is_not_touched(made: Made, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(pydicom.data.download, "data_path_with_download", refuse)
    monkeypatch.setattr(pydicom.data.data_manager, "data_path_with_download", refuse)
    pydicom_dataset(tmp_path / "again")
    assert tree_digest(tmp_path / "again") == tree_digest(made.root)
    package = Path(pydicom.__file__).parent
    assert all(path.is_relative_to(package) for path in distributed_files())


def test_a_directory_with_anything_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(TREError) as refusal:
        pydicom_dataset(tmp_path)
    assert refusal.value.reason is Reason.AlreadyExists


def test_blanking_reaches_into_sequences_and_spares_the_rest() -> None:
    inner, header = Dataset(), Dataset()
    inner.InstitutionName = "Example Hospital"
    inner.PatientID = "12345"
    inner.Modality = "CT"
    inner.private_block(0x0011, "X", create=True).add_new(1, "LO", "secret")
    inner.ConsultingPhysicianName = "EXAMPLE^JANE"
    header.ReferencedStudySequence = [inner]
    header.PatientBirthDate = "19500623"
    header.ReferringPhysicianName = "EXAMPLE^JANE"
    header.add_new(0x60003000, "OW", b"\0\0")
    header.add_new(0xFFFCFFFC, "OB", b"padding!")
    header.StudyDescription = "CT head"
    blank(header, "Real0001")
    item = header.ReferencedStudySequence[0]
    assert {e.keyword: e.value for e in item} == {"PatientID": "Real0001", "Modality": "CT"}
    assert (header.PatientBirthDate, header.ReferringPhysicianName) == ("19500101", "")
    assert header.StudyDescription == "CT head"
    assert 0x60003000 not in header
    assert 0xFFFCFFFC not in header


@pytest.mark.parametrize(("written", "kept"), [("", ""), (None, ""), ("1950", "19500101")])
def test_a_birth_date_keeps_its_year_at_most(written: str | None, kept: str) -> None:
    header = Dataset()
    header.add_new(0x00100030, "LO", written)
    blank(header, "Real0001")
    assert header.PatientBirthDate == kept
