"""What the index keeps of a header."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread, dcmwrite
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless

from tests.unit.slices.conftest import dicom
from tre.demodata.scanner_files import distributed_files
from tre.slices.headers import ImageHeader, read_header
from tre.slices.unfit import UnfitError

GOOD = {
    "PatientID": "Covid1",
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.4",
    "SOPInstanceUID": "1.2.3.4.5",
}


def header(**changes: Any) -> ImageHeader:
    return read_header(io.BytesIO(dicom(**(GOOD | changes))))


def test_codes_are_folded_and_synonyms_known() -> None:
    found = header(
        Modality="CT",
        BodyPartExamined="Thorax",
        StudyDate="20200401",
        SliceThickness="1.25",
        Manufacturer=" Make  Believe ",
        ManufacturerModelName="Model 1",
        ViewPosition="PA",
        BurnedInAnnotation="NO",
    )
    assert found == ImageHeader(
        "Covid1", "1.2.3", "1.2.3.4", "1.2.3.4.5", "CT", "CHEST", date(2020, 4, 1), 1250,
        "MAKE BELIEVE", "MODEL 1", "PA", "NO",
    )  # fmt: skip
    assert found.group == "ct"


def test_what_is_missing_or_not_understood_is_none() -> None:
    found = header(Modality="ZZ", BodyPartExamined="TOOTHBRUSH", StudyDate="", ViewPosition="FOO")
    assert [found.modality, found.body_part, found.study_date, found.view_position] == [None] * 4
    assert found.slice_thickness_um is None
    assert found.group == "unknown"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"PatientID": ""}, "pseudonym"),
        ({"PatientID": "../../etc"}, "pseudonym"),
        ({"PatientID": "a/b"}, "pseudonym"),
        ({"PatientID": ".."}, "pseudonym"),
        ({"PatientID": "Smith^Jane"}, "pseudonym"),
        ({"PatientID": "x" * 65}, "pseudonym"),
        ({"StudyInstanceUID": ""}, "identifier"),
        ({"SeriesInstanceUID": "1.2.3.x"}, "identifier"),
        ({"SOPInstanceUID": "../1.2"}, "identifier"),
    ],
)
def test_identifiers_that_cannot_name_a_directory_are_refused_without_repeating_them(
    change: dict[str, str], rule: str
) -> None:
    with pytest.raises(UnfitError) as caught:
        header(**change)
    assert caught.value.rule == rule
    assert "Smith" not in str(caught.value)
    assert ".." not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"x" * 200, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 50])
def test_what_is_no_dicom_is_refused(data: bytes) -> None:
    with pytest.raises(UnfitError):
        read_header(io.BytesIO(data))


SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "big-endian": ExplicitVRBigEndian,
}


def image(syntax: UID, pixels: bytes = b"\1\2" * 500, **more: Any) -> bytes:
    """An image with pixels, in one of the ways to write them."""
    dataset = dcmread(io.BytesIO(dicom(**GOOD)))
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.add_new("PixelData", more.get("vr", "OW"), pixels)
    dataset["PixelData"].is_undefined_length = syntax.is_encapsulated
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        little = syntax is not ExplicitVRBigEndian
        dcmwrite(out, dataset, implicit_vr=syntax is ImplicitVRLittleEndian, little_endian=little, force_encoding=True)
    return out.getvalue()


@pytest.mark.parametrize("syntax", SYNTAXES.values(), ids=SYNTAXES)
@pytest.mark.parametrize("vr", ["OW", "OB"])
def test_pixels_that_end_too_early_are_refused(syntax: UID, vr: str) -> None:
    whole = image(syntax, vr=vr)
    assert read_header(io.BytesIO(whole)) == header()
    assert read_header(io.BytesIO(whole + b"\0" * 8)) == header()
    for left_out in (1, 2, 500, 999, 1000):
        with pytest.raises(UnfitError, match="ends before its pixels do") as caught:
            read_header(io.BytesIO(whole[:-left_out]))
        assert caught.value.rule == "truncated"


def test_pixels_of_unknown_length_are_taken() -> None:
    whole = image(JPEG2000Lossless, encapsulate([b"\1\2\3\4" * 50]), vr="OB")
    assert read_header(io.BytesIO(whole)) == header()
    assert read_header(io.BytesIO(whole[:-20])) == header(), "nobody can tell without unpacking it"


@given(st.binary(max_size=400), st.integers(0, 1))
def test_no_bytes_lead_to_another_error(data: bytes, whole: int) -> None:
    prefix = dicom(**GOOD)
    start = prefix[: len(prefix) // 2] if whole else b"\0" * 128 + b"DICM"
    assert _rule(io.BytesIO(start + data)) in {"read", "not-dicom", "identifier", "pseudonym", "truncated"}


def test_real_scanner_files_are_read_or_refused() -> None:
    outcomes = {path: _outcome(path) for path in distributed_files()}
    rules = Counter(outcomes.values())
    assert rules.pop("read") >= 5
    assert rules.keys() <= {"not-dicom", "identifier", "pseudonym", "truncated"}
    assert [path.name for path, rule in outcomes.items() if rule == "truncated"] == ["MR_truncated.dcm"]


def _outcome(path: Path) -> str:
    with path.open("rb") as file:
        return _rule(file)


def _rule(file: BinaryIO) -> str:
    """The rule that a file breaks, or `read`."""
    try:
        read_header(file)
    except UnfitError as error:
        return error.rule
    return "read"
