"""What the author does: makes a request, gives context, adds files, submits, withdraws.

Guarantees: a request changes in the author's hands only in the author's phase; a file added under a known path
replaces it, and votes for the older bytes count no more; each submission begins a new turn in which no vote counts:
votes of the last turn on bytes of which the checks still say the same lie ready for their casters to confirm.
"""

from __future__ import annotations

from tre.domain.errors import Reason, TREError
from tre.domain.exports.claims import reserved
from tre.domain.exports.exceptions import blocking
from tre.domain.exports.models import (
    CheckRun,
    Choice,
    ExportRequest,
    FileGroup,
    FileKind,
    MetFinding,
    RequestFile,
    Review,
    Vote,
)
from tre.domain.exports.moves import check_phase, moved
from tre.domain.exports.permissions import check_edit, is_independent
from tre.domain.exports.policies import check_submittable, deadline_of
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import BlindPhase, ExportState
from tre.domain.model import Line, Record
from tre.domain.people import Person, Subject
from tre.domain.quantities import parse_bytes


class Draft(Record):
    """What a new request starts from."""

    id: str
    grant: Line
    workspace: Line
    author: Subject


def begin(draft: Draft, situation: Situation) -> ExportRequest:
    """A new, empty request.

    Raises `TREError` with the grant's reason where the author has no access now.
    """
    if situation.grant.author is not Reason.Entitled:
        raise TREError(situation.grant.author, "This project lets nothing new out.")
    return ExportRequest(
        id=draft.id,
        grant=draft.grant,
        workspace=draft.workspace,
        author=draft.author,
        policy=situation.policy.metadata.name,
        created_at=situation.now,
        changed_at=situation.now,
        deadline=deadline_of(ExportState.Pending, situation),
    )


def _check_editable(request: ExportRequest, person: Person, situation: Situation) -> None:
    check_edit(person, request, situation.grant)
    check_phase(request, BlindPhase.AUTHOR)


def describe(request: ExportRequest, person: Person, described: FileGroup, situation: Situation) -> ExportRequest:
    """Make a group, or give it other words; files already in it stay (`described.files` is not looked at)."""
    _check_editable(request, person, situation)
    known = next((group for group in request.groups if group.name == described.name), None)
    group = described.holding(known.files if known else ())
    kept = tuple(group if old.name == group.name else old for old in request.groups)
    return request.changed(groups=kept if known else (*kept, group), changed_at=situation.now)


def add_files(
    request: ExportRequest, person: Person, group: str, files: tuple[RequestFile, ...], situation: Situation
) -> ExportRequest:
    """Put files, already in the vault, into a group; one with a known path replaces it, whichever group it was in.

    Raises `TREError(FileRefused)` where the request would become larger than its policy allows.
    """
    _check_editable(request, person, situation)
    if group not in {known.name for known in request.groups}:
        raise TREError(Reason.BadInput, f"There is no group {group!r} in this request.")
    new = {file.path for file in files}
    groups = tuple(
        old.holding(tuple(f for f in old.files if f.path not in new) + (files if old.name == group else ()))
        for old in request.groups
    )
    larger = request.changed(groups=groups, changed_at=situation.now)
    _check_size(larger, situation)
    return larger


def _check_size(request: ExportRequest, situation: Situation) -> None:
    limits = situation.policy.spec.limits
    total = sum(file.size for file in request.shown)
    if len(request.files) > limits.files or total > parse_bytes(limits.request_bytes):
        raise TREError(
            Reason.FileRefused,
            f"A request holds at most {limits.files} files and {limits.request_bytes} in all.",
            remedy="Ask for what is needed, or make a second request.",
        )


def set_kind(request: ExportRequest, person: Person, path: str, kind: FileKind, situation: Situation) -> ExportRequest:
    """Say what a file is; `withdrawn` takes it back."""
    _check_editable(request, person, situation)
    if path not in {file.path for file in request.files}:
        raise TREError(Reason.BadInput, "There is no such file in this request.")
    groups = tuple(
        group.holding(
            tuple(
                RequestFile(path=f.path, sha256=f.sha256, size=f.size, type=f.type, kind=kind) if f.path == path else f
                for f in group.files
            )
        )
        for group in request.groups
    )
    return request.changed(groups=groups, changed_at=situation.now)


def checked(request: ExportRequest, run: CheckRun, situation: Situation) -> ExportRequest:
    """Keep a new run of the checks. In the checkers' hands a blocking finding takes the request out of them."""
    kept = request.changed(check_run=run, changed_at=situation.now)
    if kept.state in _LIVE and blocking(kept, situation.policy):
        return moved(kept, ExportState.Blocked, situation).changed(confirmation=None)
    return kept


_LIVE = frozenset(
    {
        ExportState.Submitted,
        ExportState.PartiallyReviewed,
        ExportState.Reviewed,
        ExportState.Approved,
        ExportState.Releasing,
    }
)


def submit(request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Hand the request to the checkers: a new turn.

    Raises `TREError`: see `policies.check_submittable`.
    """
    _check_editable(request, person, situation)
    check_submittable(request, situation)
    carried, ledger = _carried(request, situation), _noted(request)
    turned = moved(request, ExportState.Submitted, situation).changed(
        turn=request.turn + 1, reviews=(*request.reviews, *carried), ledger=ledger, confirmation=None, emergency=None
    )
    return turned.changed(claims=reserved(turned, tuple(review.checker for review in carried), situation))


def _noted(request: ExportRequest) -> tuple[MetFinding, ...]:
    """The ledger with this submission: findings on outputs that are new, and which of the old ones are gone."""
    run = request.check_run
    now = {item.id: item.check for file in request.outputs for item in run.of(file.sha256)} if run else {}
    old = {
        entry.finding: MetFinding.model_validate({**dict(entry), "gone": entry.finding not in now})
        for entry in request.ledger
    }
    new = {name: MetFinding(finding=name, check=check) for name, check in now.items()}
    return tuple((new | old).values())


def _carried(request: ExportRequest, situation: Situation) -> tuple[Review, ...]:
    """The votes of the turn that ended, as far as they are about bytes of which the checks still say the same.

    Each waits for its caster's word: it counts no more than one that was never cast. A turn that was cut short has
    none, and who joined the project since has none.
    """
    run = request.check_run
    assert run is not None, "check_submittable has seen a run"
    bases = {file.path: run.basis(file) for file in request.outputs}
    kept = []
    for review in request.reviews:
        if review.turn != request.turn or review.void or not is_independent(review.checker, request, situation.grant):
            continue
        same = (v for v in review.votes if v.choice is not Choice.Undecided and v.basis == bases.get(v.path, "gone"))
        votes = tuple(Vote.model_validate({**dict(vote), "run": run.id, "kept": True}) for vote in same)
        if votes:
            kept.append(Review(checker=review.checker, turn=request.turn + 1, votes=votes))
    return tuple(kept)


def withdraw(request: ExportRequest, person: Person, situation: Situation) -> ExportRequest:
    """Take the whole request back, for good; possible until the release has begun."""
    check_edit(person, request, situation.grant)
    return moved(request, ExportState.Withdrawn, situation).changed(confirmation=None)
