"""What the controller asks of the checker, and what the checker answers: typed, and free of any parser.

Guarantees: both sides read the same records; an answer that does not fit is an error, not a guess. Names of
directories are checked by pattern, so that no job leads outside the checker's place.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from tre.airlock.release import ReleaseDocument
from tre.domain.exports.models import CheckedFile, CheckRun, PolicyRef, Sha256
from tre.domain.model import Line, Record, UtcTime

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


class CheckJob(Record):
    """Run the checks over files that are in the vault."""

    kind: Literal["check"] = "check"
    files: Annotated[tuple[CheckedFile, ...], Field(min_length=1, max_length=10_000)]
    policy: PolicyRef


class ReleaseJob(Record):
    """Write the bundle of a signed document."""

    kind: Literal["release"] = "release"
    document: ReleaseDocument


class ForgetJob(Record):
    """Remove bytes from the vault; whoever asks knows that no request needs them."""

    kind: Literal["forget"] = "forget"
    sha256s: Annotated[tuple[Sha256, ...], Field(max_length=100_000)]


def _kind(value: Any) -> str | None:
    """Which kind a job or an answer claims to be."""
    return value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)


Job = Annotated[
    Annotated[ListJob, Tag("list")]
    | Annotated[IntakeJob, Tag("intake")]
    | Annotated[CheckJob, Tag("check")]
    | Annotated[ReleaseJob, Tag("release")]
    | Annotated[ForgetJob, Tag("forget")],
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


class ForgetAnswer(Record):
    """How many objects were removed."""

    kind: Literal["forget"] = "forget"
    removed: int


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
    | Annotated[ForgetAnswer, Tag("forget")]
    | Annotated[FailedAnswer, Tag("failed")],
    Discriminator(_kind),
]


class AnswerFile(Record):
    """An answer as it lies in the spool."""

    answer: Answer
    at: UtcTime


class Heartbeat(Record):
    """The checker lives: when it last said so, its version, and the job it works on, since when."""

    at: UtcTime
    version: Line
    job: Line = ""
    since: UtcTime | None = None
