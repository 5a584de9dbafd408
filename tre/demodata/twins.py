"""Poisoned twins: pairs of small data sets that differ in one fault, with the verdict that is due.

Guarantees: both twins of a pair are whole data sets in the NCCID layout (one patient, one image,
its sidecar and clinical record, the list of known pseudonyms and the list of withdrawals), made
from the same draws; a header fault changes exactly the attribute named, in image and sidecar
alike; the clean twin is due to pass, so that a gate that refuses everything fails as surely as
one that admits everything. Some twins are look-alikes that are due to pass themselves.

Does not guarantee: completeness. These are the faults that a header gate must at least know;
names and numbers in them are invented, and NHS numbers begin with 999, a range kept for tests.

Threat answered: a header gate that is believed because nobody ever showed it a fault.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset

from tre.demodata import faults, pixels
from tre.demodata import record_faults as records
from tre.demodata.files import ImagePlace, Writer, claim_target, group_of
from tre.demodata.headers import (
    Study,
    encoded,
    place_instance,
    series_header,
    set_pixels,
    sidecar,
)
from tre.demodata.people import make_patient, pseudonym
from tre.demodata.randomness import Stream, made_file_stem
from tre.demodata.spec import NccidSpec, Tally

Verdict = Literal["refuse", "quarantine", "pass"]

_PATIENT = 1
_OTHER = 2
_WITHDRAWN = 3
_SIZE = 96


@dataclass(frozen=True)
class Twin:
    """One pair. `path` is the file to judge, `clean` its faultless twin, which is due to pass.

    `rule` is the rule that the verdict must name; empty where `expected_verdict` is `pass`. Two
    twins (`link`, `path-with-dots`) are about the path and not about the bytes behind it.
    """

    path: Path
    clean: Path
    fault: str
    expected_verdict: Verdict
    rule: str


@dataclass(frozen=True)
class _Fault:
    """How a fault is made: in the header before it is written, or in the tree afterwards."""

    name: str
    verdict: Verdict
    rule: str
    header: Callable[[Dataset], None] | None = None
    tree: Callable[[faults.Tree], Path] | None = None
    modality: str = "CR"


_FAULTS = (
    _Fault("name-in-nested-sequence", "refuse", "absent-or-empty", faults.nested_name),
    _Fault("institution-name", "refuse", "absent-or-empty", faults.institution),
    _Fault("accession-number", "refuse", "absent-or-empty", faults.accession),
    _Fault("private-tag", "refuse", "private-group", faults.private_tag),
    _Fault("unknown-representation", "refuse", "unknown-vr", faults.unknown_representation),
    _Fault("overlay", "refuse", "overlay-or-curve", faults.overlay),
    _Fault("patient-name", "refuse", "coded-identity", faults.patient_name),
    _Fault("birth-date", "refuse", "birth-date", faults.birth_date),
    _Fault("identity-not-removed", "refuse", "not-marked-deidentified", faults.not_removed),
    _Fault("nhs-number-in-text", "refuse", "nhs-number", faults.nhs_number_in_text),
    _Fault("ten-digits-in-text", "pass", "", faults.ten_digits_in_text),
    _Fault("doctor-in-text", "quarantine", "free-text", faults.doctor_in_text),
    _Fault("burned-in-text", "quarantine", "burned-in-annotation", faults.burned_in),
    _Fault("secondary-image", "quarantine", "image-type", faults.secondary_image),
    _Fault("ct-in-xray-folder", "refuse", "modality-folder", faults.ct_header),
    _Fault("other-patients-folder", "refuse", "folder-mismatch", tree=faults.other_folder),
    _Fault("unlisted-pseudonym", "refuse", "unlisted-pseudonym", tree=faults.unlisted),
    _Fault("withdrawn-patient", "refuse", "withdrawn", tree=faults.withdrawn),
    _Fault("link", "refuse", "path", tree=faults.link),
    _Fault("path-with-dots", "refuse", "path", tree=faults.dots),
    _Fault("duplicate-sop-uid", "refuse", "duplicate-sop-uid", tree=faults.duplicate),
    _Fault("preamble", "refuse", "preamble", tree=faults.preamble),
    _Fault("leaking-sidecar", "refuse", "sidecar", tree=faults.leaking_sidecar),
    _Fault("empty-other-ids", "pass", "", faults.empty_other_ids),
    _Fault("spaced-nhs-number", "refuse", "nhs-number", faults.spaced_nhs_number),
    _Fault("mail-in-text", "refuse", "e-mail", faults.mail_in_text),
    _Fault("postcode-in-text", "refuse", "postcode", faults.postcode_in_text),
    _Fault("name-in-text", "refuse", "person-name", faults.name_in_text),
    _Fault("date-in-text", "quarantine", "free-text", faults.date_in_text),
    _Fault("plain-words-in-text", "pass", "", faults.plain_words_in_text),
    _Fault("nested-private-tag", "refuse", "private-group", faults.nested_private_tag),
    _Fault("curve", "refuse", "overlay-or-curve", faults.curve),
    _Fault("document", "refuse", "absent-or-empty", faults.document),
    _Fault("operator", "refuse", "absent-or-empty", faults.operator),
    _Fault("serial-number", "refuse", "absent-or-empty", faults.serial_number),
    _Fault(
        "ultrasound-silent-about-text", "quarantine", "burned-in-annotation", faults.silent_about_text, modality="US"
    ),
    _Fault("truncated", "refuse", "truncated", tree=faults.truncated),
    _Fault("no-dicom", "refuse", "not-dicom", tree=faults.no_dicom),
    _Fault("number-in-record", "refuse", "nhs-number", tree=records.number_in_record),
    _Fault("name-in-record", "quarantine", "free-text", tree=records.name_in_record),
    _Fault("mail-in-record", "refuse", "e-mail", tree=records.mail_in_record),
    _Fault("postcode-in-record", "refuse", "postcode", tree=records.postcode_in_record),
    _Fault("day-in-record", "quarantine", "date", tree=records.day_in_record),
    _Fault("stranger-in-record", "quarantine", "unknown-key", tree=records.stranger_in_record),
    _Fault("no-number-in-record", "refuse", "clinical-record", tree=records.no_number_in_record),
    _Fault("key-twice-in-record", "refuse", "clinical-record", tree=records.key_twice_in_record),
    _Fault("dirt-in-record", "pass", "", tree=records.dirt_in_record),
)


def described() -> list[tuple[str, str, str, str]]:
    """Of each pair: the fault's name, what it is, the verdict that is due, and the rule."""
    found: list[tuple[str, str, str, str]] = []
    for one in _FAULTS:
        made = one.header or one.tree
        words = (made.__doc__ or "").strip().partition("\n")[0]
        found.append((one.name, words, one.verdict, one.rule))
    return found


TABLE = "verdicts.csv"
"""The table beside the twins: a line for each, paths relative to the table's directory."""

_COLUMNS = ("fault", "path", "clean", "expected_verdict", "rule")


def _plant(root: Path, seed: int, fault: _Fault, poisoned: bool) -> faults.Tree:
    """Write one twin: the data set, with the header's fault if it is the poisoned one."""
    patient = make_patient(NccidSpec(seed=seed, positive_permille=0), _PATIENT)
    study = Study(patient, 1, fault.modality, patient.swab, "101500", 0)
    header = series_header(study, 1, _SIZE, seed)
    header.BodyPartExamined = "CHEST"
    place_instance(header, study.uid(seed, "image", 1, 1), 1)
    anatomy = pixels.make_anatomy(Stream(seed, "twin"), 0)
    draw = pixels.sonogram if fault.modality == "US" else pixels.xray
    set_pixels(header, draw(_SIZE, anatomy, seed, "twin"))
    place = ImagePlace(
        group_of(fault.modality),
        patient.pseudonym,
        header.StudyInstanceUID,
        header.SeriesInstanceUID,
        made_file_stem(seed, "twin"),
    )
    if poisoned and fault.header is not None:
        fault.header(header)
    writer = Writer(root / "training", Tally())
    writer.image(place, encoded(header), sidecar(header))
    status = {
        "Pseudonym": patient.pseudonym,
        "SubmittingCentre": patient.centre,
        "SwabDate": patient.swab.strftime("%d/%m/%Y"),
        "SwabStatus": 0,
    }
    writer.clinical(patient.pseudonym, f"status_{patient.swab.isoformat()}.json", status)
    known = [pseudonym(seed, number) for number in (_PATIENT, _OTHER, _WITHDRAWN)]
    writer.write(root / faults.PSEUDONYMS, "".join(f"{name}\n" for name in known).encode())
    writer.write(root / faults.WITHDRAWALS, faults.withdrawal_list(known[2]))
    return faults.Tree(root, place, header, tuple(known))


def poisoned_twins(target: Path, seed: int) -> list[Twin]:
    """Write every pair below `target/FAULT/{clean,poisoned}` and return the table of verdicts.

    Each of the two holds `training/…`, `pseudonyms.txt` (one a line) and `withdrawals.csv`
    (`pseudonym,level,source,received_at`). The table lies beside them, too, as `verdicts.csv`.
    Raises `TREError(AlreadyExists)` if the directory holds anything.
    """
    claim_target(target)
    table = []
    for fault in _FAULTS:
        clean = _plant(target / fault.name / "clean", seed, fault, poisoned=False)
        poisoned = _plant(target / fault.name / "poisoned", seed, fault, poisoned=True)
        path = poisoned.image if fault.tree is None else fault.tree(poisoned)
        table.append(Twin(path, _same(clean, poisoned, path), fault.name, fault.verdict, fault.rule))
    _write_table(target, table)
    return table


def _same(clean: faults.Tree, poisoned: faults.Tree, path: Path) -> Path:
    """The clean twin's file that corresponds to the one to judge."""
    if path == poisoned.sidecar:
        return clean.sidecar
    return records.record_of(clean.root) if path.suffix == ".json" else clean.image


def _write_table(target: Path, table: list[Twin]) -> None:
    with (target / TABLE).open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for one in table:
            paths = (path.relative_to(target).as_posix() for path in (one.path, one.clean))
            writer.writerow((one.fault, *paths, one.expected_verdict, one.rule))
