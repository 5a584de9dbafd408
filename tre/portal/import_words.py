"""What the pages of the way in say: plain words for every state, severity, reason and event of an import request.

Guarantees: every state and severity of the domain has its words (a test compares). Nothing here depends on who reads
it; who may read what is decided before. How files, places and sizes are told is the same as on the way out.
"""

from __future__ import annotations

from tre.domain.errors import Reason
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import Owner
from tre.domain.imports.states import ImportState
from tre.domain.quantities import parse_bytes
from tre.portal.export_words import OWNERS, SEVERITY_COLOURS, check_words, count_words, place_words, size_words
from tre.portal.export_words import type_words as _type_words
from tre.portal.words import Words, words_for

__all__ = ["OWNERS", "SEVERITY_COLOURS", "check_words", "count_words", "place_words", "size_words"]

S = ImportState

STATES: dict[ImportState, Words] = {
    S.Pending: Words("Draft", "Send the files, say what they are for, then submit."),
    S.Submitted: Words("With the checkers", "Somebody from outside the project looks at the files and decides."),
    S.Approved: Words("Approved", "The files are about to be placed in the project's workspaces."),
    S.Placing: Words("Being placed", "The files are being placed in the project's workspaces."),
    S.Placed: Words("Placed", "The files are in every workspace of the project, read-only."),
    S.Rejected: Words("Refused", "It cannot be submitted again. A new request can be made."),
    S.Blocked: Words("Blocked", "A check found something that nobody may let in. Take that file out, then submit."),
    S.Withdrawn: Words("Withdrawn", "Nothing of it comes in. A new request can be made."),
    S.Removed: Words("Taken away", "The files are no longer in any workspace of the project."),
}
FOR_CHECKERS: dict[ImportState, str] = {
    S.Pending: "The researcher has not submitted it.",
    S.Submitted: "Look at the files and at what they are for, then let them in or refuse them.",
    S.Approved: "The files are about to be placed.",
    S.Placing: "The files are being placed.",
    S.Placed: "The files are in the project's workspaces. They can be taken away again.",
    S.Rejected: "It was refused for good.",
    S.Blocked: "It is with the researcher: as it is, nobody may let it in.",
    S.Withdrawn: "The researcher took it back, or left it alone until its deadline.",
    S.Removed: "The files were taken away from the project's workspaces.",
}
"""What each state asks of a checker, or tells them."""

STATE_COLOURS: dict[ImportState, str] = {
    S.Pending: "grey",
    S.Submitted: "blue",
    S.Approved: "aqua-green",
    S.Placing: "aqua-green",
    S.Placed: "green",
    S.Rejected: "red",
    S.Blocked: "red",
    S.Withdrawn: "grey",
    S.Removed: "orange",
}
SEVERITIES: dict[Severity, Words] = {
    Severity.B: Words("Blocks", "Nobody can let this in. The file must be taken out."),
    Severity.E: Words("Needs a close look", "The checker looks at it before deciding."),
    Severity.A: Words("To be known", "The checker should know it."),
    Severity.I: Words("For information", ""),
}
TYPES = {"wheel": "Python package (wheel)", "code": "Program code", "notebook": "Notebook"}
_REASONS: dict[Reason, Words] = {
    Reason.AwaitingRelease: Words("It is approved; the service places the files."),
    Reason.AwaitingAuthor: Words("Its author has to go on."),
    Reason.AwaitingChecker: Words("A checker from outside the project has to decide."),
    Reason.FindingBlocks: Words("A check found something that must not come in."),
    Reason.DeadlineReached: Words("It is late: this should have been done by now."),
    Reason.QuorumMissing: Words("Fewer people than the policy asks for have said yes to these files."),
}
"""Where the general words of a reason speak of the way out."""

EVENTS: dict[str, str] = {
    "import.created": "The request was begun",
    "import.files-asked": "Files were sent",
    "import.files-added": "Files were copied into the airlock",
    "import.file-removed": "A file was taken out of the request",
    "import.checked": "The checks ran",
    "import.submitted": "It was submitted",
    "import.voted": "A checker said yes",
    "import.approved": "It was approved",
    "import.rejected": "It was refused",
    "import.withdrawn": "It was withdrawn",
    "import.reopened": "The approval no longer held",
    "import.placing": "The files were about to be placed",
    "import.placing-failed": "The files could not be placed",
    "import.placed": "The files were placed",
    "import.removed": "The files were taken away",
    "import.ended": "It ended with the project",
    "import.overdue": "Its time was up",
}
"""Events that the history shows."""


def type_words(kind: str) -> str:
    """What type a file is."""
    return TYPES.get(kind) or _type_words(kind)


def amount_words(amount: str) -> str:
    """A policy's amount for people: `32Mi` is `32 MiB`."""
    return size_words(parse_bytes(amount)).replace(".0 ", " ")


def reason_words(reason: Reason) -> Words:
    """Why a request waits."""
    return _REASONS.get(reason) or words_for(reason)


def owner_words(owner: Owner | None, *, own: bool) -> str:
    """Whose turn it is."""
    if owner is None:
        return "Nobody's"
    return "Yours" if own and owner is Owner.author else OWNERS[owner]
