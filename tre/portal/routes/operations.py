"""An operator's pages: every workspace, the isolation proofs, the audit log, the health of the services."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import aiohttp
from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from tre.domain.desk import permissions
from tre.domain.model import as_line
from tre.domain.workspaces.states import WorkspacePhase
from tre.portal.letter_actions import letter_health
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor
from tre.portal.site import NavigationItem
from tre.portal.source_views import sources_health
from tre.portal.views import workspace_views
from tre.store import events, queue, workspaces
from tre.store.events import StoredEvent
from tre.store.listings import PAGE, WorkspaceSearch, find_workspaces
from tre.system.figures import figures_of

router = APIRouter()
NAVIGATION = (
    NavigationItem("Workspaces", "/operate/workspaces", permissions.can_operate, "What runs now, whose, and why not."),
    NavigationItem("Proofs", "/operate/proofs", permissions.can_operate, "That workspaces were sealed, and are gone."),
    NavigationItem("Audit log", "/operate/audit", permissions.can_operate, "Who did what, when, and why."),
    NavigationItem("Health", "/operate/health", permissions.can_operate, "Whether every service answers."),
)
SERVICES = ("gateway", "hub", "controller", "storekeeper", "portal", "public")
"""Services with a socket that can be asked; the checker has none and the launcher admits the controller alone."""
_HEALTH_SECONDS = 2.0


@router.get("/operate/workspaces")
def all_workspaces(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    phase: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """Every workspace, what is alive first: whose, of which grant, in which phase and why."""
    permissions.check_operate(who.person)
    wanted = WorkspaceSearch(phase=WorkspacePhase.__members__.get(phase), text=as_line(q, 100), page=page)
    with desk.database.read() as connection:
        listed = find_workspaces(connection, wanted)
        shown = workspaces.named(connection, listed.names)
        values: dict[str, Any] = {
            "views": workspace_views(desk, connection, who.person, shown),
            "alive": workspaces.count_alive(connection),
            **_queue(connection),
        }
    values |= {"listed": listed, "phases": list(WorkspacePhase), "wanted": wanted, "page_size": PAGE}
    return render(request, "operate_workspaces.html", now=desk.clock.now(), **values)


def _queue(connection: Connection) -> dict[str, Any]:
    """How many wait for room, and since when the first of them."""
    count, since = queue.length(connection)
    return {"queued": count, "queued_since": since}


@dataclass(frozen=True)
class ProofRow:
    """One proof: that a run was sealed before anybody entered, or that nothing of it was left afterwards."""

    at: datetime
    workspace: str
    number: int
    position: int | None
    sealed: dict[str, Any] | None
    death: dict[str, Any] | None

    @property
    def holds(self) -> bool:
        """Whether the proof proves what it should."""
        if self.sealed is not None:
            return self.sealed.get("proven") is True
        return self.death is not None and not (
            self.death.get("processes") or self.death.get("mounts") or self.death.get("answers")
        )


def _proof(stored: StoredEvent) -> ProofRow | None:
    detail = stored.event.detail
    sealed, death = detail.get("isolation"), detail.get("proof")
    if not isinstance(sealed, dict) and not isinstance(death, dict):
        return None
    return ProofRow(
        at=stored.event.at,
        workspace=stored.event.object.removeprefix("workspace/"),
        number=stored.number,
        position=stored.position,
        sealed=sealed if isinstance(sealed, dict) else None,
        death=death if isinstance(death, dict) else None,
    )


@router.get("/operate/proofs")
def proofs(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, workspace: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Proofs of isolation at the start of runs and of death at their end, newest first."""
    permissions.check_operate(who.person)
    where = f"workspace/{workspace}" if workspace else None
    with desk.database.read() as connection:
        found = [
            stored
            for kind in ("workspace.progressed", "workspace.stopped")
            for stored in events.search(connection, events.EventSearch(object=where, kind=kind, limit=100))
        ]
    rows = [proof for stored in found if (proof := _proof(stored)) is not None]
    rows.sort(key=lambda row: -row.number)
    return render(request, "operate_proofs.html", rows=rows[:100], workspace=workspace)


@dataclass(frozen=True)
class ServiceHealth:
    """What a service said of itself."""

    name: str
    well: bool | None
    """Nothing where the portal may not ask: services are apart, and it reaches those only that it works with."""
    words: str


@router.get("/operate/health")
async def health(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Every service with a socket, asked now."""
    permissions.check_operate(who.person)
    found = await asyncio.gather(*(_ask(name, desk.layout.socket(name)) for name in SERVICES))
    letters = await run_in_threadpool(letter_health, desk)
    elsewhere = await run_in_threadpool(sources_health, desk)
    figures, _ = await figures_of({name: desk.layout.socket(name) for name in SERVICES})
    values: dict[str, Any] = {"services": found, "letters": letters, "elsewhere": elsewhere, "figures": figures}
    return render(request, "operate_health.html", **values, now=desk.clock.now())


def _complaint(body: bytes) -> str:
    """What a service found wrong with itself, as a sentence."""
    try:
        said = json.loads(body)
        checks = said.get("checks") or {}
        found = "; ".join(f"{check}: {wrong}" for check, wrong in checks.items()) or str(said.get("status", ""))
    except (ValueError, AttributeError):
        found = "it does not say what"
    return f"Something is wrong: {found}."


async def _ask(name: str, socket: Path) -> ServiceHealth:
    timeout = aiohttp.ClientTimeout(total=_HEALTH_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket)), timeout=timeout) as client,
            client.get("http://localhost/healthz", allow_redirects=False) as answer,
        ):
            if answer.status == 200:
                return ServiceHealth(name, well=True, words="Answers and finds nothing wrong.")
            return ServiceHealth(name, well=False, words=_complaint(await answer.content.read(2000)))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        if isinstance(cause, PermissionError):
            return ServiceHealth(name, well=None, words="Kept apart from the portal, which cannot ask it.")
        return ServiceHealth(name, well=False, words="Does not answer.")
