"""The checker's loop: look for jobs, do them one after another, say that it lives.

Guarantees: an answer is written before a job is taken again; a job that brings the program down is tried again and,
after the third time, answered as failed; whatever goes wrong in a job is that job's answer and ends nothing else.

Does not guarantee: order between jobs of different requests beyond oldest first.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from tre import __version__
from tre.airlock.bundle import sweep_bundles
from tre.airlock.jobs import Answer, AnswerFile, FailedAnswer, Heartbeat
from tre.airlock.spool import Spool
from tre.checker.handlers import Workbench, handle
from tre.domain.errors import Reason, TREError

POLL_SECONDS = 0.1
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

    def run(self) -> None:
        """Work until `stopping` is set; the job in hand is finished first."""
        left = self.prepare()
        log.info("started", version=__version__, swept=left)
        beating = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        beating.start()
        while not self.stopping.is_set():
            if not self.work_once():
                self.stopping.wait(POLL_SECONDS)
        beating.join(BEAT_SECONDS)
        log.info("stopped")

    def prepare(self) -> int:
        """Make the spool and remove what an interruption left half written; how many files."""
        self.spool.make()
        return self.bench.vault.sweep() + self.spool.sweep_answers() + sweep_bundles(self.bench.layout.releases)

    def work_once(self) -> int:
        """Do every job that waits now; how many there were."""
        self.spool.tidy()
        done = 0
        for job_id in self.spool.waiting():
            if self.stopping.is_set():
                break
            self._now = _Now(job_id, self.bench.clock.now())
            answer = self._do(job_id)
            self.spool.answer(job_id, AnswerFile(answer=answer, at=self.bench.clock.now()))
            self._now = _Now()
            done += 1
        return done

    def _do(self, job_id: str) -> Answer:
        try:
            job = self.spool.take(job_id)
            answer = handle(job, self.bench)
        except TREError as error:
            log.warning("job failed", job=job_id, reason=error.reason.value)
            return FailedAnswer(reason=error.reason.value, what=error.what, why=error.why, remedy=error.remedy)
        except Exception as error:  # noqa: BLE001 - one job's fault must not end the others; it is the job's answer
            log.error("job broke", job=job_id, error=type(error).__name__)
            return FailedAnswer(
                reason=Reason.CheckerFailed.value,
                what="The checker could not do this job.",
                why=f"It met a {type(error).__name__}.",
                remedy="Try again; if it stays so, tell the operator.",
            )
        log.info("job done", job=job_id, kind=job.kind)
        return answer

    def _beat(self) -> None:
        while not self.stopping.is_set():
            self.beat()
            self.stopping.wait(BEAT_SECONDS)

    def beat(self) -> None:
        """Say that the checker lives, and on what it works."""
        now = self._now
        self.spool.beat(Heartbeat(at=self.bench.clock.now(), version=__version__, job=now.job, since=now.since))
