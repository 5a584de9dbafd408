"""What applicants do at the desk: begin, write, answer, hand in, withdraw; each with its permission and its event.

Guarantees: pages and API do the same by calling the same function here; the domain says what is permitted; a change is
made from the version that the page showed, so that two windows do not undo each other's work. Another person's
application cannot be told from one that does not exist. What is typed never reaches the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from tre.domain.applications import acts, permissions
from tre.domain.applications.models import Application
from tre.domain.applications.papers import check_arrived
from tre.domain.applications.states import ApplicationState
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.people import Person, Subject
from tre.portal import actions as desk_actions
from tre.portal.applying.fields import Plain
from tre.portal.context import Desk, Portal
from tre.store import applications, grants, papers, workspaces
from tre.store.database import Change


def find(connection: Connection, person: Person, name: str) -> Application:
    """An application that a person may see. Raises `TREError(ApplicationNotFound)`: another's as none."""
    found = applications.require(connection, name)
    permissions.check_view(person, found)
    return found


def begin(desk: Desk, person: Person, varies: str | None = None) -> str:
    """Begin a draft, of a change to a running project where one is named; its identifier.

    Raises `TREError(NotPermitted | RateLimited | GrantNotFound | StateForbids)`.
    """
    permissions.check_begin(person)
    now = desk.clock.now()
    if varies is not None:
        with desk.database.read() as connection:
            _check_running(desk_actions.visible_grant(connection, person, varies))
    about = f"person/{person.subject}"
    told = {"varies": varies} if varies else {}
    event = desk.event(person.subject, "application.begun", about, **told)
    with desk.database.change(event) as change:
        made = applications.begin(change, person, now, varies)
        change.record(applications.event_of("prepared", made, person.subject, now))
        if varies is None:
            applications.save(change, made, acts.edit(made, person, _first(person), now))
    return made.id


def _check_running(grant: GrantRecord) -> None:
    if grant.phase in ENDED_PHASES:
        raise TREError(
            Reason.StateForbids,
            "This project cannot be changed any more.",
            why="It has ended.",
            remedy="Apply anew: your earlier application shows what was asked.",
        )


def _first(person: Person) -> Plain:
    """What a draft begins with: the person who writes it."""
    own = {"issuer": person.subject.issuer, "id": person.subject.id}
    name = {"name": person.display_name} if person.display_name else {}
    return {"people": [{**name, "subject": own, "role": "lead"}], "profile": "small", "category": "other"}


def save(desk: Desk, person: Person, name: str, version: int, draft: Mapping[str, Any]) -> Application:
    """Keep a whole draft in place of the one that was shown as this version.

    Raises `TREError(Conflict)` where it changed meanwhile, `TREError(BadInput)`, and as `check_edit`.
    """

    def write(found: Application) -> Application:
        gone = dict.fromkeys(found.draft.keys() - draft.keys())
        values = with_issuers(draft, person.subject) | gone
        return acts.edit(found, person, values, desk.clock.now())

    return change(desk, person, (name, version), Told("edited"), write)


def with_issuers(draft: Mapping[str, Any], own: Subject) -> Plain:
    """The draft; accounts of which nobody said who vouches for them are vouched for as the author's own."""
    people = draft.get("people")
    if not isinstance(people, list):
        return dict(draft)
    return {**draft, "people": [_with_issuer(one, own) for one in people]}


def _with_issuer(person: Any, own: Subject) -> Any:
    subject = person.get("subject") if isinstance(person, dict) else None
    if not isinstance(subject, dict) or not subject.get("id") or subject.get("issuer"):
        return person
    return {**person, "subject": {**subject, "issuer": own.issuer}}


def answer(desk: Desk, person: Person, name: str, version: int, answers: Sequence[str]) -> Application:
    """Answer what the committee asked. Raises `TREError(BadInput | Conflict)`, and as `check_edit`."""
    about, now = Told("answered"), desk.clock.now()
    return change(desk, person, (name, version), about, lambda found: acts.answer(found, person, answers, now))


def submit(desk: Desk, person: Person, name: str, version: int) -> Application:
    """Hand it in. Raises `TREError(ApplicationIncomplete | Conflict)`, and as `check_submit`."""
    about, now = Told("submitted"), desk.clock.now()

    def act(found: Application) -> Application:
        after = acts.submit(found, person, now)
        with desk.database.read() as connection:
            check_arrived(found, papers.of_application(connection, name))
        return after

    return change(desk, person, (name, version), about, act)


def withdraw(desk: Desk, person: Person, name: str, version: int) -> Application:
    """Take it back for good. Raises `TREError(Conflict)`, and as `check_withdraw`."""
    about, now = Told("withdrawn"), desk.clock.now()
    return change(desk, person, (name, version), about, lambda found: acts.withdraw(found, person, now))


@dataclass(frozen=True)
class Told:
    """What an event says of a change: the verb, and digests or numbers beside it."""

    verb: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def change(
    portal: Portal,
    person: Person,
    shown: tuple[str, int],
    told: Told,
    act: Callable[[Application], Application],
    beside: Callable[[Change], object] = lambda _: None,
) -> Application:
    """Change an application from the version that was shown; what is done `beside` is the same transaction.

    Raises `TREError(ApplicationNotFound | Conflict)`, and as `act` and `beside`.
    """
    name, version = shown
    with portal.database.read() as connection:
        before = find(connection, person, name)
    after = act(before)
    if before.version != version:
        raise TREError(
            Reason.Conflict,
            "This application was changed since you opened the page.",
            why="You, perhaps, in another window.",
            remedy="Load the page again, then repeat what you did.",
        )
    event = applications.event_of(told.verb, after, person.subject, portal.clock.now(), **told.detail)
    with portal.database.change(event) as changing:
        saved = applications.save(changing, before, after)
        beside(changing)
        return saved


def allowed(person: Person, application: Application) -> list[str]:
    """What a person may do with an application now: buttons and `allowedActions`."""
    asked = application.state is ApplicationState.Deferred and bool(application.questions)
    may = {
        "edit": permissions.can_edit(person, application),
        "answer": asked and permissions.can_edit(person, application),
        "submit": permissions.can_submit(person, application),
        "withdraw": permissions.can_withdraw(person, application),
    }
    return [name for name, can in may.items() if can]


def variable(connection: Connection, person: Person) -> list[GrantRecord]:
    """Running projects of a person that an application could change."""
    found = []
    for workspace in workspaces.of_subject(connection, person.subject):
        grant = grants.require(connection, workspace.grant)
        content = applications.approved_content(connection, grant.name)
        if grant.phase not in ENDED_PHASES and content is not None and content.names(person.subject):
            found.append(grant)
    return found
