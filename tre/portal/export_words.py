"""What the airlock's pages say: plain words for every state, check, severity and event of an export request.

Guarantees: every state, severity, kind of file, vote and decision of the domain has its words (a test compares).
Nothing here depends on who reads it; who may read what is decided before.
"""

from __future__ import annotations

from tre.domain.exports.catalogue import CATALOGUE
from tre.domain.exports.models import Choice, FileKind, Locator
from tre.domain.exports.policies import Decision
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import ExportState, Owner
from tre.portal.words import Words

S = ExportState

STATES: dict[ExportState, Words] = {
    S.Pending: Words("Draft", "Choose files, say what they show, then submit."),
    S.Submitted: Words("With the checkers", "At least two people from outside the project look at every file."),
    S.PartiallyReviewed: Words("Partly reviewed", "A first review is in; the others do not see it yet."),
    S.Reviewed: Words("Being decided", "The reviews are in. The checkers compare them and decide."),
    S.Returned: Words("Changes asked for", "Read what the checkers wrote, change files or words, submit again."),
    S.Approved: Words("Approved", "It is released after a short delay, in which it can still be stopped."),
    S.Releasing: Words("Being released", "The decision is being put on record and the files packed."),
    S.Released: Words("Released", "The members of the project can download it."),
    S.Rejected: Words("Refused", "It cannot be submitted again. A new request can be made."),
    S.Withdrawn: Words("Withdrawn", "Nothing of it leaves. A new request can be made."),
    S.Blocked: Words(
        "Blocked", "A check found something that nobody may release. Take it out or change it, then submit again."
    ),
    S.Recalled: Words("Recalled", "It was called back: it can no longer be downloaded, and copies must be destroyed."),
}
FOR_CHECKERS: dict[ExportState, str] = {
    S.Pending: "The researcher has not submitted it.",
    S.Submitted: "Look at every file, vote on each, then submit your review.",
    S.PartiallyReviewed: "A first review is in, and nobody else sees it yet. Every reviewer votes on every file.",
    S.Reviewed: "The reviews are in. Compare them, then release the request or return it.",
    S.Returned: "It is back with the researcher, who can change it and submit it again.",
    S.Approved: "It leaves after a short delay, in which it can still be stopped.",
    S.Releasing: "The decision is being put on record and the files packed.",
    S.Released: "The project can download it. It can still be called back.",
    S.Rejected: "It was refused for good.",
    S.Withdrawn: "The researcher took it back.",
    S.Blocked: "It is back with the researcher: as it is, nobody may release it.",
    S.Recalled: "It was called back: nobody can download it any more.",
}
"""What each state asks of a checker, or tells them."""

STATE_COLOURS: dict[ExportState, str] = {
    S.Pending: "grey",
    S.Submitted: "blue",
    S.PartiallyReviewed: "blue",
    S.Reviewed: "purple",
    S.Returned: "orange",
    S.Approved: "aqua-green",
    S.Releasing: "aqua-green",
    S.Released: "green",
    S.Rejected: "red",
    S.Withdrawn: "grey",
    S.Blocked: "red",
    S.Recalled: "red",
}
OWNERS: dict[Owner, str] = {
    Owner.author: "The researcher",
    Owner.checker: "The checkers",
    Owner.system: "The service",
}

SEVERITIES: dict[Severity, Words] = {
    Severity.B: Words("Blocks", "Nobody can release this. It must be taken out or changed."),
    Severity.E: Words("Needs an exception", "Each checker must give a reason, or ask for changes."),
    Severity.A: Words("Must be acknowledged", "Each checker must say that it was seen."),
    Severity.I: Words("For information", ""),
}
SEVERITY_COLOURS: dict[Severity, str] = {
    Severity.B: "red",
    Severity.E: "orange",
    Severity.A: "yellow",
    Severity.I: "grey",
}
CHECKS: dict[str, str] = {
    "F01": "Not a plain file, or a name that misleads",
    "F02": "Type not allowed, or not what the file claims to be",
    "F03": "Hidden bytes, hidden characters or a second document",
    "F05": "Too large, or the check could not be completed",
    "F08": "Text or times hidden inside an image",
    "F10": "Cells that a spreadsheet takes for formulas",
    "S01": "Counts below the threshold",
}

TYPES: dict[str, str] = {
    "csv": "Table (csv)",
    "tsv": "Table (tsv)",
    "text": "Text",
    "log": "Log",
    "markdown": "Text (markdown)",
    "json": "Data (json)",
    "png": "Image (png)",
    "unknown": "Unknown type",
}
"""Types of files; one without words is told by its name."""

KINDS: dict[FileKind, Words] = {
    FileKind.output: Words("Output", "asks to leave"),
    FileKind.supporting: Words("Supporting", "shown to the checkers, never released"),
    FileKind.code: Words("Code", "shown to the checkers, never released"),
    FileKind.withdrawn: Words("Taken back", "neither shown nor released"),
}
CHOICES: dict[Choice, Words] = {
    Choice.Approved: Words("Approve", "It may leave, byte for byte as it is."),
    Choice.ChangesRequested: Words("Ask for changes", "Say what should change: the researcher will read it."),
    Choice.Undecided: Words("Not decided", "Keep the comment and come back."),
}
CHOICE_COLOURS: dict[Choice, str] = {
    Choice.Approved: "green",
    Choice.ChangesRequested: "orange",
    Choice.Undecided: "grey",
}
DECISIONS: dict[Decision, Words] = {
    Decision.INCOMPLETE: Words("Votes missing"),
    Decision.APPROVED: Words("Approved"),
    Decision.CHANGES_REQUESTED: Words("Changes asked for"),
    Decision.CONFLICTED: Words("No agreement"),
}
DECISION_COLOURS: dict[Decision, str] = {
    Decision.INCOMPLETE: "grey",
    Decision.APPROVED: "green",
    Decision.CHANGES_REQUESTED: "orange",
    Decision.CONFLICTED: "red",
}

EVENTS: dict[str, str] = {
    "export.created": "The request was begun",
    "export.files-asked": "Files were chosen",
    "export.files-added": "Files were copied into the airlock",
    "export.fix-asked": "A file was to be changed by the service",
    "export.file-transformed": "New files were made of one, in its place",
    "export.checked": "The checks ran",
    "export.submitted": "It was submitted",
    "export.returned": "It was returned to the researcher",
    "export.rejected": "It was refused",
    "export.withdrawn": "It was withdrawn",
    "export.approved": "Its release was confirmed",
    "export.reopened": "The approval no longer held",
    "export.releasing": "The decision was put on record",
    "export.release-failed": "The release could not be made",
    "export.released": "It was released",
    "export.downloaded": "The release was downloaded",
    "export.link-made": "A one-time link to the release was made",
    "export.emergency-asked": "A release past the quorum was asked for",
    "export.emergency-seconded": "A release past the quorum was seconded and confirmed",
    "export.recalled": "It was called back",
    "export.overdue": "Its time was up",
}
"""Events that the history shows; that somebody voted, and when, is not among them: votes are cast blind."""


def place_words(place: Locator) -> str:
    """Where in a file a finding points, as a person would say it."""
    parts = []
    if place.row is not None:
        parts.append(f"row {place.row}")
    if place.column is not None:
        parts.append(f"column {place.column}")
    if place.offset is not None:
        parts.append(f"byte {place.offset:,}")
    if place.pointer:
        parts.append(place.pointer)
    return ", ".join(parts) or "the whole file"


def check_words(check: str) -> str:
    """What a check looks for: its title in the catalogue where there are no shorter words."""
    if check in CHECKS:
        return CHECKS[check]
    return CATALOGUE[check].title if check in CATALOGUE else check


def type_words(kind: str) -> str:
    """What type a file is."""
    return TYPES.get(kind, kind)


def size_words(size: int) -> str:
    """An amount of bytes for people: `312 bytes`, `4.2 KiB`, `1.0 MiB`, `7.3 TiB`."""
    if size < 1024:
        return f"{size} byte{'' if size == 1 else 's'}"
    power = min((size.bit_length() - 1) // 10, 4)
    return f"{size / 1024**power:,.1f} {'KMGT'[power - 1]}iB"


def count_words(count: int, one: str, many: str = "") -> str:
    """A count with its noun: `1 file`, `1,234 files`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
