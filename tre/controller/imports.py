"""Moving import requests on: what was uploaded is checked, what was approved is placed, what was taken away is gone.

Guarantees: level-triggered, each step asked by a row and kept with its event; files are placed only by the domain's one
rule, asked again at that moment; whatever is placed was checked under the policy in force; when a project is over,
what it brought in is taken away. The controller meets no byte of a file, and only the storekeeper writes into an inbox.

Does not guarantee: that a program which runs inside has let go of what was taken away.

Threat: a checker who has joined the project since; a policy that has become stricter between the check and the placing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tre.airlock.jobs import Answer, CheckAnswer, IntakeAnswer
from tre.controller.context import ACTOR, Context
from tre.controller.receipts import worth_asking_again
from tre.controller.situations import import_situation
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.exports.situation import Situation
from tre.domain.imports import acts
from tre.domain.imports.models import ImportFile, ImportRequest
from tre.domain.imports.states import ImportState
from tre.domain.people import Person
from tre.store import exports, jobs, preflights
from tre.store import imports as store
from tre.store.database import Change
from tre.store.imports import CHECKER, FILL, FORGET, HAND_OVER, INSPECT, RECEIVE, STOREKEEPER, TAKE_BACK

PATIENCE_SECONDS = 300
_UNCHECKED = frozenset({Reason.CheckMissing, Reason.PolicyChanged})


class ImportReconciler:
    """Looks at one request and does the next thing that is due."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.appliers = {RECEIVE: self.apply_receive, INSPECT: self.apply_inspect}
        self._handlers = {
            ImportState.Approved: self._approved,
            ImportState.Placing: self._placing,
            ImportState.Placed: self._let_in,
            ImportState.Removed: self._removed,
            ImportState.Withdrawn: self._withdrawn,
        }

    def reconcile(self, name: str) -> datetime | None:
        """Do what is due; return when to look again."""
        with self._context.database.read() as connection:
            request = store.get(connection, name)
            if request is None:
                return None
            situation = self._situation(connection, request)
        if request.state in self._handlers:
            return self._handlers[request.state](request, situation)
        return self._waiting(request, situation)

    def _situation(self, connection: Connection, request: ImportRequest) -> Situation:
        return import_situation(self._context, connection, request.grant, request.author)

    def _save(self, before: ImportRequest, after: ImportRequest, situation: Situation, verb: str) -> ImportRequest:
        event = store.event_of(verb, after, ACTOR, situation.now, state=after.state.value, reason=after.reason.value)
        with self._context.database.change(event) as change:
            return store.save(change, before, after)

    def _ended(self, request: ImportRequest, situation: Situation) -> bool:
        """Whether its project is over, and the request has ended with it."""
        ended = acts.end_with_project(request, situation)
        if ended != request:
            self._save(request, ended, situation, "ended")
        return ended != request

    def _waiting(self, request: ImportRequest, situation: Situation) -> datetime | None:
        """What waits for people: have it checked, and keep its clock."""
        if self._ended(request, situation) or self._has_checked(request, situation):
            return request.deadline
        if (late := acts.at_deadline(request, situation)) != request:
            request = self._save(request, late, situation, "overdue")
        return request.deadline

    def _let_in(self, request: ImportRequest, situation: Situation) -> datetime | None:
        return situation.now if self._ended(request, situation) else None

    # What is to be looked at.

    def _has_checked(self, request: ImportRequest, situation: Situation) -> bool:
        """Have what was not checked, or under another policy, checked; whether that is under way."""
        try:
            acts.check_checked(request, situation)
        except TREError as error:
            if error.reason not in _UNCHECKED or not request.files:
                return False
        else:
            return False
        job = self._job(CHECKER, INSPECT, request)
        if jobs.is_open(job):
            return True
        if job is not None and not self._may_try_again(job, situation.now):
            return False
        with self._context.database.change(self._asked(request, INSPECT)) as change:
            self._ask_inspect(change, request, situation)
        return True

    def _may_try_again(self, job: jobs.Job, now: datetime) -> bool:
        return job.state is jobs.JobState.done or worth_asking_again(job, now, acts.TRY_AGAIN)

    def _ask_inspect(self, change: Change, request: ImportRequest, situation: Situation) -> None:
        files = [{"path": file.path, "sha256": file.sha256} for file in request.files]
        payload = {"files": files, "policy": situation.policy.ref.as_plain()}
        asked = self._request(CHECKER, INSPECT, request, payload)
        jobs.replace(change, asked, situation.now)

    def apply_receive(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """Put the copied files into the request, and have everything checked. Raises `TREError`."""
        if not isinstance(answer, IntakeAnswer) or not answer.files:
            return
        request = store.require(change.connection, job.subject.removeprefix("import/"))
        situation = self._situation(change.connection, request)
        person = Person.model_validate(job.payload["about"]["person"])
        files = tuple(ImportFile(path=f.path, sha256=f.sha256, size=f.size, type=f.type) for f in answer.files)
        changed = store.save(change, request, acts.add_files(request, person, files, situation))
        change.record(store.event_of("files-added", changed, person.subject, situation.now, added=len(files)))
        self._ask_inspect(change, changed, situation)

    def apply_inspect(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """Keep what a run found."""
        if not isinstance(answer, CheckAnswer):
            return
        request = store.require(change.connection, job.subject.removeprefix("import/"))
        situation = self._situation(change.connection, request)
        changed = store.save(change, request, acts.checked(request, answer.run, situation))
        found = len(answer.run.findings)
        change.record(store.event_of("checked", changed, ACTOR, situation.now, run=answer.run.id, found=found))

    # What comes in.

    def _approved(self, request: ImportRequest, situation: Situation) -> datetime | None:
        """Begin to place the files, or wait, or give back an approval that does not hold any more."""
        if self._ended(request, situation) or self._has_checked(request, situation):
            return request.deadline
        failed = request.reason is not Reason.AwaitingRelease and request.message != ""
        if failed and situation.now < (again := request.changed_at + acts.TRY_AGAIN):
            return again
        reopened = acts.reopen(request, situation)
        if reopened != request:
            return self._save(request, reopened, situation, "reopened").deadline
        try:
            self._context.check_granting()
            placing = acts.begin_placing(request, situation)
        except TREError as error:
            late = acts.at_deadline(request, situation)
            if late != request:
                self._save(request, late.changed(message=str(error)), situation, "overdue")
            return situation.now + acts.TRY_AGAIN
        event = store.event_of("placing", placing, ACTOR, situation.now, policy=situation.policy.ref.sha256)
        with self._context.database.change(event) as change:
            return store.save(change, request, placing).changed_at

    def _placing(self, request: ImportRequest, situation: Situation) -> datetime | None:
        """First the copies, then the inboxes; each is asked once for this attempt."""
        if self._ended(request, situation):
            return situation.now
        sha256s = sorted({file.sha256 for file in request.files})
        try:
            copies = self._step(request, CHECKER, HAND_OVER, {"sha256s": sha256s})
            filled = copies and self._step(request, STOREKEEPER, FILL, {"grant": request.grant})
            if filled is None:
                return request.deadline
            if request.id in filled["incomplete"]:
                raise TREError(Reason.ContentChanged, "A file was gone before it could be placed.")
        except TREError as error:
            return self._failed(request, error, situation)
        self._save(request, acts.placed(request, situation), situation, "placed")
        return None

    def _step(self, request: ImportRequest, program: str, kind: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        """The result of this attempt's work, `None` while it is awaited. Raises `TREError` where it failed."""
        job = self._job(program, kind, request)
        if job is None or job.created_at < request.changed_at:
            self._ask(request, program, kind, payload)
            return None
        if job.state is jobs.JobState.failed:
            raise _error_of(job)
        return job.result if job.state is jobs.JobState.done else None

    def _failed(self, request: ImportRequest, error: TREError, situation: Situation) -> datetime:
        back = self._save(request, acts.placing_failed(request, error, situation), situation, "placing-failed")
        return back.changed_at + acts.TRY_AGAIN

    # What goes again.

    def _removed(self, request: ImportRequest, situation: Situation) -> datetime | None:
        """Have the files taken out of the inboxes, then the copies of what no inbox needs."""
        now = situation.now
        filled = self._job(STOREKEEPER, FILL, request)
        if filled is None or filled.created_at < request.changed_at or worth_asking_again(filled, now, acts.TRY_AGAIN):
            self._ask(request, STOREKEEPER, FILL, {"grant": request.grant})
            return now + acts.TRY_AGAIN
        if filled.state is not jobs.JobState.done:
            return now + acts.TRY_AGAIN
        taken = self._job(CHECKER, TAKE_BACK, request)
        if taken is not None and not worth_asking_again(taken, now, acts.TRY_AGAIN):
            return None if taken.state is jobs.JobState.done else now + acts.TRY_AGAIN
        with self._context.database.read() as connection:
            mine = {file.sha256 for file in request.files}
            left = sorted(sha256 for sha256 in mine if not store.is_let_in(connection, sha256))
        self._ask(request, CHECKER, TAKE_BACK, {"sha256s": left})
        return now + acts.TRY_AGAIN

    def _withdrawn(self, request: ImportRequest, situation: Situation) -> datetime | None:
        """Have the bytes removed from the vault that nobody else needs: there was no decision on them."""
        forgotten = self._job(CHECKER, FORGET, request)
        again = situation.now + acts.TRY_AGAIN
        if forgotten is not None and not worth_asking_again(forgotten, situation.now, acts.TRY_AGAIN):
            return None if forgotten.state is jobs.JobState.done else again
        with self._context.database.read() as connection:
            if preflights.takes_in(connection):
                return again  # the same bytes may be on their way, for another request
            left = sorted(sha for sha in {file.sha256 for file in request.files} if not _is_needed(connection, sha))
        if not left:
            return None
        self._ask(request, CHECKER, FORGET, {"sha256s": left})
        return again

    # Asking.

    def _job(self, program: str, kind: str, request: ImportRequest) -> jobs.Job | None:
        with self._context.database.read() as connection:
            return jobs.latest(connection, program, kind, f"import/{request.id}")

    def _asked(self, request: ImportRequest, kind: str) -> Event:
        return self._context.event("job.asked", f"import/{request.id}", job=kind)

    def _request(self, program: str, kind: str, request: ImportRequest, payload: dict[str, Any]) -> jobs.JobRequest:
        subject = f"import/{request.id}"
        return jobs.JobRequest(
            program=program, kind=kind, subject=subject, payload=payload, patience_seconds=PATIENCE_SECONDS
        )

    def _ask(self, request: ImportRequest, program: str, kind: str, payload: dict[str, Any]) -> None:
        with self._context.database.change(self._asked(request, kind)) as change:
            jobs.ask(change, self._request(program, kind, request, payload), self._context.clock.now())


def _is_needed(connection: Connection, sha256: str) -> bool:
    return store.uses_bytes(connection, sha256) or exports.uses_bytes(connection, sha256)


def _error_of(job: jobs.Job) -> TREError:
    said = job.error or {}
    reason = Reason(said["reason"]) if said.get("reason") in Reason.__members__ else Reason.RuntimeFailed
    return TREError(reason, said.get("what", "The work failed."), why=said.get("why", ""))
