"""What a grant allows by itself, whoever asks: its ends and its suspensions.

Guarantees: the effective end is the earliest of all ends; suspensions are matched exactly and by scope.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from tre.domain.errors import Reason
from tre.domain.grants.models import AccessGrantSpec, GrantRecord, Suspension, SuspensionScope
from tre.domain.people import Subject

WARNINGS = (timedelta(days=7), timedelta(days=1), timedelta(hours=1), timedelta(minutes=10))
"""How long before the effective end people are warned."""

EARLY_WARNINGS = (timedelta(days=30), timedelta(days=14))
"""How long before it they are told by mail already, of an approval that was in force by then."""


class End(NamedTuple):
    """A moment at which access ends, and the reason that will be shown."""

    at: datetime
    reason: Reason


def effective_end(spec: AccessGrantSpec) -> End:
    """The earliest of all ends of a grant: its own and its legal basis'."""
    return earliest_end(spec.expires, None if spec.legal_basis is None else spec.legal_basis.ends)


def earliest_end(expires: datetime, law_ends: datetime | None) -> End:
    """The earlier of the two, where there are two; the grant's own where both are at the same moment."""
    own = End(expires, Reason.GrantExpired)
    return own if law_ends is None or expires <= law_ends else End(law_ends, Reason.LegalBasisEnded)


def suspensions_in_force(grant: GrantRecord, now: datetime) -> tuple[Suspension, ...]:
    """Every suspension that touches the grant and is in force."""
    return tuple(suspension for suspension in grant.suspensions if suspension.in_force(now))


def suspended_slices(grant: GrantRecord, now: datetime) -> frozenset[str]:
    """Names of the grant's slices that are suspended."""
    return frozenset(
        suspension.ref for suspension in suspensions_in_force(grant, now) if suspension.scope is SuspensionScope.slice
    )


def suspension_of(grant: GrantRecord, subject: Subject, now: datetime) -> Suspension | None:
    """The first suspension in force that stops this member altogether; slice suspensions are not among them."""
    refs = {
        SuspensionScope.grant: "",
        SuspensionScope.organisation: grant.spec.project.organisation.id,
        SuspensionScope.member: str(subject),
    }
    return next(
        (s for s in suspensions_in_force(grant, now) if s.scope in refs and s.ref == refs[s.scope]),
        None,
    )


def due_warnings(end: datetime, now: datetime) -> tuple[timedelta, ...]:
    """Which warnings before the end are due by now; none once the end has passed."""
    if now >= end:
        return ()
    return tuple(warning for warning in WARNINGS if now >= end - warning)


def due_announcements(grant: GrantRecord, now: datetime) -> tuple[timedelta, ...]:
    """Which warnings of a grant are due by now, the early ones too; none before it was in force."""
    begun, end = grant.activated_at, effective_end(grant.spec).at
    if begun is None:
        return ()
    early = tuple(warning for warning in EARLY_WARNINGS if begun <= end - warning <= now < end)
    return (*early, *due_warnings(end, now))
