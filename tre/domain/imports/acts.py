"""What happens to an import request, act by act.

Guarantees: files change only in the author's hands; nothing that a check blocks, or that was not checked as it is, is
submitted or approved; a yes counts only for exactly the files that it was given for, by distinct people who stand
outside; what is placed are those files and no others.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tre.domain.errors import Reason, TREError
from tre.domain.exports.models import CheckRun
from tre.domain.exports.situation import Situation
from tre.domain.imports.models import ImportFile, ImportRequest, ImportVote, clashing
from tre.domain.imports.permissions import check_decide, check_edit, is_independent
from tre.domain.imports.states import DRAFTS, IMPORT_TRANSITIONS, LET_IN, WAITING, ImportState
from tre.domain.model import Line, Record
from tre.domain.people import Person, Subject
from tre.domain.quantities import parse_bytes

PLACING_PATIENCE = timedelta(minutes=10)
TRY_AGAIN = timedelta(minutes=1)
"""How long after files could not be placed it is tried again."""

MOST_DRAFTS = 10
"""Requests of one author in one project that are not handed in: what they may fill the vault with is bounded."""


class ImportDraft(Record):
    """What a new request starts from."""

    id: str
    grant: Line
    author: Subject
    purpose: str = ""


def begin(draft: ImportDraft, situation: Situation, drafts: int = 0) -> ImportRequest:
    """A new, empty request, beside so many of the author's that are not handed in yet.

    Raises `TREError` with the grant's reason where the author has no access now, `TREError(RateLimited)` where there
    are too many.
    """
    _check_entitled(situation)
    if drafts >= MOST_DRAFTS:
        raise TREError(
            Reason.RateLimited,
            f"You have {drafts} requests that are not handed in yet.",
            remedy="Hand one in, or withdraw one.",
        )
    return ImportRequest(
        id=draft.id,
        grant=draft.grant,
        author=draft.author,
        purpose=draft.purpose,
        created_at=situation.now,
        changed_at=situation.now,
        deadline=_deadline(ImportState.Pending, situation),
    )


def _check_entitled(situation: Situation) -> None:
    if situation.grant.author is not Reason.Entitled:
        raise TREError(situation.grant.author, "Nothing can be brought into this project now.")


def _deadline(state: ImportState, situation: Situation) -> datetime | None:
    rules = situation.policy.spec.review
    if state is ImportState.Submitted:
        return rules.working.after(situation.now, rules.service_level_hours)
    patience = {
        ImportState.Pending: timedelta(days=rules.draft_days),
        ImportState.Blocked: timedelta(days=rules.draft_days),
        ImportState.Approved: PLACING_PATIENCE,
        ImportState.Placing: PLACING_PATIENCE,
    }
    return situation.now + patience[state] if state in patience else None


def _moved(request: ImportRequest, target: ImportState, situation: Situation, message: str = "") -> ImportRequest:
    IMPORT_TRANSITIONS.check(request.state, target)
    reason = WAITING[target][1] if target in WAITING else Reason.Requested
    return request.changed(
        state=target,
        reason=reason,
        message=message,
        changed_at=situation.now,
        deadline=_deadline(target, situation),
    )


def _check_draft(request: ImportRequest, person: Person, situation: Situation) -> None:
    check_edit(person, request, situation.grant)
    if request.state not in DRAFTS:
        raise TREError(Reason.StateForbids, f"This cannot be done while the request is {request.state}.")


def add_files(
    request: ImportRequest, person: Person, files: tuple[ImportFile, ...], situation: Situation
) -> ImportRequest:
    """Add files that are in the vault; one with a known path replaces it.

    Raises `TREError(FileRefused)` where the request would become larger than its policy allows, or a file would stand
    where a folder does.
    """
    _check_draft(request, person, situation)
    new = {file.path.casefold() for file in files}
    kept = tuple(file for file in request.files if file.path.casefold() not in new) + files
    if clash := clashing(file.path for file in kept):
        raise TREError(Reason.FileRefused, clash, remedy="Rename it, or take the other one out first.")
    limits = situation.policy.spec.imports
    if len(kept) > limits.files or sum(file.size for file in kept) > parse_bytes(limits.request_bytes):
        raise TREError(
            Reason.FileRefused,
            f"A request brings in at most {limits.files} files and {limits.request_bytes}B in all.",
            remedy="Bring in what is needed, or make a second request.",
        )
    return request.changed(files=kept, changed_at=situation.now)


def remove_file(request: ImportRequest, person: Person, path: str, situation: Situation) -> ImportRequest:
    """Take a file out of the request; a blocked request is a draft again when nothing in it blocks."""
    _check_draft(request, person, situation)
    kept = tuple(file for file in request.files if file.path != path)
    if len(kept) == len(request.files):
        raise TREError(Reason.BadInput, "There is no such file in this request.")
    rest = request.changed(files=kept, changed_at=situation.now)
    if rest.state is ImportState.Blocked and not rest.blocking:
        return _moved(rest, ImportState.Pending, situation)
    return rest


def checked(request: ImportRequest, run: CheckRun, situation: Situation) -> ImportRequest:
    """Keep a run of the checks; what blocks a draft is said at once."""
    kept = request.changed(check_run=run, changed_at=situation.now)
    if kept.state is ImportState.Pending and kept.blocking:
        return _moved(kept, ImportState.Blocked, situation)
    return kept


def submit(request: ImportRequest, person: Person, purpose: str, situation: Situation) -> ImportRequest:
    """Hand the request to the checkers, with its purpose in words.

    Raises `TREError` with the grant's reason, `ContextMissing`, `CheckMissing` or `FindingBlocks`.
    """
    _check_draft(request, person, situation)
    _check_entitled(situation)
    if not request.files:
        raise TREError(Reason.ContextMissing, "The request holds no file.", remedy="Upload what is to come in.")
    fewest = situation.policy.spec.review.context_words
    if len(purpose.split()) < fewest:
        raise TREError(
            Reason.ContextMissing,
            f"Say in at least {fewest} words what this is for.",
            why="A checker from outside must be able to judge it.",
        )
    check_checked(request, situation)
    return _moved(request.changed(purpose=purpose, votes=()), ImportState.Submitted, situation)


def check_checked(request: ImportRequest, situation: Situation) -> None:
    """Every file was checked as it is, under the policy in force, and nothing blocks.

    Raises `TREError` with `CheckMissing`, `PolicyChanged` or `FindingBlocks`.
    """
    if request.check_run is None or not request.is_checked:
        raise TREError(Reason.CheckMissing, "Not every file was checked.", remedy="Wait a moment, then try again.")
    if request.check_run.policy != situation.policy.ref:
        raise TREError(
            Reason.PolicyChanged,
            "The policy changed since the files were checked.",
            remedy="Wait a moment: they are checked again.",
        )
    if request.blocking:
        checks = ", ".join(sorted({finding.check for finding in request.blocking}))
        raise TREError(
            Reason.FindingBlocks,
            "Something was found that nobody may let in.",
            why=f"Found by {checks}.",
            remedy="Take the files out that it was found in.",
        )


def decide(request: ImportRequest, person: Person, vote: ImportVote, situation: Situation) -> ImportRequest:
    """A checker's yes or no. A no, with words, ends the request; enough yeses to the same files approve it.

    Raises `TREError(ContentChanged)` where the vote is about other files, `ContextMissing` for a no without words.
    """
    check_decide(person, request, situation.grant)
    if request.state is not ImportState.Submitted:
        raise TREError(Reason.StateForbids, f"This cannot be done while the request is {request.state}.")
    if vote.manifest != request.manifest:
        raise TREError(Reason.ContentChanged, "The files are no longer those that you saw.", remedy="Look again.")
    if not vote.approves and not vote.comment.strip():
        raise TREError(Reason.ContextMissing, "The author must be told why.", remedy="Write a message.")
    own = ImportVote.model_validate({**dict(vote), "by": person.subject, "at": situation.now})
    votes = tuple(other for other in request.votes if other.by.key != person.subject.key)
    voted = request.changed(votes=(*votes, own), changed_at=situation.now)
    if not vote.approves:
        return _moved(voted, ImportState.Rejected, situation, vote.comment)
    check_checked(voted, situation)
    enough = len(counted(voted, situation)) >= situation.policy.spec.imports.reviewers
    return _moved(voted, ImportState.Approved, situation) if enough else voted


def counted(request: ImportRequest, situation: Situation) -> tuple[ImportVote, ...]:
    """The yeses that count now: to these files, by people who stand outside now."""
    return tuple(
        vote
        for vote in request.votes
        if vote.approves and vote.manifest == request.manifest and is_independent(vote.by, request, situation.grant)
    )


def check_placeable(request: ImportRequest, situation: Situation) -> None:
    """Whether the files may be placed now; looks at everything again. Raises `TREError`."""
    if request.state is not ImportState.Approved:
        raise TREError(Reason.StateForbids, "The request is not approved.", why=f"It is {request.state}.")
    if situation.grant.stopped is not None:
        raise TREError(situation.grant.stopped, "Nothing comes into this project now.")
    check_checked(request, situation)
    if len(counted(request, situation)) < situation.policy.spec.imports.reviewers:
        raise TREError(Reason.QuorumMissing, "Fewer people than the policy asks for said yes to these files.")


def begin_placing(request: ImportRequest, situation: Situation) -> ImportRequest:
    """From now on the files belong into the project's inboxes. Raises `TREError`: see `check_placeable`."""
    check_placeable(request, situation)
    return _moved(request, ImportState.Placing, situation)


def placed(request: ImportRequest, situation: Situation) -> ImportRequest:
    """The files stand in the inboxes."""
    return _moved(request, ImportState.Placed, situation)


def placing_failed(request: ImportRequest, error: TREError, situation: Situation) -> ImportRequest:
    """The files could not be placed: people read why, and it is tried again after `TRY_AGAIN`."""
    back = _moved(request, ImportState.Approved, situation, str(error))
    return back.changed(reason=error.reason)


def reopen(request: ImportRequest, situation: Situation) -> ImportRequest:
    """An approval whose yeses do not count any more goes back to the checkers; what merely waits stays as it is."""
    try:
        check_placeable(request, situation)
    except TREError as error:
        if error.reason is Reason.QuorumMissing:
            return _moved(request, ImportState.Submitted, situation, error.what)
    return request


def end_with_project(request: ImportRequest, situation: Situation) -> ImportRequest:
    """What belongs to a project that is over ends: what waits is withdrawn, what was let in is taken away."""
    if situation.grant.over is None:
        return request
    if request.state in LET_IN:
        return _moved(request, ImportState.Removed, situation, "The project is over.")
    if request.state in WAITING:
        return _moved(request, ImportState.Withdrawn, situation, "The project is over.")
    return request


def remove(request: ImportRequest, person: Person, message: str, situation: Situation) -> ImportRequest:
    """Take placed files away again, with words. Raises `TREError(ContextMissing)` without them."""
    check_decide(person, request, situation.grant)
    if not message.strip():
        raise TREError(Reason.ContextMissing, "The project must be told why.", remedy="Write a message.")
    return _moved(request, ImportState.Removed, situation, message)


def withdraw(request: ImportRequest, person: Person, situation: Situation) -> ImportRequest:
    """Take the request back, for good; possible until the files are placed."""
    check_edit(person, request, situation.grant)
    return _moved(request, ImportState.Withdrawn, situation)


def at_deadline(request: ImportRequest, situation: Situation) -> ImportRequest:
    """A draft left alone is withdrawn; whatever waits for others says that it is late."""
    if request.deadline is None or situation.now < request.deadline:
        return request
    if request.state in DRAFTS:
        return _moved(request, ImportState.Withdrawn, situation, "Left alone until its deadline.")
    return request.changed(reason=Reason.DeadlineReached, deadline=None, changed_at=situation.now)
