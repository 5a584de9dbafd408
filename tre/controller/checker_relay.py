"""Carrying work between the record and the checker's spool.

Guarantees: the checker never sees the record and the record never meets untrusted bytes; a job is put into the spool
as often as needed and its answer is kept once; what an answer changes is changed in the same transaction in which
the job ends. A checker that does not answer in time is an answer too: the job fails with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from pydantic import TypeAdapter

from tre.airlock.jobs import Answer, FailedAnswer
from tre.airlock.jobs import Job as CheckerJob
from tre.airlock.spool import Spool
from tre.controller.context import Context
from tre.domain.errors import Reason, TREError
from tre.store import jobs
from tre.store.database import Change

log = structlog.get_logger()

PROGRAM = "checker"
_JOB: TypeAdapter[CheckerJob] = TypeAdapter(CheckerJob)

Applier = Callable[[Change, jobs.Job, Answer], None]
"""What an answer changes beside the job itself."""


class CheckerRelay:
    """Looks at both sides and carries what is on one and not on the other."""

    def __init__(self, context: Context, spool: Spool) -> None:
        self._context, self._spool = context, spool
        self.appliers: dict[str, Applier] = {}

    def step(self) -> bool:
        """Put what is asked, keep what is answered, give up what is overdue; say whether answers are awaited."""
        now = self._context.clock.now()
        for job_id, answer in list(self._spool.results()):
            self._keep(job_id, answer, now)
        with self._context.database.read() as connection:
            waiting = jobs.waiting(connection, PROGRAM, now)
            overdue = jobs.overdue(connection, PROGRAM, now)
        for job in waiting:
            self._put(job, now)
        for job in overdue:
            late = TREError(Reason.CheckerFailed, "The checker did not answer in time.", remedy="Is it running?")
            self._end(job, late, now)
            self._spool.done(job.id)
        return bool(waiting) or self._spool.holds_jobs()

    def _put(self, job: jobs.Job, now: datetime) -> None:
        asked = {key: value for key, value in job.payload.items() if key != "about"} | {"kind": job.kind}
        try:
            self._spool.put(job.id, _JOB.validate_python(asked))
        except ValueError as error:
            self._end(job, TREError(Reason.BadInput, f"The job {job.kind} was not understood: {error}."), now)
            return
        event = self._context.event("job.taken", f"job/{job.id}", job=job.kind, subject=job.subject)
        with self._context.database.change(event) as change:
            jobs.take(change, job.id, now)

    def _keep(self, job_id: str, answer: Answer, now: datetime) -> None:
        with self._context.database.read() as connection:
            job = jobs.get(connection, job_id)
        if job is None or job.state is not jobs.JobState.taken:
            self._spool.done(job_id)
            return
        if isinstance(answer, FailedAnswer):
            refused = TREError(_reason(answer.reason), answer.what, why=answer.why, remedy=answer.remedy)
            self._end(job, refused, now, answer)
        else:
            self._finish(job, answer, now)
        self._spool.done(job_id)

    def _finish(self, job: jobs.Job, answer: Answer, now: datetime) -> None:
        event = self._context.event("job.done", f"job/{job.id}", job=job.kind, subject=job.subject)
        try:
            with self._context.database.change(event) as change:
                jobs.finish(change, job.id, answer.as_plain(), now)
                self._apply(change, job, answer)
        except TREError as error:
            log.warning("answer-refused", job=job.kind, subject=job.subject, reason=error.reason.value)
            self._end(job, error, now, answer)

    def _end(self, job: jobs.Job, error: TREError, now: datetime, answer: Answer | None = None) -> None:
        event = self._context.event(
            "job.failed", f"job/{job.id}", job=job.kind, subject=job.subject, reason=error.reason.value
        )
        with self._context.database.change(event) as change:
            jobs.fail(change, job.id, error, now)
            if isinstance(answer, FailedAnswer):
                self._apply(change, job, answer)

    def _apply(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """What was asked for a request changes it; the answers to a pre-flight are read from their jobs."""
        if job.kind in self.appliers and job.subject.startswith(("export/", "import/", "paper/")):
            self.appliers[job.kind](change, job, answer)


def _reason(text: str) -> Reason:
    return Reason(text) if text in Reason.__members__ else Reason.CheckerFailed
