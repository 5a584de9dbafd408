"""Letters about applications and what they rest on: votes that are due, decisions, sources, what people must hold.

Guarantees: nobody is told that a vote on an application was cast, nor how. A vote to stop a running project is told,
since it may need others beside it.
"""

from __future__ import annotations

from tre.domain.letters.topics import Relation, Topic

_R = Relation
_AUTHOR, _COMMITTEE, _OPERATORS = (_R.author,), (_R.committee,), (_R.operators,)
_MATTER, _OWN = "/committee/{name}", "/applications/{name}"

APPLICATIONS = (
    Topic(
        "application.taken-up",
        _COMMITTEE,
        "Application {name} waits for votes",
        "An application is complete and was counted. It waits for the committee.",
        _MATTER,
        acts=True,
    ),
    Topic(
        "application.plan-changed",
        _COMMITTEE,
        "Application {name} has to be voted on anew",
        "What an application would give has changed, so votes on it do not count any more.",
        _MATTER,
        acts=True,
    ),
    Topic(
        "application.overdue",
        _COMMITTEE,
        "Application {name} waits for longer than it should",
        "An application waits for votes beyond the committee's own time.",
        _MATTER,
        acts=True,
    ),
    Topic(
        "application.given-back",
        _AUTHOR,
        "Application {name} came back to you",
        "Your application cannot be put to the committee as it is. Its page says why.",
        _OWN,
        acts=True,
    ),
    Topic(
        "application.deferred",
        _AUTHOR,
        "Application {name}: the committee has questions",
        "The committee gave your application back with questions.",
        _OWN,
        acts=True,
    ),
    Topic(
        "application.approved",
        _AUTHOR,
        "Application {name} was approved",
        "The committee approved your application.",
        _OWN,
    ),
    Topic(
        "application.declined",
        _AUTHOR,
        "Application {name} was declined",
        "The committee declined your application. Its page says why.",
        _OWN,
    ),
)
COMMITTEE = (
    Topic(
        "grant.stop-voted",
        (_R.committee, _R.operators),
        "A vote to stop project {name}",
        "A member of the committee votes to stop project {name} at once. It may take more of them: its page says so.",
        "/grants/{name}",
        acts=True,
        always=True,
    ),
    Topic(
        "seat.added",
        (_R.named,),
        "You have a seat in the committee",
        "A seat in the committee was given to you. Its page says of what constituency, and until when.",
        "/committee/members",
    ),
    Topic(
        "seat.ended",
        (_R.named,),
        "Your seat in the committee has ended",
        "Your term in the committee was ended.",
        "/committee/members",
    ),
)
_CONDITION = "/conditions/{name}"
CONDITIONS = (
    Topic(
        "condition.set",
        (_R.members,),
        "Project {grant} was approved under a condition",
        "The approval of project {grant} comes with a condition. Its page says which.",
        _CONDITION,
    ),
    Topic(
        "condition.reported",
        _COMMITTEE,
        "Project {grant} reported on a condition",
        "Project {grant} said what it did about a condition of its approval. The chair rules on it.",
        _CONDITION,
        acts=True,
    ),
    Topic(
        "condition.sent-back",
        (_R.members,),
        "A report of project {grant} was not enough",
        "The committee did not accept what project {grant} said about a condition. The condition's page says why.",
        _CONDITION,
        acts=True,
    ),
    Topic(
        "condition.ruled",
        (_R.members,),
        "A condition of project {grant} is settled",
        "The committee ruled on a condition of the approval of project {grant}.",
        _CONDITION,
    ),
    Topic(
        "condition.arranged",
        (_R.members,),
        "A condition of project {grant} has a day",
        "The committee said who must act on a condition of project {grant}, and by when.",
        _CONDITION,
        acts=True,
    ),
    Topic(
        "condition.due-announced",
        (_R.members,),
        "A condition of project {grant} is due soon",
        "The day of a condition of the approval of project {grant} is near.",
        _CONDITION,
        acts=True,
    ),
    Topic(
        "condition.missed",
        (_R.members, _R.committee),
        "A condition of project {grant} was not met in time",
        "The day of a condition of the approval of project {grant} has passed.",
        _CONDITION,
        acts=True,
        always=True,
    ),
)
SOURCES = (
    Topic(
        "source.failed",
        _OPERATORS,
        "A source of approvals does not answer",
        "A source that vouches for projects cannot be heard. Nothing new comes from it meanwhile.",
        "/operate/health",
        acts=True,
    ),
    Topic(
        "source.removed",
        _OPERATORS,
        "A source of approvals stands no longer in the policy",
        "Nothing vouches for its grants any more. Access by them ends when its last word is too old.",
        "/operate/health",
        acts=True,
    ),
    Topic(
        "source.message-refused",
        _OPERATORS,
        "A source of approvals said something that does not count",
        "A message of a source that vouches for projects was refused.",
        "/operate/health",
        acts=True,
    ),
)
STANDING = (
    Topic(
        "standing.end-announced",
        (_R.named, _R.lead),
        "Something that your access rests on comes to its end",
        "A training, an accreditation or an agreement comes to its end. Access that rests on it ends with it.",
        "/account",
        acts=True,
        always=True,
    ),
    Topic(
        "standing.ended",
        (_R.named, _R.lead),
        "Something that your access rests on was ended",
        "A training, an accreditation or an agreement was ended. Access that rests on it ends with it.",
        "/account",
        acts=True,
        always=True,
    ),
)
