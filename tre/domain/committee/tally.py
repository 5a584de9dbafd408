"""Counting votes: what counts, what is still missing, and what follows once it is closed.

Guarantees: a vote counts only if it is about exactly the present matter (content and plans), and only if its voter, at
the moment of counting, holds the seat and takes part; each person once. Nothing is decided without quorum of every
constituency that the lane asks for, and never without a vote of a patient member. It is decided when everybody who
takes part has voted, or the chair closed the vote; a deadline decides nothing. More than the majority approves; more
than half declines; all else is deferred. Where patients must approve, one who counts has to be among those who do.

Threat: a vote by somebody who left, or had an interest; one that was about another plan; a quorum made of one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tre.domain.applications.models import Application, Lane
from tre.domain.committee.eligibility import recusal_of
from tre.domain.committee.models import APPROVING, Choice, Recusal, Seat, Vote
from tre.domain.committee.policy import PATIENT, CommitteeTerms


@dataclass(frozen=True)
class Ballot:
    """Everything that a count is made of: all seats, and the votes and recusals of one application."""

    seats: Sequence[Seat]
    votes: Sequence[Vote] = ()
    recusals: Sequence[Recusal] = ()


class Outcome(StrEnum):
    """What a count comes to."""

    approved = "approved"
    declined = "declined"
    deferred = "deferred"


@dataclass(frozen=True)
class Void:
    """A vote that does not count, and why."""

    vote: Vote
    why: str


@dataclass(frozen=True)
class Needed:
    """How many have to vote: of each constituency, and altogether."""

    quorum: dict[str, int]
    members: int


@dataclass(frozen=True)
class Tally:
    """A count. `lacking` says in sentences what quorum lacks; `outcome` is `None` while the vote is open."""

    counted: tuple[Vote, ...]
    void: tuple[Void, ...]
    recused: tuple[tuple[Seat, str], ...]
    waiting: tuple[Seat, ...]
    needed: Needed
    lacking: tuple[str, ...]
    outcome: Outcome | None
    why: str

    @property
    def is_quorate(self) -> bool:
        """Whether enough people of each kind have voted."""
        return not self.lacking


def needed(terms: CommitteeTerms, lane: Lane) -> Needed:
    """What a lane asks for. A lane that the policy does not have is the full one."""
    fast = terms.fast_lane if lane is Lane.fast else None
    if fast is None:
        return Needed(terms.quorum, terms.members)
    return Needed({**dict.fromkeys(terms.constituencies, 0), **fast.quorum}, fast.members)


def tally(application: Application, ballot: Ballot, terms: CommitteeTerms, now: datetime) -> Tally:
    """Count the votes on an application as it is now."""
    sitting = [seat for seat in ballot.seats if seat.in_force(now)]
    recused = [(seat, why) for seat in sitting if (why := recusal_of(seat, application, ballot.recusals))]
    aside = {seat.subject.key: why for seat, why in recused}
    taking_part = {seat.subject.key: seat for seat in sitting if seat.subject.key not in aside}
    counted, void = _sorted(application, ballot.votes, taking_part, aside)
    voted = {vote.voter.key for vote in counted}
    waiting = tuple(seat for key, seat in taking_part.items() if key not in voted)
    due = needed(terms, application.lane)
    lacking = _lacking(counted, list(taking_part.values()), due, terms)
    closed = application.closing is not None and application.closing.matter == application.matter
    outcome, why = None, ""
    if not lacking and (closed or not waiting):
        outcome, why = decide(counted, terms)
    return Tally(counted, void, tuple(recused), waiting, due, lacking, outcome, why)


def _sorted(
    application: Application,
    votes: Sequence[Vote],
    taking_part: dict[tuple[str, str], Seat],
    aside: dict[tuple[str, str], str],
) -> tuple[tuple[Vote, ...], tuple[Void, ...]]:
    """Votes that count, and those that do not."""
    counted: dict[tuple[str, str], Vote] = {}
    void = []
    for vote in sorted(votes, key=lambda one: (one.at, one.voter.key)):
        if vote.application != application.id or vote.matter != application.matter:
            void.append(Void(vote, "it is about an earlier content or plan"))
        elif vote.voter.key in aside:
            void.append(Void(vote, f"the member {aside[vote.voter.key]}"))
        elif (seat := taking_part.get(vote.voter.key)) is None or not _sits_in(seat, vote):
            void.append(Void(vote, "the member no longer holds this seat"))
        elif vote.voter.key in counted:
            void.append(Void(vote, "the member has voted before"))
        else:
            counted[vote.voter.key] = vote
    return tuple(counted.values()), tuple(void)


def _sits_in(seat: Seat, vote: Vote) -> bool:
    return (seat.id, seat.constituency) == (vote.seat, vote.constituency)


def _lacking(counted: Sequence[Vote], seats: Sequence[Seat], due: Needed, terms: CommitteeTerms) -> tuple[str, ...]:
    found = []
    for name, number in with_patients(due.quorum).items():
        has = sum(vote.constituency == name for vote in counted)
        sits = sum(seat.constituency == name for seat in seats)
        if has < number:
            more = f"{terms.constituencies[name].title}: {has} of {number} votes."
            found.append(more if sits >= number else f"{more} Only {sits} may take part: a substitute is needed.")
    if len(counted) < due.members:
        found.append(f"Members altogether: {len(counted)} of {due.members} votes.")
    return tuple(found)


def with_patients(quorum: dict[str, int]) -> dict[str, int]:
    """The quorum with one patient member at least, whatever it says."""
    return {**quorum, PATIENT: max(1, quorum.get(PATIENT, 0))}


def decide(counted: Sequence[Vote], terms: CommitteeTerms) -> tuple[Outcome, str]:
    """What votes that count come to, and why. Only to be asked with quorum."""
    total = len(counted)
    yes = sum(vote.choice in APPROVING for vote in counted)
    no = sum(vote.choice is Choice.decline for vote in counted)
    said = f"{yes} of {total} approve, {no} decline, {total - yes - no} ask for more"
    patients = any(vote.constituency == PATIENT and vote.choice in APPROVING for vote in counted)
    if yes * 100 > terms.majority_percent * total:
        if terms.patients_must_approve and not patients:
            return Outcome.deferred, f"{said}. No patient member approves."
        return Outcome.approved, f"{said}."
    if no * 2 > total:
        return Outcome.declined, f"{said}."
    return Outcome.deferred, f"{said}. There is no majority either way."
