"""What the pages show of an application: its state and clock, what is asked part by part, what is still to do.

Guarantees: what was handed in is shown as it was handed in; a draft only to its author. Plans come in their shown form,
small numbers hidden by the dataset's policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from tre.domain.applications import permissions
from tre.domain.applications.drafts import problems_in
from tre.domain.applications.models import Application, AskedSlice
from tre.domain.applications.states import EDITABLE, WAITING, ApplicationState, Party
from tre.domain.applications.summary import SummaryReport, report
from tre.domain.model import Problem
from tre.domain.people import Person
from tre.domain.slices.shown import as_shown
from tre.portal.applying import actions, words
from tre.portal.applying.fields import Input, InputRows, Plain, Step, Told, inputs, of_step, placed, told
from tre.portal.applying.papers import PaperLine, lines_of
from tre.portal.applying.steps import STEPS, UNTYPED
from tre.portal.context import Portal
from tre.portal.histories import HistoryLine, history_lines
from tre.portal.plan_actions import spec_text
from tre.portal.words import WORDS, Words
from tre.slices.populations import disclosure_of
from tre.store import datasets, events
from tre.store.applications import ApplicationLine

QUESTIONS = "questions"


@dataclass(frozen=True)
class AskedPart:
    """One part of the data as it was handed in, and what it would give where that is counted."""

    asked: AskedSlice
    digest: str
    plan: Plain | None

    @property
    def text(self) -> str:
        """The specification as somebody would write it."""
        return spec_text(self.asked.spec)


@dataclass(frozen=True)
class ApplicationView:
    """An application as one person sees it at one moment."""

    application: Application
    person: Person
    now: datetime
    actions: tuple[str, ...]
    parts: tuple[AskedPart, ...]
    history: tuple[HistoryLine, ...]
    drafted: tuple[PaperLine, ...]
    handed_in: tuple[PaperLine, ...]

    @property
    def id(self) -> str:
        """Its identifier."""
        return self.application.id

    @property
    def title(self) -> str:
        """What it is called."""
        return self.application.title

    @property
    def own(self) -> bool:
        """Whether the reader wrote it."""
        return permissions.is_author(self.person, self.application)

    @property
    def words(self) -> Words:
        """Its state in words, and what comes next."""
        return words.STATES[self.application.state]

    @property
    def reason(self) -> Words:
        """Why it waits."""
        return WORDS[self.application.reason]

    @property
    def party(self) -> Party | None:
        """For whom it waits."""
        waiting = WAITING.get(self.application.state)
        return waiting.party if waiting else None

    @property
    def writing(self) -> bool:
        """Whether the reader can change it now."""
        return "edit" in self.actions

    @property
    def content(self) -> Plain:
        """What is asked: as handed in, else as typed."""
        app = self.application
        if app.content is not None and not (self.own and app.state in EDITABLE):
            return app.content.as_plain()
        return app.draft if self.own else {}

    @property
    def papers(self) -> tuple[PaperLine, ...]:
        """The documents that came with it: as handed in, else as attached so far."""
        app = self.application
        writes = self.own and app.state in EDITABLE
        return self.drafted if writes else self.handed_in

    @cached_property
    def problems(self) -> list[Problem]:
        """What keeps a draft from being handed in."""
        app = self.application
        return placed(STEPS, problems_in(app.draft, self.now, app.questions)) if self.writing else []

    @property
    def told(self) -> list[Told]:
        """The same in the order of the form; what is not answered stands apart."""
        return told(STEPS, [one for one in self.problems if not _is_question(one)])

    @property
    def unanswered(self) -> int:
        """Questions that have no answer yet."""
        return sum(_is_question(one) for one in self.problems)

    @property
    def counts(self) -> dict[str, int]:
        """How much is still to do in each step."""
        found = [one for one in self.problems if not _is_question(one)]
        return {step.name: len(of_step(STEPS, step, found)) for step in STEPS}

    @property
    def summary(self) -> SummaryReport | None:
        """The measures of the summary in plain words."""
        text = self.content.get("laySummary")
        return report(text) if isinstance(text, str) and text.strip() else None

    @property
    def sections(self) -> list[tuple[Step, list[Input | InputRows]]]:
        """What is asked, step by step; the data have a form of their own."""
        found = [(step, inputs(step, self.content, spare=False)) for step in STEPS if step not in UNTYPED]
        return [(step, items) for step, items in found if any(map(_is_filled, items))]

    @property
    def moving(self) -> bool:
        """Whether something goes on by itself."""
        return self.application.state is ApplicationState.Submitted


def _is_filled(item: Input | InputRows) -> bool:
    return bool(item.value) if isinstance(item, Input) else any(cell.value for row in item.entries for cell in row)


def _is_question(problem: Problem) -> bool:
    return problem.where.startswith(f"{QUESTIONS}[")


def view_of(
    portal: Portal,
    connection: Connection,
    person: Person,
    application: Application,
    texts: Mapping[str, str] = words.EVENTS,
) -> ApplicationView:
    """The view of somebody who may see it; `texts` are the events that they are told of."""
    return ApplicationView(
        application=application,
        person=person,
        now=portal.clock.now(),
        actions=tuple(actions.allowed(person, application)),
        parts=_parts(portal, connection, application),
        history=history_lines(
            connection, reversed(events.of_object(connection, f"application/{application.id}")), texts
        ),
        drafted=lines_of(portal, connection, person, application, draft=True)
        if permissions.is_author(person, application)
        else (),
        handed_in=lines_of(portal, connection, person, application, draft=False),
    )


def _parts(portal: Portal, connection: Connection, application: Application) -> tuple[AskedPart, ...]:
    if application.content is None:
        return ()
    digests = {item.name: item.plan_digest for item in application.plans}
    return tuple(
        AskedPart(item, found := digests.get(item.name, ""), shown_plan(portal, connection, found))
        for item in application.content.slices
    )


def shown_plan(portal: Portal, connection: Connection, digest: str) -> Plain | None:
    """A plan in its shown form; `None` where there is none yet."""
    plan = datasets.get_plan(connection, digest) if digest else None
    return None if plan is None else as_shown(plan, disclosure_of(plan.spec.dataset, portal.layout.root).small_numbers)


def fitting(lines: Sequence[ApplicationLine], text: str) -> list[ApplicationLine]:
    """Lines that hold all words of a search."""
    wanted = text.casefold().split()
    return [line for line in lines if all(word in _searched(line) for word in wanted)]


def _searched(line: ApplicationLine) -> str:
    return " ".join((line.id, line.title, line.organisation, line.author.id, line.grant or "")).casefold()
