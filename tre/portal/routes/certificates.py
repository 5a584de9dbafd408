"""The certificate of destruction, for whoever may see the project: as a page to keep, and for programs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from tre.audit.certificate import as_html
from tre.domain.grants.destruction import certificate
from tre.domain.people import Person
from tre.portal import actions
from tre.portal.context import Desk
from tre.portal.sessions import CurrentDesk, CurrentVisitor
from tre.store import events

router = APIRouter()


@router.get("/grants/{name}/certificate.html")
def certificate_page(desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """One page for the custodian and the project, to keep."""
    text = as_html(_certificate(desk, who.person, name))
    return Response(text, media_type="text/html; charset=utf-8", headers=_attached(name, "html"))


@router.get("/grants/{name}/certificate.json")
def certificate_json(desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """The same for machines."""
    return JSONResponse(_certificate(desk, who.person, name), headers=_attached(name, "json"))


def _certificate(desk: Desk, person: Person, name: str) -> dict[str, Any]:
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, person, name)
        course = [stored.event for stored in events.of_object(connection, f"grant/{name}")]
    return certificate(grant, course)


def _attached(name: str, ending: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="destruction-{name}.{ending}"'}
