"""What is known of a member beside the approval: whether anybody still vouches for them, and what they hold.

Guarantees: a person who was barred is out whatever else is known; a confirmation that the identity provider must renew
counts until its own moment and no longer. Between the moment up to which it is fresh and that one, what runs goes on
and nothing new begins.

Does not guarantee: that a provider which nobody reaches would still say yes; that is what the two moments bound.

Threat: somebody who left the organisation, or lost a group there, and works on in a session that was opened before; a
provider that is kept from answering.
"""

from __future__ import annotations

from datetime import datetime

from tre.domain.errors import Reason
from tre.domain.model import Record, UtcTime
from tre.domain.people import Subject
from tre.domain.standing.models import Required
from tre.domain.standing.rules import lacking, moments

BARRING = frozenset({Reason.AccountDisabled, Reason.NotVouchedFor})
"""Why a person is out: an operator disabled the local account; the provider vouches for them no more."""


class MemberFacts(Record):
    """One member, as the record knows them at a moment.

    `confirmed_until` is the moment up to which the provider's last word counts for what runs, `fresh_until` the one up
    to which it lets anything begin; `None` where nobody has to confirm.
    """

    subject: Subject
    barred: Reason | None = None
    fresh_until: UtcTime | None = None
    confirmed_until: UtcTime | None = None
    required: tuple[Required, ...] = ()


def is_in_force(barred: Reason | None, confirmed_until: datetime | None, now: datetime) -> bool:
    """Whether a sign-in of a person with these facts still counts."""
    return barred is None and (confirmed_until is None or now < confirmed_until)


def unknown(facts: MemberFacts, now: datetime) -> Reason | None:
    """Why nobody vouches for a member now, if so."""
    if facts.barred is not None:
        return facts.barred
    return None if is_in_force(None, facts.confirmed_until, now) else Reason.IdentityStale


def is_fresh(facts: MemberFacts, now: datetime) -> bool:
    """Whether the last confirmation is young enough for something to begin."""
    return facts.fresh_until is None or now < facts.fresh_until


def short_of(facts: MemberFacts, now: datetime) -> Reason | None:
    """Whether something that the member must hold is lacking now."""
    return None if lacking(facts.required, now) is None else Reason.StandingMissing


def turning_points(facts: MemberFacts) -> list[datetime]:
    """Every moment at which the clock alone changes something about a member."""
    ends = [moment for moment in (facts.fresh_until, facts.confirmed_until) if moment is not None]
    return [*ends, *moments(facts.required)]
