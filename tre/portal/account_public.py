"""The public account as the public reads it, on pages and as JSON: made of what was published and of clocks alone.

Guarantees: every function here works with the rights of the public process, which cannot see what is not published;
each text comes with its earlier wordings; how many people complained is a small number, and shown as one.

Does not guarantee: that a text is right. Whoever published it answers for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple, cast

from sqlalchemy import Connection

from tre.domain.errors import Reason, TREError
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Role
from tre.domain.publicaccount import figures as counting
from tre.domain.publicaccount.figures import Clock
from tre.domain.publicaccount.models import (
    ITEM_ID,
    Comment,
    Complaint,
    Consultation,
    Enquiry,
    Incident,
    IncidentType,
    Outcome,
    OutcomeType,
    PolicyChange,
)
from tre.domain.publicaccount.states import REFUSAL_WORDS, ItemKind, ItemState, RefusalClass
from tre.domain.slices.shown import Shown, SmallNumbers
from tre.portal.context import Portal
from tre.store import publicaccount as store
from tre.store.publicaccount import Wording
from tre.system.languages import gettext

_NAME = re.compile(ITEM_ID)
"""What an address may name: no database is asked for anything else."""

RULE = SmallNumbers()
"""For numbers of people who complained."""


class PublicFigures(Record):
    """How long answers take, in days of the calendar, and what waits; `came` are all that ever came."""

    came: Shown
    waiting: Shown
    late: Shown
    done: Shown
    refused: Shown
    middle_days: int | None = None
    longest_days: int | None = None


class EarlierText(Record):
    """A wording that was replaced."""

    published_at: UtcTime
    text: str
    reply: str


class PublicText(Record):
    """What every published text has."""

    id: Line
    published_at: UtcTime
    changed_at: UtcTime | None = None
    text: str
    reply: str
    earlier: list[EarlierText]


class PublicQuestion(PublicText):
    """A question with its answer (`reply`)."""

    asked_at: UtcTime


class PublicQuestions(Record):
    """Every question that was answered, and how long that takes."""

    figures: PublicFigures
    questions: list[PublicQuestion]


class PublicIncident(PublicText):
    """What happened (`text`) and what was done (`reply`); `correction` says why the wording was changed.

    `project` names the project that it concerns, if one.
    """

    title: Line
    type: IncidentType
    project: Line | None = None
    happened_at: UtcTime
    declared_by: Role
    resolved_at: UtcTime | None = None
    correction: Line = ""


class PublicComplaints(Record):
    """Numbers of complaints, and those that were answered, in words that name nobody."""

    figures: PublicFigures
    complaints_to: Line
    complaints: list[PublicText]


class PublicChange(PublicText):
    """A change that is, or was, open for comment; `reply` is the decision."""

    title: Line
    changes: list[PolicyChange]
    closes_at: UtcTime
    open: bool
    decided_at: UtcTime | None = None
    comments: list[PublicText] = []


class PublicOutcome(Record):
    """What came of a project."""

    id: Line
    project: Line
    type: OutcomeType
    text: str
    doi: str
    link: str
    published_at: UtcTime


def figures_of(clocks: list[Clock], portal: Portal, *, hide: bool = False) -> PublicFigures:
    """Numbers from clocks; with `hide` as numbers of people are shown."""
    found = counting.figures(clocks, portal.clock.now())
    numbers = {name: getattr(found, name) for name in ("came", "waiting", "late", "done", "refused")}
    shown = {name: RULE.shown(count) for name, count in numbers.items()} if hide else numbers
    return PublicFigures(**shown, middle_days=found.middle_days, longest_days=found.longest_days)


def questions(portal: Portal, connection: Connection) -> PublicQuestions:
    """Every answered question, newest first."""
    clocks = store.clocks(connection, ItemKind.enquiry)
    asked = {one.id: one.received_at for one in clocks}
    found = [
        PublicQuestion(**_text(wordings).as_named(), asked_at=asked[wordings[0].item])
        for wordings in store.in_force(connection, ItemKind.enquiry)
    ]
    return PublicQuestions(figures=figures_of(clocks, portal), questions=found)


def question_clock(connection: Connection, identifier: str) -> tuple[Clock, str]:
    """Where a question is, and why it was refused, in words. Raises `TREError(ObjectNotFound)`."""
    found = store.clocks(connection, ItemKind.enquiry, identifier) if _NAME.fullmatch(identifier) else []
    clock = next(iter(found), None)
    if clock is None:
        raise TREError(
            Reason.ObjectNotFound, gettext("There is no such question."), remedy=gettext("See the list of questions.")
        )
    return clock, refusal_words(clock)


def refusal_words(clock: Clock) -> str:
    """Why something was not published."""
    return REFUSAL_WORDS[RefusalClass(clock.refusal)] if clock.refusal else ""


def incidents(connection: Connection) -> list[PublicIncident]:
    """Every incident, newest first."""
    ended = {one.id: one.closed_at for one in store.clocks(connection, ItemKind.incident)}
    found = []
    for wordings in store.in_force(connection, ItemKind.incident):
        body = cast("Incident", wordings[0].body)
        found.append(
            PublicIncident(
                **_text(wordings).as_named(),
                title=body.title,
                type=body.type or IncidentType.other,
                project=body.project,
                happened_at=body.happened_at,
                declared_by=body.declared_by,
                resolved_at=ended[wordings[0].item],
                correction=body.correction,
            )
        )
    return found


class IncidentCount(NamedTuple):
    """How many incidents of a kind happened in a year."""

    year: int
    type: IncidentType
    number: int


def count_incidents(found: Iterable[PublicIncident]) -> list[IncidentCount]:
    """Incidents by the year in which they happened, the latest first, and by kind."""
    counts = Counter((one.happened_at.year, one.type) for one in found)
    kinds = list(IncidentType)
    ordered = sorted(counts.items(), key=lambda one: (-one[0][0], kinds.index(one[0][1])))
    return [IncidentCount(year, kind, count) for (year, kind), count in ordered]


def complaints(portal: Portal, connection: Connection) -> PublicComplaints:
    """Numbers of complaints and those that were answered."""
    clocks = store.clocks(connection, ItemKind.complaint)
    return PublicComplaints(
        figures=figures_of(clocks, portal, hide=True),
        complaints_to=portal.account.spec.complaints_to,
        complaints=[_text(wordings) for wordings in store.in_force(connection, ItemKind.complaint)],
    )


def changes(portal: Portal, connection: Connection, identifier: str = "") -> list[PublicChange]:
    """Every change that is or was open for comment, newest first; with its comments where one is named."""
    clocks = {one.id: one for one in store.clocks(connection, ItemKind.consultation, identifier)}
    now = portal.clock.now()
    found = []
    for wordings in store.in_force(connection, ItemKind.consultation):
        clock = clocks.get(wordings[0].item)
        if clock is None:
            continue
        body = cast("Consultation", wordings[0].body)
        said = store.in_force(connection, ItemKind.comment, clock.id) if identifier else []
        found.append(
            PublicChange(
                **_text(wordings).as_named(),
                title=body.title,
                changes=list(body.changes),
                closes_at=body.closes_at,
                open=clock.state is ItemState.Open and now < body.closes_at,
                decided_at=clock.closed_at,
                comments=[_text(each) for each in said],
            )
        )
    return found


def one_change(portal: Portal, connection: Connection, identifier: str) -> PublicChange:
    """One change with its comments. Raises `TREError(ObjectNotFound)`."""
    found = changes(portal, connection, identifier) if _NAME.fullmatch(identifier) else []
    if not found:
        raise TREError(
            Reason.ObjectNotFound, gettext("There is no such change."), remedy=gettext("See the list of changes.")
        )
    return found[0]


def outcomes(connection: Connection, grant: str = "") -> list[PublicOutcome]:
    """What came of projects, or of one, newest first."""
    found = []
    for wordings in store.in_force(connection, ItemKind.outcome, grant):
        body, first = cast("Outcome", wordings[0].body), wordings[0]
        values = {"type": body.type, "text": body.text, "doi": body.doi, "link": body.link}
        found.append(PublicOutcome(id=first.item, project=first.about, published_at=first.at, **values))
    return found


def _parts(wording: Wording) -> tuple[str, str]:
    body = wording.body
    if isinstance(body, Incident):
        return body.text, body.done
    said = cast("Enquiry | Comment | Complaint | Consultation", body)
    return said.text, said.reply


class _Text(PublicText):
    def as_named(self) -> dict[str, object]:
        """Its values, for a record that has more."""
        return dict(self)


def _text(wordings: list[Wording]) -> _Text:
    """The wording in force and the earlier ones. That a decision was added to a change is no correction."""
    first, last = wordings[0], wordings[-1]
    text, reply = _parts(first)
    earlier = []
    for one in wordings[1:]:
        was, answered = _parts(one)
        if (was, answered) != (text, reply) and (answered or was != text):
            earlier.append(EarlierText(published_at=one.at, text=was, reply=answered))
    changed = first.at if earlier else None
    return _Text(id=first.item, published_at=last.at, changed_at=changed, text=text, reply=reply, earlier=earlier)
