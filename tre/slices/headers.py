"""What the index keeps of an image: a few attributes of its DICOM header, in clean spelling.

Guarantees: only the attributes named here are read, never pixels; what cannot be read is refused with a rule and
without repeating the value; codes are folded by the published vocabulary, and a value that it does not know counts
as missing; identifiers have the form that DICOM gives them (PS3.5 section 9.1), so they can name directories. A file
that says how long its pixels are and ends before that, as a broken copy does, is refused.

Does not guarantee: that the header holds nothing that identifies a person (the header gate judges that); that
compressed pixels, whose length is not said, are whole or can be shown.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, partial
from os import SEEK_END
from typing import Any, BinaryIO, Literal

from pydicom import config, dcmread
from pydicom.dataset import Dataset

from tre.domain.slices import vocabulary as words
from tre.domain.withdrawals import PSEUDONYM_PATTERN
from tre.slices.unfit import UnfitError

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PSEUDONYM = re.compile(PSEUDONYM_PATTERN)
_TEXT_LENGTH = 64
_LONG_FORMS = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"}
"""Value representations of pixels whose length takes four bytes, after two that are reserved."""

_UNKNOWN_LENGTH = 0xFFFFFFFF
_TAGS = [
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "PatientID",
    "Modality",
    "BodyPartExamined",
    "StudyDate",
    "SliceThickness",
    "Manufacturer",
    "ManufacturerModelName",
    "ViewPosition",
    "BurnedInAnnotation",
]


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """Who, which image, and what can be asked about it. `None` where the header does not say."""

    pseudonym: str
    study_uid: str
    series_uid: str
    sop_uid: str
    modality: str | None
    body_part: str | None
    study_date: date | None
    slice_thickness_um: int | None
    manufacturer: str | None
    model: str | None
    view_position: str | None
    burned_in_annotation: str | None

    @property
    def group(self) -> str:
        """The folder of the NCCID layout that the modality belongs to."""
        return words.MODALITY_GROUPS.get(self.modality or "", "unknown")


def read_header(file: BinaryIO) -> ImageHeader:
    """The header of an open DICOM file. Raises `UnfitError` naming the rule."""
    dataset = _dataset(file)
    _check_whole(file)
    return header_of(partial(_text, dataset))


def header_of(text_of: Callable[[str], str]) -> ImageHeader:
    """The header whose texts are had by keyword, empty where it has none. Raises `UnfitError` naming the rule."""
    return ImageHeader(
        _pseudonym(text_of),
        _uid(text_of, "StudyInstanceUID"),
        _uid(text_of, "SeriesInstanceUID"),
        _uid(text_of, "SOPInstanceUID"),
        *_attributes(*map(text_of, _ASKED)),
    )


_ASKED = (
    *("Modality", "BodyPartExamined", "StudyDate", "SliceThickness"),
    *("Manufacturer", "ManufacturerModelName", "ViewPosition", "BurnedInAnnotation"),
)


@lru_cache(1024)
def _attributes(*texts: str) -> tuple[Any, ...]:
    """What can be asked about an image, of these texts: the images of a series have them in common."""
    modality, body_part, day, thickness, manufacturer, model, view_position, burned_in = texts
    return (
        words.closed(modality, words.MODALITIES),
        words.body_part(body_part),
        _day(day),
        _micrometres(thickness),
        _folded(manufacturer),
        _folded(model),
        words.closed(view_position, words.VIEW_POSITIONS),
        words.closed(burned_in, words.YES_NO),
    )


def _dataset(file: BinaryIO) -> Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dirty values are what is expected here
            config.settings.reading_validation_mode = config.IGNORE
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=list(_TAGS))
            dataset.decode()
    except Exception as error:
        # A parser given arbitrary bytes raises arbitrary errors; each of them means the same here.
        raise UnfitError("not-dicom", "cannot be read as DICOM") from error
    return dataset


def _check_whole(file: BinaryIO) -> None:
    """Reading stopped at the pixels: the rest of the file must hold as much as is said there (PS3.5 section 7.1)."""
    start = file.read(12)
    order: Literal["little", "big"] = "little" if start[:2] == b"\xe0\x7f" else "big"
    if int.from_bytes(start[:2], order) != 0x7FE0 or len(start) < 8:
        return  # no pixels, or a file that was unpacked in memory
    head = 12 if start[4:6] in _LONG_FORMS else 8  # an even length does not read like one of these
    length = int.from_bytes(start[head - 4 : head], order)
    begins = file.tell() - len(start) + head
    if length != _UNKNOWN_LENGTH and file.seek(0, SEEK_END) < begins + length:
        raise UnfitError("truncated", "ends before its pixels do")


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
        return "" if value is None else str(value)
    except Exception:  # noqa: BLE001 - a value that cannot be converted counts as missing
        return ""


def _folded(text: str) -> str | None:
    folded = words.fold_code(text)[:_TEXT_LENGTH].strip()
    return folded if folded and folded.isprintable() else None


def _pseudonym(text_of: Callable[[str], str]) -> str:
    text = text_of("PatientID").strip()
    if _PSEUDONYM.fullmatch(text) is None:
        raise UnfitError("pseudonym", "PatientID cannot be a pseudonym")
    return text


def _uid(text_of: Callable[[str], str], keyword: str) -> str:
    text = text_of(keyword).strip()
    if len(text) > 64 or _UID.fullmatch(text) is None:
        raise UnfitError("identifier", f"{keyword} is missing or no identifier")
    return text


def _day(text: str) -> date | None:
    try:
        return datetime.strptime(text.strip(), "%Y%m%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None


def _micrometres(text: str) -> int | None:
    try:
        number = Decimal(text.strip()) * 1000
    except InvalidOperation:
        return None
    return round(number) if number.is_finite() and 0 <= number <= 10_000_000 else None
