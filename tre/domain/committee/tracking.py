"""Conditions in words, after the approval: who must act, by when, what the project says, what the committee rules.

Guarantees: each condition in words of an approval is kept, as it was decided, until the committee rules on it; its
state moves along the table only. The project reports, the chair rules (another member where the chair takes no part),
nobody rules on a condition of their own project. A day that passes is told once; it suspends the project only where the
committee said so beforehand, and nothing lifts that by itself.

Does not guarantee: that a report is true, or that somebody reads it in time.

Threat: a condition that everybody forgets; a project that finds its own condition to be met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, model_validator

from tre.domain.applications.models import Application, ApplicationId, Attachment
from tre.domain.committee.eligibility import check_concerned, check_sits, recusal_of
from tre.domain.committee.models import SessionId, Words
from tre.domain.committee.tally import Ballot
from tre.domain.committee.voting import Act
from tre.domain.duties import Duty, Part, check_apart
from tre.domain.errors import Reason, TREError, passes
from tre.domain.grants.models import Digest, ResourceName
from tre.domain.model import Record, UtcTime
from tre.domain.people import Person, Role, Subject
from tre.domain.transitions import Edge, TransitionTable

ConditionId = Annotated[str, Field(pattern=r"^k-[a-z2-7]{12}$")]
MOST_REPORTS = 100
AHEAD = timedelta(days=14)
"""How long before its day the project is reminded, once."""

READERS = frozenset({Role.committee, Role.operator, Role.data_manager})


class ConditionState(StrEnum):
    """Where a condition is in its life."""

    Open = "Open"
    Reported = "Reported"
    Missed = "Missed"
    Met = "Met"
    Waived = "Waived"


class ConditionParty(StrEnum):
    """Who must act."""

    project = "project"
    committee = "committee"


_S = ConditionState
CONDITION_TRANSITIONS = TransitionTable(
    kind="condition",
    initial=_S.Open,
    edges=(
        Edge(_S.Open, _S.Reported, "project", "said what was done"),
        Edge(_S.Open, _S.Met, "committee", "found to be met"),
        Edge(_S.Open, _S.Waived, "committee", "not needed any more"),
        Edge(_S.Open, _S.Missed, "system", "its day is over and nobody reported"),
        Edge(_S.Reported, _S.Open, "committee", "the report is not enough"),
        Edge(_S.Reported, _S.Met, "committee", "the report is accepted"),
        Edge(_S.Reported, _S.Waived, "committee", "not needed any more"),
        Edge(_S.Missed, _S.Reported, "project", "said what was done, late"),
        Edge(_S.Missed, _S.Open, "committee", "given another day"),
        Edge(_S.Missed, _S.Met, "committee", "found to be met"),
        Edge(_S.Missed, _S.Waived, "committee", "not needed any more"),
    ),
)
OVER = frozenset({_S.Met, _S.Waived})
"""States in which nothing is due any more."""

RULINGS = frozenset({_S.Met, _S.Waived, _S.Open})
"""What the committee can say of a condition: met, not needed any more, not enough."""


class ConditionTerms(Record):
    """What the committee fixes beside the words: who must act, until when, and whether missing it stops the project."""

    party: ConditionParty = ConditionParty.project
    due: UtcTime | None = None
    suspends: bool = False

    @model_validator(mode="after")
    def _has_a_day(self) -> ConditionTerms:
        if self.suspends and self.due is None:
            msg = "due: what is to stop the project needs a day"
            raise ValueError(msg)
        return self


class Report(Record):
    """What the project said, and the papers that it showed."""

    words: Words
    papers: Annotated[tuple[Attachment, ...], Field(max_length=5)] = ()
    by: Subject
    at: UtcTime


class Ruling(Record):
    """What the committee said: the state that it led to, and why."""

    outcome: ConditionState
    words: Words
    by: Subject
    session: SessionId
    at: UtcTime


class TrackedCondition(Record):
    """One condition in words of one project. `announced` says that its day was told ahead."""

    id: ConditionId
    version: int = 0
    grant: ResourceName
    application: ApplicationId
    decision: Digest
    text: Annotated[str, Field(min_length=1, max_length=5000)]
    state: ConditionState = ConditionState.Open
    terms: ConditionTerms = ConditionTerms()
    announced: bool = False
    reports: Annotated[tuple[Report, ...], Field(max_length=MOST_REPORTS)] = ()
    rulings: Annotated[tuple[Ruling, ...], Field(max_length=MOST_REPORTS)] = ()
    created_at: UtcTime
    changed_at: UtcTime

    def changed(self, **values: Any) -> TrackedCondition:
        """A copy with these values, read as strictly as any other."""
        return TrackedCondition.model_validate({**dict(self), **values})

    def moved(self, target: ConditionState, now: datetime, **values: Any) -> TrackedCondition:
        """The condition in another state. Raises `TREError(StateForbids)`."""
        CONDITION_TRANSITIONS.check(self.state, target)
        return self.changed(**{**values, "state": target, "changed_at": now})

    @property
    def speakers(self) -> list[Subject]:
        """Whoever reported or ruled."""
        return [*(one.by for one in self.reports), *(one.by for one in self.rulings)]

    @property
    def papers(self) -> list[Attachment]:
        """Every paper that was shown with a report."""
        return list({one.digest: one for report in self.reports for one in report.papers}.values())


@dataclass(frozen=True)
class Around:
    """What a rule about a condition needs to know: the project's members, whether it runs, who decides."""

    members: Sequence[Subject]
    running: bool
    application: Application
    ballot: Ballot

    def has(self, person: Person) -> bool:
        """Whether a person is of the project."""
        return any(one.key == person.subject.key for one in self.members)


# Who may.


def not_found() -> TREError:
    """What strangers and mistyped addresses are told alike."""
    return TREError(
        Reason.ObjectNotFound,
        "There is no such condition for you.",
        why="There is none under this address, or it belongs to somebody else's project.",
        remedy="Go back to your projects.",
    )


def check_see_condition(person: Person, around: Around) -> None:
    """Members of the project and those who read the record. Raises `TREError(ObjectNotFound)`."""
    if not around.has(person) and not person.roles & READERS:
        raise not_found()


def check_report(person: Person, condition: TrackedCondition, around: Around) -> None:
    """A member of a running project says what was done, where the project must act.

    Raises `TREError(ObjectNotFound | NotPermitted | StateForbids | RateLimited)`.
    """
    check_see_condition(person, around)
    if not around.has(person):
        raise TREError(
            Reason.NotPermitted,
            "You cannot report on this condition.",
            why="Its project reports, and you are none of its members.",
            remedy="Ask the lead of the project.",
        )
    waits = condition.state in {_S.Open, _S.Missed} and condition.terms.party is ConditionParty.project
    if not waits or not around.running:
        raise TREError(
            Reason.StateForbids,
            "There is nothing to report on this condition now.",
            why=_why_not(condition, around),
            remedy="Look at it again when that has changed.",
        )
    if len(condition.reports) >= MOST_REPORTS:
        raise TREError(Reason.RateLimited, f"There are {MOST_REPORTS} reports already.", remedy="Ask the chair.")


def _why_not(condition: TrackedCondition, around: Around) -> str:
    if not around.running:
        return "The project has ended."
    if condition.terms.party is ConditionParty.committee:
        return "The committee must act, not the project."
    return f"The condition is {condition.state}."


def check_rule(person: Person, condition: TrackedCondition, around: Around, now: datetime) -> None:
    """The chair rules; another member who takes part, where no chair can.

    Raises `TREError(NotPermitted | SeatEnded | ConflictOfInterest | StateForbids | RateLimited)`.
    """
    app, ballot = around.application, around.ballot
    seat = check_sits(person, ballot.seats, now)
    parts = {Part.applicant: [app.author], Part.member: around.members}
    check_apart(Duty.rule_on_condition, person.subject, parts)
    check_concerned(seat, app, ballot.recusals)
    chairs = [one for one in ballot.seats if one.chair and one.in_force(now)]
    able = [one for one in chairs if not recusal_of(one, app, ballot.recusals)]
    if able and not seat.chair:
        raise TREError(
            Reason.NotPermitted,
            "Only the chair rules on a condition.",
            why="You hold a seat and not the chair.",
            remedy="Ask the chair.",
        )
    if condition.state in OVER:
        raise TREError(
            Reason.StateForbids,
            "This condition is settled.",
            why=f"It is {condition.state}.",
            remedy="What is settled stays settled.",
        )
    if len(condition.rulings) >= MOST_REPORTS:
        raise TREError(Reason.RateLimited, f"There are {MOST_REPORTS} rulings already.", remedy="Settle it.")


def check_read_reports(person: Person, around: Around, now: datetime) -> None:
    """Who reads the papers of reports: the project, and members of the committee who take part in it.

    Raises `TREError(ObjectNotFound | NotPermitted | SeatEnded | ConflictOfInterest)`.
    """
    check_see_condition(person, around)
    if not around.has(person):
        seat = check_sits(person, around.ballot.seats, now)
        check_concerned(seat, around.application, around.ballot.recusals)


can_report = passes(check_report)
can_rule = passes(check_rule)
can_read_reports = passes(check_read_reports)


# What is done.


def report(
    condition: TrackedCondition, person: Person, around: Around, said: tuple[str, Sequence[Attachment]], now: datetime
) -> TrackedCondition:
    """Say what was done, and show papers. Raises as `check_report`."""
    check_report(person, condition, around)
    words, papers = said
    made = Report(words=words, papers=tuple(papers), by=person.subject, at=now)
    return condition.moved(_S.Reported, now, reports=(*condition.reports, made))


def rule(
    condition: TrackedCondition, around: Around, outcome: ConditionState, words: str, act: Act
) -> TrackedCondition:
    """Rule on it. Raises `TREError(StateForbids)` for what the table does not allow, and as `check_rule`."""
    check_rule(act.person, condition, around, act.now)
    if outcome not in RULINGS:
        raise TREError(Reason.BadInput, "That is nothing that can be ruled.", why="Met, waived, or not enough.")
    made = Ruling(outcome=outcome, words=words, by=act.person.subject, session=act.session, at=act.now)
    return condition.moved(outcome, act.now, rulings=(*condition.rulings, made))


def arrange(condition: TrackedCondition, around: Around, terms: ConditionTerms, act: Act) -> TrackedCondition:
    """Say who must act, by when, and what missing it brings. A missed one that gets another day is open again.

    Raises `TREError(BadInput)` for a day that has passed, and as `check_rule`.
    """
    check_rule(act.person, condition, around, act.now)
    if terms.due is not None and terms.due <= act.now:
        raise TREError(
            Reason.BadInput,
            "This day has passed already.",
            why="A condition is met by a day that is still to come.",
            remedy="Choose a later one.",
        )
    if condition.state is _S.Missed:
        return condition.moved(_S.Open, act.now, terms=terms, announced=False)
    return condition.changed(terms=terms, announced=False, changed_at=act.now)


def is_missed(condition: TrackedCondition, now: datetime) -> bool:
    """Whether its day is over while it waits for who must act."""
    due = condition.terms.due
    return condition.state is _S.Open and due is not None and now >= due


def is_near(condition: TrackedCondition, now: datetime) -> bool:
    """Whether its day is to be told ahead now."""
    due = condition.terms.due
    return condition.state is _S.Open and due is not None and not condition.announced and due - AHEAD <= now < due


def next_look(condition: TrackedCondition, now: datetime) -> datetime | None:
    """When something is due of itself; `None` where nothing is."""
    due = condition.terms.due
    if condition.state is not _S.Open or due is None:
        return None
    moments = [due] if condition.announced else [due - AHEAD, due]
    return min((moment for moment in moments if moment > now), default=None)


def fresh(texts: Iterable[str], standing: Iterable[TrackedCondition]) -> list[str]:
    """Of the words of a decision those that are not due already from an earlier one."""
    known = {one.text for one in standing if one.state not in OVER}
    return [text for text in dict.fromkeys(texts) if text not in known]
