"""A researcher's pages: my projects, one project, opening its workspace."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tre.domain.costs.prices import Unit
from tre.domain.desk import permissions
from tre.domain.grants.models import GrantRecord
from tre.portal import actions
from tre.portal.account_views import outcome_due_of
from tre.portal.context import Desk
from tre.portal.cost_views import UNITS, AccountView, hour_words
from tre.portal.histories import history_lines
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, take_ticket
from tre.portal.site import NavigationItem
from tre.portal.views import own_projects, project_view
from tre.portal.words import EVENTS
from tre.store import conditions, cost_accounts, events, publicaccount

router = APIRouter()
NAVIGATION = (NavigationItem("My projects", "/"),)
HISTORY = 50


@router.get("/.tre/ticket")
def ticket(
    request: Request,
    desk: CurrentDesk,
    t: Annotated[str, Query(max_length=200)],
    landing: Annotated[str, Query(alias="next", max_length=4000)],
) -> Response:
    """Somebody comes back from the sign-in."""
    return take_ticket(desk, request, t, landing)


@router.get("/")
def my_projects(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Every project that names the person."""
    with desk.database.read() as connection:
        projects = own_projects(desk, connection, who.person)
    return render(request, "projects.html", projects=projects, now=desk.clock.now())


@router.get("/projects/{name}")
def project(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """One project: what, with whom, until when; its data, its workspace, its history."""
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, who.person, name)
        if not permissions.is_member(who.person, grant):
            return RedirectResponse(f"/grants/{grant.name}", 303)
        view = project_view(desk, connection, who.person, grant)
        history = events.search(connection, events.EventSearch(object=f"grant/{name}", limit=events.MAX_PAGE))
        if view.workspace is not None:
            own = events.EventSearch(object=f"workspace/{view.workspace.workspace.name}", limit=events.MAX_PAGE)
            history = sorted([*history, *events.search(connection, own)], key=lambda e: -e.number)
        lines = history_lines(connection, history, EVENTS)[:HISTORY]
        due = outcome_due_of(desk, grant, publicaccount.reported(connection, name))
        values: dict[str, Any] = {"outcome_due": due, "tracked": conditions.of_grant(connection, name)}
        values |= _costs(desk, connection, grant)
    return render(request, "project.html", view=view, history=lines, now=desk.clock.now(), **values)


def _costs(desk: Desk, connection: Connection, grant: GrantRecord) -> dict[str, Any]:
    prices, now = desk.settings.costs.prices, desk.clock.now()
    account = cost_accounts.account(connection, grant, prices, now)
    line = AccountView(account, prices, now).lines[list(UNITS).index(Unit.cpu_reserved)]
    hour = hour_words(desk.settings, grant.spec.workspace.profile)
    return {"account": account, "cost_line": line, "prices": prices, "hour": hour}


@router.post("/projects/{name}/open")
def open_workspace(desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Ask for the person's own workspace and show how it starts."""
    del form  # it holds the token only, which was checked
    return RedirectResponse(f"/workspaces/{actions.open_workspace(desk, who.person, name)}", 303)
