"""The make-believe images: whole information objects, readable pixels, severity that shows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset

from tests.unit.demodata.conftest import Made
from tre.demodata import NccidSpec, generate_nccid, pixels
from tre.demodata.headers import MODELS, SOP_CLASSES, Study, encoded, series_header, sidecar
from tre.demodata.people import make_patient
from tre.demodata.randomness import Stream

# Attributes of type 1 (present with a value) and 2 (present) at the top level of the mandatory
# modules, read from DICOM PS3.3: composite modules C.7.1 to C.7.6 and C.12.1, then the modality's.
TYPE_1 = {
    "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality SamplesPerPixel "
    "PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation "
    "PixelData": ("CR", "DX", "CT", "MR", "MG", "US"),
    "ImageType PresentationIntentType PatientOrientation ImageLaterality PixelIntensityRelationship "
    "PixelIntensityRelationshipSign RescaleIntercept RescaleSlope RescaleType PresentationLUTShape "
    "LossyImageCompression BurnedInAnnotation ImagerPixelSpacing WindowCenter WindowWidth": ("DX", "MG"),
    "PositionerType OrganExposed AnatomicRegionSequence ViewCodeSequence": ("MG",),
    "LossyImageCompression": ("US",),
    "ImageType FrameOfReferenceUID PixelSpacing ImageOrientationPatient ImagePositionPatient": ("CT", "MR"),
    "RescaleIntercept RescaleSlope": ("CT",),
    "ScanningSequence SequenceVariant": ("MR",),
}
TYPE_2 = {
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName "
    "StudyID AccessionNumber SeriesNumber InstanceNumber Manufacturer": ("CR", "DX", "CT", "MR", "MG", "US"),
    "BodyPartExamined ViewPosition PatientOrientation": ("CR",),
    "AnatomicRegionSequence DetectorType AcquisitionContextSequence": ("DX", "MG"),
    "ImageType": ("US",),
    "PositionReferenceIndicator SliceThickness PatientPosition": ("CT", "MR"),
    "KVP AcquisitionNumber": ("CT",),
    "ScanOptions MRAcquisitionType EchoTime EchoTrainLength RepetitionTime": ("MR",),
}


def required(table: dict[str, tuple[str, ...]], modality: str) -> set[str]:
    """The keywords that a table asks of a modality."""
    return {word for words, kinds in table.items() if modality in kinds for word in words.split()}


def small_header(modality: str) -> Dataset:
    """A header without pixels."""
    patient = make_patient(NccidSpec(), 1)
    return series_header(Study(patient, 1, modality, patient.swab, "101500", 0), 1, 16, 1)


@pytest.fixture(scope="module")
def images(default_set: Made) -> list[FileDataset]:
    """Every image of the default set."""
    return [dcmread(path) for path in sorted(default_set.root.rglob("*.dcm"))]


@pytest.fixture(scope="module")
def further(tmp_path_factory: pytest.TempPathFactory) -> list[FileDataset]:
    """Mammograms and ultrasound, which come in where they are asked for."""
    root = tmp_path_factory.mktemp("nmip") / "store"
    spec = NccidSpec(seed=3, patients=12, xray_pixels=(32,), ct_permille=0, mg_permille=900, us_permille=900)
    generate_nccid(root, spec)
    return [dcmread(path) for path in sorted((root / "training" / "unknown").rglob("*.dcm"))]


def test_mammograms_and_ultrasound_show_something_in_the_depth_that_they_name(further: list[FileDataset]) -> None:
    assert {image.Modality for image in further} == {"MG", "US"}
    for image in further:
        picture = image.pixel_array
        assert picture.std() > (100 if image.Modality == "MG" else 6)
        assert picture.max() < 2**image.BitsStored
        assert image.BitsAllocated == (8 if image.Modality == "US" else 16)
    assert all(image.ViewCodeSequence[0].ViewModifierCodeSequence == [] for image in further if image.Modality == "MG")
    assert all(image.PatientSex == "F" for image in further if image.Modality == "MG")


def test_every_image_has_the_attributes_that_its_kind_demands(
    images: list[FileDataset], further: list[FileDataset]
) -> None:
    assert {image.Modality for image in images} == set(SOP_CLASSES) - {"MG", "US"}
    for image in [*images, *further]:
        present = {element.keyword for element in image}
        filled = {element.keyword for element in image if not element.is_empty}
        assert required(TYPE_1, image.Modality) <= filled
        assert required(TYPE_2, image.Modality) <= present
        assert image.SOPClassUID == SOP_CLASSES[image.Modality]


def test_every_image_can_be_read_and_shows_something(images: list[FileDataset]) -> None:
    for image in images:
        picture = image.pixel_array
        assert picture.shape == (image.Rows, image.Columns)
        assert picture.max() <= pixels.HIGHEST
        assert picture.std() > 100
    spec = NccidSpec()
    assert {i.Rows for i in images if i.Modality in ("CR", "DX")} == set(spec.xray_pixels)
    assert {i.Rows for i in images if i.Modality == "CT"} == set(spec.ct_pixels)


def test_every_image_says_that_it_is_made_up_and_nobodys(images: list[FileDataset]) -> None:
    for image in images:
        assert image.Manufacturer == "MakeBelieve"
        assert image.PatientIdentityRemoved == "YES"
        assert image.DeidentificationMethod
        assert image.PatientBirthDate[4:] == "0101"
        assert image.BurnedInAnnotation == "NO"
        assert image.preamble == bytes(128)
        assert not any(element.tag.is_private for element in image)
        for keyword in ("ReferringPhysicianName", "AccessionNumber", "StudyID"):
            assert not image[keyword].value


def test_headers_have_the_variety_and_the_dirt_of_real_ones(images: list[FileDataset]) -> None:
    parts = {(i.Modality, i.get("BodyPartExamined")) for i in images}
    assert {part for _, part in parts} == {"CHEST", "Chest", "THORAX", "", None}
    assert ("CR", None) not in parts, "CR must carry it, if only empty"
    for modality, models in MODELS.items():
        if modality in {"MG", "US"}:
            continue
        found = {i.ManufacturerModelName for i in images if i.Modality == modality}
        assert found <= set(models)
        assert len(found) > 1
    assert len({i.SliceThickness for i in images if i.Modality == "CT"}) > 2
    shapes = {i.PhotometricInterpretation for i in images if i.Modality == "CR"}
    assert shapes == {"MONOCHROME1", "MONOCHROME2"}


def test_study_and_acquisition_dates_are_true_and_others_shifted(images: list[FileDataset]) -> None:
    assert all(image.StudyDate == image.AcquisitionDate for image in images)
    shifted = [image for image in images if image.SeriesDate != image.StudyDate]
    assert len(shifted) > 0.9 * len(images)


def test_some_sidecars_hold_null_for_the_display_table(default_set: Made) -> None:
    folder = default_set.root / "training" / "xray-metadata"
    models = [json.loads(path.read_bytes()) for path in folder.rglob("*.json")]
    with_table = [model for model in models if "00283010" in model]
    assert with_table
    assert all(model["00283010"] is None for model in with_table)
    assert not any("7FE00010" in model for model in models)


def test_a_sidecar_holds_null_for_bytes_at_every_depth() -> None:
    header = small_header("DX")
    header.AnatomicRegionSequence[0].add_new(0x00081199, "OB", b"bytes")
    model = json.loads(sidecar(header))
    item = model["00082218"]["Value"][0]
    assert item["00081199"] == {"vr": "OB", "InlineBinary": None}


def test_encoding_does_not_name_the_library(images: list[FileDataset]) -> None:
    assert {image.file_meta.ImplementationVersionName for image in images} == {"MAKEBELIEVE_1"}
    header = small_header("CR")
    header.SOPInstanceUID = "2.25.1"
    assert b"PYDICOM" not in encoded(header)


@pytest.mark.parametrize("kind", ["xray", "ct"])
def test_opacity_grows_with_severity(kind: str) -> None:
    size, middle = 128, slice(40, 90)
    means = []
    for severity in range(4):
        stream = [pixels.make_anatomy(Stream(n, "a"), severity) for n in range(10)]
        pictures = [
            pixels.xray(size, one, 1, "x") if kind == "xray" else pixels.ct_slice(size, one, 0, 1) for one in stream
        ]
        lungs = np.stack(pictures)[:, middle, :].astype(int)
        means.append(lungs.mean())
    assert means == sorted(means)
    assert means[3] > means[0] + 50


def test_burned_in_digits_change_the_corner_only() -> None:
    plain = pixels.xray(96, pixels.make_anatomy(Stream(1, "a"), 0), 1, "x")
    marked = pixels.burn_in(plain, "9990123456")
    changed = np.argwhere(marked != plain)
    assert len(changed) > 100
    assert changed[:, 0].max() < 14
    assert (marked[20:] == plain[20:]).all()
