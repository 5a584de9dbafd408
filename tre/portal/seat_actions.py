"""Seats at reviews: taking one, giving it back, giving it to somebody, and being away.

Guarantees: the domain decides who may and when; who says to be away gives back every seat in the same change, each
with its event.

Does not guarantee: that somebody comes. Operators see what waits, whose it is and since when.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tre.domain.desk import permissions as desk_permissions
from tre.domain.errors import Reason, TREError
from tre.domain.exports import claims
from tre.domain.exports.claims import Absence
from tre.domain.exports.models import ExportRequest
from tre.domain.exports.permissions import check_view, is_independent
from tre.domain.grants.models import GrantRecord
from tre.domain.model import parse_record
from tre.domain.people import Person, Role, Subject
from tre.portal.context import Desk
from tre.portal.export_actions import Found, change_by, found_now, situation_of
from tre.store import export_desk, exports, grants, people

LONGEST_AWAY_DAYS = 366


def claim(desk: Desk, person: Person, export: str) -> ExportRequest:
    """Take a seat. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(desk, person, found, "claimed", lambda c, request, s: exports.claim(c, request, person, s))


def give_back(desk: Desk, person: Person, export: str) -> ExportRequest:
    """Leave a seat. Raises `TREError`."""
    found = found_now(desk, person, export)
    return change_by(desk, person, found, "given-back", lambda c, request, s: exports.give_back(c, request, person, s))


def assignable(desk: Desk, person: Person, export: str) -> Found:
    """A request that a person may give to a checker: operators outside need not see what is in it.

    Raises `TREError(ExportNotFound)` for any other.
    """
    with desk.database.read() as connection:
        request = exports.get(connection, export)
        if request is not None:
            grant = grants.require(connection, request.grant)
            found = Found(request, situation_of(desk, grant, request), grant)
            if _concerned(person, found):
                return found
    raise TREError(Reason.ExportNotFound, "There is no such export request for you.", remedy="Go back to the list.")


def _concerned(person: Person, found: Found) -> bool:
    if person.holds(Role.operator) and is_independent(person.subject, found.request, found.situation.grant):
        return found.request.turn > 0
    try:
        check_view(person, found.request, found.situation.grant)
    except TREError:
        return False
    return True


def assign(desk: Desk, person: Person, export: str, checker: Subject) -> ExportRequest:
    """Give a checker a seat. Raises `TREError`."""
    found = assignable(desk, person, export)
    claims.check_assign(person, found.request, found.situation)
    with desk.database.read() as connection:
        known = people.by_subject(connection, checker)
        away = export_desk.absences(connection, found.situation.now)
    if known is None or Role.checker not in known.roles:
        raise TREError(Reason.BadInput, "Nobody of that name is a checker here.", remedy="Choose one from the list.")
    chosen = Person(subject=known.subject, display_name=known.display_name, roles=known.roles)

    event = exports.event_of("assigned", found.request, person.subject, found.situation.now)
    with desk.database.change(event) as change:
        after = claims.assign(found.request, person, chosen, found.situation, away)
        return exports.save(change, found.request, after)


def be_away(desk: Desk, person: Person, since: datetime, until: datetime) -> int:
    """Say when one is away; seats that fall into that time are given back, and their number returned.

    Raises `TREError(NotPermitted)` for who is no checker, `TREError(BadInput)` for times that cannot be.
    """
    desk_permissions.check_review_exports(person)
    now = desk.clock.now()
    plain = {"checker": person.subject, "since": since, "until": until}
    absence = parse_record(Absence, plain, source="the absence")
    if absence.until <= now or (absence.until - now).days > LONGEST_AWAY_DAYS:
        raise TREError(Reason.BadInput, "An absence ends between now and a year from now.", remedy="Correct the dates.")
    given = 0
    event = desk.event(person.subject, "checker.away", f"person/{person.subject}", until=until.isoformat())
    with desk.database.change(event) as change:
        export_desk.add_absence(change, absence)
        for request in exports.in_review(change.connection):
            mine = [item for item in claims.live_claims(request, now) if item.checker.key == person.subject.key]
            if any(since < item.until for item in mine):
                situation = situation_of(desk, grants.require(change.connection, request.grant), request)
                after = claims.unseated(request, person.subject, situation)
                change.record(exports.event_of("given-back", request, person.subject, now))
                exports.save(change, request, after)
                given += 1
    return given


@dataclass(frozen=True)
class CheckerLoad:
    """A checker, how many requests they have in hand, and until when they are away."""

    subject: Subject
    name: str
    load: int
    away_until: datetime | None


def checkers(desk: Desk) -> list[CheckerLoad]:
    """Every checker, who has least in hand first."""
    now = desk.clock.now()
    with desk.database.read() as connection:
        waiting, away = exports.in_review(connection), export_desk.absences(connection, now)
        known = [item for item in people.everybody(connection) if Role.checker in item.roles]
    loads = [
        CheckerLoad(
            subject=item.subject,
            name=item.display_name,
            load=claims.load_of(waiting, item.subject, now),
            away_until=max(
                (a.until for a in away if a.checker.key == item.subject.key and a.covers(now)), default=None
            ),
        )
        for item in known
    ]
    return sorted(loads, key=lambda item: (item.away_until is not None, item.load, item.name))


@dataclass(frozen=True)
class WaitingRow:
    """What an operator sees of a request that waits for checkers: nothing of what is in it."""

    request: ExportRequest
    grant: GrantRecord
    seats: int
    free: int


def waiting(desk: Desk, person: Person) -> list[WaitingRow]:
    """What waits for checkers, the earliest deadline first, but nothing of the person's own projects.

    Raises `TREError(NotPermitted)` for who is no operator.
    """
    desk_permissions.check_operate(person)
    rows = []
    with desk.database.read() as connection:
        for request in exports.in_review(connection):
            grant = grants.require(connection, request.grant)
            situation = situation_of(desk, grant, request)
            if is_independent(person.subject, request, situation.grant):
                free = claims.free_seats(request, situation)
                rows.append(WaitingRow(request, grant, claims.seats(request, situation), free))
    return sorted(rows, key=lambda row: row.request.deadline or desk.clock.now())
