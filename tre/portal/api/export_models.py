"""What the API answers and takes about export requests.

Guarantees: what stands here is what the asking person may see at that moment: votes of others only where the domain
shows them, and no counter or date through which a blind vote would show.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tre.airlock.jobs import AskedPath, NotTakenIn, OutboxFile
from tre.domain.errors import Reason
from tre.domain.exports.attempts import Attempts
from tre.domain.exports.models import (
    Choice,
    Claim,
    ExportId,
    ExportRequest,
    FileGroup,
    FileKind,
    FilePath,
    Finding,
    FreeText,
    GroupName,
    Mark,
    PolicyRef,
    Readers,
    Release,
    Review,
    Sha256,
)
from tre.domain.exports.states import BlindPhase, ExportState, Owner
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.portal.dialogue_views import A_CHECKER, CommentView, Seats
from tre.portal.export_actions import Found
from tre.portal.export_views import ExportView, FileView, Work
from tre.portal.review_actions import seen_mark
from tre.store import jobs


def no_controls(text: str) -> str:
    """A text without control characters. Raises `ValueError`."""
    if any(unicodedata.category(character) == "Cc" and character not in "\n\t" for character in text):
        msg = "control characters are not allowed here"
        raise ValueError(msg)
    return text


Words = Annotated[FreeText, AfterValidator(no_controls)]
Message = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(no_controls)]
People = Annotated[int, Field(ge=0, le=10**9)] | None
FindingId = Annotated[str, Field(pattern=r"^[a-z2-7]{12}$")]
SeenMark = Annotated[Line, Field(max_length=100)]


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
    relation: FreeText = ""
    people: int | None = None
    files: list[FileAnswer]


class BundleAnswer(Record):
    """What left: where to download it, and its bytes."""

    at: UtcTime
    sha256: Sha256
    size: int
    url: Line


class CommentAnswer(Record):
    """A comment that the asking person may read; `by` is left out where its writer is not named to them."""

    id: Line
    by: Subject | None = None
    by_author: bool
    turn: int
    group: GroupName
    path: FilePath | None = None
    readers: Readers
    text: FreeText
    at: UtcTime


class SeatsAnswer(Record):
    """For checkers: how many review, how many seats are free, who has it in hand, and on which files votes disagree."""

    needed: int
    free: int
    claims: list[Claim]
    third: bool
    conflicted: list[FilePath]


class LabelAnswer(Record):
    """What somebody said a column holds."""

    title: Line
    role: Line
    at: UtcTime
    by_checker: bool


class LinkAnswer(Record):
    """A one-time link of one's own; `url` stands in the answer that makes it, and nowhere else."""

    at: UtcTime
    until: UtcTime
    used_at: UtcTime | None = None
    url: Line = ""


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
    comments: list[CommentAnswer] = []
    seats: SeatsAnswer | None = None
    kept: list[FilePath] = []
    attempts: Attempts | None = None
    labels: list[LabelAnswer] = []
    links: list[LinkAnswer] = []
    awaiting_steward: list[Line] = []
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
    relation: Words = ""
    people: People = None
    paths: Annotated[tuple[AskedPath, ...], Field(min_length=1, max_length=10_000)]


class GroupRequest(Record):
    """Other words for a group."""

    name: GroupName
    context: Words
    controls: Words
    relation: Words = ""
    people: People = None


class KindRequest(Record):
    """What a file is."""

    path: FilePath
    kind: FileKind


class VoteRequest(Record):
    """A vote on one file. `sha256` and `run` are what was seen; `answers` says something about findings by their ids:
    the reason of an exception, or nothing for an acknowledgement; `marks` what the checker makes of them. `looked` is
    due with an approval: `stated`, I looked at the whole of these bytes; `covered`, I leave what I did not see to the
    checks.
    """

    path: FilePath
    sha256: Sha256
    run: SeenMark
    choice: Choice
    looked: Literal["stated", "covered"] | None = None
    comment: Words = ""
    answers: Annotated[dict[FindingId, Words], Field(max_length=2000)] = {}
    marks: Annotated[dict[FindingId, Mark], Field(max_length=2000)] = {}


class SeenRequest(Record):
    """A review is handed in; `seen` is that of the request as it was looked at."""

    seen: SeenMark


class ApproveRequest(Record):
    """A release is confirmed; `confirm` is the number of files, or the code of the request."""

    seen: SeenMark
    confirm: Line


class MessageRequest(Record):
    """Words for the author and the project."""

    message: Message


def _comment(item: CommentView) -> CommentAnswer:
    said = item.comment
    return CommentAnswer(
        id=said.id,
        by=None if item.name == A_CHECKER else said.by,
        by_author=item.by_author,
        turn=said.turn,
        group=said.group,
        path=said.path,
        readers=said.readers,
        text=said.text,
        at=said.at,
    )


def _bundle(request: ExportRequest, left: Release | None) -> BundleAnswer | None:
    if left is None:
        return None
    address = f"/exports/{request.id}/release.zip"
    return BundleAnswer(at=left.at, sha256=left.bundle_sha256, size=left.bundle_size, url=address)


def _seats(seats: Seats | None) -> SeatsAnswer | None:
    if seats is None:
        return None
    return SeatsAnswer(
        needed=seats.needed,
        free=seats.free,
        claims=[item.claim for item in seats.taken],
        third=seats.third,
        conflicted=[file.path for file in seats.conflicted],
    )


def _group(group: FileGroup, files: Sequence[FileView]) -> GroupAnswer:
    return GroupAnswer(
        name=group.name,
        context=group.context,
        controls=group.controls,
        relation=group.relation,
        people=group.people,
        files=[
            FileAnswer(
                **dict(item.file),
                checked=item.checked,
                findings=[finding for part in item.findings for finding in part.findings],
            )
            for item in files
        ],
    )


def export_answer(view: ExportView, found: Found, viewer: Subject) -> ExportAnswer:
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
        groups=[_group(group, files) for group, files in view.groups],
        run=run.id if run else None,
        policy=run.policy if run else None,
        reviews=list(request.reviews),
        busy=view.work.busy,
        refused=list(view.work.refused) if view.own else [],
        release=_bundle(request, left),
        comments=[_comment(item) for item in view.dialogue.comments],
        seats=_seats(view.dialogue.seats),
        kept=[vote.path for vote in own.votes if vote.kept] if (own := request.review_of(viewer)) else [],
        attempts=view.dialogue.attempts,
        labels=[
            LabelAnswer(title=item.title, role=item.role, at=item.at, by_checker=item.by_checker)
            for item in view.dialogue.labels
        ],
        links=[LinkAnswer(at=item.at, until=item.until, used_at=item.used_at) for item in view.dialogue.links],
        awaiting_steward=[item.id for item in view.dialogue.stewarded],
        seen=seen_mark(found.request if view.outside else request),
        allowed_actions=list(view.actions),
    )


def outbox_answer(work: Work) -> OutboxAnswer:
    """What is known of the outbox."""
    job, found = work.looking, work.outbox
    return OutboxAnswer(
        waiting=jobs.is_open(job),
        looked_at=job.finished_at if job else None,
        complete=found.complete if found else None,
        problem=str(job.error.get("what", "")) if job is not None and job.error else "",
        files=list(found.files) if found else [],
    )
