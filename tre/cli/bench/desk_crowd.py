"""A desk with a great many people at it: ten thousand members, half a thousand applications, a committee.

Guarantees: everything is written by the functions that write it in service, so each row is one that can be; the
same things each time. Grants and applications are copies of one that was really applied for, planned and decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tre.domain.applications import acts
from tre.domain.applications.acts import Way
from tre.domain.applications.models import Application
from tre.domain.applications.states import ApplicationState
from tre.domain.committee.decision import decided
from tre.domain.committee.models import Choice, Seat, VoteText
from tre.domain.committee.policy import CommitteePolicy, CommitteeTerms
from tre.domain.committee.tally import tally
from tre.domain.committee.voting import Act
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.grants.models import AccessGrantSpec, Member, MemberRole
from tre.domain.grants.states import GrantPhase
from tre.domain.people import LOCAL_ISSUER, Person, Role, Subject
from tre.domain.workspaces.models import Workspace, WorkspacePlan
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.sources.decisions import sign_record
from tre.store import applications, committee, grant_slices, grants, people, workspaces
from tre.store.database import Change, Database, new_id
from tre.store.grant_slices import SliceState
from tre.store.people import Account

MEMBERS_EACH = 10
RUNNING_EACH = 1
_AT_ONCE = 100
_TWENTY, _DEFERRED_OF_TWENTY = 20, (1, 2)
"""Of twenty applications, one is still a draft of its author's, two are back with theirs, the rest are voted on."""
_S = ApplicationState


class Crowd(NamedTuple):
    """How many there are to be, and what they are copies of."""

    members: int
    applications: int
    model: Application
    grant: AccessGrantSpec
    password_hash: str


def person_named(number: int) -> Person:
    """One of the members."""
    subject = Subject(issuer=LOCAL_ISSUER, id=f"member-{number:05}")
    return Person(subject=subject, display_name=f"Member {number:05}", roles=frozenset({Role.researcher}))


def grant_named(number: int) -> str:
    """One of the projects."""
    return f"crowd-{number:05}"


def fill(database: Database, crowd: Crowd, now: datetime) -> None:
    """Put them all into a record."""
    for numbers in _batches(range(crowd.members)):
        with database.change(_event("account.added", f"account/{numbers[0]}", now)) as change:
            for number in numbers:
                _account(change, person_named(number), crowd.password_hash, now)
    for numbers in _batches(range(crowd.members // MEMBERS_EACH)):
        with database.change(
            *[_event("grant.activated", f"grant/{grant_named(one)}", now) for one in numbers]
        ) as change:
            for number in numbers:
                _project(change, crowd.grant, number, now)
    for numbers in _batches(range(crowd.applications)):
        with database.change(_event("application.begun", f"application/{numbers[0]}", now)) as change:
            for number in numbers:
                _application(change, crowd.model, number, now)


def _batches(numbers: range) -> Iterator[Sequence[int]]:
    rest = iter(numbers)
    while some := list(islice(rest, _AT_ONCE)):
        yield some


def _event(kind: str, about: str, now: datetime) -> Event:
    return Event(id=new_id(), at=now, actor=program("bench"), kind=kind, object=about)


def _account(change: Change, person: Person, hashed: str, now: datetime) -> None:
    name, shown = person.subject.id, person.display_name
    people.add_account(change, Account(name=name, display_name=shown, roles=person.roles, created_at=now), hashed)


def _project(change: Change, spec: AccessGrantSpec, number: int, now: datetime) -> None:
    name, first = grant_named(number), number * MEMBERS_EACH
    members = tuple(
        Member(subject=person_named(first + one).subject, role=MemberRole.researcher) for one in range(MEMBERS_EACH)
    )
    title = spec.project.model_copy(update={"title": f"{spec.project.title} ({number})"})
    grants.apply(change, name, spec.model_copy(update={"members": members, "project": title}), "committee", now)
    grants.set_evidence(change, name, verified=True)
    grants.set_phase(change, name, GrantPhase.Active, now)
    for item in spec.slices:
        values = {"content_digest": spec.approval.plan_digest, "files": 200, "manifest_version": 1}
        grant_slices.set_state(change, name, item.name, SliceState.Ready, Reason.Entitled, **values)
    for member in members:
        workspaces.ensure(change, name, member.subject, now)
    for member in members[:RUNNING_EACH]:
        _running(change, name, member.subject, number, now)


def _running(change: Change, grant: str, subject: Subject, number: int, now: datetime) -> None:
    name = Workspace.name_for(grant, subject)
    plan = WorkspacePlan(
        workspace=name,
        instance=1,
        grant=grant,
        subject=subject,
        uid=2_000_000 + number,
        mounts=(),
        end=now + timedelta(days=7),
        cap_seconds=7 * 86_400,
    )
    workspaces.want(change, name, Wanted.Running)
    workspaces.begin_start(change, plan, now)
    workspaces.set_phase(change, name, WorkspacePhase.Running, Reason.Entitled, now)


# Applications


def _application(change: Change, model: Application, number: int, now: datetime) -> None:
    """One more: written by a member, handed in, planned as the model was, and half voted on."""
    author = person_named(number)
    content = _content(model) | {"title": f"{model.title} ({number})"}
    content["people"] = [content["people"][0] | {"subject": author.subject.as_plain()}]
    begun = applications.begin(change, author, now)
    written = applications.save(change, begun, acts.edit(begun, author, content, now))
    if number % _TWENTY == 0:
        return
    handed_in = applications.save(change, written, acts.submit(written, author, now))
    way = Way(deadline=now + timedelta(days=number % 60))
    asked = applications.save(change, handed_in, acts.taken_up(handed_in, model.plans, way, now))
    if number % _TWENTY in _DEFERRED_OF_TWENTY:
        applications.save(change, asked, acts.deferred(asked, ("Why so many?",), now, Reason.Requested))


def _content(model: Application) -> dict[str, Any]:
    return {} if model.content is None else model.content.as_plain()


def decide(database: Database, policy: CommitteePolicy, key: Ed25519PrivateKey, now: datetime) -> int:
    """Of three applications that wait, let the committee decline two, and half of it vote on the third.

    Returns how many votes that were.
    """
    with database.read() as connection:
        waiting = applications.handed_in(connection, (_S.InReview,))
        voters = [seat for seat in committee.seats(connection) if seat.in_force(now)]
    cast = 0
    for number, line in enumerate(waiting):
        voting = voters[::2] if number % 3 == 0 else voters
        with database.change(_event("application.voted", f"application/{line.id}", now)) as change:
            for seat in voting:
                _vote(change, line.id, seat, policy.spec, now)
            if voting is voters:
                _decline(change, line.id, policy, key, now)
        cast += len(voting)
    return cast


def _vote(change: Change, name: str, seat: Seat, terms: CommitteeTerms, now: datetime) -> None:
    matter = applications.require(change.connection, name).matter or ""
    voter = Person(subject=seat.subject, display_name=seat.name, roles=frozenset({Role.committee}))
    text = VoteText(choice=Choice.decline, reasons="It asks for more than it needs.")
    committee.cast(change, name, text, matter, terms, Act(voter, "bench", now))


def _decline(change: Change, name: str, policy: CommitteePolicy, key: Ed25519PrivateKey, now: datetime) -> None:
    found = applications.require(change.connection, name)
    count = tally(found, committee.ballot(change.connection, name), policy.spec, now)
    made = decided(found, count, policy, None, now)
    committee.keep_decision(change, found, made, sign_record(made.record, key))
