"""Seeing to the papers of applications: kept when they have come, told when not, removed when nobody needs them.

Guarantees: level-triggered, each step with its event; bytes are removed only where no application needs them, as the
record says in the transaction that asks for it; the controller meets no byte of a paper.

Does not guarantee: that a removed paper is on no backup, nor that nobody who read it has a copy.

Threat: a protocol that is kept for ever because nobody decided to remove it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tre.airlock.jobs import Answer, HandOverAnswer
from tre.controller.context import ACTOR, Context
from tre.domain.applications.models import Application
from tre.domain.applications.papers import Paper, PaperState, kept_until, needed
from tre.sources.committee_policy import load_committee
from tre.store import applications, conditions, jobs
from tre.store import papers as store
from tre.store.database import Change

SOON = timedelta(minutes=1)


class PaperKeeper:
    """Looks at the papers of one application and does what is due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.appliers = {store.KEEP: self.apply_kept}

    def reconcile(self, name: str) -> datetime | None:
        """Do what is due; return when to look again. `name` may go on after the application, as jobs name them."""
        name = name.partition("/")[0]
        with self._context.database.read() as connection:
            application = applications.get(connection, name)
            papers = [] if application is None else store.of_application(connection, name)
            shown = conditions.papers_of(connection, name)
        if application is None or not papers:
            return None
        terms, now = load_committee(self._context.layout.root).spec.papers, self._context.clock.now()
        wanted = needed(application, terms, now) | shown
        waits = False
        for paper in papers:
            if paper.state is PaperState.arriving:
                waits = not self._gave_up(application, paper) or waits
            elif paper.state is PaperState.kept and paper.digest not in wanted:
                self._remove(application, paper)
        later = kept_until(application, terms)
        again = [now + SOON] if waits else []
        again += [later] if later is not None and later > now else []
        return min(again, default=None)

    def _gave_up(self, application: Application, paper: Paper) -> bool:
        """Whether a paper that was sent will not come any more; told once."""
        subject = f"paper/{paper.application}/{paper.digest.removeprefix('sha256:')}"
        with self._context.database.read() as connection:
            job = jobs.latest(connection, store.CHECKER, store.KEEP, subject)
        if job is not None and job.state is not jobs.JobState.failed:
            return False
        self._mark(application, paper, PaperState.lost, "paper-lost")
        return True

    def _mark(self, application: Application, paper: Paper, state: PaperState, verb: str) -> None:
        event = applications.event_of(verb, application, ACTOR, self._context.clock.now(), paper=paper.digest)
        with self._context.database.change(event) as change:
            store.mark(change, paper, state)

    def _remove(self, application: Application, paper: Paper) -> None:
        now = self._context.clock.now()
        event = applications.event_of("paper-put-away", application, ACTOR, now, paper=paper.digest)
        with self._context.database.change(event) as change:
            current = applications.require(change.connection, application.id)
            terms = load_committee(self._context.layout.root).spec.papers
            shown = conditions.papers_of(change.connection, application.id)
            if paper.digest not in needed(current, terms, now) | shown:
                store.remove(change, paper, now)

    def apply_kept(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """The bytes lie where they are handed out from."""
        _, name, sha256 = job.subject.split("/")
        paper = store.get(change.connection, name, f"sha256:{sha256}")
        if paper is None or not isinstance(answer, HandOverAnswer) or paper.state is not PaperState.arriving:
            return
        store.mark(change, paper, PaperState.kept)
        application = applications.require(change.connection, name)
        now = self._context.clock.now()
        change.record(applications.event_of("paper-kept", application, ACTOR, now, paper=paper.digest))
