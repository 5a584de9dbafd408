"""What programs send and get about applications and the committee."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field, model_validator

from tre.domain.applications.models import Question
from tre.domain.applications.states import ApplicationState
from tre.domain.applications.summary import SummaryReport
from tre.domain.committee.decision import DecisionRecord
from tre.domain.committee.models import Seat, Vote, VoteText
from tre.domain.committee.tally import Outcome
from tre.domain.errors import Reason
from tre.domain.model import Line, Problem, Record, UtcTime
from tre.domain.people import Subject
from tre.portal.applying.views import ApplicationView
from tre.portal.deciding.views import DecidingView

Version = Annotated[int, Field(ge=0, le=1_000_000_000)]
Why = Annotated[Line, Field(min_length=1, max_length=500)]


class SentRecord(Record):
    """What a program sends: text that no file could hold (half a character, as JSON can write it) is refused."""

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        try:
            json.dumps(value, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError as error:
            msg = "half of a character stands in it"
            raise ValueError(msg) from error
        return value


class BeginRequest(SentRecord):
    """A new draft; `varies` names the running project that it would change."""

    varies: Annotated[Line, Field(max_length=63)] | None = None


class VersionRequest(SentRecord):
    """What is done to the application as it was at this version."""

    version: Version


class DraftRequest(VersionRequest):
    """A whole draft, right or wrong, in place of the one of this version."""

    draft: dict[str, Any]


class AnswersRequest(VersionRequest):
    """Answers to the questions, in their order."""

    answers: Annotated[list[Annotated[str, Field(max_length=5000)]], Field(max_length=500)]


class BallotRequest(SentRecord, VoteText):
    """A vote; `matter` is that of the application as it was read."""

    matter: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class WhyRequest(SentRecord):
    """Why something is done."""

    why: Why


class StopRequest(WhyRequest):
    """An emergency vote; `confirm` repeats the name of the project."""

    confirm: Annotated[Line, Field(max_length=63)]


class InterestsRequest(SentRecord):
    """Every interest of a member."""

    interests: Annotated[list[Annotated[Line, Field(min_length=1, max_length=300)]], Field(max_length=200)]


class ApplicationAnswer(Record):
    """An application. `problems` say what a draft lacks, `content` what is asked, as handed in or as typed."""

    id: Line
    version: int
    state: ApplicationState
    reason: Reason
    title: str
    author: Subject
    round: int
    varies: str | None
    grant: str | None
    changed_at: UtcTime
    deadline: UtcTime | None
    late: bool
    message: str
    matter: str | None
    plans: dict[str, str]
    questions: list[Question]
    content: dict[str, Any]
    problems: list[Problem]
    lay_summary: SummaryReport | None
    allowed_actions: list[str]


class GroupAnswer(Record):
    """A constituency in the count: how many votes are due, who voted, who has not."""

    title: Line
    due: int
    voted: list[str]
    waiting: list[str]


class AsideAnswer(Record):
    """A member who takes no part, and why."""

    member: Line
    why: str


class CountAnswer(Record):
    """The count as it stands; `outcome` once there is one."""

    groups: list[GroupAnswer]
    lacking: list[str]
    standing_aside: list[AsideAnswer]
    outcome: Outcome | None
    why: str


class DecidingAnswer(Record):
    """An application at the committee's desk. `votes` are those that the reader may see, `hidden` how many they do not.

    Plans are shown as `/committee/ID/plans/NAME`, and as `plans` with small numbers hidden.
    """

    application: ApplicationAnswer
    count: CountAnswer | None
    votes: list[Vote]
    hidden: int
    decisions: list[DecisionRecord]
    plans: dict[str, dict[str, Any]]
    allowed_actions: list[str]


class MembersAnswer(Record):
    """The committee: its name and every seat."""

    body: Line
    seats: list[Seat]


class StoppedAnswer(Record):
    """Whether a project is stopped now, or more votes are needed."""

    stopped: bool


def application_answer(view: ApplicationView) -> ApplicationAnswer:
    """An application as programs read it."""
    app = view.application
    return ApplicationAnswer(
        id=app.id,
        version=app.version,
        state=app.state,
        reason=app.reason,
        title=app.title,
        author=app.author,
        round=app.round,
        varies=app.varies,
        grant=app.grant,
        changed_at=app.changed_at,
        deadline=app.deadline,
        late=app.late,
        message=app.message,
        matter=app.matter,
        plans={item.name: item.plan_digest for item in app.plans},
        questions=list(app.questions),
        content=view.content,
        problems=view.problems,
        lay_summary=view.summary,
        allowed_actions=list(view.actions),
    )


def deciding_answer(shown: DecidingView) -> DecidingAnswer:
    """An application at the committee's desk as programs read it."""
    return DecidingAnswer(
        application=application_answer(shown.view),
        count=_count(shown),
        votes=list(shown.votes),
        hidden=shown.hidden,
        decisions=list(shown.decisions),
        plans={part.asked.name: part.plan for part in shown.view.parts if part.plan},
        allowed_actions=list(shown.actions),
    )


def _count(shown: DecidingView) -> CountAnswer | None:
    if shown.count is None:
        return None
    open_to_reader = not shown.hidden
    return CountAnswer(
        groups=[
            GroupAnswer(title=one.title, due=one.due, voted=list(one.voted), waiting=list(one.waiting))
            for one in shown.groups
        ],
        lacking=list(shown.count.lacking),
        standing_aside=[AsideAnswer(member=name, why=why) for name, why in shown.conflicts],
        outcome=shown.count.outcome if open_to_reader else None,
        why=shown.count.why if open_to_reader else "",
    )
