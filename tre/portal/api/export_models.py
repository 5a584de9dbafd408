"""What the API answers and takes about export requests.

Guarantees: what stands here is what the asking person may see at that moment: votes of others only where the domain
shows them, and no counter or date through which a blind vote would show.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

from tre.airlock.jobs import AskedPath, NotTakenIn, OutboxFile
from tre.domain.errors import Reason
from tre.domain.exports.models import (
    Choice,
    ExportId,
    FileKind,
    FilePath,
    Finding,
    FreeText,
    GroupName,
    PolicyRef,
    Review,
    Sha256,
)
from tre.domain.exports.states import BlindPhase, ExportState, Owner
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.portal.export_actions import Found, is_open
from tre.portal.export_views import ExportView, Work
from tre.portal.review_actions import seen_mark


def _no_controls(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in "\n\t" for character in text):
        msg = "control characters are not allowed here"
        raise ValueError(msg)
    return text


Words = Annotated[FreeText, AfterValidator(_no_controls)]
Message = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_no_controls)]
Mark = Annotated[Line, Field(max_length=100)]


class FileAnswer(Record):
    """One file; `findings` are those of the present run of the checks."""

    path: FilePath
    sha256: Sha256
    size: int
    type: Line
    kind: FileKind
    checked: bool
    findings: list[Finding]


class GroupAnswer(Record):
    """Files that belong together, with the words that explain them."""

    name: GroupName
    context: FreeText
    controls: FreeText
    files: list[FileAnswer]


class BundleAnswer(Record):
    """What left: where to download it, and its bytes."""

    at: UtcTime
    sha256: Sha256
    size: int
    url: Line


class ExportSummary(Record):
    """One request in a list. `owner` says whose turn it is, `due` until when, `reason` why it waits."""

    id: ExportId
    grant: Line
    title: Line
    author: Subject
    state: ExportState
    turn: int
    owner: Owner | None = None
    reason: Reason
    since: UtcTime
    due: UtcTime | None = None
    late: bool
    outputs: int
    bytes: int


class ExportAnswer(ExportSummary):
    """One request. `seen` goes along with a decision: it stands for exactly what this answer shows."""

    phase: BlindPhase
    message: str
    groups: list[GroupAnswer]
    run: str | None = None
    policy: PolicyRef | None = None
    reviews: list[Review]
    busy: bool
    refused: list[NotTakenIn]
    release: BundleAnswer | None = None
    seen: Line
    allowed_actions: list[str]


class OutboxAnswer(Record):
    """What lay in the outbox at the last look; `waiting` while it is being looked into."""

    waiting: bool
    looked_at: UtcTime | None = None
    complete: bool | None = None
    problem: str = ""
    files: list[OutboxFile]


class BeginRequest(Record):
    """Which grant results are to be taken out of."""

    grant: Annotated[Line, Field(min_length=1, max_length=63)]


class FilesRequest(Record):
    """Files of the outbox to be copied into a group; texts left empty keep what was written before."""

    group: GroupName
    context: Words = ""
    controls: Words = ""
    paths: Annotated[tuple[AskedPath, ...], Field(min_length=1, max_length=10_000)]


class GroupRequest(Record):
    """Other words for a group."""

    name: GroupName
    context: Words
    controls: Words


class KindRequest(Record):
    """What a file is."""

    path: FilePath
    kind: FileKind


class VoteRequest(Record):
    """A vote on one file. `sha256` and `run` are what was seen; `answers` says something about findings by their ids:
    the reason of an exception, or nothing for an acknowledgement."""

    path: FilePath
    sha256: Sha256
    run: Mark
    choice: Choice
    comment: Words = ""
    answers: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z2-7]{12}$")], Words], Field(max_length=2000)] = {}


class SeenRequest(Record):
    """A review is handed in; `seen` is that of the request as it was looked at."""

    seen: Mark


class ApproveRequest(Record):
    """A release is confirmed; `confirm` is the number of files, or the code of the request."""

    seen: Mark
    confirm: Line


class MessageRequest(Record):
    """Words for the author and the project."""

    message: Message


def export_answer(view: ExportView, found: Found) -> ExportAnswer:
    """A request's view as the API tells it."""
    request, run = view.request, view.request.check_run
    left = request.release if "download" in view.actions else None
    return ExportAnswer(
        id=request.id,
        grant=request.grant,
        title=view.grant.spec.project.title,
        author=request.author,
        state=request.state,
        turn=request.turn,
        owner=view.clock.owner,
        reason=view.clock.reason,
        since=view.clock.since,
        due=view.clock.due,
        late=view.clock.late,
        outputs=len(request.outputs),
        bytes=sum(file.size for file in request.outputs),
        phase=request.phase,
        message=request.message,
        groups=[
            GroupAnswer(
                name=group.name,
                context=group.context,
                controls=group.controls,
                files=[
                    FileAnswer(
                        **dict(item.file),
                        checked=item.checked,
                        findings=[finding for part in item.findings for finding in part.findings],
                    )
                    for item in files
                ],
            )
            for group, files in view.groups
        ],
        run=run.id if run else None,
        policy=run.policy if run else None,
        reviews=list(request.reviews),
        busy=view.work.busy,
        refused=list(view.work.refused) if view.own else [],
        release=None
        if left is None
        else BundleAnswer(
            at=left.at, sha256=left.bundle_sha256, size=left.bundle_size, url=f"/exports/{request.id}/release.zip"
        ),
        seen=seen_mark(found.request),
        allowed_actions=list(view.actions),
    )


def outbox_answer(work: Work) -> OutboxAnswer:
    """What is known of the outbox."""
    job, found = work.looking, work.outbox
    return OutboxAnswer(
        waiting=is_open(job),
        looked_at=job.finished_at if job else None,
        complete=found.complete if found else None,
        problem=str(job.error.get("what", "")) if job is not None and job.error else "",
        files=list(found.files) if found else [],
    )
