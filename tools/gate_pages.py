"""The page that lists every rule of the gate with an example, and the faults that each release is tried with."""

from __future__ import annotations

from page import code, page, table

from tre.demodata.twins import described
from tre.slices.gate.record_keys import KEYS, WORDS, Due
from tre.slices.gate.rules import OF_FILES, RULES, sentence
from tre.slices.gate.table import ACTIONS, EDITION

EXAMPLES = {
    "absent-or-empty": "`InstitutionName` = `Example Hospital`; `ReferringPhysicianName` two sequences deep",
    "binary": "an ICC profile; text in a table of grey values",
    "birth-date": "`PatientBirthDate` = `19500623`; `19500101` passes",
    "burned-in-annotation": "an ultrasound image that does not say `BurnedInAnnotation` = `NO`",
    "burned-in-text": "`tesseract` is sure of a word in the picture",
    "clinical-record": '`{"Age": 1, "Age": 2}`, `{"CRP on admission": NaN}`, `[1]`',
    "coded-identity": "`PatientName` = `Example^Jane` where `PatientID` = `Covid1`",
    "compressed-pixels": "an EXIF segment in a JPEG; bytes behind the end of a picture",
    "date": "`PMH CKD` = `1 since 12/06/2019` in a clinical record",
    "document": "an encapsulated PDF, a structured report",
    "duplicate-record": "`data_2020-05-01.json` twice for one person, with different ages",
    "duplicate-sop-uid": "two files with one `SOPInstanceUID`",
    "e-mail": "`ProtocolName` = `ask jane@example.org`",
    "folder-mismatch": "an image of `Covid2` below the folder of `Covid1`",
    "form": "`PatientAge` = `064`; `064Y` passes. In a record: `Ferritin` = 20790460",
    "free-text": "`SeriesDescription` = `Requested by Dr Example`; `CT Thorax 1.25 B31f LUNG` passes",
    "gazetteer": "a name of the manifest's `gazetteer`, however it is spelt",
    "identifier": "`StudyInstanceUID` = `../../1`",
    "identifier-in-number": "ten digits with a right check digit in a floating-point element",
    "identifier-in-uid": "the same as a component of a unique identifier",
    "image-type": "`ImageType` = `DERIVED\\SECONDARY`",
    "modality-folder": "a CT image in `xray/`",
    "nhs-number": "`StudyDescription` = `CXR 999 012 3456` with a right check digit, with blanks, dots or dashes",
    "not-dicom": "a page of HTML called `.dcm`; bytes behind the last element",
    "not-marked-deidentified": "`PatientIdentityRemoved` = `NO`, or no method",
    "ocr-missing": "the manifest names `US` under `ocr`, and `tesseract` is not installed",
    "ocr-unread": "65535 × 65535 pixels; a codec that is not installed; a reader that takes more than a minute",
    "overlay-or-curve": "any element of groups 50xx and 60xx",
    "path": "`away.dcm → /etc/passwd`; `CASE.dcm` beside `case.dcm`",
    "person-name": "`StudyDescription` = `Example^Jane`",
    "pixels": "34 bytes of pixels where rows and columns say 32",
    "postcode": "`StudyDescription` = `CXR SW1A 0AA`",
    "preamble": "a name in the 128 bytes before the header",
    "private-group": "any private element that the manifest does not declare, at any depth",
    "pseudonym": "`PatientID` = `../../etc`",
    "rejected": "`tre dataset decide NAME FILE --reject`",
    "representation": "`StudyDescription` written as `UI`",
    "same-place": "`x.dcm` of one series in two branches of a delivery",
    "sidecar": "a sidecar with `ReferringPhysicianName`, which its image lost",
    "sop-class": "a class of objects that are no images, such as waveforms",
    "store-damaged": "a file of the store that a power cut broke and a slice links",
    "too-large": "a deflated file that unfolds to more than 256 MiB; 200,000 elements",
    "too-long": "a text of more than 1 MiB in a header, of more than 200 characters in a record",
    "truncated": "a file cut in its pixels; a value that says it has 2 GB",
    "two-partitions": "images of one person in `training/` and `validation/`",
    "undecided-record": "a person whose newest `data_` record waits: an older one would describe somebody else",
    "unknown-attribute": "a tag of an even group that no dictionary knows",
    "unknown-file": "`notes.json`",
    "unknown-key": "`Next of kin` in a clinical record",
    "unknown-vr": "any element of representation `UN`, a known one too",
    "unlisted-pseudonym": "a person who is not in `pseudonyms.txt`",
    "withdrawn": "a person of `withdrawals.csv`, or of the record of opt-outs",
}
"""What breaks each rule, in the words of the tests that break it."""


def gate_page() -> str:
    """Every rule with its verdict and an example, the keys of clinical records, and the poisoned twins."""
    known = sorted(RULES | OF_FILES.keys())
    if missing := set(known) ^ EXAMPLES.keys():
        msg = f"examples and rules differ: {sorted(missing)}"
        raise ValueError(msg)
    rules = []
    for rule in known:
        says, refuses = sentence(rule)
        rules.append((code(rule), "refuse" if refuses else "quarantine", says, EXAMPLES[rule]))
    return page(
        "Rules of the gate",
        "What [the header gate](../header-gate.md) may say of a file. A rule that quarantines lets a person decide; "
        "what is refused stays out whoever decides. No message repeats the value.",
        table(("rule", "verdict", "it says", "for example"), rules),
        "## Attributes\n\n"
        f"{len(ACTIONS)} attributes have an action in DICOM PS3.15 Table E.1-1, edition {EDITION}; every other "
        "attribute of the dictionary is judged by its value representation, and what no dictionary knows is refused.",
        "## Keys of clinical records\n\n"
        "Letters, blanks and commas of a key may be written in any way. The words are those that a value may hold "
        "beside numbers; one or two letters need not be listed.",
        table(("due", "keys", "words"), [_keys(due) for due in Due if due is not Due.text]),
        "## Poisoned twins\n\n"
        "`tre demo-data twins DIR` writes each fault into a small dataset, beside the same without it, and the table "
        "below as `verdicts.csv`. Every clean twin passes; `tre bench gate` and the tests see to it.",
        table(
            ("fault", "what it is", "verdict that is due", "rule"),
            [(code(name), words, verdict, code(rule) if rule else "") for name, words, verdict, rule in described()],
        ),
    )


def _keys(due: Due) -> tuple[str, str, str]:
    keys = ", ".join(code(key) for key, found in KEYS.items() if found is due)
    return due.value, keys, " ".join(sorted(WORDS.get(due, frozenset())))
