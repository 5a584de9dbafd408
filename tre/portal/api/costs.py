"""`/api/v1/grants/{name}/costs`: what a project uses and may use, for its members and for operators.

Guarantees: the same functions as behind the pages, hence the same rules and events. Amounts that nobody could measure
are `null`. `allowedActions` holds `budget` where the person may set one.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import Field

from tre.domain.costs import accounts
from tre.domain.costs.budgets import Measure
from tre.domain.model import Record
from tre.portal import cost_actions as do
from tre.portal.context import Desk
from tre.portal.errors import responses
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Visitor, checked_header

router = APIRouter(prefix="/api/v1", responses=responses(401, 403, 404, 409, 422))
Name = Annotated[str, Path(max_length=63)]


class BudgetRequest(Record):
    """A limit: a number in words (`120`, `12.5`), or `none`."""

    measure: Measure
    limit: Annotated[str, Field(max_length=40)]
    reason: Annotated[str, Field(max_length=500)]


class CostAnswer(Record):
    """A project's account as `tre cost show --json` prints it."""

    account: dict[str, Any]
    allowed_actions: list[str]


def _answer(desk: Desk, who: Visitor, name: str) -> CostAnswer:
    with desk.database.read() as connection:
        grant, found = do.account_of(desk, connection, who.person, name)
    plain = accounts.plain(found, desk.settings.costs.prices, desk.clock.now())
    return CostAnswer(account=plain, allowed_actions=do.cost_actions(who.person, grant))


@router.get("/grants/{name}/costs")
def get_costs(desk: CurrentDesk, who: CurrentVisitor, name: Name) -> CostAnswer:
    """What a project used, this month, in all, and by its end; its budgets."""
    return _answer(desk, who, name)


@router.post("/grants/{name}/budget", dependencies=[Depends(checked_header)], responses=responses(400))
def set_budget(desk: CurrentDesk, who: CurrentVisitor, name: Name, body: BudgetRequest) -> CostAnswer:
    """Set or lift one limit."""
    do.set_budget(desk, who.person, name, body.model_dump(mode="json"))
    return _answer(desk, who, name)
