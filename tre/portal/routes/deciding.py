"""The committee's desk: what waits and for whom, one application with its count, the vote, the members, the agenda.

Guarantees: who reads the record sees what was handed in; only members whose term runs and whom nothing ties to an
application act on it, as the domain says. A vote is about exactly what the page showed; a refused form comes back with
what was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tre.domain.applications.states import ApplicationState
from tre.domain.committee.eligibility import seat_of
from tre.domain.committee.models import VoteText
from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import Problem, all_keys, as_line, problems_of
from tre.domain.people import Role
from tre.portal import actions as desk_actions
from tre.portal.applying import words
from tre.portal.applying.fields import Plain, inputs, merged, placed, told
from tre.portal.applying.views import fitting
from tre.portal.context import Desk
from tre.portal.deciding import actions as do
from tre.portal.deciding import conditions
from tre.portal.deciding import pack as packs
from tre.portal.deciding.views import deciding_view, deciding_views, member_rows, rows_of, vote_step
from tre.portal.errors import STATUS
from tre.portal.export_forms import NOT_A_PAGE, Fault, typed_text
from tre.portal.pages import render
from tre.portal.routes.applying import Name, plan_answer
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, Visitor
from tre.portal.site import NavigationItem
from tre.store import applications, committee
from tre.store.applications import ApplicationLine

router = APIRouter()
PURPOSE = "Applications for data that wait for a vote."
NAVIGATION = (NavigationItem("Committee", "/committee", lambda person: person.holds(Role.committee), PURPOSE),)
PAGE = 50
ELSEWHERE = NOT_A_PAGE | {Reason.ApplicationNotFound}
S = ApplicationState
SHOWN: dict[str, tuple[str, tuple[ApplicationState, ...]]] = {
    "": ("With the committee", (S.InReview,)),
    "mine": ("Waiting for you", (S.InReview,)),
    "coming": ("Being planned, or back with the applicant", (S.Submitted, S.Deferred)),
    "approved": ("Approved", (S.Approved,)),
    "over": ("Declined or withdrawn", (S.Declined, S.Withdrawn)),
}
TURNS = {"you": "You", "voted": "Others", "aside": "Others: you stand aside", "": "–"}


@router.get("/committee")
def waiting(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    show: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """What waits, the earliest deadline first; for whom, by constituency."""
    permissions.check_read_record(who.person)
    chosen = show if show in SHOWN else ""
    with desk.database.read() as connection:
        lines = _lines(connection, chosen, q)
        mine = chosen == "mine"
        asked = lines if mine else lines[(page - 1) * PAGE : page * PAGE]
        rows = rows_of(desk, connection, who, asked, do.policy_of(desk).spec)
        rulings = conditions.waiting(connection, who.person, desk.clock.now())
    if mine:
        rows = [row for row in rows if row.turn == "you"]
    return render(
        request,
        "deciding/list.html",
        rows=rows[(page - 1) * PAGE : page * PAGE] if mine else rows,
        total=len(rows) if mine else len(lines),
        mine=sum(row.turn == "you" for row in rows),
        late=sum(row.late for row in rows),
        rulings=rulings,
        show=chosen,
        shown=SHOWN,
        turns=TURNS,
        q=q,
        page=page,
        page_size=PAGE,
        say=words,
        now=desk.clock.now(),
    )


def _lines(connection: Connection, show: str, text: str) -> list[ApplicationLine]:
    """What is in a list, the earliest deadline first where it waits."""
    lines = fitting(applications.handed_in(connection, SHOWN[show][1]), text)
    if S.InReview in SHOWN[show][1]:
        lines.sort(key=lambda line: (line.deadline or line.changed_at, line.id))
    return lines


@router.get("/committee/agenda")
def agenda(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """What is voted on, as a page to print."""
    permissions.check_read_record(who.person)
    with desk.database.read() as connection:
        found = deciding_views(desk, connection, who, [line.id for line in _lines(connection, "", "")[:PAGE]])
        seats = committee.seats(connection)
    terms, now = do.policy_of(desk).spec, desk.clock.now()
    sits = who.person.holds(Role.committee) and seat_of(seats, who.person.subject, now) is not None
    return render(request, "deciding/agenda.html", found=found, terms=terms, sits=sits, say=words, now=now)


@router.post("/committee/pack")
def pack(desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:  # noqa: ARG001 - its token is checked
    """The agenda with everything that a vote needs, as one file to read without a network; it is recorded."""
    made = packs.make(desk, do.act_of(desk, who))
    attached = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.data, media_type=packs.MEDIA_TYPE, headers=attached)


@router.get("/committee/members")
def members(request: Request, desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Who sits for whom and how long, with what they declared."""
    return _members(request, desk, who)


def _members(request: Request, desk: Desk, who: Visitor, fault: Fault | None = None) -> Response:
    permissions.check_read_record(who.person)
    terms, now = do.policy_of(desk).spec, desk.clock.now()
    with desk.database.read() as connection:
        seats = committee.seats(connection)
    return render(
        request,
        "deciding/members.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 200,
        rows=member_rows(seats, terms, now),
        own=seat_of(seats, who.person.subject, now) if who.person.holds(Role.committee) else None,
        terms=terms,
        fault=fault,
        now=now,
    )


@router.post("/committee/interests")
def declare(request: Request, desk: CurrentDesk, who: CurrentVisitor, form: Form) -> Response:
    """Declare one's interests, all of them."""
    said = [one for line in typed_text(form, "interests").splitlines() if (one := as_line(line, 301))]
    try:
        do.declare(desk, who, said)
    except ValidationError:
        error = TREError(Reason.BadInput, "At most 200 lines of 300 characters each.", remedy="Shorten them.")
        return _members(request, desk, who, Fault("interests", error, "interests", form))
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _members(request, desk, who, Fault("interests", error, "interests", form))
    return RedirectResponse("/committee/members", 303)


@router.get("/committee/{name}")
def application_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name) -> Response:
    """One application: what is asked, what it would give, how the count stands, the vote."""
    return _page(request, desk, who, name)


def _page(
    request: Request,
    desk: Desk,
    who: Visitor,
    name: str,
    fault: Fault | None = None,
    ballot: tuple[Plain, list[Problem]] | None = None,
) -> Response:
    with desk.database.read() as connection:
        shown = deciding_view(desk, connection, who, name)
    step = vote_step(shown.terms)
    typed, found = ballot or ({}, [])
    return render(
        request,
        "deciding/application.html",
        status=STATUS.get(fault.error.reason, 409) if fault else 400 if found else 200,
        desk=shown,
        view=shown.view,
        fault=fault,
        items=inputs(step, typed, found),
        problems=told([step], found),
        say=words,
        now=shown.view.now,
    )


@router.get("/committee/{name}/plans/{part}")
def plan_page(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, part: Annotated[str, Path(max_length=63)]
) -> Response:
    """What one part would give: counts, who could be recognised, who is represented."""
    with desk.database.read() as connection:
        view = deciding_view(desk, connection, who, name).view
    return plan_answer(request, view, part, f"/committee/{name}")


@router.post("/committee/{name}/vote")
def vote(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Cast one's vote on what was on the page."""
    step = vote_step(do.policy_of(desk).spec)
    typed = merged(step, {}, form)
    try:
        text = VoteText.model_validate(typed)
    except ValidationError as error:
        found = placed([step], problems_of(error, all_keys(VoteText)))
        return _page(request, desk, who, name, ballot=(typed, found))
    try:
        do.vote(desk, who, name, text, form.get("matter", ""))
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _page(request, desk, who, name, Fault("vote", error, "vote", form), (typed, []))
    return RedirectResponse(f"/committee/{name}", 303)


@router.post("/committee/{name}/recuse")
def recuse(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Stand aside, with the reason."""
    why = as_line(typed_text(form, "why"), do.LONGEST_WHY + 1)
    return _act(request, desk, who, name, ("recuse", "why", form), lambda: do.recuse(desk, who, name, why))


@router.post("/committee/{name}/close")
def close(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Close the vote, so that it is counted without those who have not voted."""
    return _act(request, desk, who, name, ("close", "close", form), lambda: do.close(desk, who, name))


def _act(
    request: Request,
    desk: Desk,
    who: Visitor,
    name: str,
    form: tuple[str, str, dict[str, str]],
    attempt: Callable[[], object],
) -> Response:
    act, field, typed = form
    try:
        attempt()
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        return _page(request, desk, who, name, Fault(act, error, field, typed))
    return RedirectResponse(f"/committee/{name}", 303)


@router.get("/grants/{grant}/stop")
def stop_page(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, grant: Annotated[str, Path(max_length=63)]
) -> Response:
    """Stopping a running project at once: what it does, and the form."""
    return _stop(request, desk, who, grant)


def _stop(request: Request, desk: Desk, who: Visitor, grant: str, fault: Fault | None = None) -> Response:
    permissions.check_read_record(who.person)
    now = desk.clock.now()
    with desk.database.read() as connection:
        found = desk_actions.visible_grant(connection, who.person, grant)
        seats = committee.seats(connection)
        votes = committee.emergency_votes(connection, grant)
    own = seat_of(seats, who.person.subject, now) if who.person.holds(Role.committee) else None
    values: dict[str, Any] = {"votes": votes, "needed": do.policy_of(desk).spec.emergency.votes}
    values["may"] = own is not None and found.phase not in ENDED_PHASES
    values["voted"] = any(vote.voter.key == who.person.subject.key for vote in votes)
    status = STATUS.get(fault.error.reason, 409) if fault else 200
    return render(request, "deciding/stop.html", status=status, grant=found, fault=fault, now=now, **values)


@router.post("/grants/{grant}/stop")
def stop(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, grant: Annotated[str, Path(max_length=63)], form: Form
) -> Response:
    """Vote to stop it; one vote is enough where the policy says so."""
    why = as_line(typed_text(form, "why"), do.LONGEST_WHY + 1)
    try:
        do.stop(desk, who, grant, form.get("confirm", "").strip(), why)
    except TREError as error:
        if error.reason in ELSEWHERE:
            raise
        field = "confirm" if error.reason is Reason.ConfirmationWrong else "why"
        return _stop(request, desk, who, grant, Fault("stop", error, field, form))
    return RedirectResponse(f"/grants/{grant}/stop", 303)
