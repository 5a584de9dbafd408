"""What the public may ask and read: questions, incidents, complaints, changes open for comment, outcomes.

Guarantees: these pages read what was published and write nothing; what a stranger types is handed to the portal, and is
shown to nobody but its sender before a person has read it. No cookie is set and none is read; no script is needed. Each
page stands in JSON, too.

Threat: markup in a question; a page that tells what waits unread; a form sent from elsewhere (the guard refuses it).
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from tre.domain.desk.attempts import forwarded_address
from tre.domain.errors import Reason, TREError
from tre.domain.publicaccount.models import LONGEST_QUESTION
from tre.domain.publicaccount.states import ItemKind
from tre.portal import account_public as account
from tre.portal import account_words
from tre.portal.account_public import PublicChange, PublicComplaints, PublicIncident, PublicOutcome, PublicQuestions
from tre.portal.context import Portal
from tre.portal.errors import STATUS
from tre.portal.handing_in import hand_in
from tre.portal.pages import render
from tre.portal.retold import retold
from tre.portal.routes.public import portal_of
from tre.portal.site import NavigationItem
from tre.portal.speaking import to
from tre.store import register
from tre.system.languages import gettext_noop

router = APIRouter()
NAVIGATION = (
    NavigationItem(gettext_noop("Questions"), "/questions"),
    NavigationItem(gettext_noop("Have your say"), "/consultations"),
    NavigationItem(gettext_noop("Incidents"), "/incidents"),
)
_ON_THE_PAGE = frozenset({Reason.BadInput, Reason.RateLimited, Reason.ServiceUnavailable, Reason.StateForbids})
"""Refusals that are shown beside the form, with what was typed."""

MOST_SHOWN = 100
"""Answers on the page; all of them stand in its JSON."""


async def _typed(request: Request) -> str:
    """The one field of the forms for strangers."""
    async with request.form(max_files=0, max_fields=4) as form:
        text = form.get("text", "")
    return text if isinstance(text, str) else ""


def _sender(request: Request) -> str:
    return forwarded_address(request.headers.get("X-Forwarded-For", ""))


def _questions_page(request: Request, typed: str = "", error: TREError | None = None) -> Response:
    portal = portal_of(request)
    with portal.database.read() as connection:
        values = question_values(portal, connection) | {"typed": typed, "error": error and retold(error)}
    return render(request, "account/questions.html", status=_status(error), **values)


def question_values(portal: Portal, connection: Connection) -> dict[str, Any]:
    """What the page of questions shows to whom typed nothing yet."""
    found = account.questions(portal, connection)
    return {
        "found": found,
        "most": MOST_SHOWN,
        "older": len(found.questions[MOST_SHOWN:]),
        "longest": LONGEST_QUESTION,
        "days": portal.account.spec.clocks.answer_enquiry,
        "typed": "",
        "error": None,
    }


def _status(error: TREError | None) -> HTTPStatus:
    return HTTPStatus.OK if error is None else STATUS.get(error.reason, HTTPStatus.CONFLICT)


@router.get("/questions")
def questions(request: Request) -> Response:
    """Ask, and read what others asked."""
    return _questions_page(request)


@router.post("/questions")
async def ask(request: Request) -> Response:
    """Hand a question in, and show where it is."""
    text = await _typed(request)
    try:
        name = await hand_in(portal_of(request), ItemKind.enquiry, text, _sender(request))
    except TREError as error:
        if error.reason not in _ON_THE_PAGE:
            raise
        return await run_in_threadpool(_questions_page, request, text, error)
    return RedirectResponse(to(f"/questions/{name}"), 303)


@router.get("/questions.json")
def questions_json(request: Request) -> PublicQuestions:
    """The same for machines."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        return account.questions(portal, connection)


@router.get("/questions/{name}")
def question(request: Request, name: str) -> Response:
    """Where one question is: waiting, answered or not published; its words once they are public."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        clock, refused = account.question_clock(connection, name)
        shown = next((one for one in account.questions(portal, connection).questions if one.id == name), None)
    values: dict[str, Any] = {"clock": clock, "refused": refused, "shown": shown, "now": portal.clock.now()}
    return render(request, "account/question.html", **values)


@router.get("/incidents")
def incidents(request: Request) -> Response:
    """What went wrong, and what was done."""
    with portal_of(request).database.read() as connection:
        values = incident_values(connection)
    return render(request, "account/incidents.html", **values)


def incident_values(connection: Connection) -> dict[str, Any]:
    """What the page of incidents shows."""
    return {"found": account.incidents(connection), "say": account_words}


@router.get("/incidents.json")
def incidents_json(request: Request) -> list[PublicIncident]:
    """The same for machines."""
    with portal_of(request).database.read() as connection:
        return account.incidents(connection)


@router.get("/complaints")
def complaints(request: Request) -> Response:
    """How to complain, and what came of complaints."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        values = complaint_values(portal, connection)
    return render(request, "account/complaints.html", **values)


def complaint_values(portal: Portal, connection: Connection) -> dict[str, Any]:
    """What the page of complaints shows."""
    return {"found": account.complaints(portal, connection), "clocks": portal.account.spec.clocks}


@router.get("/complaints.json")
def complaints_json(request: Request) -> PublicComplaints:
    """The same for machines."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        return account.complaints(portal, connection)


@router.get("/consultations")
def consultations(request: Request) -> Response:
    """Changes of the rules that anybody may comment on."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        values = change_list_values(portal, connection)
    return render(request, "account/changes.html", **values)


def change_list_values(portal: Portal, connection: Connection) -> dict[str, Any]:
    """What the list of changes shows."""
    return {"found": account.changes(portal, connection), "now": portal.clock.now()}


@router.get("/consultations.json")
def consultations_json(request: Request) -> list[PublicChange]:
    """The same for machines, without the comments."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        return account.changes(portal, connection)


@router.get("/consultations/{name}.json")
def consultation_json(request: Request, name: str) -> PublicChange:
    """One change for machines, with its comments."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        return account.one_change(portal, connection, name)


@router.get("/consultations/{name}")
def consultation(request: Request, name: str) -> Response:
    """One change: what would differ, what people say, what was decided."""
    return _change_page(request, portal_of(request), name)


def _change_page(
    request: Request, portal: Portal, name: str, typed: str = "", error: TREError | None = None, sent: str = ""
) -> Response:
    with portal.database.read() as connection:
        values = change_values(portal, connection, name) | {
            "typed": typed,
            "error": error and retold(error),
            "sent": sent,
        }
    return render(request, "account/change.html", status=_status(error), **values)


def change_values(portal: Portal, connection: Connection, name: str) -> dict[str, Any]:
    """What the page of one change shows to whom typed nothing yet. Raises `TREError(ObjectNotFound)`."""
    return {
        "change": account.one_change(portal, connection, name),
        "longest": LONGEST_QUESTION,
        "now": portal.clock.now(),
        "days": portal.account.spec.clocks.read_comment,
        "typed": "",
        "error": None,
        "sent": "",
    }


@router.post("/consultations/{name}/comments")
async def comment(request: Request, name: str) -> Response:
    """Hand a comment in."""
    text, portal = await _typed(request), portal_of(request)
    try:
        await hand_in(portal, ItemKind.comment, text, _sender(request), name)
    except TREError as error:
        if error.reason not in _ON_THE_PAGE:
            raise
        return await run_in_threadpool(_change_page, request, portal, name, text, error)
    return RedirectResponse(to(f"/consultations/{name}/thanks"), 303)


@router.get("/consultations/{name}/thanks")
def thanks(request: Request, name: str) -> Response:
    """The page of a change, to somebody who just commented on it."""
    return _change_page(request, portal_of(request), name, sent=name)


@router.get("/outcomes")
def outcomes(request: Request) -> Response:
    """What came of the projects."""
    with portal_of(request).database.read() as connection:
        values = outcome_values(connection)
    return render(request, "account/outcomes.html", **values)


def outcome_values(connection: Connection) -> dict[str, Any]:
    """What the page of outcomes shows."""
    found = account.outcomes(connection)
    return {"found": found, "titles": register.titles_with_outcomes(connection), "say": account_words}


@router.get("/outcomes.json")
def outcomes_json(request: Request) -> list[PublicOutcome]:
    """The same for machines."""
    with portal_of(request).database.read() as connection:
        return account.outcomes(connection)
