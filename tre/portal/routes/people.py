"""An operator's pages of people and organisations: who is kept out and why, what they must hold, what they hold.

Guarantees: nobody but operators learns who is known here; what an operator records is about somebody else.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line, parse_record
from tre.domain.standing.models import Holder, StandingKind
from tre.portal import people_actions as actions
from tre.portal.context import Desk
from tre.portal.pages import render
from tre.portal.people_views import holder_view, kept_out, require_organisation, require_person
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor
from tre.portal.site import NavigationItem
from tre.store import grants, people, standings, workspaces
from tre.store.listings import PAGE, PersonSearch, find_people
from tre.store.people import KnownPerson

router = APIRouter()
NAVIGATION = (
    NavigationItem("People", "/operate/people", permissions.can_operate, "Who is known, kept out, and holds what."),
)
HubName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,19}-[a-z2-7]{12}$")]
StandingPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
OrganisationQuery = Annotated[str, Query(alias="id", min_length=1, max_length=200)]


@router.get("/operate/people")
def everybody(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    q: Annotated[str, Query(max_length=100)] = "",
    out: Annotated[str, Query(max_length=10)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """Who is known, and the organisations of projects."""
    permissions.check_operate(who.person)
    now = desk.clock.now()
    wanted = PersonSearch(text=as_line(q, 100), kept_out=bool(out), page=page)
    with desk.database.read() as connection:
        listed = find_people(connection, wanted, now)
        values: dict[str, Any] = {
            "rows": [(one, kept_out(one, now)) for one in people.named(connection, listed.names)],
            "listed": listed,
            "wanted": wanted,
            "page_size": PAGE,
            "organisations": grants.organisations(connection),
            "rules": standings.rules(connection),
        }
    return render(request, "people/list.html", now=now, **values)


@router.get("/operate/people/{hub_name}")
def person_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, hub_name: HubName) -> Response:
    """One person: whether they are kept out, their projects, what they must hold and hold."""
    permissions.check_operate(who.person)
    return _person_page(request, desk, who, hub_name)


def _person_page(
    request: Request, desk: Desk, who: Visitor, hub_name: str, error: TREError | None = None, typed: Any = None
) -> Response:
    now = desk.clock.now()
    with desk.database.read() as connection:
        known = require_person(connection, hub_name)
        values: dict[str, Any] = {
            "known": known,
            "out": kept_out(known, now),
            "projects": workspaces.grants_of_person(connection, str(known.subject)),
            "sessions": len(people.sessions_of(connection, known.subject, now)),
            "view": holder_view(connection, who.person, Holder(person=known.subject), now),
        }
    values |= {"title": known.display_name, "base": f"/operate/people/{hub_name}", "suffix": ""}
    return _page(request, values | {"now": now}, error, typed)


def _page(request: Request, values: dict[str, Any], error: TREError | None, typed: Any) -> Response:
    values |= {"error": error, "error_at": getattr(error, "field", "until"), "typed": typed or {}}
    values["kinds"] = list(StandingKind)
    return render(request, "people/holder.html", status=400 if error else 200, **values)


@router.post("/operate/people/{hub_name}/standings")
def add(request: Request, desk: CurrentDesk, who: CurrentVisitor, hub_name: HubName, form: Form) -> Response:
    """Record what a person holds."""
    known = _known(desk, who, hub_name)
    try:
        actions.add(desk, who.person, Holder(person=known.subject), actions.asked_of(form))
    except TREError as error:
        if error.reason is not Reason.BadInput:
            raise
        return _person_page(request, desk, who, hub_name, error, form)
    return RedirectResponse(f"/operate/people/{hub_name}", 303)


@router.post("/operate/people/{hub_name}/standings/{identifier}/end")
def end(desk: CurrentDesk, who: CurrentVisitor, hub_name: HubName, identifier: StandingPath, form: Form) -> Response:
    """End what a person holds."""
    holder = Holder(person=_known(desk, who, hub_name).subject)
    why = parse_record(actions.EndRequest, {"reason": form.get("reason", "").strip()}, source="the form")
    actions.end(desk, who.person, holder, identifier, why)
    return RedirectResponse(f"/operate/people/{hub_name}", 303)


def _known(desk: Desk, who: Visitor, hub_name: str) -> KnownPerson:
    permissions.check_operate(who.person)
    with desk.database.read() as connection:
        return require_person(connection, hub_name)


# Organisations: their identifiers are free text, so they stand in the query.


@router.get("/operate/organisation")
def organisation_page(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: OrganisationQuery
) -> Response:
    """One organisation of a project: what it must hold and holds."""
    permissions.check_operate(who.person)
    return _organisation_page(request, desk, who, identifier)


def _organisation_page(
    request: Request, desk: Desk, who: Visitor, identifier: str, error: TREError | None = None, typed: Any = None
) -> Response:
    now = desk.clock.now()
    holder = _organisation(desk, identifier)
    with desk.database.read() as connection:
        values: dict[str, Any] = {
            "known": None,
            "title": grants.organisations(connection)[identifier],
            "projects": grants.of_organisation(connection, identifier),
            "view": holder_view(connection, who.person, holder, now),
        }
    values |= {"base": "/operate/organisation", "suffix": "?" + urlencode({"id": identifier})}
    return _page(request, values | {"now": now}, error, typed)


def _organisation(desk: Desk, identifier: str) -> Holder:
    with desk.database.read() as connection:
        return require_organisation(connection, identifier)


@router.post("/operate/organisation/standings")
def add_to_organisation(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, identifier: OrganisationQuery, form: Form
) -> Response:
    """Record what an organisation holds."""
    permissions.check_operate(who.person)
    try:
        actions.add(desk, who.person, _organisation(desk, identifier), actions.asked_of(form))
    except TREError as error:
        if error.reason is not Reason.BadInput:
            raise
        return _organisation_page(request, desk, who, identifier, error, form)
    return RedirectResponse(f"/operate/organisation?{urlencode({'id': identifier})}", 303)


@router.post("/operate/organisation/standings/{standing}/end")
def end_of_organisation(
    desk: CurrentDesk, who: CurrentVisitor, identifier: OrganisationQuery, standing: StandingPath, form: Form
) -> Response:
    """End what an organisation holds."""
    permissions.check_operate(who.person)
    why = parse_record(actions.EndRequest, {"reason": form.get("reason", "").strip()}, source="the form")
    actions.end(desk, who.person, _organisation(desk, identifier), standing, why)
    return RedirectResponse(f"/operate/organisation?{urlencode({'id': identifier})}", 303)
