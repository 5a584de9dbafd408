"""Who may vote on an application, and who may not because it concerns them.

Guarantees: a vote needs the committee's role, a seat whose term runs at that moment, and no conflict of interest: not
the author, not a named person, not of an organisation that applies, supplies people or pays, nor with a declared
interest in any of these, nor recused by their own word. One person has one seat.

Does not guarantee: interests that nobody declared.

Threat: a member who decides on their own project, a former member whose session is still open, a person in two seats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tre.domain.applications.models import Application
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.models import Recusal, Seat, Vote
from tre.domain.duties import Duty, Part, conflict
from tre.domain.errors import Reason, TREError, passes
from tre.domain.people import Person, Role, Subject

_CONFLICTS = {Part.applicant: "wrote the application", Part.member: "is named in the application"}


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def seat_of(seats: Iterable[Seat], subject: Subject, now: datetime) -> Seat | None:
    """The seat that a person holds now."""
    return next((seat for seat in seats if seat.subject.key == subject.key and seat.in_force(now)), None)


def conflict_of(seat: Seat, application: Application) -> str:
    """Why an application concerns a member, as the end of a sentence about them; empty where it does not."""
    content = application.content
    named = [] if content is None else [one.subject for one in content.people]
    part = conflict(Duty.vote, seat.subject, {Part.applicant: [application.author], Part.member: named})
    if part is not None:
        return _CONFLICTS[part]
    if content is None:
        return ""
    if _folded(seat.name) in {_folded(one.name) for one in content.people}:
        return _CONFLICTS[Part.member]
    organisations = {content.organisation.name, content.organisation.id, *(one.organisation for one in content.people)}
    concerned = {_folded(one) for one in (*organisations, *content.funders)}
    if {_folded(seat.organisation), _folded(seat.organisation_id)} - {""} & concerned:
        return "belongs to an organisation that applies, takes part or pays"
    people = {_folded(one.name) for one in content.people}
    if declared := sorted(one for one in seat.interests if _folded(one) in concerned | people):
        return f"has declared an interest: {declared[0]}"
    return ""


def recusal_of(seat: Seat, application: Application, recusals: Iterable[Recusal]) -> str:
    """Why a member takes no part in an application; empty where they do."""
    if conflict := conflict_of(seat, application):
        return conflict
    own = (one for one in recusals if one.voter.key == seat.subject.key and one.application == application.id)
    return next((f"stood aside: {one.why}" for one in own), "")


def check_sits(person: Person, seats: Iterable[Seat], now: datetime) -> Seat:
    """The seat of a member. Raises `TREError(NotPermitted)`, or `TREError(SeatEnded)` for a former or coming one."""
    own = [seat for seat in seats if seat.subject.key == person.subject.key]
    if not person.holds(Role.committee) or not own:
        raise TREError(
            Reason.NotPermitted,
            "You cannot vote here.",
            why="You hold no seat in the committee, or not its role.",
            remedy="Ask the chair.",
        )
    found = seat_of(own, person.subject, now)
    if found is None:
        latest = max(own, key=lambda seat: seat.last)
        raise TREError(
            Reason.SeatEnded,
            "You cannot vote now.",
            why=f"Your term runs from {latest.begins:%d %B %Y} to {latest.last:%d %B %Y}.",
            remedy="Ask the chair.",
        )
    return found


def check_concerned(seat: Seat, application: Application, recusals: Iterable[Recusal]) -> None:
    """Raise `TREError(ConflictOfInterest)` for a member whom the application concerns."""
    if why := recusal_of(seat, application, recusals):
        raise TREError(
            Reason.ConflictOfInterest,
            "You take no part in this application.",
            why=f"The record says that you, {seat.name}: {why}.",
            remedy="Other members decide. Where the record is wrong, tell the chair.",
        )


def check_open(application: Application) -> None:
    """Raise `TREError(VoteClosed)` where nothing is voted on."""
    if application.state is not ApplicationState.InReview or application.closing is not None:
        raise TREError(
            Reason.VoteClosed,
            "There is nothing to vote on now.",
            why="The vote is closed." if application.closing else f"The application is {application.state}.",
            remedy="Look at it again: what happened stands in its history.",
        )


def check_not_voted(seat: Seat, application: Application, votes: Iterable[Vote]) -> None:
    """Raise `TREError(AlreadyVoted)` for a second vote of a seat on the same matter."""
    if any(vote.seat == seat.id and vote.matter == application.matter for vote in votes):
        raise TREError(
            Reason.AlreadyVoted,
            "You have voted on this already.",
            why="A vote is cast once and stays as it is.",
            remedy="Where something has to change, ask the chair to have the applicant hand it in again.",
        )


def check_may_vote(
    person: Person, application: Application, seats: Sequence[Seat], recusals: Iterable[Recusal], now: datetime
) -> Seat:
    """The seat in which a person may vote on an application now.

    Raises `TREError(NotPermitted | SeatEnded | ConflictOfInterest | VoteClosed)`.
    """
    seat = check_sits(person, seats, now)
    check_concerned(seat, application, recusals)
    check_open(application)
    return seat


def check_new_seat(seats: Iterable[Seat], new: Seat, constituencies: Iterable[str]) -> None:
    """Whether a seat may be given.

    Raises `TREError(Conflict)` for a person who holds one in that time, `TREError(BadInput)` for no constituency.
    """
    known = list(constituencies)
    if new.constituency not in known:
        raise TREError(
            Reason.BadInput,
            f"There is no constituency {new.constituency!r}.",
            why="A seat is one of those that the policy names.",
            remedy=f"There are {', '.join(known)}; policies/committee.yaml names others.",
        )
    for seat in seats:
        if seat.subject.key == new.subject.key and seat.begins < new.last and new.begins < seat.last:
            raise TREError(
                Reason.Conflict,
                f"{new.subject} holds a seat for {seat.constituency} until {seat.last:%d %B %Y}.",
                why="One person has one seat, so that nobody counts twice.",
                remedy="End that one first.",
            )


can_vote = passes(check_may_vote)
