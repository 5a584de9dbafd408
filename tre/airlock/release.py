"""What is said about a release, signed, and proven to stand in the audit log.

Guarantees: a statement is made only of a request that the domain's one rule lets out now; it names every file by its
bytes, every decision with what was seen, every criterion that was applied (the policy's whole text, whose digest is
the one that the decisions name, and the versions of the checks), and what was said about each finding. The signature
and the proof cover all of it: the event in the log holds the statement's digest.

Does not guarantee: secrecy of names. The statement leaves with the files: it holds file names, the project's title and
its approval's reference, the policy, the checkers' identifiers and the reasons they gave for exceptions; it holds no
text of a finding, which may quote what is inside.

Threat: files handed round as released that were never approved, or were changed since; rules that are said
to have been others than they were.

Source of the criteria: SATRE 2.0, statement 3.3.09 (a machine-readable record of the disclosure control that was
applied, with its thresholds and versions, linked to what was released).
"""

from __future__ import annotations

import base64
from typing import Annotated, Any, Literal

from pydantic import Field

from tre.audit.keys import PublicKey, Signer
from tre.audit.proof import InclusionProof
from tre.domain.canonical import canonical_bytes, digest
from tre.domain.errors import Reason, TREError
from tre.domain.exports.exceptions import consents_on, stewarded
from tre.domain.exports.models import (
    Choice,
    Confirmation,
    Consent,
    ExportId,
    ExportRequest,
    FilePath,
    Finding,
    Looking,
    PolicyRef,
    Sha256,
)
from tre.domain.exports.policies import check_releasable, counted_reviews, findings_on, is_current, quorum
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import Situation
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

FORMAT: Literal["tre-release/2"] = "tre-release/2"
EVENT_KIND = "export.releasing"
"""The kind of the audit event whose detail holds the statement's digest under `statement`."""


class ReleasedFile(Record):
    """A file of the release: its path under `files/`, and its bytes."""

    path: FilePath
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]
    type: Line
    group: Line


class ReleasedProject(Record):
    """Whose files these are: the project's title, and the reference of its approval."""

    title: Line
    reference: Line


class Decision(Record):
    """One counted vote: whose, on which bytes, how much of them was looked at, when cast and when submitted."""

    by: Subject
    path: FilePath
    sha256: Sha256
    choice: Choice
    looked: Looking | None = None
    at: UtcTime
    submitted_at: UtcTime


class Disposed(Record):
    """What one checker said about one finding; an exception has its reason."""

    by: Subject
    why: str = ""


class ReportedFinding(Record):
    """A finding on a released file, without its text, and what the checkers said about it.

    `check` and `case` name the criterion: `S06`, or its case `equal`, which the policy calls `S06.equal`.
    """

    id: Line
    check: Line
    case: Line = ""
    check_version: int
    severity: Severity
    sha256: Sha256
    dispositions: tuple[Disposed, ...] = ()


class Statement(Record):
    """Everything that bears on one release."""

    format: Literal["tre-release/2"] = FORMAT
    request: ExportId
    grant: Line
    project: ReleasedProject
    author: Subject
    turn: int
    quorum: Annotated[int, Field(ge=2)]
    policy: PolicyRef
    criteria: dict[str, Any]
    """The policy as it was in force, as plain data: its canonical form has the digest that `policy` names."""

    tools: dict[str, str]
    run: Line
    files: Annotated[tuple[ReleasedFile, ...], Field(min_length=1)]
    findings: tuple[ReportedFinding, ...] = ()
    decisions: Annotated[tuple[Decision, ...], Field(min_length=2)]
    confirmation: Confirmation
    consents: tuple[Consent, ...] = ()
    """What data managers wrote about findings that two checkers alone may not except."""

    past_quorum: PastQuorum | None = None

    def digest(self) -> str:
        """What the audit event holds."""
        return digest(self.as_plain())

    @property
    def exceptions(self) -> tuple[ReportedFinding, ...]:
        """Findings that would have stopped the release without an exception."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.E)


class PastQuorum(Record):
    """That a release went past a quorum out of reach: which checker asked, which operator seconded, and why."""

    checker: Subject
    operator: Subject
    reason: str
    at: UtcTime


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
    past = _past_quorum(request)
    return Statement(
        request=request.id,
        grant=request.grant,
        project=ReleasedProject(title=situation.grant.title, reference=situation.grant.reference),
        author=request.author,
        turn=request.turn,
        quorum=2 if past else quorum(situation.policy, situation.grant),
        policy=run.policy,
        criteria=situation.policy.as_plain(),
        tools=run.tools,
        run=run.id,
        files=_files(request),
        findings=_findings(request, situation),
        decisions=_decisions(request, situation),
        confirmation=confirmation,
        consents=_consents(request, situation),
        past_quorum=past,
    )


def _past_quorum(request: ExportRequest) -> PastQuorum | None:
    asked = request.emergency
    if asked is None or asked.operator is None or asked.seconded_at is None:
        return None
    return PastQuorum(checker=asked.checker, operator=asked.operator, reason=asked.reason, at=asked.seconded_at)


def _consents(request: ExportRequest, situation: Situation) -> tuple[Consent, ...]:
    waiting = stewarded(request, situation.policy)
    return tuple(word for finding in waiting for word in consents_on(finding, request, situation))


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
    past = _past_quorum(request)
    seconded = (
        Decision(
            by=past.operator,
            path=file.path,
            sha256=file.sha256,
            choice=Choice.Approved,
            at=past.at,
            submitted_at=past.at,
        )
        for file in request.outputs
        if past is not None
    )
    cast = (
        Decision(
            by=review.checker,
            path=file.path,
            sha256=vote.sha256,
            choice=vote.choice,
            looked=vote.looked,
            at=vote.at,
            submitted_at=review.submitted_at,
        )
        for review in counted_reviews(request, situation.grant)
        for file in request.outputs
        if (vote := review.vote_on(file.path)) is not None
        and is_current(request, file, vote)
        and review.submitted_at is not None
    )
    return (*cast, *seconded)


def _findings(request: ExportRequest, situation: Situation) -> tuple[ReportedFinding, ...]:
    found = {finding.id: finding for file in request.outputs for finding in findings_on(request, file)}
    return tuple(
        ReportedFinding(
            id=finding.id,
            check=finding.check,
            case=finding.case,
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
    if (past := _past_quorum(request)) is not None:
        said[past.operator.key] = Disposed(by=past.operator, why=f"Past the quorum: {past.reason}")
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


def check_criteria(statement: Statement) -> None:
    """Raise `TREError(BundleInvalid)` unless the criteria are those that the policy's digest and name stand for."""
    metadata = statement.criteria.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if digest(statement.criteria) != f"sha256:{statement.policy.sha256}" or name != statement.policy.name:
        raise TREError(
            Reason.BundleInvalid,
            "The statement holds other criteria than those that were applied.",
            why="Their digest is not the one of the policy that the checks and the decisions name.",
            remedy="Do not use these files; ask where you got them from.",
        )


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
