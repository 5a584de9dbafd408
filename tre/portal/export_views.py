"""What the airlock's pages and API show of a request, gathered for one person and one moment.

Guarantees: everything of a request is taken from what `seen_by` lets this person see; while votes are cast apart,
neither the clock nor the history tells the author's side that one was cast. What the checker answered is read as its
own typed answer. Every view carries the actions that its person may take now.

Does not guarantee: that two looks show the same: each is of its own moment, and forms carry what was seen.

Threat: a date, a counter or a history line through which a blind vote shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.airlock.jobs import IntakeAnswer, ListAnswer, NotTakenIn, OutboxFile, TransformAnswer
from tre.airlock.policy import directories, load_policy
from tre.domain import names
from tre.domain.errors import Reason
from tre.domain.exports.conduct import ReviewRules
from tre.domain.exports.models import ExportRequest, FileGroup, Finding, RequestFile
from tre.domain.exports.permissions import can_view, is_independent
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import GrantFacts, grant_facts
from tre.domain.exports.states import WAITING, BlindPhase, ExportState, Owner
from tre.domain.exports.visibility import seen_by
from tre.domain.grants.models import GrantRecord
from tre.domain.imports.models import ImportRequest
from tre.domain.people import Person, Role
from tre.portal import export_words
from tre.portal.context import Portal
from tre.portal.dialogue_views import Dialogue, dialogue_of
from tre.portal.export_actions import CHECK, INTAKE, LIST, PROGRAM, TRANSFORM, Found
from tre.portal.export_allowed import allowed
from tre.portal.histories import HistoryLine, history_lines
from tre.portal.views import display_name
from tre.portal.words import Words, words_for
from tre.store import events, grants, jobs
from tre.store.events import StoredEvent

HISTORY = 60
_BEGAN = {
    ExportState.Pending: "export.created",
    ExportState.Returned: "export.returned",
    ExportState.Approved: "export.approved",
    ExportState.Releasing: "export.releasing",
    ExportState.Released: "export.released",
    ExportState.Rejected: "export.rejected",
    ExportState.Withdrawn: "export.withdrawn",
    ExportState.Recalled: "export.recalled",
    ExportState.Blocked: "export.checked",
}
"""Which event brought a state about; the states in between count from the submission."""


@dataclass(frozen=True)
class Clock:
    """Since when a request waits, until when, for whom, and why."""

    since: datetime
    due: datetime | None
    owner: Owner | None
    reason: Reason
    late: bool

    @property
    def words(self) -> Words:
        """The reason, as a person would say it."""
        return words_for(self.reason)


@dataclass(frozen=True)
class FindingGroup:
    """What one check found in one file."""

    check: str
    severity: Severity
    findings: tuple[Finding, ...]

    @property
    def words(self) -> str:
        """What the check looks for."""
        return export_words.check_words(self.check)


@dataclass(frozen=True)
class FileView:
    """One file of a request, and what was found in it."""

    file: RequestFile
    group: str
    key: str
    findings: tuple[FindingGroup, ...]
    checked: bool

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings of each severity."""
        return {group.severity: sum(len(g.findings) for g in self._of(group.severity)) for group in self.findings}

    def _of(self, severity: Severity) -> list[FindingGroup]:
        return [group for group in self.findings if group.severity is severity]

    @property
    def blocked(self) -> bool:
        """Whether nobody may release it."""
        return bool(self._of(Severity.B))


@dataclass(frozen=True)
class Work:
    """What the checker was asked about a request, and what it answered."""

    looking: jobs.Job | None
    copying: jobs.Job | None
    checking: jobs.Job | None
    transforming: jobs.Job | None = None

    @property
    def busy(self) -> bool:
        """Whether files are being copied or checked."""
        return any(jobs.is_open(job) for job in (self.copying, self.checking, self.transforming))

    @property
    def waits_for_list(self) -> bool:
        """Whether the outbox is being looked into."""
        return jobs.is_open(self.looking)

    @property
    def copied(self) -> bool:
        """Whether the copying under way is over."""
        return not jobs.is_open(self.copying)

    @property
    def outbox(self) -> ListAnswer | None:
        """What lay in the outbox at the last look."""
        done = self.looking is not None and self.looking.state is jobs.JobState.done
        return ListAnswer.model_validate(self.looking.result) if done and self.looking else None

    @property
    def choosable(self) -> tuple[OutboxFile, ...]:
        """Files of the outbox that could be taken."""
        return tuple(file for file in self.outbox.files if not file.problem) if self.outbox else ()

    @property
    def unusable(self) -> tuple[OutboxFile, ...]:
        """Files of the outbox that cannot be taken, each with why."""
        return tuple(file for file in self.outbox.files if file.problem) if self.outbox else ()

    @property
    def refused(self) -> tuple[NotTakenIn, ...]:
        """Files that the last copying did not take."""
        done = self.copying is not None and self.copying.state is jobs.JobState.done
        return IntakeAnswer.model_validate(self.copying.result).refused if done and self.copying else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the last transformation did, in words."""
        job = self.transforming
        done = job is not None and job.state is jobs.JobState.done
        return TransformAnswer.model_validate(job.result).notes if done and job else ()

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """What went wrong with the last jobs of each kind: what, and what to do."""
        found = (self.looking, self.copying, self.checking, self.transforming)
        failed = [job for job in found if job is not None and job.state is jobs.JobState.failed]
        return tuple((str(job.error.get("what", "")), str(job.error.get("remedy", ""))) for job in failed if job.error)


@dataclass(frozen=True)
class ExportView:
    """One request as one person may see it now."""

    request: ExportRequest
    grant: GrantRecord
    author: str
    own: bool
    clock: Clock
    files: tuple[FileView, ...]
    work: Work
    actions: tuple[str, ...]
    history: tuple[HistoryLine, ...]
    outside: bool
    dialogue: Dialogue

    @property
    def words(self) -> Words:
        """The state, in words."""
        return export_words.STATES[self.request.state]

    @property
    def groups(self) -> tuple[tuple[FileGroup, tuple[FileView, ...]], ...]:
        """Every group with its files."""
        return tuple(
            (group, tuple(view for view in self.files if view.group == group.name)) for group in self.request.groups
        )

    @property
    def leaving(self) -> bool:
        """Whether it is on its way out, so that a page is worth loading again."""
        return self.request.state in {ExportState.Approved, ExportState.Releasing}

    @property
    def waiting(self) -> bool:
        """Whether something moves by itself."""
        editing = self.request.phase is BlindPhase.AUTHOR
        return self.leaving or (editing and (self.work.busy or (self.own and self.work.waits_for_list)))

    def file_at(self, key: str) -> FileView | None:
        """The file whose page has this key."""
        return next((view for view in self.files if view.key == key), None)


def file_key(path: str) -> str:
    """What stands for a path in an address."""
    return names.short_hash("export-file", path)


def is_outside(person: Person, request: ExportRequest, facts: GrantFacts) -> bool:
    """Whether somebody looks at a request as a checker."""
    return person.holds(Role.checker) and is_independent(person.subject, request, facts)


def export_view(portal: Portal, connection: Connection, person: Person, found: Found) -> ExportView:
    """A request for one person, now."""
    facts = found.situation.grant
    shown = seen_by(found.request, person, facts)
    subject = f"export/{shown.id}"
    history = events.search(connection, events.EventSearch(object=subject, limit=events.MAX_PAGE))
    outside = is_outside(person, found.request, facts)
    rules = None if outside else found.situation.policy.spec.review
    return ExportView(
        request=shown,
        grant=found.grant,
        author=display_name(connection, shown.author),
        own=shown.author.key == person.subject.key,
        clock=clock_of(connection, shown, portal.clock.now(), rules),
        files=tuple(file_view(shown, file, group.name) for group in shown.groups for file in group.files),
        work=work_of(connection, shown),
        actions=tuple(allowed(person, found)),
        history=_told(connection, shown, history, outside=outside),
        outside=outside,
        dialogue=dialogue_of(connection, person, found, shown, outside=outside),
    )


def _told(
    connection: Connection, shown: ExportRequest, history: Iterable[StoredEvent], *, outside: bool
) -> tuple[HistoryLine, ...]:
    """What a history shows. A first review moves the checkers' deadline, so while votes are cast apart the author's
    side is not told when it passed."""
    texts = dict(export_words.EVENTS)
    if shown.phase is BlindPhase.INDEPENDENT and not outside:
        del texts["export.overdue"]
    return history_lines(connection, history, texts)[:HISTORY]


def work_of(connection: Connection, request: ExportRequest) -> Work:
    """The last jobs about a request."""
    subject = f"export/{request.id}"
    return Work(
        looking=jobs.latest(connection, PROGRAM, LIST, f"workspace/{request.workspace}"),
        copying=jobs.latest(connection, PROGRAM, INTAKE, subject),
        checking=jobs.latest(connection, PROGRAM, CHECK, subject),
        transforming=jobs.latest(connection, PROGRAM, TRANSFORM, subject),
    )


def clock_of(connection: Connection, request: ExportRequest, now: datetime, rules: ReviewRules | None = None) -> Clock:
    """Since when and until when.

    `rules` are given for those who must not learn when a vote was cast: while votes are cast apart, their clock
    runs from the submission.
    """
    kind = _BEGAN.get(request.state, "export.submitted")
    blind = request.phase is BlindPhase.INDEPENDENT
    began = events.search(connection, events.EventSearch(object=f"export/{request.id}", kind=kind, limit=1))
    since = began[0].event.at if began else (request.created_at if blind else request.changed_at)
    due, reason = request.deadline, request.reason
    if blind and rules is not None:
        due = rules.working.after(since, rules.service_level_hours)
        reason = Reason.AwaitingChecker if now < due else Reason.DeadlineReached
    waiting = WAITING.get(request.state)
    late = due is not None and due <= now and waiting is not None and waiting.owner is not Owner.system
    return Clock(since, due, waiting.owner if waiting else None, reason, late)


def file_view(request: ExportRequest | ImportRequest, file: RequestFile, group: str) -> FileView:
    """One file with its findings, the most serious first."""
    run = request.check_run
    found = run.of(file.sha256) if run else ()
    checks = dict.fromkeys((finding.check, finding.severity) for finding in found)
    order = list(Severity)
    groups = (
        FindingGroup(check, severity, tuple(item for item in found if item.check == check))
        for check, severity in sorted(checks, key=lambda pair: (order.index(pair[1]), pair[0]))
    )
    covered = run is not None and run.covers(file)
    return FileView(file, group, file_key(file.path), tuple(groups) if covered else (), covered)


@dataclass(frozen=True)
class ExportRow:
    """One line of a list of requests."""

    request: ExportRequest
    title: str
    author: str
    clock: Clock
    outputs: int
    size: int
    findings: dict[Severity, int]
    outside: bool

    @property
    def words(self) -> Words:
        """The state, in words."""
        return export_words.STATES[self.request.state]


def export_rows(
    portal: Portal, connection: Connection, person: Person, requests: Iterable[ExportRequest]
) -> list[ExportRow]:
    """Requests for a list, each as the person may see it; those that the person may not see are left out."""
    now = portal.clock.now()
    known: dict[str, ReviewRules] = {}
    rows = []
    for request in requests:
        grant = grants.require(connection, request.grant)
        facts = grant_facts(grant, request.author, now)
        if not can_view(person, request, facts):
            continue
        if request.policy not in known:
            known[request.policy] = load_policy(request.policy, directories(portal.layout.root)).spec.review
        outside = is_outside(person, request, facts)
        shown = seen_by(request, person, facts)
        clock = clock_of(connection, shown, now, None if outside else known[request.policy])
        rows.append(_row(connection, shown, grant, clock, outside=outside))
    return rows


def _row(connection: Connection, shown: ExportRequest, grant: GrantRecord, clock: Clock, *, outside: bool) -> ExportRow:
    views = [file_view(shown, file, "") for file in shown.outputs]
    return ExportRow(
        request=shown,
        title=grant.spec.project.title,
        author=display_name(connection, shown.author),
        clock=clock,
        outputs=len(views),
        size=sum(view.file.size for view in views),
        findings=dict(sum((Counter(view.counts) for view in views), Counter[Severity]())),
        outside=outside,
    )
