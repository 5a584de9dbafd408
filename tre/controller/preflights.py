"""Checks that a workspace asks for before anything is submitted: from the ask in its outbox to the answer in its inbox.

Guarantees: level-triggered: each look goes from what the record's jobs say to the one next step, so that a crash
anywhere costs time only; the files go the same way as those of a request (copied first, then looked at, confined);
only who has access now is answered, one ask of a workspace at a time, as often in an hour as the policy allows;
the answer holds what the domain lets be told inside and nothing more; whatever was taken in for a pre-flight alone is
removed from the vault again. The controller meets no byte of a file, and only the storekeeper writes into an inbox.

Does not guarantee: an answer to a program that does not wait for it.

Threat: the checks as an oracle; a workspace that fills the vault, or the checker's time, by asking.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection

from tre.airlock.asking import payload_for
from tre.airlock.jobs import Ask, AskedFile, CheckAnswer, IntakeAnswer
from tre.airlock.policy import directories, load_policy
from tre.airlock.spool import Spool
from tre.controller.context import Context
from tre.domain.entitlement import is_entitled
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.exports.catalogue import CATALOGUE
from tre.domain.exports.models import PolicyRef
from tre.domain.exports.preflight import WINDOW, PreflightAnswer, Refusal, ToldFile, ToldFinding, allowance, told
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.workspaces.models import Workspace
from tre.store import exports, grants, imports, jobs, preflights, workspaces
from tre.store.database import new_id
from tre.store.preflights import ANSWER, CHECK, CHECKER, FORGET, INTAKE, STOREKEEPER, WAIT

log = structlog.get_logger()

PATIENCE_SECONDS = 300
REMEMBERED = timedelta(days=2)
"""How far back unfinished asks are looked for after a start: each of their jobs has minutes."""

TRY_AGAIN, REST = timedelta(minutes=10), timedelta(seconds=30)
"""How long after a failed removal, or any other trouble, an ask is looked at again."""


class Preflights:
    """Brings each ask one step further at each look."""

    def __init__(self, context: Context, spool: Spool) -> None:
        self._context, self._spool = context, spool
        self._mark, self._behind = -1, False
        self._waiting: set[str] | None = None
        self._resting: dict[str, datetime] = {}
        self._answered: set[str] = set()

    def step(self) -> bool:
        """Look at new asks and at those under way; say whether any is."""
        if self._waiting is None:
            with self._context.database.read() as connection:
                since = self._context.clock.now() - REMEMBERED
                self._waiting = set(preflights.subjects_since(connection, since))
        if (mark := self._spool.asks_mark()) != self._mark or self._behind:
            self._take_up()
            self._mark = mark
        for subject in sorted(self._waiting):
            if self._guarded(subject):
                self._waiting.discard(subject)
                self._answered.discard(subject)
        return bool(self._waiting - self._resting.keys())

    def _guarded(self, subject: str) -> bool:
        """One ask's trouble stays its own, and is tried again later."""
        now = self._context.clock.now()
        if self._resting.get(subject, now) > now:
            return False
        self._resting.pop(subject, None)
        try:
            return self._advance(subject)
        except TREError as error:
            log.warning("preflight-failed", subject=subject, reason=error.reason.value)
            self._resting[subject] = now + REST
            return False

    def _take_up(self) -> None:
        assert self._waiting is not None
        try:
            asks = self._spool.asks()
        except TREError as error:
            log.warning("asks-unreadable", error=str(error))
            return
        self._behind = False
        for ask in asks:
            subject = preflights.subject_of(ask.outbox, ask.id)
            if self._is_busy(ask.outbox, subject):
                self._behind = True  # one at a time: nobody keeps the checker from others by asking
                continue
            try:
                if self._begin(ask, subject):
                    self._waiting.add(subject)
            except TREError as error:  # one workspace's trouble stays its own
                log.warning("preflight-refused", subject=subject, reason=error.reason.value)

    def _is_busy(self, outbox: str, subject: str) -> bool:
        prefix = preflights.subject_of(outbox, "")
        unanswered = (self._waiting or set()) - self._answered
        return any(other.startswith(prefix) and other != subject for other in unanswered)

    # From the ask to the copying.

    def _begin(self, ask: Ask, subject: str) -> bool:
        """Have the files of a new ask copied; whether that is under way. Raises `TREError`."""
        now = self._context.clock.now()
        with self._context.database.read() as connection:
            known = jobs.latest(connection, CHECKER, INTAKE, subject) or self._answer_job(connection, subject)
            workspace = workspaces.get(connection, ask.outbox)
            if known is not None or workspace is None:
                return False
            grant = grants.require(connection, workspace.grant)
            asked = preflights.asked(connection, workspace.name, now - WINDOW)
        if not is_entitled(grant, workspace.subject, now):
            return False  # nobody can be inside
        policy = self._policy(grant.spec.export.policy)
        left = allowance(asked, policy.spec.preflight.per_hour, now)
        if left.again is not None:
            self._refuse_until(workspace, left.again.replace(microsecond=0) + timedelta(seconds=1))
            return False
        if ask.problem:
            problem = TREError(Reason.BadInput, ask.problem, remedy="Ask with tre-check.")
            self._answer(subject, self._refusal(ask.id, problem))
            return False
        payload = {"outbox": ask.outbox, "paths": list(ask.paths), "policy": policy.ref.as_plain()}
        event = self._event("preflight.asked", workspace, files=len(ask.paths))
        self._ask(event, jobs.JobRequest(program=CHECKER, kind=INTAKE, subject=subject, payload=payload))
        return True

    def _policy(self, name: str) -> AirlockPolicy:
        return load_policy(name, directories(self._context.layout.root))

    def _refuse_until(self, workspace: Workspace, until: datetime) -> None:
        """Say once, for all asks of this time, when there can be another."""
        subject = preflights.subject_of(workspace.name, f"{WAIT}{until:%Y%m%dT%H%M%S}")
        with self._context.database.read() as connection:
            if self._answer_job(connection, subject) is not None:
                return
        error = TREError(
            Reason.RateLimited,
            "This workspace has had its files checked as often as it may within an hour.",
            remedy=f"The next check can be asked for at {until:%H:%M:%S} UTC.",
        )
        answer = self._refusal("", error).model_copy(update={"until": until})
        self._answer(subject, answer, self._event("preflight.refused", workspace, until=until.isoformat()))

    # From the copying to the answer.

    def _advance(self, subject: str) -> bool:
        """Do the next thing that is due for an ask; whether nothing is left to do."""
        with self._context.database.read() as connection:
            intake, check = (jobs.latest(connection, CHECKER, kind, subject) for kind in (INTAKE, CHECK))
            answered = self._answer_job(connection, subject)
        if intake is None:
            return True
        if jobs.is_open(intake) or jobs.is_open(check) or jobs.is_open(answered):
            return False
        taken = self._taken(intake)
        if check is None and answered is None and taken is not None and taken.files:
            self._ask_check(subject, intake, taken)
            return False
        if answered is None:
            self._answer(subject, self._composed(subject, intake, check))
            return False
        self._answered.add(subject)
        return self._forget(subject, taken)

    def _taken(self, intake: jobs.Job) -> IntakeAnswer | None:
        return IntakeAnswer.model_validate(intake.result) if intake.state is jobs.JobState.done else None

    def _ask_check(self, subject: str, intake: jobs.Job, taken: IntakeAnswer) -> None:
        files = tuple(AskedFile(path=file.path, sha256=file.sha256) for file in taken.files)
        policy = PolicyRef.model_validate(intake.payload["policy"])
        with self._context.database.read() as connection:
            grant = workspaces.require(connection, preflights.workspace_of(subject)).grant
            payload = payload_for(connection, grant, files, policy)
        event = self._context.event("job.asked", subject, job=CHECK)
        self._ask(event, jobs.JobRequest(program=CHECKER, kind=CHECK, subject=subject, payload=payload))

    def _composed(self, subject: str, intake: jobs.Job, check: jobs.Job | None) -> PreflightAnswer:
        """The answer to an ask whose jobs have ended."""
        identifier = subject.rpartition("/")[2]
        failed = next((job for job in (intake, check) if job is not None and job.error), None)
        if failed is not None and failed.error and failed.state is jobs.JobState.failed:
            words = {key: str(failed.error.get(key, "")) for key in ("what", "why", "remedy")}
            return self._refusal(identifier, TREError(Reason.CheckerFailed, words["what"], remedy=words["remedy"]))
        taken = self._taken(intake)
        assert taken is not None
        run = None if check is None else CheckAnswer.model_validate(check.result).run
        policy = PolicyRef.model_validate(intake.payload["policy"])
        letters = self._policy(policy.name).spec.severities
        files = [told(file.path, file.sha256, run.of(file.sha256) if run else ()) for file in taken.files]
        for item in taken.refused:
            letter = letters[item.check] if item.check in CATALOGUE else letters["F05"]
            found = ToldFinding(check=item.check, severity=letter, message=item.message, suggestion=item.suggestion)
            files.append(ToldFile(path=item.path, findings=(found,), worst=letter))
        now = self._context.clock.now()
        return PreflightAnswer(
            id=identifier, at=now, policy=policy, files=tuple(files), remaining=self._remaining(subject, policy.name)
        )

    def _remaining(self, subject: str, policy: str) -> int:
        now, workspace = self._context.clock.now(), subject.split("/")[1]
        with self._context.database.read() as connection:
            asked = preflights.asked(connection, workspace, now - WINDOW)
        return allowance(asked, self._policy(policy).spec.preflight.per_hour, now).remaining

    def _refusal(self, identifier: str, error: TREError) -> PreflightAnswer:
        refused = Refusal(reason=error.reason.value, what=error.what, why=error.why, remedy=error.remedy)
        return PreflightAnswer(id=identifier, at=self._context.clock.now(), refused=refused)

    # What is left behind.

    def _forget(self, subject: str, taken: IntakeAnswer | None) -> bool:
        """Have removed from the vault what nothing but this ask took in; whether that is done."""
        mine = {file.sha256 for file in taken.files} if taken else set()
        with self._context.database.read() as connection:
            job = jobs.latest(connection, CHECKER, FORGET, subject)
            if job is not None and (job.state is jobs.JobState.done or jobs.is_open(job)):
                return job.state is jobs.JobState.done
            if job is not None and job.finished_at and job.finished_at > self._context.clock.now() - TRY_AGAIN:
                return False
            if preflights.takes_in(connection):
                return False  # the same bytes may be on their way, for a request or another ask
            others = self._held_by_others(connection, subject)
            stores = (exports, imports)
            left = sorted(sha for sha in mine - others if not any(one.uses_bytes(connection, sha) for one in stores))
        if not left:
            return True
        event = self._context.event("job.asked", subject, job=FORGET)
        payload = {"sha256s": left}
        self._ask(event, jobs.JobRequest(program=CHECKER, kind=FORGET, subject=subject, payload=payload))
        return False

    def _held_by_others(self, connection: Connection, subject: str) -> set[str]:
        """Bytes of other asks that are not over yet: theirs is the removing."""
        held: set[str] = set()
        for other in (self._waiting or set()) - {subject}:
            intake = jobs.latest(connection, CHECKER, INTAKE, other)
            forget = jobs.latest(connection, CHECKER, FORGET, other)
            if intake is not None and forget is None and (taken := self._taken(intake)) is not None:
                held |= {file.sha256 for file in taken.files}
        return held

    # Words to others.

    def _answer_job(self, connection: Connection, subject: str) -> jobs.Job | None:
        return jobs.latest(connection, STOREKEEPER, ANSWER, subject)

    def _answer(self, subject: str, answer: PreflightAnswer, event: Event | None = None) -> None:
        _, workspace, name = subject.split("/")
        payload = {
            "workspace": workspace,
            "name": "wait" if name.startswith(WAIT) else f"answer-{name}",
            "answer": answer.as_plain(),
        }
        event = event or self._context.event("job.asked", subject, job=ANSWER)
        self._ask(event, jobs.JobRequest(program=STOREKEEPER, kind=ANSWER, subject=subject, payload=payload))

    def _event(self, kind: str, workspace: Workspace, **detail: Any) -> Event:
        """An event of whoever works there: with counts, and without names of files."""
        return Event(
            id=new_id(),
            at=self._context.clock.now(),
            actor=workspace.subject,
            kind=kind,
            object=f"workspace/{workspace.name}",
            detail={"grant": workspace.grant} | detail,
        )

    def _ask(self, event: Event, request: jobs.JobRequest) -> None:
        patient = request.model_copy(update={"patience_seconds": PATIENCE_SECONDS})
        with self._context.database.change(event) as change:
            jobs.ask(change, patient, self._context.clock.now())
