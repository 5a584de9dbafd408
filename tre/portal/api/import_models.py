"""What the API answers and takes about import requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from tre.airlock.jobs import NotTakenIn
from tre.domain.errors import Reason
from tre.domain.exports.models import FilePath, Finding, Sha256
from tre.domain.exports.states import Owner
from tre.domain.imports.models import ImportId
from tre.domain.imports.states import ImportState
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.portal.api.export_models import Message, no_controls
from tre.portal.import_views import CastVote, ImportRow, ImportView

Purpose = Annotated[str, Field(max_length=4000), AfterValidator(no_controls)]


class ImportFileAnswer(Record):
    """One file; `findings` are those of the present run of the checks."""

    path: FilePath
    sha256: Sha256
    size: int
    type: Line
    checked: bool
    findings: list[Finding]


class ImportVoteAnswer(Record):
    """What a checker said; `current` where it is about the present files. `by` is told to checkers only."""

    by: Subject | None = None
    approves: bool
    comment: str
    current: bool
    at: UtcTime


class PlacedAnswer(Record):
    """Where workspaces see a file; `install` is the command that installs it, where it is a package."""

    path: str
    install: str | None = None


class ImportSummary(Record):
    """One request in a list. `owner` says whose turn it is, `due` until when, `reason` why it waits."""

    id: ImportId
    grant: Line
    title: Line
    author: Subject
    state: ImportState
    owner: Owner | None = None
    reason: Reason
    since: UtcTime
    due: UtcTime | None = None
    late: bool
    files: int
    bytes: int


class ImportAnswer(ImportSummary):
    """One request. `manifest` goes along with a decision: it stands for exactly the files of this answer."""

    purpose: str
    message: str
    contents: list[ImportFileAnswer]
    manifest: Line
    votes: list[ImportVoteAnswer]
    needed: int
    busy: bool
    refused: list[NotTakenIn]
    placed: list[PlacedAnswer]
    allowed_actions: list[str]


class SubmitRequest(Record):
    """What the files are for, in words that somebody from outside can judge."""

    purpose: Purpose


class DecideRequest(Record):
    """A checker's decision about the files that `manifest` stands for; a refusal needs words."""

    manifest: Annotated[Line, Field(max_length=100)]
    approves: bool
    comment: Purpose = ""


class TakeAwayRequest(Record):
    """Words for the project."""

    message: Message


def import_summary(row: ImportRow) -> ImportSummary:
    """A line of the list as the API tells it."""
    request, clock = row.request, row.clock
    return ImportSummary(
        id=request.id,
        grant=request.grant,
        title=row.title,
        author=request.author,
        state=request.state,
        owner=clock.owner,
        reason=clock.reason,
        since=clock.since,
        due=clock.due,
        late=clock.late,
        files=len(request.files),
        bytes=row.size,
    )


def _vote(cast: CastVote, *, named: bool) -> ImportVoteAnswer:
    said = cast.vote
    by = said.by if named else None
    return ImportVoteAnswer(by=by, approves=said.approves, comment=said.comment, current=cast.current, at=said.at)


def import_answer(view: ImportView) -> ImportAnswer:
    """A request's view as the API tells it."""
    request, clock = view.request, view.clock
    return ImportAnswer(
        id=request.id,
        grant=request.grant,
        title=view.grant.spec.project.title,
        author=request.author,
        state=request.state,
        owner=clock.owner,
        reason=clock.reason,
        since=clock.since,
        due=clock.due,
        late=clock.late,
        files=len(request.files),
        bytes=sum(file.size for file in request.files),
        purpose=request.purpose,
        message=request.message,
        contents=[
            ImportFileAnswer(
                path=item.file.path,
                sha256=item.file.sha256,
                size=item.file.size,
                type=item.file.type,
                checked=item.checked,
                findings=[finding for part in item.findings for finding in part.findings],
            )
            for item in view.files
        ],
        manifest=request.manifest,
        votes=[_vote(cast, named=view.outside) for cast in view.votes],
        needed=view.needed,
        busy=view.work.busy,
        refused=list(view.work.refused) if view.own else [],
        placed=[PlacedAnswer(path=item.path, install=item.command or None) for item in view.placed],
        allowed_actions=list(view.actions),
    )
