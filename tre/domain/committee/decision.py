"""The record of a decision: everything that it rests on, in one canonical form that is signed.

Guarantees: the record names the application, its content and plans by digest, the policy, each vote with voter, seat
and session, who stood aside and why, and what followed; whoever has it can count again, and a record whose outcome
does not follow from its own votes is found out. The grant is named by the digest of its content.

What members wrote for the public is told apart (`public_reasons`, `patient_reasons`), without names.

Does not guarantee: that voters were who they said, beyond their sign-in; that is what their sessions are named for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from tre.domain.applications.acts import deferred, moved
from tre.domain.applications.models import Application, ApplicationId, Closing, Lane, PlannedSlice
from tre.domain.applications.states import ApplicationState
from tre.domain.canonical import digest
from tre.domain.committee.grants import Approving, grant_of
from tre.domain.committee.models import Vote
from tre.domain.committee.policy import PATIENT, CommitteePolicy, CommitteeTerms
from tre.domain.committee.tally import Outcome, Tally, decide, with_patients
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import AccessGrant, AccessGrantSpec, Digest, DuoCode, ResourceName
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject

API_VERSION: Literal["tre.research/v1alpha1"] = "tre.research/v1alpha1"


class PolicyUsed(Record):
    """The policy that a decision was made under, and the numbers that it was counted by."""

    name: ResourceName
    sha256: Digest
    quorum: dict[ResourceName, int]
    members: int
    majority_percent: int
    patients_must_approve: bool


class StoodAside(Record):
    """A member who took no part, and why."""

    member: Subject
    constituency: ResourceName
    why: Line


class DecisionRecord(Record):
    """One decision. `grant` and `grant_digest` name what came into force by it."""

    api_version: Literal["tre.research/v1alpha1"] = API_VERSION
    kind: Literal["CommitteeDecision"] = "CommitteeDecision"
    application: ApplicationId
    round: Annotated[int, Field(ge=1)]
    title: Line
    body: Line
    outcome: Outcome
    why: Line
    lane: Lane
    matter: Digest
    content_digest: Digest
    plans: tuple[PlannedSlice, ...]
    plan_digest: Digest
    policy: PolicyUsed
    votes: tuple[Vote, ...]
    stood_aside: tuple[StoodAside, ...] = ()
    not_voted: tuple[Subject, ...] = ()
    closing: Closing | None = None
    conditions: tuple[DuoCode, ...] = ()
    condition_texts: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    decided_at: UtcTime
    grant: ResourceName | None = None
    grant_digest: Digest | None = None

    @property
    def public_reasons(self) -> tuple[str, ...]:
        """What members other than patients wrote for the public with votes that counted; the order names nobody."""
        return _without_order(vote for vote in self.votes if vote.constituency != PATIENT)

    @property
    def patient_reasons(self) -> tuple[str, ...]:
        """What patient members wrote for the public."""
        return _without_order(vote for vote in self.votes if vote.constituency == PATIENT)

    def digest(self) -> str:
        """What is signed, and what a grant's evidence names."""
        return digest(self.as_plain())


class Decided(Record):
    """What a decision makes: its record, the application as it is afterwards, and a grant where it approves."""

    record: DecisionRecord
    application: Application
    grant: AccessGrant | None = None


def decided(
    application: Application,
    found: Tally,
    policy: CommitteePolicy,
    before: AccessGrantSpec | None,
    now: datetime,
) -> Decided:
    """Turn a count that has an outcome into its record. Raises `TREError(QuorumMissing)` for one that has none."""
    if found.outcome is None or application.matter is None or application.content is None:
        raise TREError(Reason.QuorumMissing, "Nothing is decided yet.", why=" ".join(found.lacking))
    conditions = _distinct(code for vote in found.counted for code in vote.conditions)
    grant = None
    if found.outcome is Outcome.approved:
        criteria = _met(found.counted, policy.spec)
        grant = grant_of(application, Approving(policy.spec.body, now, conditions, before, criteria))
    record = DecisionRecord(
        application=application.id,
        round=application.round,
        title=application.content.title,
        body=policy.spec.body,
        outcome=found.outcome,
        why=found.why,
        lane=application.lane,
        matter=application.matter,
        content_digest=application.content.digest(),
        plans=application.plans,
        plan_digest=_plan_digest(application),
        policy=_used(policy, found),
        votes=found.counted,
        stood_aside=tuple(
            StoodAside(member=seat.subject, constituency=seat.constituency, why=why) for seat, why in found.recused
        ),
        not_voted=tuple(seat.subject for seat in found.waiting),
        closing=application.closing,
        conditions=conditions,
        condition_texts=_distinct(text for vote in found.counted for text in vote.condition_texts),
        questions=_distinct(text for vote in found.counted for text in vote.questions),
        decided_at=now,
        grant=grant.metadata.name if grant else None,
        grant_digest=digest(grant.signed_content()) if grant else None,
    )
    return Decided(record=record, application=_after(application, record, now), grant=grant)


def _distinct(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _without_order(votes: Iterable[Vote]) -> tuple[str, ...]:
    return tuple(sorted({vote.for_the_public for vote in votes if vote.for_the_public is not None}))


def _met(votes: Sequence[Vote], terms: CommitteeTerms) -> tuple[str, ...]:
    """The criteria that more than half of those who voted have ticked, in words."""
    ticked = {one.id: sum(one.id in vote.criteria for vote in votes) for one in terms.criteria}
    return tuple(one.words for one in terms.criteria if 2 * ticked[one.id] > len(votes))


def _plan_digest(application: Application) -> str:
    plans = {item.name: item.plan_digest for item in application.plans}
    return next(iter(plans.values())) if len(plans) == 1 else digest(plans)


def _used(policy: CommitteePolicy, found: Tally) -> PolicyUsed:
    return PolicyUsed(
        name=policy.metadata.name,
        sha256=policy.sha256,
        quorum=found.needed.quorum,
        members=found.needed.members,
        majority_percent=policy.spec.majority_percent,
        patients_must_approve=policy.spec.patients_must_approve,
    )


def _after(application: Application, record: DecisionRecord, now: datetime) -> Application:
    values = {"decision": record.digest(), "decided_at": now}
    if record.outcome is Outcome.deferred:
        asked = record.questions or (record.why,)
        return deferred(application, asked, now, Reason.ChangesRequested).changed(**values)
    target = ApplicationState.Approved if record.outcome is Outcome.approved else ApplicationState.Declined
    values |= {"reason": Reason.CommitteeDecided, "message": record.why, "closing": application.closing}
    return moved(application, target, now, **values, grant=record.grant)


def recount(record: DecisionRecord) -> list[str]:
    """Everything in which a record contradicts itself; empty where its outcome follows from its votes."""
    return [*_wrong_votes(record), *_wrong_quorum(record), *_wrong_outcome(record)]


def _wrong_votes(record: DecisionRecord) -> Iterator[str]:
    voters = [vote.voter.key for vote in record.votes]
    if len(set(voters)) < len(voters):
        yield "somebody voted twice"
    if any((vote.application, vote.matter) != (record.application, record.matter) for vote in record.votes):
        yield "a vote is about something else"
    if {one.member.key for one in record.stood_aside} & set(voters):
        yield "somebody who stood aside voted"


def _wrong_quorum(record: DecisionRecord) -> Iterator[str]:
    votes = record.votes
    for name, number in sorted(with_patients(dict(record.policy.quorum)).items()):
        if (has := sum(vote.constituency == name for vote in votes)) < number:
            yield f"{name}: {has} of {number} votes"
    if len(votes) < record.policy.members:
        yield f"{len(votes)} of {record.policy.members} votes altogether"
    if record.not_voted and record.closing is None:
        yield "members had not voted and nobody closed the vote"


def _wrong_outcome(record: DecisionRecord) -> Iterator[str]:
    used = record.policy
    rules = CommitteeTerms(majority_percent=used.majority_percent, patients_must_approve=used.patients_must_approve)
    if decide(record.votes, rules)[0] is not record.outcome:
        yield f"its votes do not come to {record.outcome}"
    if set(record.conditions) != {code for vote in record.votes for code in vote.conditions}:
        yield "its conditions are not those of its votes"
    if (record.grant_digest is None) == (record.outcome is Outcome.approved):
        yield "a grant comes with an approval, and with nothing else"


def check_grant(record: DecisionRecord, grant: AccessGrant) -> None:
    """Raise `TREError(ContentChanged)` unless this is the very grant that the decision made."""
    named = (record.grant, record.grant_digest)
    if named != (grant.metadata.name, digest(grant.signed_content())):
        raise TREError(Reason.ContentChanged, f"The grant {grant.metadata.name!r} is not what this decision made.")
