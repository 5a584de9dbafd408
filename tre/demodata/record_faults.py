"""The faults of clinical records among the poisoned twins: each changes one record, in one way.

Guarantees: a fault changes the clinical record of its twin and nothing else, and returns its path.

Does not guarantee: realism; see `tre.demodata.faults`, whose rules hold here too.

Threat answered: a gate that looks at images and takes what lies beside them on trust.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tre.demodata.faults import Tree, nhs_number
from tre.demodata.files import json_bytes


def record_of(root: Path) -> Path:
    """The one clinical record of a twin's directory."""
    (path,) = root.glob("training/data/*/*.json")
    return path


def _changed(tree: Tree, **values: Any) -> Path:
    path = record_of(tree.root)
    path.write_bytes(json_bytes(json.loads(path.read_bytes()) | values))
    return path


def number_in_record(tree: Tree) -> Path:
    """A valid NHS number, written as the number that a laboratory value is."""
    return _changed(tree, Ferritin=int(nhs_number(7)))


def name_in_record(tree: Tree) -> Path:
    """A person's name behind an answer."""
    return _changed(tree, **{"PMH Lung disease": "5 - seen by Jane Example"})


def mail_in_record(tree: Tree) -> Path:
    """An e-mail address behind an answer."""
    return _changed(tree, **{"PMH CVS disease": "4 ask jane@example.org"})


def postcode_in_record(tree: Tree) -> Path:
    """A postcode (of the Parliament) in place of a hospital."""
    return _changed(tree, Hospital="SW1A 0AA")


def day_in_record(tree: Tree) -> Path:
    """A date where an answer is due."""
    return _changed(tree, **{"PMH CKD": "1 since 12/06/2019"})


def stranger_in_record(tree: Tree) -> Path:
    """A key that no form has."""
    return _changed(tree, **{"Next of kin": "Jane Example"})


def no_number_in_record(tree: Tree) -> Path:
    """`NaN`, which is no JSON."""
    return _changed(tree, **{"CRP on admission": float("nan")})


def key_twice_in_record(tree: Tree) -> Path:
    """One key with two values: readers differ on which counts."""
    path = record_of(tree.root)
    text = path.read_text(encoding="utf-8").rstrip()
    path.write_text(f'{text.removesuffix("}").rstrip()},\n "SubmittingCentre": "TRUST-02"\n}}\n', encoding="utf-8")
    return path


def dirt_in_record(tree: Tree) -> Path:
    """What hospitals type, and what is nobody's: allowed."""
    return _changed(
        tree,
        **{
            "PMH Lung disease": "5 – Lung Ca",
            "Systolic BP": "[170/70] - 2020-03-04",
            "FiO2": "blue",
            "Date of admission": "see notes",
            "1st RT-PCR result": "RNA DETECTED (SARS-CoV-2)",
            "Ethnicity": "Any other White background",
        },
    )
