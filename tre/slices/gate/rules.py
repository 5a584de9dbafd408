"""The gate's rules: what each is called, whether it refuses or lets a person decide, and what it says.

Guarantees: every sentence is fixed; what it is said of is the attribute's name.

Rules that refuse are those whose breach shows a person or a file that is not what it claims; rules that quarantine are
those that honest files break too.
"""

from __future__ import annotations

from tre.domain.canonical import digest
from tre.domain.gate import GateReason
from tre.slices.gate.table import EDITION as TABLE_EDITION

EDITION = 2
"""Rises whenever a rule changes; recorded with each release."""

_REFUSE = {
    "absent-or-empty": "must be absent or empty",
    "birth-date": "must be empty or the first of January",
    "coded-identity": "must be the pseudonym and nothing else",
    "document": "this kind of object holds text about a person",
    "e-mail": "holds what looks like an e-mail address",
    "gazetteer": "names a place or an organisation of the site's list",
    "identifier": "is missing or no identifier",
    "nhs-number": "holds what looks like a health-service number",
    "not-marked-deidentified": "the header does not say that and how identity was removed",
    "overlay-or-curve": "overlays and curves may hold text",
    "person-name": "holds what looks like a person's name",
    "postcode": "holds what looks like a full postcode",
    "preamble": "the bytes before the header are not empty",
    "private-group": "a private element is not on the dataset's list of safe ones",
    "unknown-attribute": "no dictionary knows this attribute",
    "unknown-vr": "its value representation is unknown",
}
_QUARANTINE = {
    "binary": "holds bytes that cannot be looked at",
    "burned-in-annotation": "text may be burned into the pixels",
    "burned-in-text": "text was found in the pixels",
    "compressed-pixels": "something stands beside the compressed picture, or nobody can tell",
    "date": "holds a date where none is due",
    "form": "the value does not have the form that is due",
    "free-text": "holds words or numbers that are not on the list of harmless ones",
    "identifier-in-number": "a number has the form of a health-service number",
    "identifier-in-uid": "a part of the identifier has the form of a health-service number",
    "image-type": "not an original, primary image",
    "ocr-missing": "the pixels must be read for text, and no reader is installed",
    "ocr-unread": "the pixels must be read for text, and cannot be shown, are too many, or took too long",
    "pixels": "the pixels are longer or shorter than the header says",
    "representation": "its value representation is not the one that the dictionary gives",
    "sop-class": "not a kind of image that is known here",
    "too-long": "the value is too long to be looked at",
    "unknown-key": "this key is not on the list of a clinical record's keys",
}
RULES = frozenset(_REFUSE) | frozenset(_QUARANTINE)
"""The rules of this gate's elements and values."""

OF_FILES = {
    "clinical-record": "a clinical record is no JSON object, has a key twice, or holds what is no number",
    "duplicate-record": "two clinical records of one person, kind and day say different things; both stay out",
    "duplicate-sop-uid": "several images have one identifier; all stay out, or the same bytes come twice",
    "folder-mismatch": "header or record name another person, study or series than the folder",
    "modality-folder": "the modality does not belong into the folder",
    "not-dicom": "the file cannot be read as DICOM to its last byte",
    "path": "a link, a device, a name that no list can show, one that another differs from only in capitals, nesting "
    "without end, or a path that climbs",
    "pseudonym": "the person's name cannot be a pseudonym",
    "rejected": "somebody looked at the file and decided against it",
    "same-place": "several images have one series and one file name",
    "sidecar": "a sidecar is no header in JSON, speaks of another image, or holds what its image does not",
    "store-damaged": "the stored copy is damaged, and a slice holds it",
    "too-large": "more elements, more nesting, or more unpacked bytes than can be looked at",
    "truncated": "the file ends early, or a length says more than there is",
    "two-partitions": "the person stands in training and in validation",
    "undecided-record": "the clinical record that decides about the person stays out or waits",
    "unknown-file": "neither an image, a sidecar nor a clinical record",
    "unlisted-pseudonym": "the person has no clinical record, or is not on the delivery's list",
    "withdrawn": "the person opted out",
}
"""The rules about whole files, their places and their people: all of them keep a file out."""


def sentence(rule: str) -> tuple[str, bool]:
    """What a rule says, and whether it refuses."""
    refuses = rule in _REFUSE or rule in OF_FILES
    return _REFUSE.get(rule) or _QUARANTINE.get(rule) or OF_FILES[rule], refuses


def reason(rule: str, attribute: str = "") -> GateReason:
    """A breach of one of these rules at an attribute."""
    if rule in _REFUSE:
        return GateReason(rule, attribute, _REFUSE[rule])
    return GateReason(rule, attribute, _QUARANTINE[rule], refuses=False)


def gate_digest(manifest: str | None) -> str:
    """By which rules files passed: the editions of these rules and of the table, and the tag manifest's digest."""
    return digest({"rules": EDITION, "table": TABLE_EDITION, "manifest": manifest or ""})
