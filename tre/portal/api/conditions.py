"""`/api/v1/conditions`: conditions in words, what was reported and ruled: the same functions as behind the pages.

Guarantees: the same rules, errors and events; every answer carries `allowedActions`. Papers of reports are sent with
the page's form.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from tre.domain.committee.tracking import ConditionState, ConditionTerms, TrackedCondition
from tre.domain.model import Record
from tre.portal import actions
from tre.portal.context import Desk
from tre.portal.deciding import conditions as do
from tre.portal.errors import responses
from tre.portal.guard import CONDITION_ID
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header

router = APIRouter(prefix="/api/v1", responses=responses(401, 403, 404, 409, 422))
SENT: dict[str, Any] = {"dependencies": [Depends(checked_header)], "responses": responses(400)}
Name = Annotated[str, Path(pattern=f"^{CONDITION_ID}$")]
Version = Annotated[int, Field(ge=0, le=10**9)]
Said = Annotated[str, Field(max_length=5000)]


class ConditionAnswer(Record):
    """A condition, and what the person may do with it."""

    condition: TrackedCondition
    allowed_actions: tuple[str, ...]


class ReportRequest(Record):
    """What was done, about the version that was read."""

    version: Version
    words: Said


class RuleRequest(Record):
    """What the committee finds, about the version that was read."""

    version: Version
    outcome: ConditionState
    words: Said


class ArrangeRequest(Record):
    """Who must act, by when, and what missing it brings."""

    version: Version
    terms: ConditionTerms


def _answer(desk: Desk, who: Visitor, name: str) -> ConditionAnswer:
    with desk.database.read() as connection:
        view = do.view_of(desk, connection, who.person, name)
    return ConditionAnswer(condition=view.condition, allowed_actions=view.actions)


@router.get("/grants/{grant}/tracked-conditions")
def of_grant(
    desk: CurrentDesk, who: CurrentVisitor, grant: Annotated[str, Path(max_length=63)]
) -> list[TrackedCondition]:
    """Every condition in words of a project that the person may see."""
    with desk.database.read() as connection:
        actions.visible_grant(connection, who.person, grant)
        return list(do.of_grant(connection, grant))


@router.get("/conditions/{name}")
def get_condition(desk: CurrentDesk, who: CurrentVisitor, name: Name) -> ConditionAnswer:
    """One condition."""
    return _answer(desk, who, name)


@router.post("/conditions/{name}/reports", status_code=201, **SENT)
def report(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: ReportRequest) -> ConditionAnswer:
    """Say what was done."""
    do.report(desk, who, (name, body.version), body.words.strip())
    return _answer(desk, who, name)


@router.post("/conditions/{name}/rulings", status_code=201, **SENT)
def rule(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: RuleRequest) -> ConditionAnswer:
    """Rule on it."""
    do.rule(desk, who, (name, body.version), body.outcome, body.words.strip())
    return _answer(desk, who, name)


@router.put("/conditions/{name}/terms", **SENT)
def arrange(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: ArrangeRequest) -> ConditionAnswer:
    """Say who must act, and by when."""
    do.arrange(desk, who, (name, body.version), body.terms)
    return _answer(desk, who, name)
