"""Who decides, and what was declined: public pages, each in JSON, too.

Guarantees: as for `tre.portal.committee_public`; no cookie, no script, nothing is written.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tre.portal import committee_public
from tre.portal.committee_public import MOST_SHOWN, PublicCommittee, PublicDeclined
from tre.portal.context import Portal
from tre.portal.pages import render
from tre.portal.routes.public import portal_of

router = APIRouter()


@router.get("/committee")
def committee(request: Request) -> Response:
    """Who sits in the committee, for whom and until when, and how it decides."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        values = committee_values(portal, connection)
    return render(request, "public/committee.html", **values)


def committee_values(portal: Portal, connection: Connection) -> dict[str, Any]:
    """What the page of the committee shows."""
    return {"found": committee_public.who_decides(portal, connection), "now": portal.clock.now()}


@router.get("/committee.json")
def committee_json(request: Request) -> PublicCommittee:
    """The same for machines."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        return committee_public.who_decides(portal, connection)


@router.get("/declined")
def declined(request: Request) -> Response:
    """What the committee said no to, and why."""
    with portal_of(request).database.read() as connection:
        values = declined_values(connection)
    return render(request, "public/declined.html", **values)


def declined_values(connection: Connection) -> dict[str, Any]:
    """What the page of the declined shows."""
    return {"found": committee_public.declined(connection, MOST_SHOWN)}


@router.get("/declined.json")
def declined_json(request: Request) -> PublicDeclined:
    """All of them, for machines."""
    with portal_of(request).database.read() as connection:
        return committee_public.declined(connection)
