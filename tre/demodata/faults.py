"""The single faults of the poisoned twins: each function makes one, and only that one.

Guarantees: a header fault changes the attributes that its docstring names and no others; a tree
fault changes files of one twin's directory only and returns the path that a gate shall judge.

Does not guarantee: that a fault is realistic in its values. They are short, invented and easy to
recognise in a report, so that a test can show that no report repeats them.

Threat answered: see `tre.demodata.twins`, which puts them beside their clean twins.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from tre.demodata import pixels
from tre.demodata.files import ImagePlace
from tre.demodata.headers import encoded, set_pixels, sidecar
from tre.demodata.randomness import Stream, made_file_stem

PSEUDONYMS = "pseudonyms.txt"
"""Name of the list of pseudonyms that a twin's data set knows."""

WITHDRAWALS = "withdrawals.csv"
"""Name of the list of patients who opted out of a twin's data set."""

SECRET_NAME = "EXAMPLE^JANE"  # noqa: S105 -- an invented person's name, no password
"""The invented name that the faults leak: no report of a gate may contain it."""


@dataclass(frozen=True)
class Tree:
    """A planted twin: its directory, the image's place, the header as written, known pseudonyms."""

    root: Path
    place: ImagePlace
    header: Dataset
    known: tuple[str, ...]

    @property
    def image(self) -> Path:
        """The image's path."""
        return self.place.image(self.root / "training")

    @property
    def sidecar(self) -> Path:
        """The sidecar's path."""
        return self.place.sidecar(self.root / "training")


def nhs_number(seed: int) -> str:
    """A number of the test range 999 with a valid check digit.

    The rule (NHS Data Dictionary): weights 10 to 2, 11 minus the sum modulo 11; 11 counts as 0, and
    a number that would need 10 is not issued.
    """
    stream = Stream(seed, "nhs number")
    while True:
        digits = f"999{stream.integer(0, 999_999):06}"
        check = 11 - sum(w * int(d) for w, d in zip(range(10, 1, -1), digits, strict=True)) % 11
        if check != 10:
            return f"{digits}{check % 11}"


def withdrawal_list(pseudonym: str) -> bytes:
    """A list of opt-outs with one line."""
    heading = "pseudonym,level,source,received_at\n"
    return f"{heading}{pseudonym},no_use,custodian,2026-10-01T09:00:00Z\n".encode()


def nested_name(header: Dataset) -> None:
    """A patient's name two sequences deep, under ReferencedStudySequence."""
    inner = Dataset()
    inner.OtherPatientNames = SECRET_NAME
    outer = Dataset()
    outer.ReferencedSOPClassUID = header.SOPClassUID
    outer.ReferencedSOPInstanceUID = header.SOPInstanceUID
    outer.PurposeOfReferenceCodeSequence = DicomSequence([inner])
    header.ReferencedStudySequence = DicomSequence([outer])


def institution(header: Dataset) -> None:
    """InstitutionName."""
    header.InstitutionName = "Example Hospital"


def accession(header: Dataset) -> None:
    """AccessionNumber."""
    header.AccessionNumber = "EX000123"


def private_tag(header: Dataset) -> None:
    """A private block with a name in it."""
    block = header.private_block(0x0011, "MAKEBELIEVE", create=True)
    block.add_new(0x01, "LO", SECRET_NAME)


def unknown_representation(header: Dataset) -> None:
    """An element that no dictionary knows, of value representation UN."""
    header.add_new(0x00209FF0, "UN", SECRET_NAME.encode())


def overlay(header: Dataset) -> None:
    """An overlay plane (group 6000), in which text could hide."""
    header.add_new(0x60000010, "US", 16)
    header.add_new(0x60000011, "US", 16)
    header.add_new(0x60000040, "CS", "G")
    header.add_new(0x60000050, "SS", [1, 1])
    header.add_new(0x60000100, "US", 1)
    header.add_new(0x60000102, "US", 0)
    header.add_new(0x60003000, "OW", bytes(range(32)))


def patient_name(header: Dataset) -> None:
    """PatientName differs from PatientID and is a name."""
    header.PatientName = SECRET_NAME


def birth_date(header: Dataset) -> None:
    """PatientBirthDate to the day."""
    header.PatientBirthDate = header.PatientBirthDate[:4] + "0623"


def not_removed(header: Dataset) -> None:
    """PatientIdentityRemoved says NO."""
    header.PatientIdentityRemoved = "NO"


def nhs_number_in_text(header: Dataset) -> None:
    """A valid NHS number in StudyDescription."""
    header.StudyDescription = f"CXR {nhs_number(_seed_of(header))}"


def ten_digits_in_text(header: Dataset) -> None:
    """Ten digits in StudyDescription whose check digit is wrong: no NHS number."""
    number = nhs_number(_seed_of(header))
    header.StudyDescription = f"CXR {number[:9]}{(int(number[9]) + 1) % 10}"


def _seed_of(header: Dataset) -> int:
    """A seed from the header itself, so that the fault needs no other input."""
    return int(header.StudyInstanceUID.rsplit(".", 1)[1]) % 1_000_000


def doctor_in_text(header: Dataset) -> None:
    """A doctor's name in SeriesDescription."""
    header.SeriesDescription = "Requested by Dr Example"


def burned_in(header: Dataset) -> None:
    """Digits burned into the pixels, and BurnedInAnnotation owns up to it."""
    size = header.Rows
    picture = np.frombuffer(header.PixelData, dtype="<u2").reshape(size, size)
    if header.PhotometricInterpretation == "MONOCHROME1":
        picture = (pixels.HIGHEST - picture).astype("<u2")
    set_pixels(header, pixels.burn_in(picture, nhs_number(_seed_of(header))))
    header.BurnedInAnnotation = "YES"


def secondary_image(header: Dataset) -> None:
    """ImageType says that the image was derived and captured second hand."""
    header.ImageType = ["DERIVED", "SECONDARY"]


def ct_header(header: Dataset) -> None:
    """Modality does not fit the folder."""
    header.Modality = "CT"


def spaced_nhs_number(header: Dataset) -> None:
    """A valid NHS number, written in groups, in SeriesDescription."""
    number = nhs_number(_seed_of(header))
    header.SeriesDescription = f"{number[:3]} {number[3:6]}-{number[6:]}"


def mail_in_text(header: Dataset) -> None:
    """An e-mail address in ProtocolName."""
    header.ProtocolName = "ask jane@example.org"


def postcode_in_text(header: Dataset) -> None:
    """A postcode (of the Parliament) in StudyDescription."""
    header.StudyDescription = "CXR SW1A 0AA"


def date_in_text(header: Dataset) -> None:
    """A date in SeriesDescription."""
    header.SeriesDescription = "repeat of 03/04/2020"


def name_in_text(header: Dataset) -> None:
    """A name as DICOM writes names, in StudyDescription."""
    header.StudyDescription = f"CXR {SECRET_NAME}"


def nested_private_tag(header: Dataset) -> None:
    """A private block within ReferencedImageSequence."""
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.private_block(0x0011, "MAKEBELIEVE", create=True).add_new(0x01, "LO", SECRET_NAME)
    header.ReferencedImageSequence = DicomSequence([item])


def curve(header: Dataset) -> None:
    """A curve (group 5000, retired), in which text could hide."""
    header.add_new(0x50000005, "US", 2)
    header.add_new(0x50000010, "US", 1)
    header.add_new(0x50003000, "OW", bytes(range(8)))


def document(header: Dataset) -> None:
    """An embedded document."""
    header.add_new(0x00420011, "OB", b"%PDF-1.4 made up\n ")


def operator(header: Dataset) -> None:
    """OperatorsName."""
    header.OperatorsName = SECRET_NAME


def serial_number(header: Dataset) -> None:
    """DeviceSerialNumber."""
    header.DeviceSerialNumber = "EX-000123"


def plain_words_in_text(header: Dataset) -> None:
    """A study description as departments write them: allowed."""
    header.StudyDescription = "XR Chest PA and lateral"


def silent_about_text(header: Dataset) -> None:
    """BurnedInAnnotation is not said."""
    del header.BurnedInAnnotation


def empty_other_ids(header: Dataset) -> None:
    """An identifying attribute is there but empty: allowed."""
    header.OtherPatientNames = ""


def _rewrite(tree: Tree) -> Path:
    """Write image and sidecar again after the header changed."""
    tree.image.write_bytes(encoded(tree.header))
    tree.sidecar.write_bytes(sidecar(tree.header))
    return tree.image


def _rename_patient(tree: Tree, pseudonym: str) -> None:
    """Another PatientID and PatientName."""
    tree.header.PatientID = tree.header.PatientName = pseudonym


def other_folder(tree: Tree) -> Path:
    """PatientID is a known pseudonym, but not the folder's."""
    _rename_patient(tree, tree.known[1])
    return _rewrite(tree)


def unlisted(tree: Tree) -> Path:
    """The pseudonym looks right everywhere but is not in the data set's list."""
    others = "".join(f"{name}\n" for name in tree.known[1:])
    (tree.root / PSEUDONYMS).write_bytes(others.encode())
    return tree.image


def withdrawn(tree: Tree) -> Path:
    """The patient opted out."""
    (tree.root / WITHDRAWALS).write_bytes(withdrawal_list(tree.known[0]))
    return tree.image


def link(tree: Tree) -> Path:
    """The image is a symbolic link to a file outside `training`."""
    elsewhere = tree.root / "elsewhere.dcm"
    tree.image.rename(elsewhere)
    tree.image.symlink_to(os.path.relpath(elsewhere, tree.image.parent))
    return tree.image


def dots(tree: Tree) -> Path:
    """The path climbs out of its folder and back."""
    return tree.image.parent / ".." / tree.image.parent.name / tree.image.name


def duplicate(tree: Tree) -> Path:
    """A second file of the series carries the same SOPInstanceUID."""
    stem = made_file_stem(_seed_of(tree.header), "duplicate")
    second = tree.image.with_name(f"{stem}.dcm")
    second.write_bytes(tree.image.read_bytes())
    tree.sidecar.with_name(f"{stem}.json").write_bytes(tree.sidecar.read_bytes())
    return second


def preamble(tree: Tree) -> Path:
    """The 128 bytes before the header hold a name."""
    encoded_image = tree.image.read_bytes()
    tree.image.write_bytes(SECRET_NAME.encode().ljust(128, b"\0") + encoded_image[128:])
    return tree.image


def truncated(tree: Tree) -> Path:
    """The file ends within its pixels, as a copy that was broken off does."""
    data = tree.image.read_bytes()
    tree.image.write_bytes(data[: len(data) - 1000])
    return tree.image


def no_dicom(tree: Tree) -> Path:
    """The file is called an image and is a page of text."""
    tree.image.write_bytes(b"<html>not found</html>\n" * 20)
    return tree.image


def leaking_sidecar(tree: Tree) -> Path:
    """The sidecar names a referring doctor whom the header does not name; the sidecar is judged."""
    model = json.loads(tree.sidecar.read_bytes())
    model["00080090"] = {"vr": "PN", "Value": [{"Alphabetic": SECRET_NAME}]}
    text = json.dumps(model, separators=(",", ":"), sort_keys=True)
    tree.sidecar.write_bytes(f"{text}\n".encode())
    return tree.sidecar
