"""Exceptions: what a finding of severity E needs before its file may leave, and the steward's word on it.

Guarantees: a policy's `never` blocks like severity B; where a steward is needed, nothing is approved without the
written yes of a data manager who stands outside the project and reviews nothing of the request in that turn, nor past
the no of another. The word is about one finding, hence about its bytes.

Does not guarantee: that the steward looked. The word, its reason and its giver stand in the record.

Threat: two checkers who let single people's records out between themselves.
"""

from __future__ import annotations

from tre.domain.duties import Duty
from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.catalogue import key_of
from tre.domain.exports.conduct import STEWARDED, Need
from tre.domain.exports.models import Consent, ExportRequest, Finding
from tre.domain.exports.permissions import is_independent
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import Situation
from tre.domain.exports.states import VOTING
from tre.domain.people import Person, Role, Subject


def need_of(finding: Finding, policy: AirlockPolicy) -> Need:
    """What an exception from a finding needs: the policy's word on its case, else on its check, else the default."""
    needs = policy.spec.exceptions
    stewarded = Need.steward if finding.check in STEWARDED else Need.reason
    return needs.get(key_of(finding.check, finding.case), needs.get(finding.check, stewarded))


def _on_outputs(request: ExportRequest) -> tuple[Finding, ...]:
    """What the present run found in files that are asked to leave, each once."""
    run = request.check_run
    found = (item for file in request.outputs for item in run.of(file.sha256)) if run else ()
    return tuple({item.id: item for item in found}.values())


def blocking(request: ExportRequest, policy: AirlockPolicy) -> tuple[Finding, ...]:
    """Findings on outputs that nobody can lift: of severity B, or of severity E where there is never an exception."""
    return tuple(
        item
        for item in _on_outputs(request)
        if item.severity is Severity.B or (item.severity is Severity.E and need_of(item, policy) is Need.never)
    )


def excepted(request: ExportRequest) -> tuple[Finding, ...]:
    """Findings on outputs that leave only by an exception: what a release counts."""
    return tuple(item for item in _on_outputs(request) if item.severity is Severity.E)


def stewarded(request: ExportRequest, policy: AirlockPolicy) -> tuple[Finding, ...]:
    """Findings on outputs that wait for a steward's word."""
    return tuple(item for item in excepted(request) if need_of(item, policy) is Need.steward)


def _reviews(subject: Subject, request: ExportRequest) -> bool:
    review = request.review_of(subject)
    return review is not None and not review.void and any(not vote.kept for vote in review.votes)


def _is_steward(person: Subject, request: ExportRequest, situation: Situation) -> bool:
    reviewer = (person,) if _reviews(person, request) else ()
    return situation.grant.keeps_apart(Duty.consent_to_export, person, request.author, reviewer)


def consents_on(finding: Finding, request: ExportRequest, situation: Situation) -> tuple[Consent, ...]:
    """The words on a finding that count now: by people outside who review nothing in this turn."""
    return tuple(
        consent
        for consent in request.consents
        if consent.finding == finding.id and _is_steward(consent.by, request, situation)
    )


def awaiting_steward(request: ExportRequest, situation: Situation) -> tuple[Finding, ...]:
    """Stewarded findings without a yes, or with a no."""
    return tuple(
        finding
        for finding in stewarded(request, situation.policy)
        if not (words := consents_on(finding, request, situation)) or not all(word.agrees for word in words)
    )


def check_consents(request: ExportRequest, situation: Situation) -> None:
    """Raise `TREError(FindingBlocks)` where a finding lacks its steward's yes."""
    if waiting := awaiting_steward(request, situation):
        checks = ", ".join(sorted({item.check for item in waiting}))
        raise TREError(
            Reason.FindingBlocks,
            f"{len(waiting)} findings need the written yes of a data manager.",
            why=f"An exception from {checks} takes more than two checkers.",
            remedy="Ask a data manager who is not in the project, or return the request.",
        )


def check_steward(person: Person, request: ExportRequest, situation: Situation) -> None:
    """Data managers outside the project say yes or no while the request is in the checkers' hands and needs it.

    Raises `TREError(NotPermitted)` or `TREError(StateForbids)`.
    """
    if not person.holds(Role.data_manager) or not is_independent(person.subject, request, situation.grant):
        raise TREError(
            Reason.NotPermitted,
            "This exception is not yours to decide.",
            why="It takes a data manager who stands outside the project.",
        )
    if not _is_steward(person.subject, request, situation):
        raise TREError(
            Reason.NotPermitted,
            "This exception is not yours to decide.",
            why="You review this request as a checker: the third pair of eyes is somebody else's.",
        )
    if request.phase not in VOTING or not stewarded(request, situation.policy):
        raise TREError(Reason.StateForbids, "No exception of this request waits for a data manager.")


can_steward = passes(check_steward)


def consent(request: ExportRequest, person: Person, word: Consent, situation: Situation) -> ExportRequest:
    """Keep a data manager's word on one finding; a later word of the same person replaces it.

    `word.by` and `word.at` are set here. Raises `TREError(BadInput)` where no such finding waits for a word.
    """
    check_steward(person, request, situation)
    if word.finding not in {item.id for item in stewarded(request, situation.policy)}:
        raise TREError(Reason.BadInput, "No such finding waits for a data manager.", remedy="Load the page again.")
    if not word.why.strip():
        raise TREError(Reason.ContextMissing, "A word on an exception has its reason.", remedy="Write why.")
    others = (c for c in request.consents if (c.finding, c.by.key) != (word.finding, person.subject.key))
    kept = Consent.model_validate({**dict(word), "by": person.subject, "at": situation.now})
    return request.changed(consents=(*others, kept), changed_at=situation.now)
