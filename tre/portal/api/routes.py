"""`/api/v1`: sessions, grants, suspensions, workspaces."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import Suspension
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted
from tre.portal import actions
from tre.portal.api.models import (
    CloseRequest,
    GrantAnswer,
    RevokeRequest,
    SessionAnswer,
    SuspensionAnswer,
    SuspensionRequest,
    WantedRequest,
    WorkspaceAnswer,
    grant_answer,
    suspension_answer,
    workspace_answer,
)
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.portal.site import Site
from tre.portal.views import project_view, workspace_view, workspace_views
from tre.store import grants, overview, workspaces

router = APIRouter(prefix="/api/v1", responses=responses(401, 403, 404, 422))
CHANGES = {"dependencies": [Depends(checked_header)], "responses": responses(400, 409)}

GrantName = Annotated[str, Path(max_length=63)]
WorkspaceName = Annotated[str, Path(max_length=20)]
SuspensionId = Annotated[str, Path(max_length=32)]


def _url(request: Request, workspace: str) -> str:
    site: Site = request.app.state.site
    return site.shell_url(workspace)


@router.get("/session")
def session(who: CurrentVisitor) -> SessionAnswer:
    """Who is signed in."""
    return SessionAnswer(
        subject=who.person.subject,
        display_name=who.person.display_name,
        roles=sorted(who.person.roles),
        expires_at=who.session.expires_at,
        csrf_token=who.token,
    )


@router.get("/grants", response_model_exclude_none=True)
def list_grants(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> list[GrantAnswer]:
    """Every grant that the person may see."""
    with desk.database.read() as connection:
        every = overview.records(connection, grants.all_names(connection))
        seen = [grant for grant in every.values() if permissions.can_see_grant(who.person, grant)]
        return [
            grant_answer(
                project_view(desk, connection, who.person, grant),
                _url(request, Workspace.name_for(grant.name, who.person.subject)),
            )
            for grant in seen
        ]


@router.get("/grants/{name}", response_model_exclude_none=True)
def get_grant(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: GrantName) -> GrantAnswer:
    """One grant."""
    return _grant(request, desk, who, name)


def _grant(request: Request, desk: Desk, who: Visitor, name: str) -> GrantAnswer:
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, who.person, name)
        view = project_view(desk, connection, who.person, grant)
    return grant_answer(view, _url(request, Workspace.name_for(name, who.person.subject)))


@router.post("/grants/{name}/revoke", response_model_exclude_none=True, **CHANGES)  # type: ignore[arg-type]
def revoke(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: GrantName, body: RevokeRequest
) -> GrantAnswer:
    """Withdraw the approval for good."""
    actions.revoke(desk, who.person, name, body.confirm, body.reason)
    return _grant(request, desk, who, name)


@router.post("/grants/{name}/close", response_model_exclude_none=True, **CHANGES)  # type: ignore[arg-type]
def close(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: GrantName, body: CloseRequest) -> GrantAnswer:
    """Have an ended grant's homes destroyed now."""
    actions.close(desk, who.person, name, body.confirm)
    return _grant(request, desk, who, name)


@router.get("/grants/{name}/suspensions", response_model_exclude_none=True)
def list_suspensions(desk: CurrentDesk, who: CurrentVisitor, name: GrantName) -> list[SuspensionAnswer]:
    """Every recorded suspension of a grant and of its organisation."""
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, who.person, name)
        return [suspension_answer(item) for item in grants.stored_suspensions(connection, grant)]


@router.post("/grants/{name}/suspensions", status_code=201, response_model_exclude_none=True, **CHANGES)  # type: ignore[arg-type]
def add_suspension(
    desk: CurrentDesk, who: CurrentVisitor, name: GrantName, body: SuspensionRequest
) -> SuspensionAnswer:
    """Stop a grant, one of its slices or members, or its whole organisation."""
    suspension = Suspension(
        scope=body.scope,
        ref=body.ref,
        reason=body.reason,
        by=who.person.subject,
        since=desk.clock.now(),
        until=body.until,
    )
    identifier = actions.suspend(desk, who.person, name, suspension)
    return SuspensionAnswer(id=identifier, **suspension.model_dump())


@router.delete("/grants/{name}/suspensions/{identifier}", status_code=204, **CHANGES)  # type: ignore[arg-type]
def lift_suspension(desk: CurrentDesk, who: CurrentVisitor, name: GrantName, identifier: SuspensionId) -> Response:
    """Lift a suspension."""
    actions.resume(desk, who.person, name, identifier)
    return Response(status_code=204)


@router.get("/workspaces", response_model_exclude_none=True)
def list_workspaces(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> list[WorkspaceAnswer]:
    """The person's own workspaces; an operator's answer holds all."""
    with desk.database.read() as connection:
        everything = permissions.can_operate(who.person)
        found = (
            workspaces.everything(connection) if everything else workspaces.of_subject(connection, who.person.subject)
        )
        views = workspace_views(desk, connection, who.person, found)
    return [workspace_answer(view, _url(request, view.workspace.name)) for view in views]


@router.get("/workspaces/{name}", response_model_exclude_none=True)
def get_workspace(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: WorkspaceName) -> WorkspaceAnswer:
    """One workspace."""
    return _workspace(request, desk, who, name)


def _workspace(request: Request, desk: Desk, who: Visitor, name: str) -> WorkspaceAnswer:
    with desk.database.read() as connection:
        found = actions.visible_workspace(connection, who.person, name)
        return workspace_answer(workspace_view(desk, connection, who.person, found), _url(request, name))


@router.put("/workspaces/{name}", response_model_exclude_none=True, **CHANGES)  # type: ignore[arg-type]
def want_workspace(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: WorkspaceName, body: WantedRequest
) -> WorkspaceAnswer:
    """Ask for a workspace to run, to end, or to end and run anew."""
    with desk.database.read() as connection:
        found = actions.visible_workspace(connection, who.person, name)
    if body.wanted is Wanted.Stopped:
        actions.stop_workspace(desk, who.person, name)
    elif body.wanted is Wanted.Restart:
        actions.restart_workspace(desk, who.person, name)
    elif found.subject.key != who.person.subject.key:
        raise TREError(Reason.NotPermitted, "A workspace is opened by its member.", why="It belongs to somebody else.")
    else:
        actions.open_workspace(desk, who.person, found.grant)
    return _workspace(request, desk, who, name)
