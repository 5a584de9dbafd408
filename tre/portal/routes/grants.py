"""All grants, and one of them: for operators, committee and data managers; suspending, resuming, revoking, closing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection
from starlette.responses import RedirectResponse, Response

from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord, Suspension
from tre.domain.grants.policies import End, effective_end, suspended_slices, suspensions_in_force
from tre.domain.grants.states import GrantPhase
from tre.domain.model import as_line, parse_record
from tre.domain.people import Person
from tre.portal import actions
from tre.portal.context import Desk
from tre.portal.histories import actor_words, history_lines
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form, desk_of
from tre.portal.site import NavigationItem
from tre.portal.views import display_name, slice_views, workspace_view
from tre.portal.words import EVENTS
from tre.store import events, grants, overview, workspaces
from tre.store.events import StoredEvent
from tre.store.grants import StoredSuspension
from tre.store.listings import PAGE, GrantSearch, find_grants

router = APIRouter()
NAVIGATION = (
    NavigationItem(
        "Grants", "/grants", permissions.can_read_record, "Every approval: its state, its end, who is in it."
    ),
)
HISTORY = 50


class FormError(TREError):
    """Something wrong with one field of a form: `field` is the identifier of its input."""

    def __init__(self, field: str, what: str, remedy: str = "") -> None:
        super().__init__(Reason.BadInput, what, remedy=remedy)
        self.field = field


@dataclass(frozen=True)
class Fault:
    """A form that was refused: which act, why, at which input, and what had been typed."""

    act: str
    error: TREError
    field: str
    typed: dict[str, str]

    def typed_in(self, act: str, name: str) -> str:
        """What stood in a field of the form of this act; a confirmation is typed anew."""
        return self.typed.get(name, "") if self.act == act and name != "confirm" else ""


@dataclass(frozen=True)
class GrantRow:
    """One line of the list: the grant, its end, and the first condition that does not hold."""

    grant: GrantRecord
    end: End
    reason: Reason


def _reason(grant: GrantRecord, conditions: list[dict[str, str]], now: datetime) -> Reason:
    if grant.phase in {GrantPhase.Expired, GrantPhase.Closed}:
        return effective_end(grant.spec).reason if grant.revoked_at is None else Reason.GrantRevoked
    if grant.phase is GrantPhase.Revoked:
        return Reason.GrantRevoked
    if suspensions_in_force(grant, now):
        return Reason.GrantSuspended
    failing = next((item["reason"] for item in conditions if item.get("status") == "False"), None)
    return Reason(failing) if failing else (Reason.Entitled if grant.activated_at else Reason.GrantPending)


@router.get("/grants")
def list_grants(
    request: Request,
    desk: CurrentDesk,
    who: CurrentVisitor,
    phase: Annotated[str, Query(max_length=20)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> Response:
    """Every grant with phase, reason and end; filtered by phase and by words."""
    permissions.check_read_record(who.person)
    now = desk.clock.now()
    wanted = GrantSearch(phase=GrantPhase.__members__.get(phase), text=as_line(q, 100), page=page)
    with desk.database.read() as connection:
        listed = find_grants(connection, wanted)
        known, conditions = overview.records(connection, listed.names), grants.conditions_of(connection, listed.names)
    rows = [
        GrantRow(grant, effective_end(grant.spec), _reason(grant, conditions[name], now))
        for name in listed.names
        if (grant := known.get(name)) is not None
    ]
    values: dict[str, Any] = {"rows": rows, "listed": listed, "wanted": wanted, "page_size": PAGE}
    return render(request, "grants.html", phases=list(GrantPhase), now=now, **values)


@router.get("/grants/{name}")
def grant_page(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str) -> Response:
    """One grant: conditions, members, slices, workspaces, suspensions, history, and what can be done."""
    permissions.check_read_record(who.person)
    return _grant_page(request, desk, who.person, name)


def _grant_page(request: Request, desk: Desk, person: Person, name: str, fault: Fault | None = None) -> Response:
    now = desk.clock.now()
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, person, name)
        conditions = grants.conditions(connection, name)
        stored: list[StoredSuspension] = grants.stored_suspensions(connection, grant)
        views = [workspace_view(desk, connection, person, item) for item in workspaces.of_grant(connection, name)]
        values: dict[str, Any] = {
            "grant": grant,
            "end": effective_end(grant.spec),
            "reason": _reason(grant, conditions, now),
            "conditions": conditions,
            "suspensions": [(item, item.in_force(now)) for item in stored],
            "by": {item.by.key: actor_words(connection, item.by) for item in stored},
            "audit_log": permissions.can_operate(person),
            "slices": slice_views(connection, grant, suspended_slices(grant, now)),
            "members": [(member, display_name(connection, member.subject)) for member in grant.spec.members],
            "workspaces": views if permissions.can_operate(person) else [],
            "history": history_lines(connection, _events_of(connection, name), EVENTS)[:HISTORY],
            "actions": permissions.grant_actions(person, grant),
        }
    return render(request, "grant.html", status=400 if fault else 200, now=now, fault=fault, **values)


def _events_of(connection: Connection, name: str) -> list[StoredEvent]:
    return events.search(connection, events.EventSearch(object=f"grant/{name}", limit=events.MAX_PAGE))


@router.post("/grants/{name}/suspend")
def suspend(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Stop the grant, a slice, a member, or its whole organisation."""
    try:
        actions.suspend(desk, who.person, name, _suspension(desk, who.person, form))
    except TREError as error:
        return _again(request, who, name, error, "suspend", form)
    return RedirectResponse(f"/grants/{name}", 303)


def _suspension(desk: Desk, person: Person, form: dict[str, str]) -> Suspension:
    scope, _, ref = form.get("target", "").partition(" ")
    if not form.get("reason", "").strip():
        raise FormError("suspend-reason", "Say why: the members of the project will read it.")
    values = {
        "scope": scope,
        "ref": ref,
        "reason": " ".join(form["reason"].split()),
        "by": person.subject,
        "since": desk.clock.now(),
        "until": _until(form.get("until", "")),
    }
    return parse_record(Suspension, values, source="the suspension")


def _until(text: str) -> datetime | None:
    """A time as browsers send it (`2027-10-31T12:00`), in UTC; nothing for none."""
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError as error:
        raise FormError(
            "suspend-until", "The time is not understood.", "Write it like 2027-10-31T12:00, in UTC."
        ) from error


@router.post("/grants/{name}/suspensions/{identifier}/lift")
def lift(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str, identifier: str, form: Form) -> Response:
    """Lift one suspension."""
    try:
        actions.resume(desk, who.person, name, identifier)
    except TREError as error:
        return _again(request, who, name, error, "lift", form)
    return RedirectResponse(f"/grants/{name}", 303)


@router.post("/grants/{name}/revoke")
def revoke(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Withdraw the approval for good; the name must be typed."""
    reason = " ".join(form.get("reason", "").split())
    try:
        if not 1 <= len(reason) <= 500:
            raise FormError("revoke-reason", "Say why, in at most 500 characters: it stands in the log.")
        actions.revoke(desk, who.person, name, form.get("confirm", ""), reason)
    except TREError as error:
        return _again(request, who, name, error, "revoke", form)
    return RedirectResponse(f"/grants/{name}", 303)


@router.post("/grants/{name}/close")
def close(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: str, form: Form) -> Response:
    """Destroy the homes of an ended grant now; the name must be typed."""
    try:
        actions.close(desk, who.person, name, form.get("confirm", ""))
    except TREError as error:
        return _again(request, who, name, error, "close", form)
    return RedirectResponse(f"/grants/{name}", 303)


_FIELDS = {"suspend": "target", "lift": "suspensions", "revoke": "revoke-confirm", "close": "close-confirm"}
"""Where an error of an act is shown that names no field of its own."""


def _again(
    request: Request, who: CurrentVisitor, name: str, error: TREError, act: str, form: dict[str, str]
) -> Response:
    """The page with the error above its form; refusals of other kinds are pages of their own."""
    desk, person = desk_of(request), who.person
    if error.reason not in {Reason.BadInput, Reason.ConfirmationWrong} or not permissions.can_read_record(person):
        raise error
    field = error.field if isinstance(error, FormError) else _FIELDS[act]
    return _grant_page(request, desk, person, name, Fault(act, error, field, form))
