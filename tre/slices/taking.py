"""Judging and taking single files of a delivery: images, sidecars, clinical records.

Guarantees: an image is taken only for a person whose clinical record came with the delivery (and who stands on the
delivery's list, where it has one) and who did not opt out; header, folder, sidecar and clinical record must name the
same person and the same image; the header gate judges every image and every sidecar before it has a place in the
store. Each refusal carries the rule and never the value. Nothing of a refused file stays in the store; a quarantined
one is kept apart from it, and taken only when somebody decided about exactly what was found.

Threat: a file filed under another person's folder, a header that still names somebody, and data of somebody who opted
out coming back with a later delivery.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import BinaryIO

from tre.domain.gate import GateReason, Verdict, verdict_of
from tre.domain.quarantine import QuarantinedFile, QuarantineState
from tre.slices import clinical
from tre.slices.coarse import coarse_record
from tre.slices.files import open_beneath
from tre.slices.gate.judge import Gate, Judged
from tre.slices.gate.manifest import EVERY_MODALITY, NO_RULES, TagRules
from tre.slices.gate.ocr import read_pixels
from tre.slices.gate.record import RecordJudge
from tre.slices.gate.rules import reason
from tre.slices.headers import ImageHeader
from tre.slices.partition import NO_DRAW, TRAINING, VALIDATION, Draw
from tre.slices.places import SIDECAR_SUFFIX
from tre.slices.store import Hashing, Intake, Store, WaitsError, derive, take
from tre.slices.unfit import UnfitError
from tre.slices.walk import Found, Refusal, clinical_name

MAX_LIST_BYTES = 64 * 2**20
_GROUPS = frozenset({"ct", "mri", "xray", "unknown"})
_ENDING = re.compile(r"\.dcm$", re.IGNORECASE)
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


@dataclass(frozen=True)
class Delivery:
    """What a delivery is judged against: its directory's name, who is known in it, and who opted out."""

    name: str
    partitions: Mapping[str, str]
    denied: frozenset[str]
    listed: frozenset[str] | None = None
    """Who may be in it, where the delivery says."""

    rules: TagRules = NO_RULES
    decided: Mapping[str, QuarantinedFile] = field(default_factory=dict)
    undecided: frozenset[str] = frozenset()
    """People whose deciding clinical record stays out or waits."""

    draw: Draw = NO_DRAW

    def partition(self, parts: tuple[str, ...], pseudonym: str) -> str:
        """The partition that a person's file belongs to; `validation` is never given to anybody."""
        apart = VALIDATION in (self.name, parts[0]) or self.draw.drawn(pseudonym)
        return VALIDATION if apart else TRAINING


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


@dataclass(frozen=True)
class Waiting:
    """A file that waits for a person; its bytes are kept apart."""

    path: str
    kind: str
    pseudonym: str
    sha256: bytes
    size: int
    reasons: tuple[GateReason, ...]


@dataclass(frozen=True)
class Stores:
    """The tiers that an image and its sidecar go to."""

    full: Store
    coarse: Store


@cache
def record_judge_of(rules: TagRules) -> RecordJudge:
    """The judge of clinical records by these rules, made once in a process."""
    return RecordJudge(rules)


@cache
def gate_of(rules: TagRules) -> Gate:
    """The gate of these rules, made once in a process."""
    return Gate(rules)


def judge_image(gate: Gate, file: BinaryIO) -> Judged:
    """Judge an open image; its pixels too where the rules want them read for text. Raises `UnfitError`."""
    judged = gate.judge_file(file)
    read = {judged.text("Modality"), EVERY_MODALITY} & set(gate.rules.ocr)
    if read and judged.verdict is not Verdict.refuse:
        rule = read_pixels(file)
        judged.reasons = tuple(sorted((*judged.reasons, *([reason(rule, "PixelData")] if rule else []))))
    return judged


def as_waiting(found: Found, waits: WaitsError) -> Waiting:
    """What is told of a file that waits."""
    return Waiting(found.path, found.kind.value, waits.pseudonym, waits.sha256, waits.size, waits.reasons)


def admit(reasons: tuple[GateReason, ...], pseudonym: str, sha256: bytes, delivery: Delivery) -> None:
    """Let a file pass, or raise what keeps it out: `UnfitError` or `WaitsError`."""
    verdict = verdict_of(reasons)
    if verdict is Verdict.refuse:
        first = next(one for one in reasons if one.refuses)
        raise UnfitError(first.rule, f"{first.attribute}: {first.message}" if first.attribute else first.message)
    decision = delivery.decided.get(sha256.hex())
    if decision is not None and decision.state is QuarantineState.rejected:
        raise UnfitError("rejected", "somebody looked at it and decided against it")
    if verdict is Verdict.quarantine and (decision is None or not decision.lets_in(reasons)):
        raise WaitsError(pseudonym, reasons)


def stem_of(parts: tuple[str, ...]) -> str | None:
    """The image's name in the layout; `None` outside the layout, where names may repeat."""
    if _folder(parts) is None:
        return None
    stem = _ENDING.sub("", parts[-1])
    if _STEM.fullmatch(stem) is None:
        raise UnfitError("path", "the file name holds characters that are not allowed")
    return stem


def judge_owner(header: ImageHeader, parts: tuple[str, ...], delivery: Delivery) -> ImageHeader:
    """Raise `UnfitError` unless the person is known here, did not opt out, and is who the folder says."""
    if header.pseudonym in delivery.denied:
        raise UnfitError("withdrawn", "the person opted out")
    judge_place(header, parts)
    if header.pseudonym in delivery.undecided:
        raise UnfitError("undecided-record", "the clinical record that decides about this person stays out or waits")
    if header.pseudonym not in delivery.partitions:
        raise UnfitError("unlisted-pseudonym", "no clinical record belongs to this person")
    if delivery.listed is not None and header.pseudonym not in delivery.listed:
        raise UnfitError("unlisted-pseudonym", "the person is not on the delivery's list")
    if delivery.partitions[header.pseudonym] != delivery.partition(parts, header.pseudonym):
        raise UnfitError("two-partitions", "the person stands in training and in validation")
    return header


def judge_place(header: ImageHeader, parts: tuple[str, ...]) -> None:
    """Raise `UnfitError` unless an image lies where its header says, in the layout."""
    if (folder := _folder(parts)) is not None:
        _judge_folder(header, folder)


def _judge_folder(header: ImageHeader, folder: _Folder) -> None:
    if header.pseudonym != folder.pseudonym:
        raise UnfitError("folder-mismatch", "PatientID is not that of the folder")
    if (header.study_uid, header.series_uid) != (folder.study_uid, folder.series_uid):
        raise UnfitError("folder-mismatch", "study or series are not those of the folder")
    if header.group != folder.group:
        raise UnfitError("modality-folder", "Modality does not belong into this folder")


def _write(file: Hashing, data: bytes) -> None:
    file.write(data)


def image_place(parts: tuple[str, ...]) -> tuple[str, str]:
    """Directory and stem that an image in the layout will have; those of no sidecar for one outside."""
    if _folder(parts) is None:
        return "", ""
    return "/".join(parts[-5:-1]), _ENDING.sub("", parts[-1])


def sidecar_place(parts: tuple[str, ...]) -> tuple[str, str]:
    """Directory and stem of the image that a sidecar's path speaks of."""
    folder = (parts[-5].removesuffix("-metadata"), *parts[-4:-1]) if len(parts) >= 5 else ()
    return "/".join(folder), parts[-1][: -len(SIDECAR_SUFFIX)]


def take_clinical(
    stores: Stores, root: int, found: Found, delivery: Delivery
) -> clinical.ClinicalRecord | Refusal | Waiting:
    """Read one clinical record and keep it, with its dates and without, or say by which rule it stays out or waits."""
    kind, day = clinical_name(found.parts[-1])

    def read(file: BinaryIO, sha256: bytes) -> clinical.ClinicalRecord:
        values = clinical.parse_record(file.read(clinical.MAX_BYTES + 1))
        pseudonym = record_pseudonym(values, found.parts)
        if pseudonym in delivery.denied:
            raise UnfitError("withdrawn", "the person opted out")
        admit(record_judge_of(delivery.rules).judge(values), pseudonym, sha256, delivery)
        partition = delivery.partition(found.parts, pseudonym)
        if delivery.partitions.get(pseudonym, partition) != partition:
            raise UnfitError("two-partitions", "the release before has the person in the other partition")
        return clinical.ClinicalRecord(pseudonym, kind, day, partition, values)

    try:
        record = take(stores.full, root, found.parts, Intake(read, _owner, SIDECAR_SUFFIX)).content
    except UnfitError as error:
        return Refusal(found.path, error.rule, error.message)
    except WaitsError as waits:
        return as_waiting(found, waits)
    coarse = clinical.record_bytes(coarse_record(record.values))
    derive(stores.coarse, record.pseudonym, SIDECAR_SUFFIX, lambda file: _write(file, coarse))
    return record


def _owner(record: clinical.ClinicalRecord) -> str:
    return record.pseudonym


def record_pseudonym(values: Mapping[str, object], parts: tuple[str, ...]) -> str:
    """Whose record it is. Raises `UnfitError` where it does not say so, or lies in another person's folder."""
    pseudonym = values.get("Pseudonym")
    if not isinstance(pseudonym, str) or clinical.PSEUDONYM.fullmatch(pseudonym) is None:
        raise UnfitError("pseudonym", "the record's Pseudonym is missing or cannot be one")
    if len(parts) >= 3 and parts[-3] == "data" and parts[-2] != pseudonym:
        raise UnfitError("folder-mismatch", "Pseudonym is not that of the folder")
    return pseudonym


def read_beside(root: int, name: str) -> list[str]:
    """The lines of one of the lists at the top of a delivery. Raises `UnfitError`."""
    with os.fdopen(open_beneath(root, (name,), os.O_RDONLY), "rb") as file:
        data = file.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise UnfitError("path", "larger than any list")
    return [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
