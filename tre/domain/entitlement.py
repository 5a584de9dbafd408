"""May this person be in this workspace now? One pure function answers, and everybody asks it.

Guarantees: the spawner, the gateway, the controller and the portal call `is_entitled` and nobody has a second
opinion. It fails closed: a grant without verified evidence, never activated, outside its dates, revoked, suspended
or no longer confirmed by its source entitles nobody, whatever its stored phase says; and a phase that has ended
never entitles again, whatever the clock says. A person whose account was disabled, for whom the identity provider
vouches no more, or who lacks what must be held, is in no workspace; one of whom the provider was not asked lately
begins nothing new.

Does not guarantee: that access ended. That is the controller's work, proven by `tre workspace verify`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord, SuspensionScope
from tre.domain.grants.policies import effective_end, suspended_slices, suspension_of
from tre.domain.grants.states import GrantPhase
from tre.domain.identity import is_fresh, short_of, unknown
from tre.domain.model import Record
from tre.domain.people import Subject
from tre.domain.standing.rules import lacking

_ENDED = {
    GrantPhase.Closed: Reason.GrantClosed,
    GrantPhase.Revoked: Reason.GrantRevoked,
    GrantPhase.Expired: Reason.GrantExpired,
}
_SUSPENDED = {
    SuspensionScope.grant: Reason.GrantSuspended,
    SuspensionScope.member: Reason.MemberSuspended,
    SuspensionScope.organisation: Reason.OrganisationSuspended,
}


class Verdict(Record):
    """The answer: yes or no, why, and which slices may be mounted (none where the answer is no)."""

    entitled: bool
    reason: Reason
    slices: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether the person is entitled."""
        return self.entitled


def is_entitled(grant: GrantRecord, subject: Subject, now: datetime, mounted: frozenset[str] | None = None) -> Verdict:
    """Whether a person may be in the grant's workspace now.

    `mounted` names the slices that a running workspace holds; a suspended slice among them ends it (it may start
    again without that slice). `None` asks about a workspace that has yet to start.
    """
    for rule in _RULES:
        reason = rule(grant, subject, now)
        if reason is not None:
            return Verdict(entitled=False, reason=reason)
    if mounted is None and not is_fresh(grant.facts(subject), now):
        return Verdict(entitled=False, reason=Reason.IdentityStale)
    suspended = suspended_slices(grant, now)
    permitted = frozenset(item.name for item in grant.spec.slices) - suspended
    if not permitted or (mounted is not None and not mounted <= permitted):
        return Verdict(entitled=False, reason=Reason.SliceSuspended)
    return Verdict(entitled=True, reason=Reason.Entitled, slices=permitted)


def _ended(grant: GrantRecord, _subject: Subject, _now: datetime) -> Reason | None:
    if grant.revoked_at is not None and grant.phase is not GrantPhase.Closed:
        return Reason.GrantRevoked
    return _ENDED.get(grant.phase)


def _expired(grant: GrantRecord, _subject: Subject, now: datetime) -> Reason | None:
    end = effective_end(grant.spec)
    return end.reason if now >= end.at else None


def _unverified(grant: GrantRecord, _subject: Subject, _now: datetime) -> Reason | None:
    return None if grant.evidence_verified else Reason.EvidenceUnverified


def _not_yet(grant: GrantRecord, _subject: Subject, now: datetime) -> Reason | None:
    return Reason.NotYetValid if now < grant.spec.not_before else None


def _inactive(grant: GrantRecord, _subject: Subject, _now: datetime) -> Reason | None:
    return Reason.GrantPending if grant.activated_at is None else None


def _stale(grant: GrantRecord, _subject: Subject, now: datetime) -> Reason | None:
    until = grant.confirmed_until
    return Reason.SourceStale if until is not None and now >= until else None


def _stranger(grant: GrantRecord, subject: Subject, _now: datetime) -> Reason | None:
    return None if grant.spec.member(subject) else Reason.NotAMember


def _suspended(grant: GrantRecord, subject: Subject, now: datetime) -> Reason | None:
    suspension = suspension_of(grant, subject, now)
    return None if suspension is None else _SUSPENDED[suspension.scope]


def _unknown(grant: GrantRecord, subject: Subject, now: datetime) -> Reason | None:
    return unknown(grant.facts(subject), now)


def _short_of(grant: GrantRecord, subject: Subject, now: datetime) -> Reason | None:
    return short_of(grant.facts(subject), now)


def _organisation_short_of(grant: GrantRecord, _subject: Subject, now: datetime) -> Reason | None:
    return None if lacking(grant.organisation_required, now) is None else Reason.OrganisationStandingMissing


_RULES: tuple[Callable[[GrantRecord, Subject, datetime], Reason | None], ...] = (
    _stranger,  # first: who is not in the project learns nothing about it
    _ended,
    _expired,
    _unverified,
    _not_yet,
    _inactive,
    _stale,
    _suspended,
    _unknown,
    _short_of,
    _organisation_short_of,
)
