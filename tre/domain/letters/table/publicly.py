"""Letters about the public account: what the public sent, what it is told, and what came of projects.

Guarantees: nothing of what somebody sent gets into a letter, nor who sent it, nor how many did.
"""

from __future__ import annotations

from tre.domain.letters.topics import Relation, Topic
from tre.domain.publicaccount.notices import CLOSING, DUE_SOON, LATE, OUTCOME_DUE, OUTCOME_REMINDED, TO_DECIDE, WAITING

_R = Relation
_TEAM, _COMMITTEE, _MEMBERS = (_R.operators, _R.data_managers), (_R.committee,), (_R.members,)
_QUEUE, _ITEM, _OUTCOMES = "/public", "/public/{name}", "/projects/{name}/outcomes"


def _waits(kind: str, what: str) -> Topic:
    return Topic(
        f"{kind}.{WAITING}",
        _TEAM,
        f"{what} waits",
        f"{what} came in. It waits for somebody of the team, and its time runs.",
        _QUEUE,
        acts=True,
    )


def _clock(kind: str, what: str) -> tuple[Topic, Topic]:
    return (
        Topic(
            f"{kind}.{DUE_SOON}",
            _TEAM,
            f"{what}: the time is nearly up",
            f"{what} waits for the team, and the time that was promised for it is nearly up.",
            _QUEUE,
            acts=True,
        ),
        Topic(
            f"{kind}.{LATE}",
            _TEAM,
            f"{what} waits for longer than was promised",
            f"The time that was promised for something has passed. {what} still waits for the team.",
            _QUEUE,
            acts=True,
        ),
    )


_QUESTION, _COMMENT, _OUTCOME = "A question from the public", "A comment on a change", "An outcome of a project"
_INCIDENT, _COMPLAINT, _CHANGE = "An incident", "A complaint", "A change that was open for comment"

PUBLIC = (
    _waits("enquiry", _QUESTION),
    _waits("comment", _COMMENT),
    _waits("outcome", _OUTCOME),
    *_clock("enquiry", _QUESTION),
    *_clock("comment", _COMMENT),
    *_clock("outcome", _OUTCOME),
    *_clock("incident", _INCIDENT),
    *_clock("complaint", _COMPLAINT),
    *_clock("consultation", _CHANGE),
    Topic(
        "complaint.received",
        _TEAM,
        "A complaint came in",
        "A complaint was put on record. Its page says until when it is to be acknowledged.",
        _ITEM,
        acts=True,
    ),
)


def _public(kind: str, subject: str, text: str, *, acts: bool = False) -> tuple[Topic, Topic]:
    """For the team, whose page shows it, and for the committee, which reads it where everybody does."""
    return (
        Topic(kind, _TEAM, subject, text, _ITEM, acts=acts),
        Topic(kind, _COMMITTEE, subject, f"{text} It stands on the public pages.", "/", acts=acts),
    )


INCIDENTS = (
    *_public("incident.declared", "An incident was declared", "An incident was declared.", acts=True),
    *_public(
        "incident.corrected",
        "The account of an incident was corrected",
        "The account of an incident was corrected, and says why.",
    ),
    *_public("incident.resolved", "An incident is resolved", "What an incident asked for is done."),
    *_public(
        "incident.reopened", "An incident was opened again", "Something more was found about an incident.", acts=True
    ),
)
CONSULTATIONS = (
    *_public(
        "consultation.opened",
        "A change is open for comment",
        "A change of how this service works is open for comment.",
    ),
    *_public(
        CLOSING,
        "The time for comments on a change is nearly over",
        "A change that is open for comment closes within a week.",
        acts=True,
    ),
    Topic(
        TO_DECIDE,
        _TEAM,
        "The time for comments on a change is over",
        "Nobody can comment on a change any more. It waits to be decided.",
        _ITEM,
        acts=True,
    ),
    *_public(
        "consultation.decided",
        "A change that was open for comment is decided",
        "It was decided about a change that was open for comment, and why.",
    ),
)
OUTCOMES = (
    Topic(
        OUTCOME_DUE,
        _MEMBERS,
        "Project {name}: what came of it?",
        "A word is due about what came of project {name}, also if nothing did. One of its members says it for all.",
        _OUTCOMES,
        acts=True,
    ),
    Topic(
        OUTCOME_REMINDED,
        _MEMBERS,
        "Project {name}: what came of it is still not told",
        "A word about what came of project {name} is due for a month. Everybody can see that it is missing.",
        _OUTCOMES,
        acts=True,
    ),
    Topic(
        "outcome.published",
        _MEMBERS,
        "Project {grant}: what came of it is public",
        "What was told of project {grant} stands on the public pages.",
        "/projects/{grant}/outcomes",
    ),
    Topic(
        "outcome.refused",
        _MEMBERS,
        "Project {grant}: what was told is not public",
        "What was told of project {grant} is not published. The page says why.",
        "/projects/{grant}/outcomes",
        acts=True,
    ),
)
