"""One workspace: how it starts, live; where it is; stopping it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.grants.policies import effective_end
from tre.portal import actions
from tre.portal.context import Desk
from tre.portal.pages import render
from tre.portal.queue_views import place_words, room_words
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor
from tre.portal.streams import stream_of
from tre.portal.views import WorkspaceView, workspace_view
from tre.store import grants

router = APIRouter()


@router.get("/workspaces/{name}")
def workspace(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """Phase, reason and progress of a workspace."""
    with desk.database.read() as connection:
        found = actions.visible_workspace(connection, who.person, name)
        view = workspace_view(desk, connection, who.person, found)
        grant = grants.require(connection, found.grant)
    own = found.subject.key == who.person.subject.key
    end = effective_end(grant.spec)
    now = desk.clock.now()
    queue = None if view.place is None else (place_words(view.place), room_words(view.place, now))
    return render(request, "workspace.html", view=view, grant=grant, end=end, own=own, queue=queue, now=now)


@router.post("/workspaces/{name}/stop")
def stop(desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Ask for a workspace's end."""
    stopped = actions.stop_workspace(desk, who.person, name)
    if form.get("back") == "operator":
        return RedirectResponse("/operate/workspaces", 303)
    return RedirectResponse(f"/workspaces/{stopped.name}", 303)


@router.post("/workspaces/{name}/restart")
def restart(desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Ask for a new run in place of the present one."""
    del form  # it holds the token only, which was checked
    return RedirectResponse(f"/workspaces/{actions.restart_workspace(desk, who.person, name).name}", 303)


@router.get("/workspaces/{name}/events")
def live(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """The same as server-sent events, until it is where it is going."""
    return stream_of(request, desk, who, lambda: _message(desk, who, name))


def _message(desk: Desk, who: Visitor, name: str) -> dict[str, Any]:
    with desk.database.read() as connection:
        found = actions.visible_workspace(connection, who.person, name)
        return message_of(workspace_view(desk, connection, who.person, found), desk.clock.now())


def message_of(view: WorkspaceView, now: datetime) -> dict[str, Any]:
    """What a waiting page is told of a workspace."""
    phase = view.workspace.phase
    return {
        "phase": phase.value,
        "label": view.label,
        "colour": view.colour,
        "words": "" if view.waiting or view.running else f"{view.words.text} {view.words.advice}".strip(),
        "steps": [{"step": step.step.value, "reached": step.reached} for step in view.steps],
        "queue": None if view.place is None else [place_words(view.place), room_words(view.place, now)],
        "running": view.running,
        "done": not view.waiting,
    }
