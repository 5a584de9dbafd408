"""Words of a data manager's pages: rules of the header gate and of additions, and what became of files.

Guarantees: every rule that lets a file wait has its words, and advice what to look at before deciding (tests compare);
no sentence speaks of a value.

Does not guarantee: words for a rule that is younger than this module: its name is shown then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tre.domain.quarantine import QuarantineState
from tre.portal.export_words import size_words
from tre.portal.words import Words

__all__ = [
    "DECISIONS",
    "EVENTS",
    "KINDS",
    "REFUSALS",
    "RULES",
    "STATES",
    "TIERS",
    "advice",
    "files_words",
    "rule_words",
    "size_words",
    "told",
]

_LOOK = "Look at the file where it was delivered, before you let it in."
_IN_PIXELS = "Look at the image itself: a name that stands in the pixels can be taken out by the custodian alone."

RULES: dict[str, Words] = {
    "binary": Words("Bytes that cannot be looked at", _LOOK),
    "burned-in-annotation": Words("Text may be burned into the pixels", _IN_PIXELS),
    "burned-in-text": Words("Text was found in the pixels", _IN_PIXELS),
    "compressed-pixels": Words("Something stands beside the compressed picture, or nobody can tell", _IN_PIXELS),
    "date": Words(
        "A date where none is due",
        "A day in a record points at a person. If the key always holds one, it does not belong into the delivery.",
    ),
    "form": Words("A value does not have the form that is due", _LOOK),
    "free-text": Words(
        "Words or numbers that are not on the list of harmless ones",
        "A word may be a surname. Words that are harmless in the whole dataset belong into its tag manifest.",
    ),
    "identifier-in-number": Words("A number has the form of a health-service number", _LOOK),
    "identifier-in-uid": Words("A part of an identifier has the form of a health-service number", _LOOK),
    "image-type": Words(
        "Not an original, primary image",
        "Derived images and screenshots may show a name. A kind that is harmless belongs into the tag manifest.",
    ),
    "ocr-missing": Words(
        "The pixels must be read for text, and no reader is installed",
        "An operator can install tesseract; then the delivery is added again.",
    ),
    "ocr-unread": Words(
        "The pixels must be read for text, and cannot be shown, are too many, or took too long", _IN_PIXELS
    ),
    "pixels": Words("The pixels are longer or shorter than the header says", _LOOK),
    "representation": Words("A value is not represented as the dictionary has it", _LOOK),
    "sop-class": Words("A kind of image that is not known here", _IN_PIXELS),
    "too-long": Words("A value is too long to be looked at", _LOOK),
    "unknown-key": Words(
        "A key that clinical records do not have",
        "What stands under it may be text about a person. Ask the custodian what it is for.",
    ),
}
"""Rules for which a file waits, in plain words, and what to look at."""

REFUSALS: dict[str, str] = {
    "absent-or-empty": "An attribute holds something that must be absent or empty",
    "birth-date": "A date of birth is more exact than the year",
    "clinical-record": "A clinical record that cannot be read",
    "coded-identity": "An identity is not the pseudonym and nothing else",
    "document": "A kind of object that holds text about a person",
    "duplicate-record": "Several clinical records of one day say different things",
    "duplicate-sop-uid": "Several images have the same identifier",
    "e-mail": "What looks like an e-mail address",
    "folder-mismatch": "Folder, header, sidecar or record do not name the same person or image",
    "gazetteer": "A place or an organisation of the site's list",
    "identifier": "An identifier is missing or none",
    "modality-folder": "The modality does not belong into its folder",
    "nhs-number": "What looks like a health-service number",
    "not-dicom": "It cannot be read as DICOM",
    "not-marked-deidentified": "The header does not say that and how identity was removed",
    "overlay-or-curve": "Overlays and curves may hold text",
    "path": "A link, a name or a file that is never followed",
    "person-name": "What looks like a person's name",
    "postcode": "What looks like a full postcode",
    "preamble": "The bytes before the header are not empty",
    "private-group": "A private element that is not on the dataset's list of safe ones",
    "pseudonym": "A pseudonym is missing or cannot be one",
    "rejected": "A data manager decided against it",
    "same-place": "Several images have one series and one file name",
    "sidecar": "A sidecar that cannot be read or belongs to no image",
    "store-damaged": "The stored copy is damaged",
    "too-large": "It unfolds to more than can be looked at",
    "truncated": "It ends too early",
    "two-partitions": "Its person stands in training and in validation",
    "undecided-record": "The clinical record that decides about its person stays out or waits",
    "unknown-attribute": "An attribute that no dictionary knows",
    "unknown-file": "Neither an image, a sidecar nor a clinical record",
    "unknown-vr": "A value whose representation is unknown",
    "unlisted-pseudonym": "Its person has no clinical record, or is not on the delivery's list",
    "withdrawn": "Its person opted out",
}
"""Rules by which a file stays out of a release without anybody being asked."""

STATES: dict[QuarantineState, Words] = {
    QuarantineState.waiting: Words("Waiting", "Nobody has decided yet; the file is kept apart."),
    QuarantineState.released: Words("Let in", "The next addition that brings the file takes it."),
    QuarantineState.rejected: Words("Kept out", "It is refused whenever a delivery brings it again."),
}
DECISIONS = {
    "quarantine.released": ("{} file was let in", "{} files were let in"),
    "quarantine.rejected": ("{} file was kept out", "{} files were kept out"),
}
"""What a decision comes to, for one file and for several."""

EVENTS = {
    "dataset.registered": "The dataset was registered",
    "dataset.declared": "What is safe in its headers was declared, signed",
    "dataset.quarantined": "Files were put into quarantine",
    "dataset.retired": "Nothing new is given from it, or from one of its releases",
    "dataset.swept": "Files that no release names were swept out",
    "release.published": "A release was published",
    "withdrawal.proposed": "A list of opt-outs was given",
    "withdrawal.confirmed": "A list of opt-outs was confirmed",
    "withdrawal.cancelled": "A list of opt-outs was taken back",
}
"""What a dataset's history tells, beside decisions about files."""

KINDS = {"image": "Image", "sidecar": "Sidecar", "clinical": "Clinical record"}
TIERS = {"dates-full": "exact", "dates-coarse": "by month"}


def rule_words(rule: str) -> str:
    """A rule in plain words; its name where there are none yet."""
    return RULES[rule].text if rule in RULES else REFUSALS.get(rule, rule)


def advice(rule: str) -> str:
    """What to look at before one decides about a file that waits for this rule."""
    return RULES[rule].advice if rule in RULES else _LOOK


def files_words(count: int) -> str:
    """A number of files: `1 file`, `1,200 files`."""
    return f"{count:,} file{'' if count == 1 else 's'}"


def told(kind: str, detail: Mapping[str, Any]) -> str:
    """What an event of a dataset's history is about, beside its words."""
    if kind == "release.published":
        return str(detail.get("release", ""))
    files = detail.get("files")
    return files_words(files) if kind == "dataset.quarantined" and isinstance(files, int) else ""
