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

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydicom.dataset import Dataset

from tre.demodata import faults, pixels
from tre.demodata.files import GROUPS, ImagePlace, Writer, claim_target
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
)


def _plant(root: Path, seed: int, fault: _Fault, poisoned: bool) -> faults.Tree:
    """Write one twin: the data set, with the header's fault if it is the poisoned one."""
    patient = make_patient(NccidSpec(seed=seed, positive_permille=0), _PATIENT)
    study = Study(patient, 1, fault.modality, patient.swab, "101500", 0)
    header = series_header(study, 1, _SIZE, seed)
    header.BodyPartExamined = "CHEST"
    place_instance(header, study.uid(seed, "image", 1, 1), 1)
    anatomy = pixels.make_anatomy(Stream(seed, "twin"), 0)
    set_pixels(header, pixels.xray(_SIZE, anatomy, seed, "twin"))
    place = ImagePlace(
        GROUPS[fault.modality],
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
    (`pseudonym,level,source,received_at`). Raises `TREError(AlreadyExists)` if the directory holds
    anything.
    """
    claim_target(target)
    table = []
    for fault in _FAULTS:
        clean = _plant(target / fault.name / "clean", seed, fault, poisoned=False)
        poisoned = _plant(target / fault.name / "poisoned", seed, fault, poisoned=True)
        path = poisoned.image if fault.tree is None else fault.tree(poisoned)
        same = clean.sidecar if path.suffix == ".json" else clean.image
        table.append(Twin(path, same, fault.name, fault.verdict, fault.rule))
    return table
