"""What the controller asks of the checker, and what the checker answers: typed, and free of any parser.

Guarantees: both sides read the same records; an answer that does not fit is an error, not a guess. Names of
directories are checked by pattern, so that no job leads outside the checker's place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tre.airlock.release import ReleaseDocument
from tre.domain.exports.fixes import Made, Provenance
from tre.domain.exports.models import CheckRun, ExportId, FileKind, FilePath, PolicyRef, Sha256
from tre.domain.model import Line, Record, UtcTime

UploadName = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
OutboxName = Annotated[str, Field(pattern=r"^w-[a-z2-7]{12}$")]
AskedPath = Annotated[str, Field(min_length=1, max_length=4096)]


class ListJob(Record):
    """Say what lies in a workspace's outbox."""

    kind: Literal["list"] = "list"
    outbox: OutboxName


class IntakeJob(Record):
    """Copy files out of an outbox into the vault, under a policy's limits."""

    kind: Literal["intake"] = "intake"
    outbox: OutboxName
    paths: Annotated[tuple[AskedPath, ...], Field(min_length=1, max_length=10_000)]
    policy: PolicyRef


class AskedFile(Record):
    """A file to check, and its part in the request."""

    path: FilePath
    sha256: Sha256
    kind: FileKind = FileKind.output
    group: str = ""


class EarlierFile(Record):
    """A file that was released before, from this grant or (`sibling`) from another one on the same dataset."""

    path: FilePath
    sha256: Sha256
    request: ExportId
    released_at: UtcTime
    sibling: bool = False


class CheckJob(Record):
    """Run the checks over files that are in the vault, beside what was released before and what people say of columns.

    `slices` are the mounted slices by their ids; `people` is how many people they hold together, 0 where unknown.
    """

    kind: Literal["check"] = "check"
    files: Annotated[tuple[AskedFile, ...], Field(min_length=1, max_length=10_000)]
    policy: PolicyRef
    earlier: Annotated[tuple[EarlierFile, ...], Field(max_length=10_000)] = ()
    labels: dict[str, str] = {}
    slices: tuple[Line, ...] = ()
    people: Annotated[int, Field(ge=0)] = 0


class ReleaseJob(Record):
    """Write the bundle of a signed document."""

    kind: Literal["release"] = "release"
    document: ReleaseDocument


class TransformJob(Record):
    """Make new files of one in the vault; `columns` are those, from 0, that findings point at."""

    kind: Literal["transform"] = "transform"
    file: AskedFile
    fix: Line
    parameters: dict[str, int] = {}
    columns: Annotated[tuple[int, ...], Field(max_length=10_000)] = ()
    policy: PolicyRef


class ForgetJob(Record):
    """Remove bytes from the vault; whoever asks knows that no request needs them."""

    kind: Literal["forget"] = "forget"
    sha256s: Annotated[tuple[Sha256, ...], Field(max_length=100_000)]


class ReceiveJob(Record):
    """Copy what somebody uploaded into the vault, under a policy's limits for what comes in."""

    kind: Literal["receive"] = "receive"
    upload: UploadName
    paths: Annotated[tuple[AskedPath, ...], Field(min_length=1, max_length=1000)]
    policy: PolicyRef


class InspectJob(Record):
    """Run the checks that are about carriers over files that are to come in."""

    kind: Literal["inspect"] = "inspect"
    files: Annotated[tuple[AskedFile, ...], Field(min_length=1, max_length=1000)]
    policy: PolicyRef


class HandOverJob(Record):
    """Put copies of bytes in the vault where the storekeeper reads them."""

    kind: Literal["hand-over"] = "hand-over"
    sha256s: Annotated[tuple[Sha256, ...], Field(min_length=1, max_length=1000)]


class TakeBackJob(Record):
    """Remove such copies again; whoever asks knows that no inbox needs them."""

    kind: Literal["take-back"] = "take-back"
    sha256s: Annotated[tuple[Sha256, ...], Field(max_length=100_000)]


class KeepPaperJob(Record):
    """Keep an uploaded document where the portal hands it out from, if it holds exactly these bytes."""

    kind: Literal["keep-paper"] = "keep-paper"
    upload: UploadName
    path: AskedPath
    sha256: Sha256
    size: Annotated[int, Field(ge=1, le=50_000_000)]


class ForgetPaperJob(Record):
    """Remove such a document; whoever asks knows that no application needs it."""

    kind: Literal["forget-paper"] = "forget-paper"
    sha256: Sha256


def _kind(value: Any) -> str | None:
    """Which kind a job or an answer claims to be."""
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)


Job = Annotated[
    Annotated[ListJob, Tag("list")]
    | Annotated[IntakeJob, Tag("intake")]
    | Annotated[CheckJob, Tag("check")]
    | Annotated[ReleaseJob, Tag("release")]
    | Annotated[TransformJob, Tag("transform")]
    | Annotated[ForgetJob, Tag("forget")]
    | Annotated[ReceiveJob, Tag("receive")]
    | Annotated[InspectJob, Tag("inspect")]
    | Annotated[HandOverJob, Tag("hand-over")]
    | Annotated[TakeBackJob, Tag("take-back")]
    | Annotated[KeepPaperJob, Tag("keep-paper")]
    | Annotated[ForgetPaperJob, Tag("forget-paper")],
    Discriminator(_kind),
]


class JobFile(Record):
    """A job as it lies in the spool."""

    job: Job


class OutboxFile(Record):
    """One entry of an outbox; `problem` says why it could not be taken in."""

    path: str
    size: int
    modified_at: UtcTime
    problem: str = ""


class ListAnswer(Record):
    """What lies in an outbox, and whether that is all of it."""

    kind: Literal["list"] = "list"
    files: tuple[OutboxFile, ...]
    complete: bool


class TakenIn(Record):
    """A file that is in the vault now."""

    path: str
    sha256: Sha256
    size: int
    type: Line


class NotTakenIn(Record):
    """A file that was refused, by which check, and in which words."""

    path: str
    check: Line
    message: str
    suggestion: str = ""


class IntakeAnswer(Record):
    """What became of every file that was asked for."""

    kind: Literal["intake"] = "intake"
    files: tuple[TakenIn, ...]
    refused: tuple[NotTakenIn, ...]


class CheckAnswer(Record):
    """One complete run of the checks."""

    kind: Literal["check"] = "check"
    run: CheckRun


class ReleaseAnswer(Record):
    """The bundle that was written, by its bytes."""

    kind: Literal["release"] = "release"
    bundle_sha256: Sha256
    bundle_size: int


class TransformAnswer(Record):
    """The files that were made, each with where it comes from, and what a person should know."""

    kind: Literal["transform"] = "transform"
    made: Annotated[tuple[Made, ...], Field(min_length=1)]
    provenance: tuple[Provenance, ...]
    notes: tuple[str, ...] = ()


class ForgetAnswer(Record):
    """How many objects were removed."""

    kind: Literal["forget"] = "forget"
    removed: int


class HandOverAnswer(Record):
    """The copies are there: how many."""

    kind: Literal["hand-over"] = "hand-over"
    present: int


class FailedAnswer(Record):
    """Why a job was not done, as `TREError.as_dict` says it."""

    kind: Literal["failed"] = "failed"
    reason: Line
    what: str
    why: str = ""
    remedy: str = ""


Answer = Annotated[
    Annotated[ListAnswer, Tag("list")]
    | Annotated[IntakeAnswer, Tag("intake")]
    | Annotated[CheckAnswer, Tag("check")]
    | Annotated[ReleaseAnswer, Tag("release")]
    | Annotated[TransformAnswer, Tag("transform")]
    | Annotated[ForgetAnswer, Tag("forget")]
    | Annotated[HandOverAnswer, Tag("hand-over")]
    | Annotated[FailedAnswer, Tag("failed")],
    Discriminator(_kind),
]


class AnswerFile(Record):
    """An answer as it lies in the spool."""

    answer: Answer
    at: UtcTime


class Ask(Record):
    """A workspace asks to have files of its outbox checked; `problem` says why the asking is not in order."""

    outbox: OutboxName
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    paths: Annotated[tuple[AskedPath, ...], Field(max_length=1000)] = ()
    problem: Line = ""


class AskList(Record):
    """Everything that is asked at this moment."""

    asks: tuple[Ask, ...] = ()


class BatchNote(Record):
    """What a workspace notes of a job that runs without a browser; `alive` is the kernel's word, `word` the note's."""

    outbox: OutboxName
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    number: Annotated[int, Field(ge=1, le=9999)]
    alive: bool
    word: Annotated[Line, Field(max_length=20)] = ""


class BatchList(Record):
    """Every such note at this moment."""

    notes: tuple[BatchNote, ...] = ()


class Heartbeat(Record):
    """The checker lives: when it last said so, its version, and the job it works on, since when."""

    at: UtcTime
    version: Line
    job: Line = ""
    since: UtcTime | None = None
