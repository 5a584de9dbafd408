"""Questions that are asked of the audit log again and again: each is a set of kinds of events.

Where the question is about a project or a slice, whoever asks the record adds what belongs to it: its workspaces, its
requests to leave and to come in.
"""

from __future__ import annotations

from tre.domain.model import Line, Record


class Question(Record):
    """One question: in words, and the kinds of events that answer it; none means every kind."""

    name: Line
    text: Line
    hint: Line
    kinds: tuple[Line, ...] = ()


QUESTIONS = (
    Question(
        name="saw",
        text="Who saw the data of a project or a slice?",
        hint="Workspaces that were entered, files that were read in them, and requests whose files were looked at.",
        kinds=("workspace.entered", "workspace.files-read", "slice.ready", "export.file-seen", "import.file-seen"),
    ),
    Question(
        name="left",
        text="What left a project?",
        hint="Releases, links to them, downloads, and what was called back.",
        kinds=("export.released", "release.published", "export.link-made", "export.downloaded", "export.recalled"),
    ),
    Question(
        name="judged",
        text="Who let files pass, whatever the checks had found?",
        hint="Votes, reviews and decisions on requests to leave and to come in. What was said stands in the request.",
        kinds=(
            "export.voted", "export.reviewed", "export.approved", "export.emergency-asked", "export.emergency-seconded",
            "import.voted", "import.approved", "quarantine.released",
        ),
    ),
    Question(
        name="past",
        text="What happened without the usual guard?",
        hint="Releases past the quorum, a person's word in place of a proof of death, evidence that was lost.",
        kinds=(
            "export.emergency-asked", "export.emergency-seconded", "workspace.stopped-by-statement",
            "grant.evidence-lost", "grant.unconfirmed", "log.key-lost",
        ),
    ),
    Question(
        name="rights",
        text="Who may do what, and since when?",
        hint="People and seats that were added, changed or kept out, and projects that began or ended.",
        kinds=(
            "person.changed", "person.let-in", "person.kept-out", "person.not-vouched", "seat.added", "seat.ended",
            "grant.applied", "grant.activated", "grant.suspended", "grant.revoked", "grant.expired", "grant.closed",
        ),
    ),
    Question(
        name="log",
        text="What was done with the log itself?",
        hint="Changes of its key, dossiers, and parts of it that were taken away from this page.",
        kinds=("log.key-changed", "log.key-lost", "log.handed-out", "grant.dossier-made"),
    ),
)  # fmt: skip


def question_of(name: str) -> Question | None:
    """The question of a name; nothing for any other text."""
    return next((question for question in QUESTIONS if question.name == name), None)
