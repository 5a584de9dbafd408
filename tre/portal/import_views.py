"""What the pages and the API of the way in show of a request, gathered for one person and one moment.

Guarantees: what the checker answered is read as its own typed answer; every view carries the actions that its person
may take now; the command that installs a wheel names exactly the place where it stands, and is safe to paste.

Does not guarantee: that two looks show the same: each is of its own moment, and a decision carries what was seen.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tre.airlock.jobs import IntakeAnswer, NotTakenIn
from tre.domain.errors import TREError
from tre.domain.exports.models import FileKind, RequestFile
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import GrantFacts
from tre.domain.exports.states import Owner
from tre.domain.grants.models import GrantRecord
from tre.domain.imports import acts
from tre.domain.imports.models import ImportFile, ImportRequest, ImportVote
from tre.domain.imports.permissions import is_independent
from tre.domain.imports.states import DRAFTS, WAITING, ImportState
from tre.domain.people import Person, Role
from tre.portal import import_words
from tre.portal.context import Portal
from tre.portal.export_views import Clock, FileView, file_view
from tre.portal.histories import HistoryLine, history_lines
from tre.portal.import_actions import (
    Found,
    allowed,
    check_entitled,
    situation_of,
)
from tre.portal.views import display_name
from tre.portal.words import Words
from tre.store import events, grants, jobs
from tre.store.imports import CHECKER, INSPECT, RECEIVE

HISTORY = 60
INBOX = "/inbox"
"""Where a workspace sees what was let in."""

S = ImportState
_BEGAN = {
    S.Pending: "import.created",
    S.Blocked: "import.checked",
    S.Submitted: "import.submitted",
    S.Approved: "import.approved",
    S.Placing: "import.placing",
    S.Placed: "import.placed",
    S.Rejected: "import.rejected",
    S.Withdrawn: "import.withdrawn",
    S.Removed: "import.removed",
}
"""Which event brought a state about."""

_WHEEL = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._]*+)-(?P<version>[A-Za-z0-9._+!]++)(?:-[A-Za-z0-9._]++){3,4}")
"""The name of a wheel without its ending: distribution, version, perhaps a build, and three tags."""


@dataclass(frozen=True)
class ImportClock(Clock):
    """Since when a request waits, until when, for whom, and why."""

    @property
    def words(self) -> Words:
        """The reason, as a person would say it."""
        return import_words.reason_words(self.reason)


@dataclass(frozen=True)
class Work:
    """What the checker was asked about a request, and what it answered."""

    copying: jobs.Job | None
    checking: jobs.Job | None

    @property
    def busy(self) -> bool:
        """Whether files are being copied or checked."""
        return jobs.is_open(self.copying) or jobs.is_open(self.checking)

    @property
    def copied(self) -> bool:
        """Whether the copying under way is over."""
        return not jobs.is_open(self.copying)

    @property
    def refused(self) -> tuple[NotTakenIn, ...]:
        """Files that the last copying did not take."""
        done = self.copying is not None and self.copying.state is jobs.JobState.done
        return IntakeAnswer.model_validate(self.copying.result).refused if done and self.copying else ()

    @property
    def failures(self) -> tuple[tuple[str, str], ...]:
        """What went wrong with the last jobs: what, and what to do."""
        failed = [job for job in (self.copying, self.checking) if job is not None and job.state is jobs.JobState.failed]
        return tuple((str(job.error.get("what", "")), str(job.error.get("remedy", ""))) for job in failed if job.error)


@dataclass(frozen=True)
class CastVote:
    """What a checker said: who, where that may be told, and whether it is about the present files."""

    name: str
    vote: ImportVote
    current: bool


@dataclass(frozen=True)
class Placed:
    """A file where workspaces see it; `command` installs it, where it is a package."""

    path: str
    command: str = ""


@dataclass(frozen=True)
class ImportView:
    """One request as one person may see it now."""

    request: ImportRequest
    grant: GrantRecord
    author: str
    own: bool
    outside: bool
    clock: ImportClock
    files: tuple[FileView, ...]
    votes: tuple[CastVote, ...]
    work: Work
    actions: tuple[str, ...]
    history: tuple[HistoryLine, ...]
    obstacle: TREError | None
    needed: int

    @property
    def words(self) -> Words:
        """The state, in words."""
        return import_words.STATES[self.request.state]

    @property
    def editing(self) -> bool:
        """Whether it is in its author's hands."""
        return self.request.state in DRAFTS

    @property
    def coming(self) -> bool:
        """Whether it is on its way in, so that a page is worth loading again."""
        return self.request.state in {S.Approved, S.Placing}

    @property
    def waiting(self) -> bool:
        """Whether something moves by itself."""
        return self.coming or (self.editing and self.work.busy)

    @property
    def placed(self) -> tuple[Placed, ...]:
        """Where the files stand; nothing where they do not."""
        return placed_files(self.request) if self.request.state is S.Placed else ()

    def file_at(self, key: str) -> FileView | None:
        """The file whose page has this key."""
        return next((view for view in self.files if view.key == key), None)


def placed_files(request: ImportRequest) -> tuple[Placed, ...]:
    """Where workspaces see the files of a request, and how a package there is installed."""
    return tuple(Placed(f"{INBOX}/{request.id}/{file.path}", install_command(request, file)) for file in request.files)


def install_command(request: ImportRequest, file: ImportFile) -> str:
    """What installs a wheel from where it stands; nothing for another file."""
    folder, _, name = f"{INBOX}/{request.id}/{file.path}".rpartition("/")
    found = _WHEEL.fullmatch(name.removesuffix(".whl")) if file.type == "wheel" else None
    if found is None:
        return ""
    exact = f"{found['name']}=={found['version']}"
    return f"pip install --no-index -f {shlex.quote(folder)} {shlex.quote(exact)}"


def is_outside(person: Person, request: ImportRequest, facts: GrantFacts) -> bool:
    """Whether somebody looks at a request as a checker."""
    return person.holds(Role.checker) and is_independent(person.subject, request, facts)


def import_view(portal: Portal, connection: Connection, person: Person, found: Found) -> ImportView:
    """A request for one person, now."""
    request = found.request
    outside = is_outside(person, request, found.situation.grant)
    own = request.author.key == person.subject.key
    search = events.EventSearch(object=f"import/{request.id}", limit=events.MAX_PAGE)
    return ImportView(
        request=request,
        grant=found.grant,
        author=display_name(connection, request.author),
        own=own,
        outside=outside,
        clock=clock_of(connection, request, portal.clock.now()),
        files=tuple(import_file_view(request, file) for file in request.files),
        votes=_votes(connection, request, outside=outside),
        work=work_of(connection, request),
        actions=allowed(person, found),
        history=history_lines(connection, events.search(connection, search), import_words.EVENTS)[:HISTORY],
        obstacle=_obstacle(found) if own and request.state in DRAFTS else None,
        needed=found.situation.policy.spec.imports.reviewers,
    )


def _votes(connection: Connection, request: ImportRequest, *, outside: bool) -> tuple[CastVote, ...]:
    return tuple(
        CastVote(display_name(connection, vote.by) if outside else "A checker", vote, vote.manifest == request.manifest)
        for vote in request.votes
    )


def _obstacle(found: Found) -> TREError | None:
    """Why the request cannot be submitted now, whatever its purpose is."""
    try:
        check_entitled(found.situation)
        acts.check_checked(found.request, found.situation)
    except TREError as error:
        return error
    return None


def import_file_view(request: ImportRequest, file: ImportFile) -> FileView:
    """One file with its findings, the most serious first."""
    return file_view(request, RequestFile(**dict(file), kind=FileKind.supporting), "")


def work_of(connection: Connection, request: ImportRequest) -> Work:
    """The last jobs about a request."""
    subject = f"import/{request.id}"
    return Work(
        copying=jobs.latest(connection, CHECKER, RECEIVE, subject),
        checking=jobs.latest(connection, CHECKER, INSPECT, subject),
    )


def clock_of(connection: Connection, request: ImportRequest, now: datetime) -> ImportClock:
    """Since when and until when."""
    search = events.EventSearch(object=f"import/{request.id}", kind=_BEGAN[request.state], limit=1)
    began = events.search(connection, search)
    waiting = WAITING.get(request.state)
    owner = waiting[0] if waiting else None
    passed = request.deadline is None or request.deadline <= now
    late = waiting is not None and passed and owner is not Owner.author
    since = began[0].event.at if began else request.changed_at
    return ImportClock(since, request.deadline, owner, request.reason, late)


@dataclass(frozen=True)
class ImportRow:
    """One line of a list of requests."""

    request: ImportRequest
    title: str
    author: str
    clock: ImportClock
    findings: dict[Severity, int]
    outside: bool
    own: bool

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.request.files)

    @property
    def wanted(self) -> bool:
        """Whether it waits for whoever looks at the list."""
        if self.clock.owner is Owner.checker:
            return self.outside
        return self.own and self.clock.owner is Owner.author


def import_rows(
    portal: Portal, connection: Connection, person: Person, requests: Iterable[ImportRequest]
) -> list[ImportRow]:
    """Requests for a list, what waits for the person first, the earliest deadline before the others.

    Those that the person may not see are left out, and drafts and what never was submitted for those outside.
    """
    rows = []
    for request in requests:
        grant = grants.require(connection, request.grant)
        facts = situation_of(portal, grant, request.author).grant
        outside = is_outside(person, request, facts)
        inside = facts.is_member(person.subject) or request.author.key == person.subject.key
        if inside or (outside and was_submitted(request)):
            rows.append(_row(portal, connection, person, request, grant, outside=outside))
    newest = sorted(rows, key=lambda row: row.request.created_at, reverse=True)
    return sorted(newest, key=lambda row: (not row.wanted, _urgency(row) if row.wanted else 0.0))


def was_submitted(request: ImportRequest) -> bool:
    """Whether a checker has anything to do with it: what was withdrawn before has no purpose yet."""
    return request.state not in DRAFTS and bool(request.purpose)


def _urgency(row: ImportRow) -> float:
    return (row.clock.due or row.clock.since).timestamp()


def _row(
    portal: Portal, connection: Connection, person: Person, request: ImportRequest, grant: GrantRecord, *, outside: bool
) -> ImportRow:
    views = [import_file_view(request, file) for file in request.files]
    return ImportRow(
        request=request,
        title=grant.spec.project.title,
        author=display_name(connection, request.author),
        clock=clock_of(connection, request, portal.clock.now()),
        findings=dict(sum((Counter(view.counts) for view in views), Counter[Severity]())),
        outside=outside,
        own=request.author.key == person.subject.key,
    )
