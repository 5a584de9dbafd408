"""`/api/v1/people` and `/api/v1/organisation`: who is known, who is kept out, what is held; for operators.

Guarantees: the same functions as behind the pages, hence the same rules, errors and events; every answer carries
`allowedActions`. A person asks for their own standing without being an operator, and for nobody else's.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import Connection

from tre.domain.desk import permissions
from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Role, Subject
from tre.domain.standing.asked import AskedStanding
from tre.domain.standing.models import Holder, StandingKind
from tre.portal import people_actions as actions
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.people_views import holder_view, kept_out, require_organisation, require_person
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.store import people
from tre.store.people import KnownPerson

router = APIRouter(prefix="/api/v1", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {
    "dependencies": [Depends(checked_header)],
    "responses": responses(400),
    "response_model_exclude_none": True,
}
HubName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,19}-[a-z2-7]{12}$")]
StandingPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
OrganisationQuery = Annotated[str, Query(alias="id", min_length=1, max_length=200)]


class PersonAnswer(Record):
    """Somebody who is known; `keptOut` is why their sign-ins do not count now, where they do not."""

    subject: Subject
    display_name: Line
    hub_name: Line
    roles: list[Role]
    kept_out: Reason | None = None
    confirmed_until: UtcTime | None = None


class RequiredAnswer(Record):
    """One requirement, and until when it is met without a gap; no moment where it is not met now."""

    what: Line
    until: UtcTime | None = None


class HeldAnswer(Record):
    """Something that is or was held."""

    id: Line
    kind: StandingKind
    name: Line
    reference: Line
    since: UtcTime
    until: UtcTime


class HolderAnswer(Record):
    """What somebody must hold and holds; `person` where it is a person."""

    holder: Holder
    person: PersonAnswer | None = None
    required: list[RequiredAnswer]
    held: list[HeldAnswer]
    allowed_actions: list[str]


def _person(known: KnownPerson, desk: Desk) -> PersonAnswer:
    return PersonAnswer(
        subject=known.subject,
        display_name=known.display_name,
        hub_name=known.hub_name,
        roles=sorted(known.roles),
        kept_out=kept_out(known, desk.clock.now()),
        confirmed_until=known.confirmed_until,
    )


def _answer(connection: Connection, desk: Desk, who: Visitor, holder: Holder) -> HolderAnswer:
    view = holder_view(connection, who.person, holder, desk.clock.now())
    known = None if holder.person is None else people.by_subject(connection, holder.person)
    return HolderAnswer(
        holder=holder,
        person=None if known is None else _person(known, desk),
        required=[RequiredAnswer(what=row.text, until=row.until) for row in view.required],
        held=[HeldAnswer.model_validate(one.model_dump(include=set(HeldAnswer.model_fields))) for one in view.held],
        allowed_actions=list(view.actions),
    )


def _of_person(desk: Desk, who: Visitor, hub_name: str) -> Holder:
    permissions.check_operate(who.person)
    with desk.database.read() as connection:
        return Holder(person=require_person(connection, hub_name).subject)


def _of_organisation(desk: Desk, who: Visitor, identifier: str) -> Holder:
    permissions.check_operate(who.person)
    with desk.database.read() as connection:
        return require_organisation(connection, identifier)


def _told(desk: Desk, who: Visitor, holder: Holder) -> HolderAnswer:
    with desk.database.read() as connection:
        return _answer(connection, desk, who, holder)


def _added(desk: Desk, who: Visitor, holder: Holder, body: AskedStanding) -> HolderAnswer:
    actions.add(desk, who.person, holder, body)
    return _told(desk, who, holder)


def _ended(desk: Desk, who: Visitor, holder: Holder, standing: str, body: actions.EndRequest) -> HolderAnswer:
    actions.end(desk, who.person, holder, standing, body)
    return _told(desk, who, holder)


@router.get("/standing", response_model_exclude_none=True)
def own_standing(desk: CurrentDesk, who: CurrentVisitor) -> HolderAnswer:
    """What whoever asks must hold and holds."""
    return _told(desk, who, Holder(person=who.person.subject))


@router.get("/people", response_model_exclude_none=True)
def list_people(desk: CurrentDesk, who: CurrentVisitor) -> list[PersonAnswer]:
    """Everybody who signed in, and every local account."""
    permissions.check_operate(who.person)
    with desk.database.read() as connection:
        return [_person(one, desk) for one in people.everybody(connection)]


@router.get("/people/{hub_name}", response_model_exclude_none=True)
def get_person(desk: CurrentDesk, who: CurrentVisitor, hub_name: HubName) -> HolderAnswer:
    """One person: whether they are kept out, what they must hold and hold."""
    return _told(desk, who, _of_person(desk, who, hub_name))


@router.post("/people/{hub_name}/standings", status_code=201, **CHANGES)
def add_to_person(desk: CurrentDesk, who: CurrentVisitor, hub_name: HubName, body: AskedStanding) -> HolderAnswer:
    """Record what a person holds."""
    return _added(desk, who, _of_person(desk, who, hub_name), body)


@router.post("/people/{hub_name}/standings/{standing}/end", **CHANGES)
def end_of_person(
    desk: CurrentDesk, who: CurrentVisitor, hub_name: HubName, standing: StandingPath, body: actions.EndRequest
) -> HolderAnswer:
    """End what a person holds."""
    return _ended(desk, who, _of_person(desk, who, hub_name), standing, body)


@router.get("/organisation", response_model_exclude_none=True)
def get_organisation(desk: CurrentDesk, who: CurrentVisitor, identifier: OrganisationQuery) -> HolderAnswer:
    """One organisation of a project: what it must hold and holds."""
    return _told(desk, who, _of_organisation(desk, who, identifier))


@router.post("/organisation/standings", status_code=201, **CHANGES)
def add_to_organisation(
    desk: CurrentDesk, who: CurrentVisitor, identifier: OrganisationQuery, body: AskedStanding
) -> HolderAnswer:
    """Record what an organisation holds."""
    return _added(desk, who, _of_organisation(desk, who, identifier), body)


@router.post("/organisation/standings/{standing}/end", **CHANGES)
def end_of_organisation(
    desk: CurrentDesk,
    who: CurrentVisitor,
    identifier: OrganisationQuery,
    standing: StandingPath,
    body: actions.EndRequest,
) -> HolderAnswer:
    """End what an organisation holds."""
    return _ended(desk, who, _of_organisation(desk, who, identifier), standing, body)
