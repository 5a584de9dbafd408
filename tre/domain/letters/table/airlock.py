"""Letters about files that leave and files that come in.

Guarantees: the author of a request is told of nothing that the pages hide from its author: not that a vote was cast,
nor by whom.
"""

from __future__ import annotations

from tre.domain.letters.topics import Relation, Topic

_R = Relation
_AUTHOR, _CHECKERS, _SEATED, _LEAD = (_R.author,), (_R.checkers,), (_R.seated,), (_R.lead,)
_OPERATORS = (_R.operators,)
_EXPORT, _REVIEW, _IMPORT, _QUEUE = "/exports/{name}", "/reviews/{name}", "/imports/{name}", "/reviews"

EXPORTS = (
    Topic(
        "export.submitted",
        _CHECKERS,
        "Export {name} waits for review",
        "A request to take files out of project {grant} waits for checkers.",
        _QUEUE,
        acts=True,
    ),
    Topic(
        "export.assigned",
        _SEATED,
        "Export {name}: you have a seat at its review",
        "A seat at the review of a request to take files out was given to you.",
        _REVIEW,
        acts=True,
    ),
    Topic(
        "export.reviewed",
        _SEATED,
        "Export {name}: every review is in",
        "The reviews of the request are in. It waits for a decision.",
        _REVIEW,
        acts=True,
        states=frozenset({"Reviewed"}),
    ),
    Topic(
        "export.reopened",
        _SEATED,
        "Export {name} has to be reviewed anew",
        "An approval does not hold any more, and nothing was released.",
        _REVIEW,
        acts=True,
    ),
    Topic(
        "export.checked",
        _AUTHOR,
        "Export {name} is blocked",
        "The checks found something that nobody may release.",
        _EXPORT,
        acts=True,
        states=frozenset({"Blocked"}),
    ),
    Topic(
        "export.returned",
        _AUTHOR,
        "Export {name}: changes are asked for",
        "The checkers gave your request back to you.",
        _EXPORT,
        acts=True,
    ),
    Topic(
        "export.rejected", _AUTHOR, "Export {name} was refused", "The checkers refused your request for good.", _EXPORT
    ),
    Topic(
        "export.approved",
        _AUTHOR,
        "Export {name} was approved",
        "Your request was approved. It is released after a short delay.",
        _EXPORT,
    ),
    Topic(
        "export.released", _AUTHOR, "Export {name} can be downloaded", "Your request was released.", _EXPORT, acts=True
    ),
    Topic(
        "export.recalled",
        (*_AUTHOR, *_LEAD),
        "Export {name} was recalled",
        "A release was recalled. What was downloaded has to be treated as the page says.",
        _EXPORT,
        acts=True,
        always=True,
    ),
    Topic(
        "export.overdue",
        _AUTHOR,
        "Export {name} was withdrawn",
        "Your request was left alone until its deadline, and was withdrawn.",
        _EXPORT,
        states=frozenset({"Withdrawn"}),
    ),
    Topic(
        "export.overdue",
        (*_SEATED, *_CHECKERS),
        "Export {name} waits for longer than it should",
        "A request waits for checkers beyond the time that the policy gives.",
        _QUEUE,
        acts=True,
        states=frozenset({"Submitted", "PartiallyReviewed", "Reviewed"}),
    ),
    Topic(
        "export.emergency-asked",
        _OPERATORS,
        "Export {name}: a release past the quorum is asked for",
        "A checker asks for a release past a quorum that is out of reach. It takes a second person.",
        _REVIEW,
        acts=True,
    ),
    Topic(
        "export.release-failed",
        _OPERATORS,
        "Export {name} could not be released",
        "The release failed and is tried again.",
        "/operate/health",
        acts=True,
    ),
    Topic(
        "export.withdrawn",
        _SEATED,
        "Export {name} was withdrawn",
        "A request that you have in hand was withdrawn by its author.",
        _REVIEW,
    ),
)
IMPORTS = (
    Topic(
        "import.submitted",
        _CHECKERS,
        "Import {name} waits for a decision",
        "A request to bring files into project {grant} waits for checkers.",
        _IMPORT,
        acts=True,
    ),
    Topic(
        "import.checked",
        _AUTHOR,
        "Import {name} is blocked",
        "The checks found something that may not come in.",
        _IMPORT,
        acts=True,
        states=frozenset({"Blocked"}),
    ),
    Topic("import.rejected", _AUTHOR, "Import {name} was refused", "The checkers refused your request.", _IMPORT),
    Topic(
        "import.placed",
        _AUTHOR,
        "Import {name} is in the project",
        "The files stand in the inboxes of the project.",
        _IMPORT,
    ),
    Topic(
        "import.removed",
        (*_AUTHOR, *_LEAD),
        "Import {name} was taken away again",
        "The files were taken out of the inboxes of the project.",
        _IMPORT,
    ),
    Topic(
        "import.overdue",
        _AUTHOR,
        "Import {name} was withdrawn",
        "Your request was left alone until its deadline, and was withdrawn.",
        _IMPORT,
        states=frozenset({"Withdrawn"}),
    ),
    Topic(
        "import.overdue",
        _CHECKERS,
        "Import {name} waits for longer than it should",
        "A request to bring files in waits beyond its deadline.",
        _IMPORT,
        acts=True,
        states=frozenset({"Submitted"}),
    ),
    Topic(
        "import.reopened",
        _CHECKERS,
        "Import {name} has to be decided anew",
        "A yes does not count any more.",
        _IMPORT,
        acts=True,
    ),
    Topic(
        "import.placing-failed",
        _OPERATORS,
        "Import {name} could not be placed",
        "Placing the files failed and is tried again.",
        "/operate/health",
        acts=True,
    ),
)
