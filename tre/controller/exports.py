"""Moving export requests on: files taken in are checked, what was approved leaves when its time has come.

Guarantees: level-triggered; a release begins only by the domain's one rule, with an event that holds the digest of
the signed statement, and its bundle is written only when that event stands in the signed log; what the checker
answers is applied in the transaction that ends its job. A request never waits without a reason that a person can read.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tre.airlock.asking import check_payload
from tre.airlock.jobs import (
    Answer,
    AskedFile,
    CheckAnswer,
    FailedAnswer,
    IntakeAnswer,
    ReleaseAnswer,
    TransformAnswer,
)
from tre.airlock.release import EVENT_KIND, make_document, make_statement
from tre.audit.keys import Signer
from tre.audit.proof import prove_event
from tre.controller.context import ACTOR, Context
from tre.controller.situations import situation_of
from tre.domain.errors import Reason, TREError
from tre.domain.exports import releasing
from tre.domain.exports.attempts import Attempt, meets
from tre.domain.exports.models import ExportRequest, FileGroup, FileKind, Release, RequestFile
from tre.domain.exports.policies import is_overdue
from tre.domain.exports.replacing import Replacement
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import ExportState
from tre.domain.people import Person
from tre.store import export_desk, grant_slices, jobs
from tre.store import exports as store
from tre.store.database import Change
from tre.store.events import EventSearch, search

PROGRAM = "checker"
INTAKE, CHECK, RELEASE, TRANSFORM = "intake", "check", "release", "transform"
_LOOKED_AT = frozenset(
    {ExportState.Submitted, ExportState.PartiallyReviewed, ExportState.Reviewed, ExportState.Approved}
)
"""States in which a run of the checks counts."""

_SOON, _REST = timedelta(seconds=1), timedelta(minutes=1)


class ExportReconciler:
    """Looks at one request and does the next thing that is due."""

    def __init__(self, context: Context, signer: Signer) -> None:
        self._context, self._signer = context, signer
        self.appliers = {INTAKE: self.apply_intake, CHECK: self.apply_check, RELEASE: self.apply_release}
        self.appliers |= {TRANSFORM: self.apply_transform}

    def reconcile(self, export: str) -> datetime | None:
        """Do what is due; return when to look again."""
        with self._context.database.read() as connection:
            request = store.get(connection, export)
        if request is None:
            return None
        now = self._context.clock.now()
        behind = request.state in _LOOKED_AT and self._check_again(request, now)
        if request.state is ExportState.Approved:
            return now + _SOON if behind else self._approved(request, now)
        if request.state is ExportState.Releasing:
            return self._releasing(request, now)
        if is_overdue(request, now):
            self._at_deadline(request)
        return request.deadline if request.deadline is not None and request.deadline > now else None

    def _check_again(self, request: ExportRequest, now: datetime) -> bool:
        """Whether people have left a slice of the project since the files were checked; then they are checked anew.

        Nothing that names somebody who has opted out leaves because it was looked at a minute too early.
        """
        with self._context.database.read() as connection:
            changed = grant_slices.changed_at(connection, request.grant)
            job = jobs.latest(connection, PROGRAM, CHECK, f"export/{request.id}")
        run = request.check_run
        if not changed or run is None or run.at >= max(changed):
            return False
        asked = job is not None and job.created_at >= max(changed)
        if job is None or not asked or (job.finished_at is not None and job.finished_at <= now - _REST):
            event = store.event_of("check-asked", request, ACTOR, now, why=Reason.DataWithdrawn.value)
            with self._context.database.change(event) as change:
                self._ask_check(change, request, situation_of(self._context, change.connection, request))
        return True

    def _approved(self, request: ExportRequest, now: datetime) -> datetime | None:
        """Begin the release, or wait out the delay, or give an approval that no longer holds back."""
        with self._context.database.read() as connection:
            situation = situation_of(self._context, connection, request)
        assert request.confirmation is not None
        due = request.confirmation.at + situation.release_delay
        if now < due:
            return due
        try:
            statement = make_statement(request, situation)
        except TREError as error:
            return self._reopen(request, situation, error)
        event = store.event_of("releasing", request, ACTOR, now, statement=statement.digest())
        with self._context.database.change(event) as change:
            store.begin_release(change, request, situation)
        return now

    def _reopen(self, request: ExportRequest, situation: Situation, error: TREError) -> datetime | None:
        """An approval that no longer holds goes back; while a project is merely suspended it waits as it is."""
        after = releasing.reopen(request, situation)
        if after == request:
            return request.deadline
        event = store.event_of("reopened", request, ACTOR, situation.now, reason=error.reason.value)
        with self._context.database.change(event) as change:
            stored = store.reopen(change, request, situation)
        return stored.deadline

    def _releasing(self, request: ExportRequest, now: datetime) -> datetime | None:
        """Once the event stands in the signed log, have the checker write the bundle."""
        subject = f"export/{request.id}"
        with self._context.database.read() as connection:
            found = search(connection, EventSearch(object=subject, kind=EVENT_KIND, limit=1))
            event = found[0].event if found else None
            proof = None if event is None else prove_event(connection, event.id)
            job = jobs.latest(connection, PROGRAM, RELEASE, subject)
        if event is None or proof is None:
            return now + timedelta(milliseconds=50)
        asked = job if job is not None and job.payload["about"]["event"] == event.id else None
        if asked is not None and (asked.state is not jobs.JobState.failed or asked.finished_at is None):
            return request.deadline
        if asked is not None and asked.finished_at is not None and now < (again := asked.finished_at + _REST):
            return again  # its answer was refused, as by a clock that was off for a moment
        with self._context.database.read() as connection:
            situation = situation_of(self._context, connection, request)
        try:
            document = make_document(make_statement(request, situation), proof, self._signer)
        except TREError as error:  # the rules hold no longer, or say something else than the event in the log
            failed = store.event_of("release-failed", request, ACTOR, now, reason=error.reason.value)
            with self._context.database.change(failed) as change:
                store.release_failed(change, request, error, situation)
            return now
        payload = {"document": document.as_plain(), "about": {"event": event.id}} if asked is None else asked.payload
        self._ask(RELEASE, subject, payload, now)
        return request.deadline

    def _at_deadline(self, request: ExportRequest) -> None:
        now = self._context.clock.now()
        event = store.event_of("overdue", request, ACTOR, now)
        with self._context.database.change(event) as change:
            store.at_deadline(change, request, situation_of(self._context, change.connection, request))

    def _ask(self, kind: str, subject: str, payload: dict[str, Any], now: datetime) -> None:
        event = self._context.event("job.asked", subject, job=kind)
        request = jobs.JobRequest(program=PROGRAM, kind=kind, subject=subject, payload=payload, patience_seconds=300)
        with self._context.database.change(event) as change:
            jobs.ask(change, request, now)

    def apply_intake(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """Put the copied files into their group, and have everything checked.

        The job's `about` names who asked and for which group. Raises `TREError` where the domain refuses them.
        """
        if not isinstance(answer, IntakeAnswer):
            return
        request = store.require(change.connection, job.subject.removeprefix("export/"))
        situation = situation_of(self._context, change.connection, request)
        person = Person.model_validate(job.payload["about"]["person"])
        name = str(job.payload["about"]["group"])
        files = tuple(RequestFile(path=f.path, sha256=f.sha256, size=f.size, type=f.type) for f in answer.files)
        if not files:
            return
        group = FileGroup(name=name, files=files)
        changed = store.add_files(change, request, person, group, situation)
        change.record(store.event_of("files-added", changed, person.subject, situation.now, files=len(files)))
        self._ask_check(change, changed, situation)

    def apply_transform(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """Put the files that were made in place of the old one, and have everything checked.

        The job's `about` names who asked, and what the old file is afterwards. Raises `TREError` where the domain
        refuses them.
        """
        if not isinstance(answer, TransformAnswer):
            return
        request = store.require(change.connection, job.subject.removeprefix("export/"))
        situation = situation_of(self._context, change.connection, request)
        person = Person.model_validate(job.payload["about"]["person"])
        old = AskedFile.model_validate(job.payload["file"])
        kind = FileKind(job.payload["about"]["afterwards"])
        replacement = Replacement(path=old.path, sha256=old.sha256, made=answer.made, afterwards=kind)
        changed = store.replace_file(change, request, person, replacement, situation)
        provenance = [one.as_plain() for one in answer.provenance]
        event = store.event_of("file-transformed", changed, person.subject, situation.now, provenance=provenance)
        change.record(event)
        self._ask_check(change, changed, situation)

    def _ask_check(self, change: Change, request: ExportRequest, situation: Situation) -> None:
        asked = jobs.JobRequest(
            program=PROGRAM,
            kind=CHECK,
            subject=f"export/{request.id}",
            payload=check_payload(change.connection, request, situation.policy.ref),
            patience_seconds=300,
        )
        jobs.replace(change, asked, self._context.clock.now())

    def apply_check(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """Keep what a run found."""
        if not isinstance(answer, CheckAnswer):
            return
        request = store.require(change.connection, job.subject.removeprefix("export/"))
        situation = situation_of(self._context, change.connection, request)
        changed = store.keep_run(change, request, answer.run, situation)
        export_desk.note_attempt(change, changed, Attempt(at=situation.now, met=meets(answer.run)))
        change.record(
            store.event_of("checked", changed, ACTOR, situation.now, run=answer.run.id, found=len(answer.run.findings))
        )

    def apply_release(self, change: Change, job: jobs.Job, answer: Answer) -> None:
        """The bundle is written, or could not be."""
        request = store.require(change.connection, job.subject.removeprefix("export/"))
        if request.state is not ExportState.Releasing:
            return
        situation = situation_of(self._context, change.connection, request)
        if isinstance(answer, ReleaseAnswer):
            release = Release(at=situation.now, bundle_sha256=answer.bundle_sha256, bundle_size=answer.bundle_size)
            store.released(change, request, release, situation)
            change.record(store.event_of("released", request, ACTOR, situation.now, bundle=answer.bundle_sha256))
        elif isinstance(answer, FailedAnswer):
            reason = Reason(answer.reason) if answer.reason in Reason.__members__ else Reason.CheckerFailed
            error = TREError(reason, answer.what, why=answer.why)
            store.release_failed(change, request, error, situation)
            change.record(store.event_of("release-failed", request, ACTOR, situation.now, reason=reason.value))
