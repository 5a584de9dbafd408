"""The audit log at the desk: searched, asked the questions that come again, and taken away as lines of JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from tre.domain.desk import permissions
from tre.domain.desk.questions import QUESTIONS, question_of
from tre.portal import audit_search
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form

router = APIRouter()


@router.get("/operate/audit")
def audit(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """The audit log, newest first; searched by object, kind, person and day, paged by number."""
    permissions.check_operate(who.person)
    wanted = audit_search.asked(request.query_params)
    with desk.database.read() as connection:
        found = audit_search.find(connection, wanted, before)
    values: dict[str, Any] = {
        "found": found,
        "wanted": wanted,
        "question": question_of(wanted.question),
        "questions": QUESTIONS,
        "older": found[-1].number if len(found) == audit_search.PAGE else None,
        "most": audit_search.MOST_LINES,
    }
    return render(request, "operate_audit.html", before=before, **values)


@router.post("/operate/audit/lines")
def lines(desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """The events that fit as lines of JSON; who took which is an event."""
    permissions.check_operate(who.person)
    body = audit_search.take_away(desk, who.person, audit_search.asked(form))
    headers = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingResponse(body, media_type="application/jsonl", headers=headers)
