"""Whether a request allows an act, whoever asks: quorum, decisions, what counts, and what may be released.

Guarantees: a file is approved only by votes for exactly its present bytes under the present run of the checks, cast
in a submitted review of the present turn by distinct people who held the checker's role when they submitted and who
stand outside now. A finding of severity B on an output stops the release whatever the votes say.

Does not guarantee: that the vault still holds those bytes: the release hashes them again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from tre.domain.duties import Duty
from tre.domain.errors import Reason, TREError, passes
from tre.domain.exports.audience import is_told
from tre.domain.exports.exceptions import blocking, check_consents
from tre.domain.exports.models import Choice, Emergency, ExportRequest, FileGroup, Finding, RequestFile, Review, Vote
from tre.domain.exports.permissions import is_independent
from tre.domain.exports.rules import AirlockPolicy
from tre.domain.exports.severity import Severity
from tre.domain.exports.situation import GrantFacts, Situation
from tre.domain.exports.states import WAITING, AtDeadline, ExportState, Owner
from tre.domain.people import Role, Subject

RELEASE_PATIENCE = timedelta(minutes=10)
"""How long writing a bundle may take before it is tried again: 200 files of 16 MiB take seconds."""


class Decision(StrEnum):
    """What the counted votes say about one file."""

    INCOMPLETE = "INCOMPLETE"
    APPROVED = "APPROVED"
    CHANGES_REQUESTED = "CHANGES_REQUESTED"
    CONFLICTED = "CONFLICTED"


def quorum(policy: AirlockPolicy, grant: GrantFacts) -> int:
    """How many people must approve: the policy's minimum, which a grant raises and never lowers."""
    return max(policy.spec.review.minimum_reviewers, grant.reviewers or 0)


def counted_reviews(request: ExportRequest, grant: GrantFacts) -> tuple[Review, ...]:
    """The reviews that count now: submitted, of this turn, not void, by checkers who stand outside."""
    return tuple(
        review
        for review in request.reviews
        if review.turn == request.turn
        and review.submitted_at is not None
        and not review.void
        and review.role is Role.checker
        and is_independent(review.checker, request, grant)
    )


def findings_on(request: ExportRequest, file: RequestFile) -> tuple[Finding, ...]:
    """What the present run found in a file's bytes."""
    return () if request.check_run is None else request.check_run.of(file.sha256)


def open_findings(request: ExportRequest, file: RequestFile, vote: Vote) -> tuple[Finding, ...]:
    """Findings that an approving vote must answer and does not: an E without a reason, an A not acknowledged."""
    answers = {item.finding: item.why.strip() for item in vote.dispositions}
    return tuple(
        finding
        for finding in findings_on(request, file)
        if (finding.severity is Severity.E and not answers.get(finding.id))
        or (finding.severity is Severity.A and finding.id not in answers)
    )


def is_current(request: ExportRequest, file: RequestFile, vote: Vote) -> bool:
    """Whether a vote is about these bytes as the present run of the checks saw them."""
    run = request.check_run
    return run is not None and vote.sha256 == file.sha256 and vote.run == run.id and run.covers(file)


def counts(request: ExportRequest, file: RequestFile, vote: Vote) -> bool:
    """Whether a vote says something in this turn: it is current, and not merely kept from an earlier one."""
    return is_current(request, file, vote) and not vote.kept


def approves(request: ExportRequest, file: RequestFile, vote: Vote | None) -> bool:
    """Whether a vote is a yes that counts for this file."""
    return (
        vote is not None
        and not vote.kept
        and vote.choice is Choice.Approved
        and is_current(request, file, vote)
        and not open_findings(request, file, vote)
    )


def decision(request: ExportRequest, file: RequestFile, situation: Situation) -> Decision:
    """What the counted votes say about a file. A further review can settle a conflict."""
    needed = quorum(situation.policy, situation.grant)
    votes = [review.vote_on(file.path) for review in counted_reviews(request, situation.grant)]
    current = [vote for vote in votes if vote is not None and counts(request, file, vote)]
    yes = sum(approves(request, file, vote) for vote in current)
    if len(current) < needed:
        return Decision.INCOMPLETE
    if yes >= needed:
        return Decision.APPROVED
    return Decision.CONFLICTED if yes else Decision.CHANGES_REQUESTED


def check_checked(request: ExportRequest, policy: AirlockPolicy) -> None:
    """Every shown file was looked at, under the policy in force, and nothing on an output blocks.

    Raises `TREError` with `CheckMissing`, `PolicyChanged` or `FindingBlocks`.
    """
    run = request.check_run
    if run is None or not all(run.covers(file) for file in request.shown):
        raise TREError(Reason.CheckMissing, "Not every file was checked.", remedy="Run the checks, then try again.")
    if run.policy != policy.ref:
        raise TREError(
            Reason.PolicyChanged,
            "The policy changed since the checks ran.",
            why=f"They ran under {run.policy.name} {run.policy.sha256[:12]}; {policy.ref.sha256[:12]} is in force.",
            remedy="Run the checks again.",
        )
    if found := blocking(request, policy):
        told = sorted({finding.check for finding in found if is_told(finding)})
        raise TREError(
            Reason.FindingBlocks,
            "Findings block the release, whatever people decide.",
            why=f"Found by {', '.join(told) or 'a check whose findings are not told'}.",
            remedy="Take these files out or replace them.",
        )


def check_submittable(request: ExportRequest, situation: Situation) -> None:
    """Whether the author may hand the request in: entitled, with outputs, context, and checks that do not block.

    Raises `TREError` with the grant's reason, `ContextMissing`, or those of `check_checked`.
    """
    if situation.grant.author is not Reason.Entitled:
        raise TREError(
            situation.grant.author, "This project lets nothing new out.", why="Its author has no access now."
        )
    if not request.outputs:
        raise TREError(Reason.ContextMissing, "The request holds no output.", remedy="Choose a file from the outbox.")
    fewest = situation.policy.spec.review.context_words
    for group in request.groups:
        for what, text in (("context", group.context), ("controls", group.controls)):
            if group.files and len(text.split()) < fewest:
                raise TREError(
                    Reason.ContextMissing,
                    f"Group {group.name!r} needs its {what}, at least {fewest} words.",
                    why="A checker from outside must be able to understand what leaves, and of how many people.",
                    remedy="Say what the files show, from how many people, and what was done against disclosure.",
                )
        _check_background(request, group)
    check_checked(request, situation.policy)


def _check_background(request: ExportRequest, group: FileGroup) -> None:
    """A group with outputs says from how many people it comes and how it relates to what left before."""
    if not {file.path for file in group.files} & {file.path for file in request.outputs}:
        return
    if group.people is None or not group.relation.strip():
        missing = "from how many people it comes" if group.people is None else "how it relates to earlier results"
        raise TREError(
            Reason.ContextMissing,
            f"Group {group.name!r} does not say {missing}.",
            why="Small groups show, and differences from earlier tables, only to who knows both.",
            remedy="Give the number of people, and name the earlier results or write that there are none.",
        )


def check_approvable(request: ExportRequest, situation: Situation) -> None:
    """Whether every output is approved by the quorum.

    Raises `TREError` with `QuorumMissing`, or those of `check_checked` and `exceptions.check_consents`.
    """
    check_checked(request, situation.policy)
    check_consents(request, situation)
    if request.emergency is not None and request.emergency.operator is not None:
        return check_emergency_votes(request, situation)
    undecided = [f for f in request.outputs if decision(request, f, situation) is not Decision.APPROVED]
    if undecided or not request.outputs:
        raise TREError(
            Reason.QuorumMissing,
            f"{len(undecided)} of {len(request.outputs)} files are not approved by "
            f"{quorum(situation.policy, situation.grant)} independent checkers.",
            why="Only votes for the present bytes under the present checks count.",
        )
    return None


def check_emergency_votes(request: ExportRequest, situation: Situation) -> None:
    """Whether two distinct people from outside answer for a release past the quorum: a checker with a yes to every
    output, as it is now, and, once it is seconded, an operator.

    Raises `TREError(QuorumMissing)`.
    """
    asked, run = request.emergency, request.check_run
    reviews = {review.checker.key: review for review in counted_reviews(request, situation.grant)}
    review = reviews.get(asked.checker.key) if asked else None
    holds = (
        asked is not None
        and run is not None
        and review is not None
        and (asked.turn, asked.run) == (request.turn, run.id)
        and (asked.operator is None or _is_another(asked.operator, asked, request, situation.grant))
        and bool(request.outputs)
        and all(approves(request, file, review.vote_on(file.path)) for file in request.outputs)
    )
    if not holds:
        raise TREError(
            Reason.QuorumMissing,
            "The release past the quorum does not hold.",
            why="It takes a checker's submitted yes to every file as it is now, and an operator from outside.",
            remedy="Look at the files as they are now, then ask for it again.",
        )


def _is_another(operator: Subject, asked: Emergency, request: ExportRequest, grant: GrantFacts) -> bool:
    return grant.keeps_apart(Duty.second_release, operator, request.author, (asked.checker,))


def check_confirmation(request: ExportRequest, typed: str) -> None:
    """Whether the typed text is the number of files that would leave, or the request's short code.

    Raises `TREError(ConfirmationWrong)`.
    """
    if typed.strip().lower() not in {str(len(request.outputs)), request.code}:
        raise TREError(
            Reason.ConfirmationWrong,
            "The typed confirmation is not the number of files, nor the request's code.",
            remedy=f"Type {len(request.outputs)} or {request.code}.",
        )


def check_releasable(request: ExportRequest, situation: Situation) -> None:
    """Whether the outputs may leave now. The one rule of the gate; it looks at everything again.

    Raises `TREError` with `StateForbids`, `NotYetValid`, the grant's reason, or those of `check_approvable`.
    """
    if request.state not in {ExportState.Approved, ExportState.Releasing} or request.confirmation is None:
        raise TREError(Reason.StateForbids, "The request is not approved.", why=f"It is {request.state}.")
    if situation.grant.stopped is not None:
        raise TREError(situation.grant.stopped, "Nothing of this project may leave now.")
    due = request.confirmation.at + situation.release_delay
    if situation.now < due:
        raise TREError(
            Reason.NotYetValid, "The time in which the release can be stopped is not over.", why=f"Until {due}."
        )
    check_approvable(request, situation)


releasable = passes(check_releasable)


def deadline_of(state: ExportState, situation: Situation) -> datetime | None:
    """When the time of a state entered now is up; `None` where nothing is waited for."""
    waiting = WAITING.get(state)
    if waiting is None:
        return None
    rules = situation.policy.spec.review
    if waiting.owner is Owner.checker:
        return rules.working.after(situation.now, rules.service_level_hours)
    patience = {
        Owner.author: timedelta(days=rules.draft_days),
        Owner.system: situation.release_delay if waiting.at_deadline is AtDeadline.release else RELEASE_PATIENCE,
    }
    return situation.now + patience[waiting.owner]


def is_overdue(request: ExportRequest, now: datetime) -> bool:
    """Whether the request has waited past its deadline."""
    return request.deadline is not None and now >= request.deadline
