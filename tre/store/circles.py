"""Who stands around an object: its author, its project's members, the people in roles that may act on it.

Guarantees: people are those of this moment; somebody whose role was taken from them at their last sign-in is not among
its holders; the checkers of a request are independent of it and not away. An object that is not there, or that nobody
here knows how to look up, has the people in roles around it and nobody else, and no words that could be told.

Whoever makes a new kind of object adds a finder to `FINDERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.committee.eligibility import recusal_of
from tre.domain.events import Event
from tre.domain.exports.claims import is_away, live_claims
from tre.domain.grants.models import GrantRecord, MemberRole, SuspensionScope
from tre.domain.grants.policies import effective_end
from tre.domain.letters.topics import Circle, Relation, safe_words
from tre.domain.people import Role, Subject
from tre.domain.publicaccount.states import ItemKind
from tre.store import (
    applications,
    batches,
    committee,
    conditions,
    export_desk,
    exports,
    grants,
    imports,
    people,
    publicaccount,
    workspaces,
)

People = dict[Relation, frozenset[Subject]]
_ROLES = {
    Relation.checkers: Role.checker,
    Relation.committee: Role.committee,
    Relation.data_managers: Role.data_manager,
    Relation.operators: Role.operator,
}


def around(connection: Connection, event: Event, now: datetime) -> Circle:
    """The circle of the object that an event is about."""
    kind, _, name = event.object.partition("/")
    roles = _holders(connection)
    finder = FINDERS.get(kind, _by_name)
    return finder(connection, event, name, roles, now)


def _holders(connection: Connection) -> People:
    everybody = people.everybody(connection)
    return {
        relation: frozenset(person.subject for person in everybody if role in person.roles)
        for relation, role in _ROLES.items()
    }


def _by_name(_connection: Connection, _event: Event, name: str, roles: People, _now: datetime) -> Circle:
    return Circle(roles, words=safe_words(name=name))


def _grant(connection: Connection, event: Event, name: str, roles: People, _now: datetime) -> Circle:
    found = grants.get(connection, name)
    if found is None:
        return Circle(roles)
    named = event.detail.get("ref")
    marked = _only(member.subject for member in found.spec.members if str(member.subject) == named)
    end = effective_end(found.spec).at
    words = safe_words(name=name) | {"ends": f"{end:%Y-%m-%d %H:%M} UTC", "day": f"{end:%Y-%m-%d}"}
    return Circle(roles | _project(found) | {Relation.named: marked}, found.phase.value, words)


def _project(grant: GrantRecord) -> People:
    return {
        Relation.members: frozenset(member.subject for member in grant.spec.members),
        Relation.lead: frozenset(m.subject for m in grant.spec.members if m.role is MemberRole.lead),
    }


def _export(connection: Connection, _event: Event, name: str, roles: People, now: datetime) -> Circle:
    request = exports.get(connection, name)
    grant = None if request is None else grants.get(connection, request.grant)
    if request is None or grant is None:
        return Circle(roles)
    reviewing = [review.checker for review in request.reviews if review.turn == request.turn and not review.void]
    seated = [claim.checker for claim in live_claims(request, now)]
    around_it = _reviewed(connection, grant, request.author, roles, now) | {
        Relation.seated: frozenset([*reviewing, *seated])
    }
    return Circle(around_it, request.state.value, safe_words(name=name, grant=grant.name))


def _import(connection: Connection, _event: Event, name: str, roles: People, now: datetime) -> Circle:
    request = imports.get(connection, name)
    grant = None if request is None else grants.get(connection, request.grant)
    if request is None or grant is None:
        return Circle(roles)
    around_it = _reviewed(connection, grant, request.author, roles, now)
    return Circle(around_it, request.state.value, safe_words(name=name, grant=grant.name))


def _reviewed(connection: Connection, grant: GrantRecord, author: Subject, roles: People, now: datetime) -> People:
    project = _project(grant)
    away = export_desk.absences(connection, now)
    inside = {author.key, *(member.key for member in project[Relation.members])}
    free = [one for one in roles[Relation.checkers] if one.key not in inside and not is_away(away, one, now)]
    return roles | project | {Relation.author: frozenset([author]), Relation.checkers: frozenset(free)}


def _workspace(connection: Connection, _event: Event, name: str, roles: People, _now: datetime) -> Circle:
    found = workspaces.get(connection, name)
    if found is None:
        return Circle(roles)
    words = safe_words(name=name, grant=found.grant)
    return Circle(roles | {Relation.owner: frozenset([found.subject])}, found.phase.value, words)


def _batch(connection: Connection, event: Event, name: str, roles: People, now: datetime) -> Circle:
    """A job without a browser: its workspace's person, and of its own words the number alone."""
    workspace, _, identifier = name.partition(".")
    job = batches.get(connection, workspace, identifier)
    if job is None:
        return Circle(roles)
    around_it = _workspace(connection, event, workspace, roles, now)
    return Circle(around_it.people, job.state.value, {**around_it.words, "number": str(job.number)})


def _organisation(connection: Connection, _event: Event, name: str, roles: People, _now: datetime) -> Circle:
    found: People = {Relation.members: frozenset(), Relation.lead: frozenset()}
    for one in grants.of_organisation(connection, name):
        if (grant := grants.get(connection, one)) is not None:
            found = {relation: subjects | _project(grant)[relation] for relation, subjects in found.items()}
    return Circle(roles | found, SuspensionScope.organisation.value)


def _person(connection: Connection, _event: Event, name: str, roles: People, _now: datetime) -> Circle:
    found = _only(person.subject for person in people.everybody(connection) if str(person.subject) == name)
    return Circle(roles | {Relation.named: found})


def _application(connection: Connection, _event: Event, name: str, roles: People, now: datetime) -> Circle:
    """Of the committee only who holds a seat and takes part: nobody is asked for a vote that they may not cast."""
    found = applications.get(connection, name)
    if found is None:
        return Circle(roles)
    ballot = committee.ballot(connection, name)
    sitting = [seat for seat in ballot.seats if seat.in_force(now)]
    voters = frozenset(seat.subject for seat in sitting if not recusal_of(seat, found, ballot.recusals))
    around_it = roles | {Relation.author: frozenset([found.author]), Relation.committee: voters}
    return Circle(around_it, found.state.value, safe_words(name=name))


def _seat(connection: Connection, _event: Event, name: str, roles: People, _now: datetime) -> Circle:
    holder = frozenset(seat.subject for seat in committee.seats(connection) if seat.id == name)
    return Circle(roles | {Relation.named: holder}, words=safe_words(name=name))


def _outcome(connection: Connection, _event: Event, name: str, roles: People, _now: datetime) -> Circle:
    """What came of a project concerns its members, whoever of them said it."""
    grant = grants.get(connection, publicaccount.about(connection, ItemKind.outcome, name))
    if grant is None:
        return Circle(roles)
    return Circle(roles | _project(grant), words=safe_words(name=name, grant=grant.name))


def _condition(connection: Connection, event: Event, name: str, roles: People, now: datetime) -> Circle:
    """The project's members, and of the committee who may rule on it or read it."""
    found = conditions.get(connection, name)
    grant = None if found is None else grants.get(connection, found.grant)
    if found is None or grant is None:
        return Circle(roles)
    seated = _application(connection, event, found.application, roles, now).people[Relation.committee]
    members = _project(grant)
    outside = seated - members[Relation.members]
    words = safe_words(name=name, grant=grant.name)
    return Circle(roles | members | {Relation.committee: outside}, found.state.value, words)


def _only(found: Iterable[Subject]) -> frozenset[Subject]:
    """The one person of a spelling; nobody where two are spelled alike (`a:b` and `c` as `a` and `b:c`)."""
    subjects = frozenset(found)
    return subjects if len(subjects) == 1 else frozenset()


Finder = Callable[[Connection, Event, str, People, datetime], Circle]

FINDERS: Mapping[str, Finder] = {
    "grant": _grant,
    "export": _export,
    "import": _import,
    "workspace": _workspace,
    "batch": _batch,
    "organisation": _organisation,
    "person": _person,
    "application": _application,
    "outcome": _outcome,
    "seat": _seat,
    "condition": _condition,
}
"""By the first word of an object's name."""
