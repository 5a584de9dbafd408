"""DICOM headers and files for the make-believe images: CR, DX and MG for presentation, CT, MR, US.

Guarantees: every attribute of type 1 and 2 of the mandatory modules of the six information objects
(DICOM PS3.3, sections A.2, A.26, A.27, A.3, A.4 and A.6) is there; the header says that the image is
made up (`Manufacturer`) and that identity was removed; unique identifiers are hash-derived under
2.25; encoding names its own implementation, so that the bytes do not change with the library's
version.

Does not guarantee: clean values where the real set has none. `BodyPartExamined` is written as
`CHEST`, `Chest`, `THORAX` or not at all; as in the real set, `StudyDate` and `AcquisitionDate`
are true while other dates are shifted per patient.

Threat answered: made-up data taken for real, and real data passed off as made up, are told apart
by one attribute of the header.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from tre.demodata.people import Patient
from tre.demodata.randomness import Stream, made_uid

MAKER = "MakeBelieve"
"""The manufacturer of every generated image: the mark that it is nobody's."""

SOP_CLASSES = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
"""The storage class of each modality's images."""

MODELS = {
    "CR": ("CR 85-X", "FCR Capsula", "DirectView CR975", "Regius 210"),
    "DX": ("DigitalDiagnost", "Definium 8000", "Mobilett Mira", "DRX-Revolution", "AXIOM Aristos"),
    "CT": ("SOMATOM Definition AS", "Aquilion PRIME", "Discovery CT750 HD", "Brilliance 64"),
    "MR": ("MAGNETOM Aera", "Ingenia"),
    "MG": ("Selenia", "Senographe", "Inspiration"),
    "US": ("LOGIQ E9", "LOGIQ E10"),
}
"""Models of several makers, so that a slice can be described by scanner."""

DESCRIPTIONS = {
    "CR": ("XR Chest", "CXR", "Chest PA", "XR CHEST PORTABLE"),
    "DX": ("XR Chest", "Chest AP mobile", "THORAX", "XR Chest and abdomen"),
    "CT": ("CT Thorax", "CT Pulmonary angiogram", "CT Chest high resolution", "CT CHEST"),
    "MR": ("MRI Heart", "MR Thorax"),
    "MG": ("MG Breast", "MG Breast bilateral"),
    "US": ("US Chest", "US Abdomen"),
}
"""Study descriptions as departments write them."""

_BODY_PARTS = (("CHEST", 600), ("Chest", 120), ("THORAX", 130), ("", 150))
_IMPLEMENTATION = made_uid(0, "implementation")
_PIXEL_DATA = 0x7FE00010
_VOI_LUT = "00283010"


@dataclass(frozen=True)
class Study:
    """One examination of a patient: when, of what kind, how ill."""

    patient: Patient
    number: int
    modality: str
    day: date
    time: str
    severity: int

    def uid(self, seed: int, *more: str | int) -> str:
        """A unique identifier within this study, named by what follows."""
        return made_uid(seed, self.patient.number, self.number, *more)


def dicom_date(day: date) -> str:
    """A date in DICOM's form YYYYMMDD."""
    return f"{day.year:04}{day.month:02}{day.day:02}"


def _add_patient(header: Dataset, patient: Patient) -> None:
    """Patient module: pseudonym as both name and number, birth on the first of January."""
    header.PatientName = patient.pseudonym
    header.PatientID = patient.pseudonym
    header.PatientBirthDate = f"{patient.swab.year - patient.age:04}0101"
    header.PatientSex = patient.sex
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = "Made up, no person behind it"


def _add_study(header: Dataset, study: Study, stream: Stream, seed: int) -> None:
    """General study and general series modules."""
    shifted = dicom_date(study.day + study.patient.date_shift)
    header.StudyInstanceUID = study.uid(seed, "study")
    header.StudyDate = header.AcquisitionDate = dicom_date(study.day)
    header.StudyTime = header.SeriesTime = header.ContentTime = study.time
    header.SeriesDate = header.ContentDate = shifted
    header.ReferringPhysicianName = ""
    header.StudyID = ""
    header.AccessionNumber = ""
    header.StudyDescription = stream.pick(DESCRIPTIONS[study.modality])
    header.Modality = study.modality
    header.PatientPosition = "HFS" if study.modality in ("CT", "MR") else ""
    header.Manufacturer = MAKER
    header.ManufacturerModelName = stream.pick(MODELS[study.modality])


def _add_body_part(header: Dataset, stream: Stream) -> None:
    """`BodyPartExamined` with the real set's dirt; CR must carry it, if only empty (type 2)."""
    value = "BREAST" if header.Modality == "MG" else stream.weighted(_BODY_PARTS)
    if value or header.Modality == "CR":
        element = DataElement(0x00180015, "CS", value, validation_mode=config.IGNORE)
        header.add(element)


def _coded(value: str, meaning: str) -> DicomSequence:
    """A sequence of one SNOMED CT code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return DicomSequence([item])


def _add_pixel_form(header: Dataset, size: int, photometric: str) -> None:
    """Image pixel module: 12 bits in 16, unsigned, one sample."""
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = photometric
    header.Rows = header.Columns = size
    header.BitsAllocated, header.BitsStored, header.HighBit = 16, 12, 11
    header.PixelRepresentation = 0
    header.BurnedInAnnotation = "NO"
    header.LossyImageCompression = "00"


def _add_cr(header: Dataset, stream: Stream) -> None:
    """Computed radiography: series and image modules."""
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.ViewPosition = stream.pick(("PA", "AP", "AP", ""))
    header.PatientOrientation = ["L", "F"]
    header.KVP = str(stream.integer(85, 125))


def _add_display_table(header: Dataset) -> None:
    """A table of display values: the attribute that sidecars replace by null."""
    item = Dataset()
    item.LUTDescriptor = [16, 0, 16]
    item.LUTExplanation = "NORMAL"
    item.add_new(0x00283006, "US", [step * 4369 for step in range(16)])
    header.VOILUTSequence = DicomSequence([item])


def _add_dx(header: Dataset, stream: Stream) -> None:
    """Digital X-ray for presentation: series, anatomy, image, detector and context modules."""
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.PresentationIntentType = "FOR PRESENTATION"
    header.PatientOrientation = ["L", "F"]
    header.ViewPosition = stream.pick(("PA", "AP"))
    header.ImageLaterality = "U"
    header.AnatomicRegionSequence = _coded("51185008", "Chest")
    header.PixelIntensityRelationship = "LOG"
    header.PixelIntensityRelationshipSign = -1
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = "0", "1", "US"
    inverse = header.PhotometricInterpretation == "MONOCHROME1"
    header.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    header.WindowCenter, header.WindowWidth = "2048", "4096"
    header.DetectorType = stream.pick(("DIRECT", "SCINTILLATOR", ""))
    header.ImagerPixelSpacing = ["0.148", "0.148"]
    header.AcquisitionContextSequence = DicomSequence([])
    if stream.chance(120):
        _add_display_table(header)


def _add_ct(header: Dataset, stream: Stream) -> None:
    """Computed tomography: plane and image modules, without what differs from slice to slice."""
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = "-1024", "1", "HU"
    header.KVP = stream.pick(("100", "120"))
    header.AcquisitionNumber = "1"
    header.ConvolutionKernel = stream.pick(("B31f", "B70f", "FC51", "LUNG", "STANDARD"))
    header.SliceThickness = stream.pick(("1.0", "1.25", "2.0", "3.0", "5.0"))


def _add_mr(header: Dataset, stream: Stream) -> None:
    """Magnetic resonance: plane and image modules, without what differs from slice to slice."""
    header.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    header.ScanningSequence, header.SequenceVariant = "GR", "SS"
    header.ScanOptions = ""
    header.MRAcquisitionType = "2D"
    header.RepetitionTime, header.EchoTime = "3.2", "1.6"
    header.EchoTrainLength = "1"
    header.MagneticFieldStrength = stream.pick(("1.5", "3"))
    header.SliceThickness = stream.pick(("6.0", "8.0"))


_VIEWS = (("399162004", "cranio-caudal", "CC"), ("399368009", "medio-lateral oblique", "MLO"))
"""SNOMED CT codes of the two views of mammography, and what ViewPosition calls them."""


def _add_mg(header: Dataset, stream: Stream) -> None:
    """Digital mammography for presentation: DX series, anatomy, image and detector, mammography image and context."""
    code, meaning, view = stream.pick(_VIEWS)
    header.ImageType = ["ORIGINAL", "PRIMARY"]
    header.PresentationIntentType = "FOR PRESENTATION"
    header.PatientOrientation = ["A", "F"]
    header.ImageLaterality = stream.pick(("L", "R"))
    header.PositionerType = "MAMMOGRAPHIC"
    header.OrganExposed = "BREAST"
    header.ViewPosition = view
    header.ViewCodeSequence = _coded(code, meaning)
    header.ViewCodeSequence[0].ViewModifierCodeSequence = DicomSequence([])
    header.AnatomicRegionSequence = _coded("76752008", "Breast")
    header.PixelIntensityRelationship = "LOG"
    header.PixelIntensityRelationshipSign = -1
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = "0", "1", "US"
    header.PresentationLUTShape = "IDENTITY"
    header.WindowCenter, header.WindowWidth = "2048", "4096"
    header.DetectorType = stream.pick(("DIRECT", "SCINTILLATOR"))
    header.ImagerPixelSpacing = ["0.070", "0.070"]
    header.AcquisitionContextSequence = DicomSequence([])
    header.KVP = str(stream.integer(26, 32))


def _add_us(header: Dataset, _: Stream) -> None:
    """Ultrasound, one frame: image module; eight bits, as the object demands. The fourth value says: 2D imaging."""
    header.ImageType = ["ORIGINAL", "PRIMARY", "", "0001"]
    header.BitsAllocated, header.BitsStored, header.HighBit = 8, 8, 7
    header.PatientOrientation = ""


_BY_MODALITY = {"CR": _add_cr, "DX": _add_dx, "CT": _add_ct, "MR": _add_mr, "MG": _add_mg, "US": _add_us}


def _add_frame(header: Dataset, study: Study, size: int, seed: int) -> None:
    """Frame of reference and image plane modules, the position excepted."""
    header.FrameOfReferenceUID = study.uid(seed, "frame")
    header.PositionReferenceIndicator = ""
    micrometres = 400_000 // size
    header.PixelSpacing = [f"{micrometres // 1000}.{micrometres % 1000:03}"] * 2
    header.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]


def series_header(study: Study, series: int, size: int, seed: int) -> Dataset:
    """All that the images of a series have in common."""
    stream = Stream(seed, "series", study.patient.number, study.number, series)
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.SOPClassUID = SOP_CLASSES[study.modality]
    _add_patient(header, study.patient)
    _add_study(header, study, Stream(seed, "study", study.patient.number, study.number), seed)
    header.SeriesInstanceUID = study.uid(seed, "series", series)
    header.SeriesNumber = str(series)
    inverted = study.modality == "CR" and stream.chance(150)
    _add_pixel_form(header, size, "MONOCHROME1" if inverted else "MONOCHROME2")
    _BY_MODALITY[study.modality](header, stream)
    _add_body_part(header, stream)
    if study.modality in ("CT", "MR"):
        _add_frame(header, study, size, seed)
    return header


def place_instance(header: Dataset, uid: str, number: int) -> None:
    """Give the header what belongs to one image of its series; slices lie above one another."""
    header.SOPInstanceUID = uid
    header.InstanceNumber = str(number)
    if header.Modality in ("CT", "MR"):
        header.ImagePositionPatient = ["-200", "-200", str(10 * number)]


def set_pixels(header: Dataset, picture: npt.NDArray[np.uint16]) -> None:
    """Put the picture into the dataset, inverted where the header says that dark is high."""
    if header.PhotometricInterpretation == "MONOCHROME1":
        picture = (4095 - picture).astype("<u2")
    if header.BitsAllocated == 8:
        header.add(DataElement(_PIXEL_DATA, "OB", (picture >> 4).astype("u1").tobytes()))
        return
    header.add(DataElement(_PIXEL_DATA, "OW", picture.tobytes()))


def file_meta(dataset: Dataset, syntax: UID) -> FileMetaDataset:
    """The meta header of a file: what it is, how it is encoded, and that this program wrote it."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID = UID(_IMPLEMENTATION)
    meta.ImplementationVersionName = "MAKEBELIEVE_1"
    return meta


def encoded(dataset: Dataset) -> bytes:
    """The dataset as a DICOM file: explicit VR, little endian, uncompressed, empty preamble."""
    dataset.file_meta = file_meta(dataset, ExplicitVRLittleEndian)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _without_bytes(value: Any) -> Any:
    """The same JSON with every `InlineBinary` set to null."""
    if isinstance(value, dict):
        return {k: None if k == "InlineBinary" else _without_bytes(v) for k, v in value.items()}
    return [_without_bytes(item) for item in value] if isinstance(value, list) else value


def sidecar(dataset: Dataset) -> bytes:
    """The header as the real set's sidecars hold it.

    The DICOM JSON model (PS3.18 annex F) without pixel data, bytes and the display table set to
    null: a reader must take a null at the top as an empty sequence.
    """
    model = {
        f"{element.tag:08X}": element.to_json_dict(None, 1024) for element in dataset if element.tag != _PIXEL_DATA
    }
    model = _without_bytes(model)
    if _VOI_LUT in model:
        model[_VOI_LUT] = None
    return (json.dumps(model, separators=(",", ":"), sort_keys=True) + "\n").encode()
