"""An export request: which bytes, in what context, what the checks found, and who said what about them.

Guarantees: every file is named by the SHA-256 of its bytes; a path stands once in a request; a vote names the path,
the bytes and the run of the checks that its caster saw, so that a vote for other bytes is recognisably that.

Does not guarantee: that a request may be released. `policies.check_releasable` alone answers that.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated

from pydantic import Field, model_validator

from tre.domain import names
from tre.domain.canonical import canonical_bytes, digest
from tre.domain.errors import Reason
from tre.domain.exports.severity import Severity
from tre.domain.exports.states import PHASES, BlindPhase, ExportState
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Role, Subject

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ExportId = Annotated[str, Field(pattern=r"^e-[a-z2-7]{12}$")]
FilePath = Annotated[Line, Field(min_length=1, max_length=1024)]
GroupName = Annotated[Line, Field(min_length=1, max_length=100)]
FreeText = Annotated[str, Field(max_length=20_000)]


class FileKind(StrEnum):
    """What a file is in a request: only an `output` is ever released; the others are shown, or were taken back."""

    output = "output"
    supporting = "supporting"
    withdrawn = "withdrawn"
    code = "code"


class Choice(StrEnum):
    """A checker's vote on one file."""

    Approved = "Approved"
    ChangesRequested = "ChangesRequested"
    Undecided = "Undecided"


class Looking(StrEnum):
    """How much of a file somebody looked at before voting on it, and who says so."""

    shown = "shown"
    """The desk: every page of it was on the voter's screen."""

    stated = "stated"
    """The voter: they looked at the whole of it, elsewhere than at the desk."""

    covered = "covered"
    """The voter: they leave what they did not see to the checks."""


class Readers(StrEnum):
    """Who reads a comment: checkers alone, or the author's side too once the turn is over."""

    private = "private"
    public = "public"


class Mark(StrEnum):
    """What a checker makes of a finding that was answered: the check was wrong, or right and yet no obstacle."""

    false_alarm = "false-alarm"
    acceptable = "true-but-acceptable"


class PolicyRef(Record):
    """A policy by its name and the SHA-256 of its canonical content."""

    name: Line
    sha256: Sha256


class Locator(Record):
    """Where in a file a finding points. Everything counts from 1, a table's header row included; offsets in bytes.

    `cell` and `output` are a notebook's.
    """

    sheet: Annotated[str, Field(max_length=100)] | None = None
    page: Annotated[int, Field(ge=0)] | None = None
    cell: Annotated[int, Field(ge=0)] | None = None
    output: Annotated[int, Field(ge=0)] | None = None
    row: Annotated[int, Field(ge=0)] | None = None
    column: Annotated[int, Field(ge=0)] | None = None
    offset: Annotated[int, Field(ge=0)] | None = None
    pointer: Annotated[str, Field(max_length=300)] | None = None


class Finding(Record):
    """One thing a check found in one file. Its text may quote the file: it never leaves the secure zone."""

    id: Annotated[str, Field(pattern=r"^[a-z2-7]{12}$")]
    check: Annotated[str, Field(pattern=r"^[A-Z]\d\d$")]
    case: Annotated[str, Field(pattern=r"^[a-z-]{0,30}$")] = ""
    check_version: Annotated[int, Field(ge=1)]
    severity: Severity
    sha256: Sha256
    locator: Locator = Locator()
    message: Annotated[str, Field(min_length=1, max_length=500)]
    suggestion: Annotated[str, Field(max_length=500)] = ""


def finding_id(check: str, version: int, sha256: str, place: Locator, message: str) -> str:
    """The same finding has the same id in every run, so that what was said about it stays with it."""
    return names.short_hash("finding", check, str(version), sha256, canonical_bytes(place.as_plain()).decode(), message)


class RequestFile(Record):
    """One file of a request, already copied into the vault."""

    path: FilePath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    type: Line
    kind: FileKind = FileKind.output


class FileGroup(Record):
    """Files that belong together, with the words that make them intelligible to an outsider.

    `context` says what the files show and from how many people; `controls` says what was done against disclosure.
    """

    name: GroupName
    context: FreeText = ""
    controls: FreeText = ""
    relation: FreeText = ""
    """How the files relate to what left before, in the author's words; that nothing did is an answer too."""

    people: Annotated[int, Field(ge=0, le=10**9)] | None = None
    """From how many people the files come."""

    files: tuple[RequestFile, ...] = ()

    def holding(self, files: tuple[RequestFile, ...]) -> FileGroup:
        """The same group with other files."""
        return FileGroup.model_validate({**dict(self), "files": files})


class CheckedFile(Record):
    """A file that a run looked at, by path and bytes: the path counts, since it carries the claimed type."""

    path: FilePath
    sha256: Sha256


class CheckRun(Record):
    """One complete run of the checks over a request's files, under one policy."""

    policy: PolicyRef
    tools: dict[str, str]
    at: UtcTime
    files: tuple[CheckedFile, ...]
    findings: tuple[Finding, ...] = ()

    @cached_property
    def id(self) -> str:
        """Names what was looked at, by which rules, and what was found: a later run that finds the same has the
        same id and leaves votes alone."""
        content = self.as_plain()
        del content["at"]
        return digest(content)

    def covers(self, file: RequestFile) -> bool:
        """Whether the run looked at this path with these bytes."""
        return any(seen.path == file.path and seen.sha256 == file.sha256 for seen in self.files)

    def of(self, sha256: str) -> tuple[Finding, ...]:
        """What was found in these bytes."""
        return tuple(finding for finding in self.findings if finding.sha256 == sha256)

    def basis(self, file: RequestFile) -> str:
        """Names all that this run says of one file, and by which rules and tools: two runs that agree on a file, and
        differ about others, have the same."""
        seen = {"policy": self.policy.as_plain(), "tools": self.tools, "path": file.path, "sha256": file.sha256}
        return digest(seen | {"findings": [finding.as_plain() for finding in self.of(file.sha256)]})


class Disposition(Record):
    """What a checker says about one finding: an exception with its reason, or an acknowledgement."""

    finding: str
    why: Annotated[str, Field(max_length=2000)] = ""
    mark: Mark | None = None


class Vote(Record):
    """One checker's vote on one file: `sha256` and `run` are what was on the checker's screen, `looked` how much of it.

    A `kept` vote was cast in an earlier turn, on the same bytes with the same findings (`basis`), and says nothing
    until its caster confirms it.
    """

    path: FilePath
    sha256: Sha256
    run: str
    choice: Choice
    comment: FreeText = ""
    dispositions: tuple[Disposition, ...] = ()
    looked: Looking | None = None
    at: UtcTime
    basis: str = ""
    kept: bool = False


class Review(Record):
    """One checker's votes of one turn. It counts once submitted; a void one never counts.

    `role` is the role held when it was submitted.
    """

    checker: Subject
    turn: Annotated[int, Field(ge=1)]
    votes: tuple[Vote, ...] = ()
    role: Role | None = None
    submitted_at: UtcTime | None = None
    void: bool = False

    def vote_on(self, path: str) -> Vote | None:
        """The vote on a path."""
        return next((vote for vote in self.votes if vote.path == path), None)


class MetFinding(Record):
    """A finding that a submission held, by its check; `gone` where a later one does not hold it any more."""

    finding: str
    check: str
    gone: bool = False


class Comment(Record):
    """What somebody wrote about a group, or about one file of it. A void one belongs to a turn that was cut short."""

    id: Annotated[str, Field(pattern=r"^[a-z2-7]{12}$")]
    by: Subject
    turn: Annotated[int, Field(ge=1)]
    group: GroupName
    path: FilePath | None = None
    readers: Readers
    text: Annotated[FreeText, Field(min_length=1)]
    at: UtcTime
    void: bool = False


class Claim(Record):
    """A seat at the review that a checker took, or was given `by` somebody, until then."""

    checker: Subject
    at: UtcTime
    until: UtcTime
    by: Subject


class Consent(Record):
    """A data manager's written word on one finding: whether an exception from it may be made."""

    finding: str
    by: Subject
    agrees: bool
    why: Annotated[str, Field(min_length=1, max_length=2000)]
    at: UtcTime


class Emergency(Record):
    """A release past a quorum that cannot be reached: asked for by a checker, seconded by an operator, with reasons.

    It holds for one turn and one run of the checks.
    """

    checker: Subject
    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    at: UtcTime
    turn: Annotated[int, Field(ge=1)]
    run: str
    operator: Subject | None = None
    seconded_at: UtcTime | None = None


class Confirmation(Record):
    """Who brought a request to `Approved`, and when."""

    by: Subject
    at: UtcTime


class Release(Record):
    """What left: the bundle by its bytes, and the audit event that accounts for the decision."""

    at: UtcTime
    bundle_sha256: Sha256
    bundle_size: Annotated[int, Field(ge=0)]
    exceptions: Annotated[int, Field(ge=0)] = 0
    """How many findings an exception was made from."""


class ExportRequest(Record):
    """A request to take files out, with everything that bears on it.

    `turn` counts submissions; `version` counts changes, and a change made from an older version is refused.
    """

    id: ExportId
    grant: Line
    workspace: Line
    author: Subject
    policy: Line
    state: ExportState = ExportState.Pending
    turn: Annotated[int, Field(ge=0)] = 0
    version: Annotated[int, Field(ge=0)] = 0
    reason: Reason = Reason.AwaitingAuthor
    message: Annotated[str, Field(max_length=2000)] = ""
    groups: tuple[FileGroup, ...] = ()
    check_run: CheckRun | None = None
    reviews: tuple[Review, ...] = ()
    comments: tuple[Comment, ...] = ()
    claims: tuple[Claim, ...] = ()
    consents: tuple[Consent, ...] = ()
    emergency: Emergency | None = None
    ledger: tuple[MetFinding, ...] = ()
    """What submissions held of findings, for the figures of the checks."""

    confirmation: Confirmation | None = None
    release: Release | None = None
    created_at: UtcTime
    changed_at: UtcTime
    deadline: UtcTime | None = None

    @model_validator(mode="after")
    def _each_once(self) -> ExportRequest:
        paths = [file.path for file in self.files]
        groups = [group.name for group in self.groups]
        seats = [(review.checker.key, review.turn) for review in self.reviews]
        claims = [claim.checker.key for claim in self.claims]
        for what, values in (("path", paths), ("group", groups), ("review", seats), ("claim", claims)):
            if len(set(values)) != len(values):
                msg = f"a {what} stands twice in the request"
                raise ValueError(msg)
        return self

    @property
    def files(self) -> tuple[RequestFile, ...]:
        """Every file of every group."""
        return tuple(file for group in self.groups for file in group.files)

    @property
    def outputs(self) -> tuple[RequestFile, ...]:
        """The files that are asked to leave."""
        return tuple(file for file in self.files if file.kind is FileKind.output)

    @property
    def shown(self) -> tuple[RequestFile, ...]:
        """The files that checkers look at: all but those taken back."""
        return tuple(file for file in self.files if file.kind is not FileKind.withdrawn)

    @property
    def phase(self) -> BlindPhase:
        """Who sees whose votes now."""
        return PHASES[self.state]

    @property
    def code(self) -> str:
        """The short code that a checker can type to confirm: the first six characters after `e-`."""
        return self.id[2:8]

    def review_of(self, checker: Subject) -> Review | None:
        """A person's review of the current turn."""
        return next((r for r in self.reviews if r.turn == self.turn and r.checker.key == checker.key), None)

    def changed(self, **changes: object) -> ExportRequest:
        """A validated copy with other values."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(values | changes)
