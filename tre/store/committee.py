"""The committee in the record, by intent: seats, votes, recusals, decisions, emergency votes.

Guarantees: votes, recusals and decisions are added and never changed or removed here; a second vote of a seat on one
matter is refused also when both come at the same moment; whatever a member does is asked of the domain in the same
transaction, from what the record says then. An emergency vote and the suspension that it brings are one transaction.

Threat: two windows that vote at once; a vote that slips in while the vote is being closed or the application changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from tre.domain.applications.models import Application
from tre.domain.committee import eligibility, voting
from tre.domain.committee.decision import Decided
from tre.domain.committee.models import EmergencyVote, Recusal, Seat, Vote, VoteText
from tre.domain.committee.policy import CommitteePolicy, CommitteeTerms
from tre.domain.committee.signed import SignedDecision
from tre.domain.committee.tally import Ballot
from tre.domain.committee.voting import Act
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.grants.models import Suspension, SuspensionScope
from tre.domain.names import short_hash
from tre.store import applications as applications_store
from tre.store import grants
from tre.store.database import Change, new_id
from tre.store.tables.committee import (
    committee_decisions,
    committee_emergencies,
    committee_recusals,
    committee_seats,
    committee_votes,
)
from tre.store.tables.grants import suspensions


def new_seat_id() -> str:
    """A random identifier: `s-` and twelve characters."""
    return f"s-{short_hash('seat', new_id())}"


def event_of(kind: str, subject: str, act: Act, /, **detail: Any) -> Event:
    """The event of what a member or an operator does; words stay in the record."""
    about = {"session": act.session} | detail
    return Event(id=new_id(), at=act.now, actor=act.person.subject, kind=kind, object=subject, detail=about)


# Seats.


def seats(connection: Connection) -> list[Seat]:
    """Every seat there ever was, the earliest first."""
    query = select(committee_seats.c.document).order_by(committee_seats.c.begins, committee_seats.c.id)
    return [Seat.model_validate(document) for document in connection.execute(query).scalars()]


def require_seat(connection: Connection, name: str) -> Seat:
    """One seat. Raises `TREError(SeatNotFound)`."""
    row = connection.execute(select(committee_seats.c.document).where(committee_seats.c.id == name)).scalar()
    if row is None:
        raise TREError(
            Reason.SeatNotFound,
            f"There is no seat {name!r}.",
            why="The record knows none of that name.",
            remedy="See `tre committee list`.",
        )
    return Seat.model_validate(row)


def add_seat(change: Change, seat: Seat, terms: CommitteeTerms) -> Seat:
    """Give a person a seat. Raises as `check_new_seat`."""
    eligibility.check_new_seat(seats(change.connection), seat, terms.constituencies)
    change.connection.execute(insert(committee_seats).values(_seat_row(seat)))
    return seat


def end_seat(change: Change, name: str, why: str, now: datetime) -> Seat:
    """End a term now. Raises `TREError(SeatNotFound)`, `TREError(SeatEnded)` where it is over."""
    seat = require_seat(change.connection, name)
    if seat.last <= now:
        raise TREError(
            Reason.SeatEnded,
            f"The seat {name!r} ended on {seat.last:%d %B %Y}.",
            why="What has ended stays ended.",
            remedy="A new term is a new seat.",
        )
    ended = Seat.model_validate({**dict(seat), "ended_at": now, "ended_why": why})
    return _write_seat(change, ended)


def declare(change: Change, name: str, interests: Sequence[str]) -> Seat:
    """Replace the interests that a member declared. Raises `TREError(SeatNotFound)`."""
    seat = require_seat(change.connection, name)
    return _write_seat(change, Seat.model_validate({**dict(seat), "interests": tuple(dict.fromkeys(interests))}))


def _write_seat(change: Change, seat: Seat) -> Seat:
    change.connection.execute(update(committee_seats).where(committee_seats.c.id == seat.id).values(_seat_row(seat)))
    return seat


def _seat_row(seat: Seat) -> dict[str, Any]:
    return {
        "id": seat.id,
        "issuer": seat.subject.issuer,
        "person": seat.subject.id,
        "constituency": seat.constituency,
        "begins": seat.begins,
        "ends": seat.last,
        "document": seat.model_dump(mode="json", by_alias=True),
    }


# Votes.


def votes_on(connection: Connection, application: str) -> list[Vote]:
    """Every vote on an application, of all its rounds, in their order."""
    query = select(committee_votes.c.document).where(committee_votes.c.application == application)
    ordered = query.order_by(committee_votes.c.at, committee_votes.c.seat)
    return [Vote.model_validate(document) for document in connection.execute(ordered).scalars()]


def recusals_of(connection: Connection, application: str) -> list[Recusal]:
    """Who stood aside in an application by their own word."""
    query = select(committee_recusals.c.document).where(committee_recusals.c.application == application)
    ordered = query.order_by(committee_recusals.c.at, committee_recusals.c.person)
    return [Recusal.model_validate(document) for document in connection.execute(ordered).scalars()]


def ballots(connection: Connection, applications: Sequence[str]) -> dict[str, Ballot]:
    """The ballot of each of these, read together."""
    votes, recusals = committee_votes, committee_recusals
    cast_on: dict[str, list[Vote]] = {name: [] for name in applications}
    of_these = select(votes.c.application, votes.c.document).where(votes.c.application.in_(applications))
    for row in connection.execute(of_these.order_by(votes.c.at, votes.c.seat)):
        cast_on[row.application].append(Vote.model_validate(row.document))
    aside: dict[str, list[Recusal]] = {name: [] for name in applications}
    stood = select(recusals.c.application, recusals.c.document).where(recusals.c.application.in_(applications))
    for row in connection.execute(stood.order_by(recusals.c.at, recusals.c.person)):
        aside[row.application].append(Recusal.model_validate(row.document))
    present = seats(connection)
    return {name: Ballot(present, cast_on[name], aside[name]) for name in applications}


def ballot(connection: Connection, application: str) -> Ballot:
    """Everything that a count of an application is made of."""
    return Ballot(seats(connection), votes_on(connection, application), recusals_of(connection, application))


def cast(change: Change, application: str, text: VoteText, matter: str, terms: CommitteeTerms, act: Act) -> Vote:
    """Keep a vote. Raises as `voting.cast`, `TREError(ApplicationNotFound)`."""
    found = applications_store.require(change.connection, application)
    vote = voting.cast(found, text, matter, ballot(change.connection, application), terms, act)
    change.connection.execute(
        insert(committee_votes).values(
            application=vote.application,
            matter=vote.matter,
            seat=vote.seat,
            document=vote.model_dump(mode="json", by_alias=True),
            at=vote.at,
        )
    )
    return vote


def recuse(change: Change, application: str, why: str, act: Act) -> Recusal:
    """Keep that a member stands aside. Raises as `voting.recuse`, `TREError(ApplicationNotFound)`."""
    found = applications_store.require(change.connection, application)
    recusal = voting.recuse(found, why, ballot(change.connection, application), act)
    change.connection.execute(
        insert(committee_recusals).values(
            application=recusal.application,
            issuer=recusal.voter.issuer,
            person=recusal.voter.id,
            document=recusal.model_dump(mode="json", by_alias=True),
            at=recusal.at,
        )
    )
    return recusal


def close(change: Change, application: str, terms: CommitteeTerms, act: Act) -> Application:
    """Close the vote. Raises as `voting.close`, `TREError(ApplicationNotFound)`."""
    found = applications_store.require(change.connection, application)
    closed = voting.close(found, ballot(change.connection, application), terms, act)
    return applications_store.save(change, found, closed)


# Decisions.


def keep_decision(change: Change, before: Application, made: Decided, signed: SignedDecision) -> Application:
    """Keep a decision and what the application is by it. Raises `TREError(Conflict)` as `applications.save`."""
    record = made.record
    change.connection.execute(
        insert(committee_decisions).values(
            digest=record.digest(),
            application=record.application,
            round=record.round,
            outcome=record.outcome.value,
            grant=record.grant,
            document=signed.model_dump(mode="json", by_alias=True),
            decided_at=record.decided_at,
        )
    )
    return applications_store.save(change, before, made.application)


def decisions_on(connection: Connection, application: str) -> list[SignedDecision]:
    """Every decision on an application, the earliest first."""
    query = select(committee_decisions.c.document).where(committee_decisions.c.application == application)
    ordered = query.order_by(committee_decisions.c.round)
    return [SignedDecision.model_validate(document) for document in connection.execute(ordered).scalars()]


def decided_since(connection: Connection, moment: datetime) -> list[SignedDecision]:
    """Every decision from a moment on, the earliest first."""
    query = select(committee_decisions.c.document).where(committee_decisions.c.decided_at >= moment)
    ordered = query.order_by(committee_decisions.c.decided_at, committee_decisions.c.application)
    return [SignedDecision.model_validate(document) for document in connection.execute(ordered).scalars()]


def require_decision(connection: Connection, name: str) -> SignedDecision:
    """A decision by its digest, or the latest on an application or of a grant. Raises `TREError(ObjectNotFound)`."""
    named = (
        (committee_decisions.c.digest == name)
        | (committee_decisions.c.application == name)
        | (committee_decisions.c.grant == name)
    )
    query = select(committee_decisions.c.document).where(named).order_by(committee_decisions.c.decided_at.desc())
    row = connection.execute(query.limit(1)).scalar()
    if row is None:
        raise TREError(
            Reason.ObjectNotFound,
            f"There is no decision on {name!r}.",
            why="Nothing of that name was decided here.",
            remedy="See `tre application list`.",
        )
    return SignedDecision.model_validate(row)


# Stopping a project at once.


def emergency_votes(connection: Connection, grant: str) -> list[EmergencyVote]:
    """Emergency votes that have not brought about a suspension yet, or whose suspension is still in force."""
    table = committee_emergencies
    lifted = select(suspensions.c.id).where(suspensions.c.until.is_not(None))
    query = select(table.c.document).where(
        table.c.grant == grant, table.c.suspension.is_(None) | table.c.suspension.not_in(lifted)
    )
    return [
        EmergencyVote.model_validate(document) for document in connection.execute(query.order_by(table.c.at)).scalars()
    ]


def stop(change: Change, grant: str, reason: str, policy: CommitteePolicy, act: Act) -> str | None:
    """Keep an emergency vote, and suspend the whole grant in the same transaction once there are enough of them.

    Returns the suspension's identifier, or `None` while more members have to vote. Raises as `voting.stop`,
    `TREError(GrantNotFound)`, `TREError(AlreadyVoted)`.
    """
    grants.require(change.connection, grant)
    vote = voting.stop(grant, reason, seats(change.connection), act)
    before = emergency_votes(change.connection, grant)
    if any(one.voter.key == vote.voter.key for one in before):
        raise TREError(
            Reason.AlreadyVoted,
            "You have voted to stop this project already.",
            why="The vote stands until its suspension is lifted.",
            remedy="Ask another member, or an operator: `tre grant suspend` stops it too.",
        )
    row = {"id": new_id(), "grant": grant, "seat": vote.seat, "at": vote.at, "suspension": None}
    document = vote.model_dump(mode="json", by_alias=True)
    change.connection.execute(insert(committee_emergencies).values(row | {"document": document}))
    if not voting.stops([*before, vote], policy.spec):
        return None
    said = f"{policy.spec.body}, emergency vote: {reason}"[:500].strip()
    stopped = Suspension(scope=SuspensionScope.grant, reason=said, by=vote.voter, since=act.now)
    identifier = grants.suspend(change, grant, stopped)
    mine = (committee_emergencies.c.grant == grant) & committee_emergencies.c.suspension.is_(None)
    change.connection.execute(update(committee_emergencies).where(mine).values(suspension=identifier))
    return identifier


def count_votes(connection: Connection) -> dict[str, int]:
    """How many votes were cast on each application, whatever they are about."""
    query = select(committee_votes.c.application, func.count()).group_by(committee_votes.c.application)
    return {row[0]: int(row[1]) for row in connection.execute(query)}
