"""Judging and taking single files of a delivery: images, sidecars, clinical records.

Guarantees: an image is taken only for a person whose clinical record came with the delivery and who did not opt out;
header, folder, sidecar and clinical record must name the same person and the same image; each refusal carries the
rule and never the value. Nothing of a refused file stays in the store.

Does not guarantee: a clean header: `tre.slices` has the header gate's room here, between reading and placing.

Threat: a file filed under another person's folder, and data of somebody who opted out coming back with a later
delivery.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tre.slices import clinical
from tre.slices.headers import ImageHeader, UnfitError, read_header
from tre.slices.index import Instance
from tre.slices.places import IMAGE_SUFFIX, SIDECAR_SUFFIX
from tre.slices.store import Intake, Store, Taken, take
from tre.slices.walk import Found, Refusal, clinical_name

TRAINING, VALIDATION = "training", "validation"
MAX_SIDECAR_BYTES = 8 * 2**20
"""Sidecars average 15 kB; pixels have no place in them."""

_GROUPS = frozenset({"ct", "mri", "xray", "unknown"})
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SIDECAR_TAGS = {"pseudonym": "00100020", "sop_uid": "00080018"}


@dataclass(frozen=True)
class Delivery:
    """What a delivery is judged against: its directory's name, who is known in it, and who opted out."""

    name: str
    partitions: Mapping[str, str]
    denied: frozenset[str]

    def partition(self, parts: tuple[str, ...]) -> str:
        """The partition a path belongs to; `validation` is never given to anybody."""
        return VALIDATION if VALIDATION in (self.name, parts[0]) else TRAINING


@dataclass(frozen=True)
class _Folder:
    """The folders of the NCCID layout around a file."""

    group: str
    pseudonym: str
    study_uid: str
    series_uid: str


def _folder(parts: tuple[str, ...]) -> _Folder | None:
    if len(parts) < 5 or parts[-5] not in _GROUPS:
        return None
    return _Folder(*parts[-5:-1])


def take_image(store: Store, root: int, found: Found, delivery: Delivery) -> Instance | Refusal:
    """Take one image, or say by which rule it stays out."""

    def read(file: BinaryIO) -> ImageHeader:
        return _judge(read_header(file), found.parts, delivery)

    intake = Intake(read, lambda header: header.pseudonym, IMAGE_SUFFIX)
    try:
        stem = _stem(found.parts)
        taken = take(store, root, found.parts, intake)
    except UnfitError as error:
        return Refusal(found.path, error.rule, error.message)
    header = taken.content
    partition = delivery.partition(found.parts)
    return Instance(header, partition, stem or header.sop_uid, taken.sha256, taken.size)


def _stem(parts: tuple[str, ...]) -> str | None:
    """The image's name in the layout; `None` outside the layout, where names may repeat."""
    if _folder(parts) is None:
        return None
    stem = re.sub(r"\.dcm$", "", parts[-1], flags=re.IGNORECASE)
    if _STEM.fullmatch(stem) is None:
        raise UnfitError("path", "the file name holds characters that are not allowed")
    return stem


def _judge(header: ImageHeader, parts: tuple[str, ...], delivery: Delivery) -> ImageHeader:
    if header.pseudonym in delivery.denied:
        raise UnfitError("withdrawn", "the person opted out")
    if (folder := _folder(parts)) is not None:
        _judge_folder(header, folder)
    if header.pseudonym not in delivery.partitions:
        raise UnfitError("unlisted-pseudonym", "no clinical record belongs to this person")
    if delivery.partitions[header.pseudonym] != delivery.partition(parts):
        raise UnfitError("two-partitions", "the person stands in training and in validation")
    return header


def _judge_folder(header: ImageHeader, folder: _Folder) -> None:
    if header.pseudonym != folder.pseudonym:
        raise UnfitError("folder-mismatch", "PatientID is not that of the folder")
    if (header.study_uid, header.series_uid) != (folder.study_uid, folder.series_uid):
        raise UnfitError("folder-mismatch", "study or series are not those of the folder")
    if header.group != folder.group:
        raise UnfitError("modality-folder", "Modality does not belong into this folder")


def take_sidecar(store: Store, root: int, found: Found, image: Instance) -> Taken[str] | Refusal:
    """Take the sidecar of an image, or say by which rule it stays out."""

    def read(file: BinaryIO) -> str:
        return _judge_sidecar(file.read(MAX_SIDECAR_BYTES + 1), image)

    try:
        return take(store, root, found.parts, Intake(read, lambda name: name, SIDECAR_SUFFIX))
    except UnfitError as error:
        return Refusal(found.path, error.rule, error.message)


def sidecar_place(parts: tuple[str, ...]) -> tuple[str, str]:
    """Directory and stem of the image that a sidecar's path speaks of."""
    folder = (parts[-5].removesuffix("-metadata"), *parts[-4:-1]) if len(parts) >= 5 else ()
    return "/".join(folder), parts[-1][: -len(SIDECAR_SUFFIX)]


def _judge_sidecar(data: bytes, image: Instance) -> str:
    if len(data) > MAX_SIDECAR_BYTES:
        raise UnfitError("sidecar", "larger than any header")
    try:
        model = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UnfitError("sidecar", "not JSON") from error
    for name, tag in _SIDECAR_TAGS.items():
        if _first_value(model, tag) != getattr(image.header, name):
            raise UnfitError("sidecar", "names another person or another image than the file")
    return image.header.pseudonym


def _first_value(model: object, tag: str) -> object:
    element = model.get(tag) if isinstance(model, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def take_clinical(store: Store, root: int, found: Found, delivery: Delivery) -> clinical.ClinicalRecord | Refusal:
    """Read one clinical record and keep the file, or say by which rule it stays out."""
    kind, day = clinical_name(found.parts[-1])

    def read(file: BinaryIO) -> clinical.ClinicalRecord:
        values = clinical.parse_record(file.read(clinical.MAX_BYTES + 1))
        pseudonym = _record_pseudonym(values, found.parts, delivery)
        partition = delivery.partition(found.parts)
        return clinical.ClinicalRecord(pseudonym, kind, day, partition, values)

    try:
        return take(store, root, found.parts, Intake(read, _owner, SIDECAR_SUFFIX)).content
    except UnfitError as error:
        return Refusal(found.path, error.rule, error.message)


def _owner(record: clinical.ClinicalRecord) -> str:
    return record.pseudonym


def _record_pseudonym(values: Mapping[str, object], parts: tuple[str, ...], delivery: Delivery) -> str:
    pseudonym = values.get("Pseudonym")
    if not isinstance(pseudonym, str) or clinical.PSEUDONYM.fullmatch(pseudonym) is None:
        raise UnfitError("pseudonym", "the record's Pseudonym is missing or cannot be one")
    if len(parts) >= 3 and parts[-3] == "data" and parts[-2] != pseudonym:
        raise UnfitError("folder-mismatch", "Pseudonym is not that of the folder")
    if pseudonym in delivery.denied:
        raise UnfitError("withdrawn", "the person opted out")
    return pseudonym
