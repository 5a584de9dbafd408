"""The committee as the public reads of it, on pages and as JSON: who sits in it, how it decides, what it declined.

Guarantees: made of what is told of seats and decisions, and of the policy in force; no account and no vote is read.

Does not guarantee: that the policy was the same when something was decided. The signed record says which it was.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tre.domain.committee.policy import CommitteeTerms
from tre.domain.committee.published import PublicDecision, PublicSeat
from tre.domain.committee.tally import with_patients
from tre.domain.model import Line, Record
from tre.portal.context import Portal
from tre.sources.committee_policy import load_committee
from tre.store import committee_told

MOST_SHOWN = 100
"""Declined applications on the page; all of them stand in its JSON."""

LATEST = 5
"""Declined applications beside the numbers."""


class PublicConstituency(Record):
    """One group of members: what people call it, how many must vote on a new project, how many on a small change."""

    name: Line
    title: Line
    quorum: int
    quorum_small_change: int | None = None


class PublicCommittee(Record):
    """Who decides and how. `members` and `members_small_change` are votes altogether."""

    body: Line
    constituencies: list[PublicConstituency]
    members: int
    members_small_change: int | None = None
    majority_percent: int
    patients_must_approve: bool
    review_days: int
    sitting: list[PublicSeat]
    former: list[PublicSeat]

    def title(self, constituency: str) -> str:
        """What a constituency is called; its name where the policy has it no more."""
        return next((one.title for one in self.constituencies if one.name == constituency), constituency)


class PublicDeclined(Record):
    """What was declined: how many in each year, and each application, the latest first."""

    years: dict[int, int]
    declined: list[PublicDecision]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.years.values())


def who_decides(portal: Portal, connection: Connection) -> PublicCommittee:
    """Every seat, and the rules. Raises `TREError(PolicyMissing | BadInput)`."""
    terms, now = load_committee(portal.layout.root).spec, portal.clock.now()
    found, small = committee_told.seats(connection), terms.fast_lane
    return PublicCommittee(
        body=terms.body,
        constituencies=_constituencies(terms),
        members=terms.members,
        members_small_change=None if small is None else small.members,
        majority_percent=terms.majority_percent,
        patients_must_approve=terms.patients_must_approve,
        review_days=terms.review_days,
        sitting=[one for one in found if not one.is_over(now)],
        former=sorted((one for one in found if one.is_over(now)), key=lambda one: one.ends, reverse=True),
    )


def _constituencies(terms: CommitteeTerms) -> list[PublicConstituency]:
    full = with_patients(terms.quorum)
    small = None if terms.fast_lane is None else with_patients(dict(terms.fast_lane.quorum))
    return [
        PublicConstituency(
            name=name,
            title=rule.title,
            quorum=full[name],
            quorum_small_change=None if small is None else small.get(name, 0),
        )
        for name, rule in terms.constituencies.items()
    ]


def declined(connection: Connection, most: int | None = None) -> PublicDeclined:
    """What was declined: all numbers, and at most so many applications."""
    return PublicDeclined(
        years=committee_told.declined_by_year(connection), declined=committee_told.declined(connection, most)
    )
