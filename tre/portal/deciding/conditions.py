"""Conditions at the desk: what a project reports, what the chair rules, what each of them may do now.

Guarantees: pages and API do the same by calling the same function here; the domain says what is permitted, again in the
transaction that keeps it; a change is made from the version that was shown. Words stay in the record, not in the log.

Threat: a report that slips in while it is ruled on; a form that is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from tre.domain.applications.models import Attachment
from tre.domain.applications.papers import Paper, PaperState
from tre.domain.committee import tracking as rules
from tre.domain.committee.models import Words as WordsText
from tre.domain.committee.papers import require_paper
from tre.domain.committee.tracking import (
    Around,
    ConditionState,
    ConditionTerms,
    TrackedCondition,
)
from tre.domain.errors import Reason, TREError
from tre.domain.people import Person, Role, Subject
from tre.portal.applying.papers import Receiver, handed_out
from tre.portal.context import Desk
from tre.portal.deciding.actions import act_of
from tre.portal.histories import HistoryLine, history_lines
from tre.portal.sessions import Visitor, check_still_in
from tre.portal.views import display_name
from tre.portal.words import CONDITION_STATES, Words
from tre.store import conditions as store
from tre.store import events, papers
from tre.store.database import Change

S = ConditionState
LONGEST_WORDS = 5000
VERBS = {S.Met: "ruled", S.Waived: "ruled", S.Open: "sent-back"}
RULINGS: dict[ConditionState, str] = {
    S.Met: "It is met",
    S.Open: "It is not met yet: more is due",
    S.Waived: "It is not needed any more",
}
EVENTS = {
    "condition.set": "The committee set it",
    "condition.arranged": "The committee said who must act, and by when",
    "condition.due-announced": "Its day was announced",
    "condition.reported": "The project reported",
    "condition.sent-back": "The report was not enough",
    "condition.ruled": "The committee ruled on it",
    "condition.missed": "Its day passed",
}


@dataclass(frozen=True)
class Found:
    """A condition with what the rules need to know."""

    condition: TrackedCondition
    around: Around


@dataclass(frozen=True)
class ConditionView:
    """A condition as one person sees it at one moment."""

    condition: TrackedCondition
    actions: tuple[str, ...]
    rulings: tuple[ConditionState, ...]
    reads_papers: bool
    states: dict[str, PaperState]
    history: tuple[HistoryLine, ...]
    member: bool
    names: Mapping[tuple[str, str], str]

    @property
    def words(self) -> Words:
        """Its state in words, and what comes next."""
        return CONDITION_STATES[self.condition.state]

    def name_of(self, subject: Subject) -> str:
        """What somebody who said something is called."""
        return self.names.get(subject.key, subject.id)

    def address(self, paper: Attachment) -> str:
        """Where a paper is handed out; empty where the reader cannot have it now."""
        here = self.reads_papers and self.states.get(paper.digest) is PaperState.kept
        return f"/conditions/{self.condition.id}/papers/{paper.digest.removeprefix('sha256:')}" if here else ""


def find(connection: Connection, person: Person, name: str) -> Found:
    """A condition that a person may see. Raises `TREError(ObjectNotFound)`: another's as none."""
    condition = store.require(connection, name)
    around = store.around(connection, condition)
    rules.check_see_condition(person, around)
    return Found(condition, around)


def view_of(desk: Desk, connection: Connection, person: Person, name: str) -> ConditionView:
    """The view of somebody who may see it. Raises as `find`."""
    found, now = find(connection, person, name), desk.clock.now()
    condition = found.condition
    known = papers.of_application(connection, condition.application)
    return ConditionView(
        condition=condition,
        actions=tuple(allowed(person, found, now)),
        rulings=tuple(
            one for one in RULINGS if rules.CONDITION_TRANSITIONS.can(condition.state, one) and one in rules.RULINGS
        ),
        reads_papers=rules.can_read_reports(person, found.around, now),
        states={one.digest: one.state for one in known},
        history=history_lines(connection, reversed(events.of_object(connection, f"condition/{name}")), EVENTS),
        member=found.around.has(person),
        names={one.key: display_name(connection, one) for one in condition.speakers},
    )


def allowed(person: Person, found: Found, now: datetime) -> list[str]:
    """What a person may do with a condition now: buttons and `allowedActions`."""
    may = {
        "report": rules.can_report(person, found.condition, found.around),
        "rule": rules.can_rule(person, found.condition, found.around, now),
        "arrange": rules.can_rule(person, found.condition, found.around, now),
    }
    return [name for name, can in may.items() if can]


def check_may_report(desk: Desk, person: Person, name: str) -> TrackedCondition:
    """Before anything of a report is read. Raises as `check_report`."""
    with desk.database.read() as connection:
        found = find(connection, person, name)
    rules.check_report(person, found.condition, found.around)
    return found.condition


def report(desk: Desk, who: Visitor, shown: tuple[str, int], words: str, receiver: Receiver | None = None) -> None:
    """Say what was done, with a paper where one came.

    Raises `TREError(BadInput | Conflict | FileRefused)`, and as `check_report`.
    """
    now, shows = desk.clock.now(), []
    checked = _words(words)
    if receiver is not None and receiver.name:
        shows = [receiver.attachment()]
        receiver.arriving.seal()
    check_still_in(desk, who)

    def act(found: Found) -> TrackedCondition:
        return rules.report(found.condition, who.person, found.around, (checked, shows), now)

    def keep(change: Change, after: TrackedCondition) -> None:
        for one in shows:
            assert receiver is not None
            papers.arrive(change, _paper(after, one, receiver.arriving.name, now), now)

    _change(desk, who, shown, "reported", act, keep)


def _paper(condition: TrackedCondition, one: Attachment, upload: str, now: datetime) -> Paper:
    return Paper(
        application=condition.application,
        digest=one.digest,
        size=one.bytes,
        state=PaperState.arriving,
        upload=upload,
        at=now,
    )


def rule(desk: Desk, who: Visitor, shown: tuple[str, int], outcome: ConditionState, words: str) -> None:
    """Rule on it. Raises `TREError(BadInput | Conflict)`, and as `tracking.rule`."""
    act, checked = act_of(desk, who), _words(words)
    _change(
        desk,
        who,
        shown,
        VERBS.get(outcome, "ruled"),
        lambda found: rules.rule(found.condition, found.around, outcome, checked, act),
    )


def arrange(desk: Desk, who: Visitor, shown: tuple[str, int], terms: ConditionTerms) -> None:
    """Say who must act, by when, and what missing it brings. Raises as `tracking.arrange`."""
    act = act_of(desk, who)
    _change(desk, who, shown, "arranged", lambda found: rules.arrange(found.condition, found.around, terms, act))


def _change(
    desk: Desk,
    who: Visitor,
    shown: tuple[str, int],
    verb: str,
    act: Callable[[Found], TrackedCondition],
    beside: Callable[[Change, TrackedCondition], None] = lambda _change, _after: None,
) -> None:
    name, version = shown
    now = desk.clock.now()
    with desk.database.read() as connection:
        before = find(connection, who.person, name)
    after = act(before)
    if before.condition.version != version:
        raise TREError(
            Reason.Conflict,
            "This condition was changed since you opened the page.",
            why="By somebody else, or by you in another window.",
            remedy="Load the page again, then repeat what you did.",
        )
    with desk.database.change(store.event_of(verb, after, who.person.subject, now)) as change:
        current = find(change.connection, who.person, name)
        made = act(current)
        store.save(change, before.condition, made)
        beside(change, made)


_WORDS: TypeAdapter[str] = TypeAdapter(WordsText)


def _words(words: str) -> str:
    try:
        return _WORDS.validate_python(words)
    except ValidationError as error:
        raise TREError(
            Reason.BadInput,
            "Words are due here.",
            why=f"They have 1 to {LONGEST_WORDS:,} characters, without markup.",
            remedy="Write them as plain text, or attach a document.",
        ) from error


def hand_out(desk: Desk, person: Person, name: str, digest: str) -> tuple[Attachment, BinaryIO]:
    """A paper of a report and its bytes. Raises as `check_read_reports` and `handed_out`."""
    with desk.database.read() as connection:
        found = find(connection, person, name)
    rules.check_read_reports(person, found.around, desk.clock.now())
    paper = require_paper(found.condition.papers, digest)
    return handed_out(desk, person, found.around.application, paper)


def waiting(connection: Connection, person: Person, now: datetime) -> list[TrackedCondition]:
    """Conditions that wait for a ruling of this person, and missed ones that they may give another day."""
    if not person.holds(Role.committee):
        return []
    found = store.in_states(connection, [S.Reported, S.Missed])
    return [one for one in found if rules.can_rule(person, one, store.around(connection, one), now)]


def of_grant(connection: Connection, grant: str) -> Sequence[TrackedCondition]:
    """Every condition in words of a project."""
    return store.of_grant(connection, grant)
