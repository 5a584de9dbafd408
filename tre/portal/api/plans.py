"""`/api/v1/plans`: what a specification would give, for researchers, data managers and the committee.

Guarantees: the same functions as behind the pages, hence the same rules, limits and events; plans come in their shown
form, small numbers hidden. `allowedActions` holds `ask` where there is another preview for the person now.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field
from sqlalchemy import Connection

from tre.domain.desk import permissions
from tre.domain.model import Line, Record, UtcTime
from tre.portal import plan_actions as do
from tre.portal.context import Desk
from tre.portal.errors import ErrorAnswer, responses
from tre.portal.plan_views import PreviewView
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header
from tre.store.jobs import JobState

router = APIRouter(prefix="/api/v1/plans", responses=responses(401, 403, 404, 409, 422))
CHANGES: dict[str, Any] = {
    "dependencies": [Depends(checked_header)],
    "responses": responses(400, 429),
    "response_model_exclude_none": True,
}
PlanPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]


class PlanRequest(Record):
    """A specification as text: YAML, or JSON, which is YAML as well."""

    spec: Annotated[str, Field(max_length=do.MOST_TEXT)]


class PlanSummary(Record):
    """One preview in a list."""

    id: Line
    dataset: Line
    asked_at: UtcTime
    state: JobState
    late: bool


class PlanAnswer(PlanSummary):
    """One preview: `plan` once it is `done`, `error` where it `failed`."""

    plan: dict[str, Any] | None = None
    error: ErrorAnswer | None = None
    allowed_actions: list[str]


def _summary(view: PreviewView) -> dict[str, Any]:
    job = view.job
    return {
        "id": job.id,
        "dataset": view.dataset,
        "asked_at": job.created_at,
        "state": job.state,
        "late": view.late,
    }


def _answer(desk: Desk, connection: Connection, who: Visitor, identifier: str) -> PlanAnswer:
    view = PreviewView(do.own_preview(desk, connection, who.person, identifier), desk.clock.now())
    error = None if view.error is None else ErrorAnswer(**view.error.as_dict())
    actions = ["ask"] if do.can_ask(desk, connection, who.person, view.dataset) else []
    return PlanAnswer(**_summary(view), plan=view.shown, error=error, allowed_actions=actions)


@router.get("")
def list_plans(desk: CurrentDesk, who: CurrentVisitor) -> list[PlanSummary]:
    """The latest previews that the person asked for, newest first."""
    permissions.check_preview(who.person)
    with desk.database.read() as connection:
        found = do.own_previews(desk, connection, who.person)
    return [PlanSummary(**_summary(PreviewView(job, desk.clock.now()))) for job in found]


@router.post("", status_code=202, **CHANGES)
def ask(desk: CurrentDesk, who: CurrentVisitor, body: PlanRequest) -> PlanAnswer:
    """Have a specification planned; look again until it is `done` or `failed`."""
    identifier = do.ask(desk, who.person, body.spec)
    with desk.database.read() as connection:
        return _answer(desk, connection, who, identifier)


@router.get("/{identifier}", response_model_exclude_none=True)
def get_plan(desk: CurrentDesk, who: CurrentVisitor, identifier: PlanPath) -> PlanAnswer:
    """One preview."""
    permissions.check_preview(who.person)
    with desk.database.read() as connection:
        return _answer(desk, connection, who, identifier)
