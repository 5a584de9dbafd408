"""What the checker does for each kind of job.

Guarantees: every path is made from a checked name and the checker's own directories; the policy is the one that was
asked for, by its hash, or the job fails; every job may be done twice and gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tre.airlock.bundle import build_bundle
from tre.airlock.examination import Candidate, check_files, tool_versions
from tre.airlock.intake import take_in
from tre.airlock.jobs import (
    Answer,
    CheckAnswer,
    CheckJob,
    ForgetAnswer,
    ForgetJob,
    IntakeAnswer,
    IntakeJob,
    Job,
    ListAnswer,
    ListJob,
    NotTakenIn,
    OutboxFile,
    ReleaseAnswer,
    ReleaseJob,
    TakenIn,
)
from tre.airlock.listing import list_outbox
from tre.airlock.policy import directories, load_policy
from tre.airlock.vault import Vault
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import CheckRun, PolicyRef
from tre.domain.exports.rules import AirlockPolicy
from tre.system.layout import Layout


@dataclass(frozen=True)
class Workbench:
    """Where the checker works, and its clock."""

    layout: Layout
    clock: Clock

    @property
    def vault(self) -> Vault:
        """The store of bytes."""
        return Vault(self.layout.vault)

    def policy(self, asked: PolicyRef) -> AirlockPolicy:
        """The policy that was asked for. Raises `TREError(PolicyChanged)` where its content is another now."""
        found = load_policy(asked.name, directories(self.layout.root))
        if found.ref != asked:
            raise TREError(
                Reason.PolicyChanged,
                f"The airlock policy {asked.name!r} is not the one that was asked for.",
                why=f"Its content has the digest {found.ref.sha256[:12]}, not {asked.sha256[:12]}.",
                remedy="Ask again under the policy in force.",
            )
        return found


def handle(job: Job, bench: Workbench) -> Answer:
    """Do one job. Raises `TREError`."""
    match job:
        case ListJob():
            return _list(job, bench)
        case IntakeJob():
            return _intake(job, bench)
        case CheckJob():
            return _check(job, bench)
        case ReleaseJob():
            return _release(job, bench)
        case ForgetJob():
            return ForgetAnswer(removed=sum(bench.vault.forget(sha256) for sha256 in job.sha256s))


def _list(job: ListJob, bench: Workbench) -> Answer:
    try:
        listing = list_outbox(bench.layout.outboxes / job.outbox)
    except OSError as error:
        raise _no_outbox(error) from error
    files = tuple(
        OutboxFile(path=f.path, size=f.size, modified_at=f.modified_at, problem=f.problem) for f in listing.files
    )
    return ListAnswer(files=files, complete=listing.complete)


def _intake(job: IntakeJob, bench: Workbench) -> Answer:
    limits = bench.policy(job.policy).spec.limits
    try:
        result = take_in(bench.layout.outboxes / job.outbox, job.paths, bench.vault, limits)
    except OSError as error:
        raise _no_outbox(error) from error
    return IntakeAnswer(
        files=tuple(TakenIn(path=f.path, sha256=f.sha256, size=f.size, type=f.type) for f in result.files),
        refused=tuple(
            NotTakenIn(
                path=item.path,
                check=item.observation.check,
                message=item.observation.message,
                suggestion=item.observation.suggestion,
            )
            for item in result.refused
        ),
    )


def _no_outbox(error: OSError) -> TREError:
    return TREError(
        Reason.ServiceUnavailable, "The outbox cannot be read.", why=f"{error.strerror}.", remedy="Try again."
    )


def _check(job: CheckJob, bench: Workbench) -> Answer:
    policy = bench.policy(job.policy)
    candidates = [Candidate(file.path, file.sha256, partial(bench.vault.opened, file.sha256)) for file in job.files]
    reports = check_files(candidates, policy)
    found = {finding.id: finding for report in reports for finding in report.findings}
    return CheckAnswer(
        run=CheckRun(
            policy=policy.ref,
            tools=tool_versions(),
            at=bench.clock.now(),
            files=job.files,
            findings=tuple(found.values()),
        )
    )


def _release(job: ReleaseJob, bench: Workbench) -> Answer:
    target = bench.layout.releases / f"{job.document.statement.request}.zip"
    stored = build_bundle(job.document, bench.vault, target)
    return ReleaseAnswer(bundle_sha256=stored.sha256, bundle_size=stored.size)
