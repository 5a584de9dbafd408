"""The checker's loop: look for jobs, do them one after another, say that it lives.

Guarantees: an answer is written before a job is taken again; a job that brings the program down is tried again and,
after the third time, answered as failed; whatever goes wrong in a job is that job's answer and ends nothing else.

Does not guarantee: order between jobs of different requests beyond oldest first.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from tre import __version__
from tre.airlock.batches import batches_in
from tre.airlock.bundle import sweep_bundles
from tre.airlock.jobs import Answer, AnswerFile, AskList, BatchList, FailedAnswer, Heartbeat, Job
from tre.airlock.preflight import asks_in
from tre.airlock.spool import Spool
from tre.checker.handlers import Workbench, afterwards, handle
from tre.domain.errors import Reason, TREError

POLL_SECONDS = 0.1
ASK_SECONDS = 0.5
"""How often outboxes are looked at for questions. A thousand of them take some hundredths of a second."""

BEAT_SECONDS = 2.0

log = structlog.get_logger("checker")


@dataclass
class _Now:
    """The job in hand, for the heartbeat."""

    job: str = ""
    since: datetime | None = None


@dataclass
class CheckerService:
    """The loop and what it works with."""

    bench: Workbench
    spool: Spool
    stopping: threading.Event = field(default_factory=threading.Event)
    _now: _Now = field(default_factory=_Now)
    _asked: AskList | None = None
    _noted: BatchList | None = None

    def run(self) -> None:
        """Work until `stopping` is set; the job in hand is finished first."""
        left = self.prepare()
        log.info("started", version=__version__, swept=left)
        beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beating.start()
        next_look = 0.0
        while not self.stopping.is_set():
            if time.monotonic() >= next_look:
                self.look_for_asks()
                self.look_for_batches()
                next_look = time.monotonic() + ASK_SECONDS
            if not self.work_once():
                self.stopping.wait(POLL_SECONDS)
        beating.join(BEAT_SECONDS)
        log.info("stopped")

    def prepare(self) -> int:
        """Make the spool and remove what an interruption left half written; how many files."""
        self.spool.make()
        halves = self.bench.vault.sweep() + self.bench.extracts.sweep() + self.spool.sweep_answers()
        now = self.bench.clock.now()
        left = self.bench.handover.sweep(now) + self.bench.papers.sweep(now) + self.bench.uploads.sweep(now)
        return halves + left + sweep_bundles(self.bench.layout.releases)

    def work_once(self) -> int:
        """Do every job that waits now; how many there were."""
        self.spool.tidy()
        done = 0
        for job_id in self.spool.waiting():
            if self.stopping.is_set():
                break
            self._now = _Now(job_id, self.bench.clock.now())
            job, answer = self._do(job_id)
            self.spool.answer(job_id, AnswerFile(answer=answer, at=self.bench.clock.now()))
            self._finish(job, answer)
            self._now = _Now()
            done += 1
        return done

    def look_for_asks(self) -> None:
        """Tell the controller what workspaces ask to have checked, where that changed."""
        try:
            found = AskList(asks=asks_in(self.bench.layout.outboxes))
        except OSError as error:
            log.warning("outboxes cannot be read", error=error.strerror)
            return
        if found != self._asked:
            self.spool.tell_asks(found)
            self._asked = found

    def look_for_batches(self) -> None:
        """Tell the controller which jobs run without a browser, and how they ended, where that changed."""
        try:
            found = BatchList(notes=batches_in(self.bench.layout.outboxes))
        except OSError as error:
            log.warning("outboxes cannot be read", error=error.strerror)
            return
        if found != self._noted:
            self.spool.tell_batches(found)
            self._noted = found

    def _do(self, job_id: str) -> tuple[Job | None, Answer]:
        """The job, where it could be read, and its answer."""
        job = None
        try:
            job = self.spool.take(job_id)
            answer = handle(job, self.bench)
        except TREError as error:
            log.warning("job failed", job=job_id, reason=error.reason.value)
            return job, FailedAnswer(reason=error.reason.value, what=error.what, why=error.why, remedy=error.remedy)
        except Exception as error:  # noqa: BLE001 - one job's fault must not end the others; it is the job's answer
            log.error("job broke", job=job_id, error=type(error).__name__)
            return job, FailedAnswer(
                reason=Reason.CheckerFailed.value,
                what="The checker could not do this job.",
                why=f"It met a {type(error).__name__}.",
                remedy="Try again; if it stays so, tell the operator.",
            )
        log.info("job done", job=job_id, kind=job.kind)
        return job, answer

    def _finish(self, job: Job | None, answer: Answer) -> None:
        """What cannot be done now is done by the sweep at the next start."""
        try:
            if job is not None:
                afterwards(job, answer, self.bench)
        except OSError as error:
            log.warning("not tidied", kind=job.kind if job else "", error=error.strerror)

    def _beat(self) -> None:
        """A disk that takes nothing for a moment must not silence the checker for good."""
        while not self.stopping.is_set():
            try:
                self.beat()
            except OSError as error:
                log.warning("no heartbeat was written", error=error.strerror)
            self.stopping.wait(BEAT_SECONDS)

    def beat(self) -> None:
        """Say that the checker lives, and on what it works."""
        now = self._now
        self.spool.beat(Heartbeat(at=self.bench.clock.now(), version=__version__, job=now.job, since=now.since))
