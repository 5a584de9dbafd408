"""Casting a vote, standing aside, closing the vote, stopping a project at once.

Guarantees: a vote is taken only from a member who may cast it now, once, on what is shown to them at that moment; a
member who stands aside takes their vote with them; only a chair who takes part closes a vote, and only with quorum;
conditions are only such as somebody holds, and none that the application itself contradicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tre.domain.applications.models import Application, Closing
from tre.domain.committee.eligibility import (
    check_concerned,
    check_may_vote,
    check_not_voted,
    check_open,
    check_sits,
)
from tre.domain.committee.grants import project_of
from tre.domain.committee.models import EmergencyVote, Recusal, Seat, Vote, VoteText
from tre.domain.committee.policy import CommitteeTerms
from tre.domain.committee.tally import Ballot, tally
from tre.domain.errors import Reason, TREError, passes
from tre.domain.grants.conditions import unmet_codes
from tre.domain.people import Person


@dataclass(frozen=True)
class Act:
    """Who acts, from which session, when."""

    person: Person
    session: str
    now: datetime


def cast(
    application: Application, text: VoteText, matter: str, ballot: Ballot, terms: CommitteeTerms, act: Act
) -> Vote:
    """The vote as it is kept. `matter` is what was shown to the member.

    Raises `TREError(ContentChanged | AlreadyVoted | BadInput)`, and as `check_may_vote`.
    """
    seat = check_may_vote(act.person, application, ballot.seats, ballot.recusals, act.now)
    if application.matter is None or matter != application.matter:
        raise TREError(
            Reason.ContentChanged,
            "The application is no longer what you saw.",
            why="It was handed in again, or its plan changed.",
            remedy="Open it again and look at what it is now.",
        )
    check_not_voted(seat, application, ballot.votes)
    _check_text(application, text, terms)
    return Vote.model_validate(
        {
            **dict(text),
            "application": application.id,
            "round": application.round,
            "matter": matter,
            "voter": act.person.subject,
            "seat": seat.id,
            "constituency": seat.constituency,
            "session": act.session,
            "at": act.now,
        }
    )


def _check_text(application: Application, text: VoteText, terms: CommitteeTerms) -> None:
    if strange := sorted(set(text.criteria) - terms.criteria_ids):
        raise TREError(
            Reason.BadInput,
            f"There is no criterion {', '.join(strange)}.",
            why=f"The policy has {', '.join(sorted(terms.criteria_ids))}.",
            remedy="Tick those that are met.",
        )
    assert application.content is not None
    found = [one.expected for one in unmet_codes(text.conditions, project_of(application.content))]
    if found:
        raise TREError(
            Reason.BadInput,
            f"This condition cannot hold here: {'; '.join(found)}.",
            why="A grant under it would never come into force.",
            remedy="Leave it out, decline, or ask the applicant to change the application.",
        )


def recuse(application: Application, why: str, ballot: Ballot, act: Act) -> Recusal:
    """Stand aside in one application; a vote cast before counts no more.

    Raises `TREError(NotPermitted | SeatEnded | VoteClosed | ConflictOfInterest)`: who is aside already stays there.
    """
    seat = check_may_vote(act.person, application, ballot.seats, ballot.recusals, act.now)
    return Recusal(application=application.id, voter=seat.subject, why=why, session=act.session, at=act.now)


def check_close(application: Application, ballot: Ballot, terms: CommitteeTerms, act: Act) -> Seat:
    """Whether this person may close the vote now.

    Raises `TREError(NotPermitted)` for anybody but a chair, `TREError(QuorumMissing)`, and as `check_may_vote`.
    """
    seat = check_sits(act.person, ballot.seats, act.now)
    if not seat.chair:
        raise TREError(
            Reason.NotPermitted,
            "Only the chair closes a vote.",
            why="You hold a seat and not the chair.",
            remedy="Ask the chair.",
        )
    check_concerned(seat, application, ballot.recusals)
    check_open(application)
    found = tally(application, ballot, terms, act.now)
    if found.lacking:
        raise TREError(
            Reason.QuorumMissing,
            "The vote cannot be closed yet.",
            why=" ".join(found.lacking),
            remedy="Ask the members who have not voted.",
        )
    return seat


def close(application: Application, ballot: Ballot, terms: CommitteeTerms, act: Act) -> Application:
    """Close the vote, so that it is counted without those who have not voted. Raises as `check_close`."""
    seat = check_close(application, ballot, terms, act)
    assert application.matter is not None
    closing = Closing(by=seat.subject, session=act.session, at=act.now, matter=application.matter)
    return application.changed(closing=closing, changed_at=act.now)


def stop(grant: str, reason: str, seats: Sequence[Seat], act: Act) -> EmergencyVote:
    """A member's vote to stop a running project at once; a conflict of interest keeps nobody from it.

    Raises `TREError(NotPermitted | SeatEnded)`.
    """
    seat = check_sits(act.person, seats, act.now)
    return EmergencyVote(grant=grant, voter=seat.subject, seat=seat.id, reason=reason, session=act.session, at=act.now)


def stops(votes: Iterable[EmergencyVote], terms: CommitteeTerms) -> bool:
    """Whether enough different members have voted to stop a project."""
    return len({vote.voter.key for vote in votes}) >= terms.emergency.votes


can_close = passes(check_close)
