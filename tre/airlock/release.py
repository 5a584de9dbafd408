"""What is said about a release, signed, and proven to stand in the audit log.

Guarantees: a statement is made only of a request that the domain's one rule lets out now; it names every file by its
bytes, every decision with what was seen, the policy by its hash, and what was said about each finding. The signature
and the proof cover all of it: the event in the log holds the statement's digest.

Does not guarantee: secrecy of names. The statement leaves with the files: it holds file names, the checkers'
identifiers and the reasons they gave for exceptions; it holds no text of a finding, which may quote what is inside.

Threat: files handed round as released that were never approved, or were changed since.
"""

from __future__ import annotations

import base64
from typing import Annotated, Literal

from pydantic import Field

from tre.audit.keys import PublicKey, Signer
from tre.audit.proof import InclusionProof
from tre.domain.canonical import canonical_bytes, digest
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import (
    Choice,
    Confirmation,
    ExportId,
    ExportRequest,
    FilePath,
    Finding,
    PolicyRef,
    Severity,
    Sha256,
)
from tre.domain.exports.policies import check_releasable, counted_reviews, findings_on, is_current, quorum
from tre.domain.exports.situation import Situation
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

FORMAT: Literal["tre-release/1"] = "tre-release/1"
EVENT_KIND = "export.releasing"
"""The kind of the audit event whose detail holds the statement's digest under `statement`."""


class ReleasedFile(Record):
    """A file of the release: its path under `files/`, and its bytes."""

    path: FilePath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    type: Line
    group: Line


class Decision(Record):
    """One counted vote: whose, on which bytes, when cast and when submitted."""

    by: Subject
    path: FilePath
    sha256: Sha256
    choice: Choice
    at: UtcTime
    submitted_at: UtcTime


class Disposed(Record):
    """What one checker said about one finding; an exception has its reason."""

    by: Subject
    why: str = ""


class ReportedFinding(Record):
    """A finding on a released file, without its text, and what the checkers said about it."""

    id: Line
    check: Line
    check_version: int
    severity: Severity
    sha256: Sha256
    dispositions: tuple[Disposed, ...] = ()


class Statement(Record):
    """Everything that bears on one release."""

    format: Literal["tre-release/1"] = FORMAT
    request: ExportId
    grant: Line
    author: Subject
    turn: int
    quorum: Annotated[int, Field(ge=2)]
    policy: PolicyRef
    tools: dict[str, str]
    run: Line
    files: Annotated[tuple[ReleasedFile, ...], Field(min_length=1)]
    findings: tuple[ReportedFinding, ...] = ()
    decisions: Annotated[tuple[Decision, ...], Field(min_length=2)]
    confirmation: Confirmation

    def digest(self) -> str:
        """What the audit event holds."""
        return digest(self.as_plain())

    @property
    def exceptions(self) -> tuple[ReportedFinding, ...]:
        """Findings that would have stopped the release without an exception."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.E)


class StatementSignature(Record):
    """An Ed25519 signature and the key that claims it: `name+id` in the form of signed notes."""

    key: Line
    value: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{86}==$")]


class ReleaseDocument(Record):
    """`release.json`: the statement, the proof of its event, and the signature."""

    statement: Statement
    proof: InclusionProof
    signature: StatementSignature


def make_statement(request: ExportRequest, situation: Situation) -> Statement:
    """The statement of a release that may happen now. Raises `TREError`: see `policies.check_releasable`."""
    check_releasable(request, situation)
    run, confirmation = request.check_run, request.confirmation
    if run is None or confirmation is None:  # check_releasable has refused this already
        raise TREError(Reason.CheckMissing, "The request was not checked or not approved.")
    return Statement(
        request=request.id,
        grant=request.grant,
        author=request.author,
        turn=request.turn,
        quorum=quorum(situation.policy, situation.grant),
        policy=run.policy,
        tools=run.tools,
        run=run.id,
        files=_files(request),
        findings=_findings(request, situation),
        decisions=_decisions(request, situation),
        confirmation=confirmation,
    )


def _files(request: ExportRequest) -> tuple[ReleasedFile, ...]:
    outputs = {file.path for file in request.outputs}
    found = [
        ReleasedFile(path=file.path, sha256=file.sha256, size=file.size, type=file.type, group=group.name)
        for group in request.groups
        for file in group.files
        if file.path in outputs
    ]
    return tuple(sorted(found, key=lambda file: file.path))


def _decisions(request: ExportRequest, situation: Situation) -> tuple[Decision, ...]:
    return tuple(
        Decision(
            by=review.checker,
            path=file.path,
            sha256=vote.sha256,
            choice=vote.choice,
            at=vote.at,
            submitted_at=review.submitted_at,
        )
        for review in counted_reviews(request, situation.grant)
        for file in request.outputs
        if (vote := review.vote_on(file.path)) is not None
        and is_current(request, file, vote)
        and review.submitted_at is not None
    )


def _findings(request: ExportRequest, situation: Situation) -> tuple[ReportedFinding, ...]:
    found = {finding.id: finding for file in request.outputs for finding in findings_on(request, file)}
    return tuple(
        ReportedFinding(
            id=finding.id,
            check=finding.check,
            check_version=finding.check_version,
            severity=finding.severity,
            sha256=finding.sha256,
            dispositions=_dispositions(finding, request, situation),
        )
        for finding in sorted(found.values(), key=lambda finding: finding.id)
    )


def _dispositions(finding: Finding, request: ExportRequest, situation: Situation) -> tuple[Disposed, ...]:
    """What each checker said about a finding when voting on the file that it is about; the last word of each."""
    said = {
        review.checker.key: Disposed(by=review.checker, why=item.why)
        for review in counted_reviews(request, situation.grant)
        for vote in review.votes
        for item in vote.dispositions
        if item.finding == finding.id and vote.sha256 == finding.sha256
    }
    return tuple(said.values())


def _signed_bytes(statement: Statement) -> bytes:
    return f"{FORMAT}\n".encode() + canonical_bytes(statement.as_plain())


def make_document(statement: Statement, proof: InclusionProof, signer: Signer) -> ReleaseDocument:
    """Sign a statement whose event stands in the log.

    Raises `TREError(AuditBroken)` where the proof is about something else.
    """
    check_proof_is_about(statement, proof)
    value = base64.b64encode(signer.sign(_signed_bytes(statement))).decode()
    signature = StatementSignature(key=_key_label(signer.public), value=value)
    return ReleaseDocument(statement=statement, proof=proof, signature=signature)


def check_decisions(statement: Statement) -> None:
    """Raise `TREError(QuorumMissing)` unless each file has enough yeses to its bytes, by people other than the author.

    Every exception that a finding needed must have been given by each of them.
    """
    for file in statement.files:
        yes = {
            (item.by.issuer, item.by.id)
            for item in statement.decisions
            if item.path == file.path and item.sha256 == file.sha256 and item.choice is Choice.Approved
        } - {statement.author.key}
        for finding in statement.findings:
            if finding.sha256 == file.sha256 and finding.severity is Severity.E:
                yes &= {said.by.key for said in finding.dispositions if said.why.strip()}
            if finding.sha256 == file.sha256 and finding.severity is Severity.B:
                yes = set()
        if len(yes) < statement.quorum:
            raise TREError(
                Reason.QuorumMissing,
                f"{file.path} was not approved by {statement.quorum} people.",
                why="The statement names fewer who saw these bytes and said yes.",
            )


def _key_label(key: PublicKey) -> str:
    return f"{key.name}+{key.key_id.hex()}"


def check_proof_is_about(statement: Statement, proof: InclusionProof) -> None:
    """Raise `TREError(AuditBroken)` unless the proven event is the one of this release, with this statement."""
    event = proof.event
    right = event.kind == EVENT_KIND and event.object == f"export/{statement.request}"
    if not right or event.detail.get("statement") != statement.digest():
        raise TREError(
            Reason.AuditBroken,
            "The audit proof is about something else than this release.",
            why="Its event does not hold the digest of the statement.",
        )


def check_signature(document: ReleaseDocument, keys: tuple[PublicKey, ...]) -> PublicKey:
    """The trusted key that signed the statement. Raises `TREError(SignatureInvalid)`."""
    data = _signed_bytes(document.statement)
    value = base64.b64decode(document.signature.value)
    for key in keys:
        if _key_label(key) == document.signature.key and key.verifies(data, value):
            return key
    raise TREError(
        Reason.SignatureInvalid,
        "No trusted key signed this release.",
        why=f"The signature claims the key {document.signature.key}.",
        remedy="Compare the public key with the one that the operator published.",
    )
