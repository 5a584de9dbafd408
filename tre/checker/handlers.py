"""What the checker does for each kind of job.

Guarantees: every path is made from a checked name and the checker's own directories; the policy is the one that was
asked for, by its hash, or the job fails; every job may be done twice and gives the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tre.airlock.bundle import build_bundle
from tre.airlock.examination import (
    Candidate,
    Earlier,
    FileReport,
    Knowledge,
    check_file,
    check_files,
    tool_versions,
)
from tre.airlock.extracts import ExtractStore
from tre.airlock.handover import Handover
from tre.airlock.identify import type_of
from tre.airlock.inspection import inbound_limits, inspect_files
from tre.airlock.intake import IntakeResult, take_in
from tre.airlock.jobs import (
    Answer,
    CheckAnswer,
    CheckJob,
    ForgetAnswer,
    ForgetJob,
    ForgetPaperJob,
    HandOverAnswer,
    HandOverJob,
    InspectJob,
    IntakeAnswer,
    IntakeJob,
    Job,
    KeepPaperJob,
    ListAnswer,
    ListJob,
    NotTakenIn,
    OutboxFile,
    ReceiveJob,
    ReleaseAnswer,
    ReleaseJob,
    TakeBackJob,
    TakenIn,
    TransformAnswer,
    TransformJob,
)
from tre.airlock.listing import list_outbox
from tre.airlock.policy import directories, load_policy
from tre.airlock.sliceindex.body import bundle, decode
from tre.airlock.sliceindex.keeping import IndexStore
from tre.airlock.transform import Order, transform_file
from tre.airlock.uploads import Uploads
from tre.airlock.vault import Vault
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import CheckedFile, CheckRun, PolicyRef
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

    @property
    def extracts(self) -> ExtractStore:
        """What is kept of files for people and for later comparison."""
        return ExtractStore(self.layout.extracts)

    @property
    def indexes(self) -> IndexStore:
        """What the slices are known by."""
        return IndexStore(self.layout.slice_indexes)

    @property
    def uploads(self) -> Uploads:
        """What people sent to be let in."""
        return Uploads(self.layout.uploads)

    @property
    def handover(self) -> Handover:
        """Copies of what was let in, for the storekeeper."""
        return Handover(self.layout.handover)

    @property
    def papers(self) -> Handover:
        """Documents that came with applications, for the portal."""
        return Handover(self.layout.papers)

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
    return _taken_in(result)


def _receive(job: ReceiveJob, bench: Workbench) -> Answer:
    limits = inbound_limits(bench.policy(job.policy))
    return _taken_in(bench.uploads.receive(job.upload, job.paths, bench.vault, limits))


def _taken_in(result: IntakeResult) -> IntakeAnswer:
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
    candidates = [
        Candidate(f.path, f.sha256, partial(bench.vault.opened, f.sha256), f.kind, f.group) for f in job.files
    ]
    index, people = _mounted(job, bench)
    knowledge = Knowledge(_earlier(job, policy, bench), job.labels, people, index)
    return _run(job, check_files(candidates, policy, knowledge), bench)


def _inspect(job: InspectJob, bench: Workbench) -> Answer:
    policy = bench.policy(job.policy)
    candidates = [Candidate(f.path, f.sha256, partial(bench.vault.opened, f.sha256)) for f in job.files]
    reports = inspect_files(candidates, policy)
    # What a check of the same bytes kept knows more: what people said of their columns.
    known = {r.sha256 for r in reports if bench.extracts.find(r.sha256, r.type) is not None}
    return _run(job, [replace(r, extract=b"") if r.sha256 in known else r for r in reports], bench)


def _run(job: CheckJob | InspectJob, reports: list[FileReport], bench: Workbench) -> CheckAnswer:
    """Keep the extracts, and answer with what was found."""
    for report in reports:
        if report.extract:
            bench.extracts.keep(report.sha256, report.type, report.extract)
    found = {finding.id: finding for report in reports for finding in report.findings}
    return CheckAnswer(
        run=CheckRun(
            policy=job.policy,
            tools=tool_versions(),
            at=bench.clock.now(),
            files=tuple(CheckedFile(path=file.path, sha256=file.sha256) for file in job.files),
            findings=tuple(found.values()),
        )
    )


def _hand_over(job: HandOverJob, bench: Workbench) -> Answer:
    for sha256 in job.sha256s:
        bench.handover.put(sha256, bench.vault)
    return HandOverAnswer(present=len(set(job.sha256s)))


def _mounted(job: CheckJob, bench: Workbench) -> tuple[bytes, int]:
    """The indexes of the slices that the job names, and how many people they hold at most.

    Raises `TREError(SliceNotFound)` or `TREError(ContentChanged)`: what cannot be compared is not called clear.
    """
    bodies = [bench.indexes.require(slice_id) for slice_id in job.slices]
    return bundle(bodies), job.people or sum(decode(body).people for body in bodies)


def _earlier(job: CheckJob, policy: AirlockPolicy, bench: Workbench) -> tuple[Earlier, ...]:
    """What was released before, by extracts: those that were kept, else made anew from the vault's bytes."""
    found = []
    for file in job.earlier:
        kind = type_of(file.path)
        extract = bench.extracts.find(file.sha256, kind)
        if extract is None:
            opened = partial(bench.vault.opened, file.sha256)
            extract = check_file(Candidate(file.path, file.sha256, opened), policy).extract
            if extract:
                bench.extracts.keep(file.sha256, kind, extract)
        if extract:
            label = f"{file.request}, released {file.released_at:%Y-%m-%d}"
            found.append(Earlier(file.path, file.sha256, extract, "sibling" if file.sibling else "earlier", label))
    return tuple(found)


def _transform(job: TransformJob, bench: Workbench) -> Answer:
    source = Candidate(job.file.path, job.file.sha256, partial(bench.vault.opened, job.file.sha256))
    order = Order(job.fix, job.parameters, job.columns)
    done = transform_file(source, order, bench.policy(job.policy), bench.vault)
    return TransformAnswer(made=done.made, provenance=done.provenance, notes=done.notes)


def _forget(job: ForgetJob, bench: Workbench) -> Answer:
    removed = 0
    for sha256 in job.sha256s:
        removed += bench.vault.forget(sha256)
        bench.extracts.forget(sha256)
    return ForgetAnswer(removed=removed)


def _release(job: ReleaseJob, bench: Workbench) -> Answer:
    target = bench.layout.releases / f"{job.document.statement.request}.zip"
    stored = build_bundle(job.document, bench.vault, target)
    return ReleaseAnswer(bundle_sha256=stored.sha256, bundle_size=stored.size)


def _take_back(job: TakeBackJob, bench: Workbench) -> Answer:
    return ForgetAnswer(removed=sum(bench.handover.take_back(sha256, bench.vault) for sha256 in job.sha256s))


def _keep_paper(job: KeepPaperJob, bench: Workbench) -> Answer:
    """Keep it; a job that is done twice finds its upload gone and the paper there."""
    if not bench.papers.holds(job.sha256):
        with bench.uploads.opened(job.upload, job.path) as source:
            if os.fstat(source).st_size != job.size:
                raise TREError(Reason.ContentChanged, "The upload is not what was sent.", remedy="Send it again.")
            bench.papers.take(job.sha256, source)
    return HandOverAnswer(present=1)


def _forget_paper(job: ForgetPaperJob, bench: Workbench) -> Answer:
    return ForgetAnswer(removed=int(bench.papers.take_back(job.sha256, bench.vault)))


_HANDLERS: dict[type[Any], Callable[[Any, Workbench], Answer]] = {
    ListJob: _list,
    IntakeJob: _intake,
    CheckJob: _check,
    ReleaseJob: _release,
    TransformJob: _transform,
    ForgetJob: _forget,
    ReceiveJob: _receive,
    InspectJob: _inspect,
    HandOverJob: _hand_over,
    TakeBackJob: _take_back,
    KeepPaperJob: _keep_paper,
    ForgetPaperJob: _forget_paper,
}


def handle(job: Job, bench: Workbench) -> Answer:
    """Do one job. Raises `TREError`."""
    return _HANDLERS[type(job)](job, bench)


def afterwards(job: Job, answer: Answer, bench: Workbench) -> None:
    """What is left to do once the answer is on the disk, so that a job done twice gives the same. Raises `OSError`."""
    if isinstance(job, ReceiveJob | KeepPaperJob) and isinstance(answer, IntakeAnswer | HandOverAnswer):
        bench.uploads.remove(job.upload)
