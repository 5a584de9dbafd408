"""What is done to an application, by its author and by the system: each act gives the application as it is afterwards.

Guarantees: states move along their table only; what is handed in was read strictly and is kept whole beside the draft,
so that nothing typed later changes what is voted on; each handing in begins a round of its own, with plans and votes of
its own; a deadline that passes is told once and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tre.domain.applications import permissions
from tre.domain.applications.drafts import check_draft, read_content
from tre.domain.applications.models import Application, Lane, PlannedSlice, Question
from tre.domain.applications.states import APPLICATION_TRANSITIONS, WAITING, ApplicationState
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person

_S = ApplicationState


def begin(identifier: str, person: Person, now: datetime, varies: str | None = None) -> Application:
    """A new draft of a person's. `varies` names the running grant that it would change.

    Raises `TREError(NotPermitted)`.
    """
    permissions.check_begin(person)
    return Application(
        id=identifier,
        author=person.subject,
        author_name=person.display_name[:200],
        varies=varies,
        created_at=now,
        changed_at=now,
    )


def moved(application: Application, target: ApplicationState, now: datetime, **values: Any) -> Application:
    """The application in another state. Raises `TREError(StateForbids)`."""
    APPLICATION_TRANSITIONS.check(application.state, target)
    waiting = WAITING.get(target)
    reason = waiting.reason if waiting else Reason.Requested
    fresh = {"deadline": None, "late": False, "message": "", "reason": reason, "closing": None}
    return application.changed(**{**fresh, "state": target, "changed_at": now, **values})


def edit(application: Application, person: Person, values: Mapping[str, Any], now: datetime) -> Application:
    """Put values into the draft; `None` takes a key out. Raises `TREError(BadInput)`, and as `check_edit`."""
    permissions.check_edit(person, application)
    draft = check_draft({**application.draft, **values})
    kept = {key: value for key, value in draft.items() if value is not None}
    return application.changed(draft=kept, changed_at=now)


def answer(application: Application, person: Person, answers: Sequence[str], now: datetime) -> Application:
    """Answer what was asked, in its order. Raises `TREError(BadInput)`, and as `check_edit`."""
    permissions.check_edit(person, application)
    if len(answers) != len(application.questions):
        raise TREError(
            Reason.BadInput,
            f"There are {len(application.questions)} questions, and {len(answers)} answers came.",
            why="Each answer belongs to one question.",
            remedy="Answer each of them.",
        )
    if any(len(text) > 5000 for text in answers):
        raise TREError(
            Reason.BadInput,
            "An answer has more than 5,000 characters.",
            why="Answers are kept within bounds.",
            remedy="Shorten it, or attach a document.",
        )
    answered = tuple(
        Question.model_validate({**dict(asked), "answer": text})
        for asked, text in zip(application.questions, answers, strict=True)
    )
    return application.changed(questions=answered, changed_at=now)


def submit(application: Application, person: Person, now: datetime) -> Application:
    """Hand the draft in. Raises `TREError(ApplicationIncomplete)` naming all that is missing, and as `check_submit`."""
    permissions.check_submit(person, application)
    content = read_content(application, now)
    return moved(
        application,
        _S.Submitted,
        now,
        content=content,
        round=application.round + 1,
        plans=(),
        base=None,
        lane=Lane.full,
        lane_why=(),
        submitted_at=now,
        review_since=None,
    )


def withdraw(application: Application, person: Person, now: datetime) -> Application:
    """Take it back for good. Raises as `check_withdraw`."""
    permissions.check_withdraw(person, application)
    return moved(application, _S.Withdrawn, now)


@dataclass(frozen=True)
class Way:
    """Which way an application takes, why, from which content in force, and until when."""

    deadline: datetime
    lane: Lane = Lane.full
    why: tuple[str, ...] = ()
    base: str | None = None


def taken_up(application: Application, plans: Sequence[PlannedSlice], way: Way, now: datetime) -> Application:
    """Begin the review of what was planned. Raises `TREError(PlanNotCovered)` unless each slice has its plan."""
    content = application.content
    if content is None or [item.name for item in plans] != [item.name for item in content.slices]:
        raise _unplanned()
    taken: dict[str, Any] = {"lane": way.lane, "lane_why": way.why, "base": way.base, "deadline": way.deadline}
    return moved(application, _S.InReview, now, plans=tuple(plans), review_since=now, **taken)


def replanned(application: Application, plans: Sequence[PlannedSlice], *, covered: bool, now: datetime) -> Application:
    """Keep later plans of an application in review.

    Where every later plan is covered by the one that people saw (opt-outs), nothing changes: the signature will hold
    for both. Otherwise the later ones take their place, and votes on the earlier ones are votes on something else.
    """
    _expect(application, _S.InReview)
    if covered or tuple(plans) == application.plans:
        return application
    if [item.name for item in plans] != [item.name for item in application.plans]:
        raise _unplanned()
    return application.changed(plans=tuple(plans), closing=None, changed_at=now)


def deferred(application: Application, questions: Sequence[str], now: datetime, reason: Reason) -> Application:
    """Give it back to its author with questions, or with why it cannot be planned."""
    asked = tuple(Question(text=text[:5000], at=now) for text in questions)
    values: dict[str, Any] = {"questions": asked, "reason": reason, "message": "\n".join(questions)[:5000]}
    return moved(application, _S.Deferred, now, **values)


def told_late(application: Application, now: datetime) -> Application:
    """Say, once, that the deadline has passed; nothing is decided by that."""
    late = application.deadline is not None and now >= application.deadline and not application.late
    return application.changed(late=True, reason=Reason.DeadlineReached, changed_at=now) if late else application


def _unplanned() -> TREError:
    return TREError(
        Reason.PlanNotCovered,
        "Not every slice of the application is planned.",
        why="People vote on all of it.",
        remedy="Wait until the storekeeper has planned each.",
    )


def _expect(application: Application, state: ApplicationState) -> None:
    if application.state is not state:
        raise TREError(
            Reason.StateForbids,
            "This cannot be done to it now.",
            why=f"The application is {application.state}.",
            remedy=f"It can be done while it is {state}.",
        )
