"""Real scanner files, as pydicom distributes them, arranged as a data set.

Guarantees: only files that lie in the installed package are used and nothing is ever fetched; a
file is taken if pydicom and numpy alone can decode it (uncompressed, deflated or run-length
encoded) and if it has study, series and instance identifiers, so that what is installed beside
them changes nothing; every other file is counted by reason. Patients become `Real0001`,
`Real0002`, … in the order of a hash of their number. What the header gate wants absent is blanked
at every depth (`tre.demodata.blanking`); the rest of the header stays as the scanner wrote it.

Does not guarantee: the same tree with another version of pydicom, which may bring other files; a
clean bill by the header gate, since real headers hold more than a fixed list foresees; anything
about the persons: these are public test files, and their clinical records are made up here.

Threat answered: software that only ever met the files of its own generator.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom.data
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from tre.demodata.blanking import blank
from tre.demodata.clinical import uk_date, us_date
from tre.demodata.files import GROUPS, ImagePlace, Writer, claim_target
from tre.demodata.headers import file_meta, sidecar
from tre.demodata.people import CENTRES
from tre.demodata.randomness import Stream
from tre.demodata.spec import Summary, Tally

NOT_DICOM = "not a DICOM file"
NO_PIXELS = "no pixel data"
NO_IDENTIFIERS = "no study, series or instance identifier"
OTHER_COMPRESSION = "compressed in a way that needs a further decoder"
NOT_DECODED = "pixels cannot be decoded"
NOT_WRITTEN = "header cannot be written again"
SAME_INSTANCE = "the same instance again"

_DECODED_BY_PYDICOM = (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_READING_ERRORS = (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class _LeftOutError(Exception):
    """A file that is not taken; its text is the reason that is counted."""


@dataclass(frozen=True)
class _Found:
    """A file that is taken, and the key of the person it belongs to."""

    dataset: FileDataset
    person: str


def distributed_files() -> list[Path]:
    """The test files that lie in the installed pydicom, in one fixed order."""
    folder = Path(pydicom.data.__file__).parent / "test_files"
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


def _read(path: Path) -> FileDataset:
    """The dataset of a file. Raises `_LeftOutError` with the reason if it is not taken."""
    try:
        dataset = dcmread(path)
        dataset.decode()
        uids = [str(dataset.get(name, "")) for name in _IDENTIFIERS]
        syntax = dataset.file_meta.get("TransferSyntaxUID")
    except (InvalidDicomError, *_READING_ERRORS) as error:
        raise _LeftOutError(NOT_DICOM) from error
    if "PixelData" not in dataset:
        raise _LeftOutError(NO_PIXELS)
    if not all(len(uid) <= 64 and _UID.fullmatch(uid) for uid in uids):
        raise _LeftOutError(NO_IDENTIFIERS)
    if syntax not in _DECODED_BY_PYDICOM:
        raise _LeftOutError(OTHER_COMPRESSION)
    try:
        _ = dataset.pixel_array
    except _READING_ERRORS as error:
        raise _LeftOutError(NOT_DECODED) from error
    return dataset


def _collect(tally: Tally) -> list[_Found]:
    """Every file that is taken; the others are counted by reason."""
    found: list[_Found] = []
    seen: set[str] = set()
    for path in distributed_files():
        try:
            dataset = _read(path)
            if dataset.SOPInstanceUID in seen:
                raise _LeftOutError(SAME_INSTANCE)
        except _LeftOutError as reason:
            tally.left_out[str(reason)] += 1
            continue
        seen.add(dataset.SOPInstanceUID)
        number = str(dataset.get("PatientID") or "").strip()
        found.append(_Found(dataset, number or f"study {dataset.StudyInstanceUID}"))
    return found


def _pseudonyms(people: set[str]) -> dict[str, str]:
    """`Real` and four digits for each person, in the order of a hash of the person's key."""
    order = sorted(people, key=lambda person: hashlib.sha256(person.encode()).digest())
    return {person: f"Real{number:04}" for number, person in enumerate(order, start=1)}


def _encoded(dataset: FileDataset) -> bytes:
    """The file again, with a fresh meta header.

    Deflated files are written plainly, because the bytes that a compressor makes differ between
    its versions.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    plain = syntax == DeflatedExplicitVRLittleEndian
    dataset.file_meta = file_meta(dataset, ExplicitVRLittleEndian if plain else syntax)
    buffer = BytesIO()
    try:
        dataset.save_as(buffer, enforce_file_format=True)
    except _READING_ERRORS as error:
        raise _LeftOutError(NOT_WRITTEN) from error
    return buffer.getvalue()


def _write_image(found: _Found, pseudonym: str, writer: Writer) -> ImagePlace:
    """Blank, place and write one image."""
    dataset = found.dataset
    blank(dataset, pseudonym)
    place = ImagePlace(
        GROUPS.get(str(dataset.get("Modality")), "unknown"),
        pseudonym,
        str(dataset.StudyInstanceUID),
        str(dataset.SeriesInstanceUID),
        str(dataset.SOPInstanceUID),
    )
    writer.image(place, _encoded(dataset), sidecar(dataset))
    return place


def _clinical(pseudonym: str) -> tuple[str, bool, dict[str, Any]]:
    """A small made-up record: file name, whether positive, content."""
    stream = Stream(0, "scanner files", pseudonym)
    swab = stream.day(date(2020, 3, 1), date(2020, 12, 31))
    positive = stream.chance(400)
    record: dict[str, Any] = {
        "Pseudonym": pseudonym,
        "SubmittingCentre": stream.weighted(CENTRES),
        "SwabDate": uk_date(swab),
        "SwabStatus": int(positive),
    }
    if positive:
        record |= {
            "Age": stream.bell(20, 89),
            "Sex": stream.integer(0, 1),
            "Date of Positive Covid Swab": us_date(swab),
            "Final COVID Status": 1,
            "CXR severity": stream.integer(1, 3),
        }
    kind = "data" if positive else "status"
    return f"{kind}_{swab.isoformat()}.json", positive, record


def pydicom_dataset(target: Path) -> Summary:
    """Arrange the real files of the installed pydicom in the NCCID layout, and say what is there.

    Raises `TREError(AlreadyExists)` if the directory holds anything.
    """
    claim_target(target)
    tally = Tally()
    writer = Writer(target / "training", tally)
    places: list[ImagePlace] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # real headers break rules; that is what they are here for
        found = _collect(tally)
        pseudonyms = _pseudonyms({one.person for one in found})
        for one in found:
            try:
                places.append(_write_image(one, pseudonyms[one.person], writer))
            except _LeftOutError as reason:
                tally.left_out[str(reason)] += 1
                continue
            tally.by_modality[str(one.dataset.get("Modality") or "none")] += 1
    studies = {(place.group, place.patient, place.study) for place in places}
    tally.instances = len(places)
    tally.series = len({(place.patient, place.study, place.series) for place in places})
    tally.studies = len({study[1:] for study in studies})
    tally.studies_by_group.update(group for group, _, _ in studies)
    for pseudonym in sorted({place.patient for place in places}):
        name, positive, record = _clinical(pseudonym)
        writer.clinical(pseudonym, name, record)
        tally.patients += 1
        tally.by_covid_status["positive" if positive else "negative"] += 1
    return tally.summary()
