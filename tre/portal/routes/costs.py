"""What projects use and cost: one of them for its members, all of them for operators, who set budgets here."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from tre.domain.costs.budgets import LONGEST_REASON
from tre.domain.costs.prices import Unit
from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.model import as_line
from tre.domain.people import Person
from tre.portal import cost_actions as do
from tre.portal.context import Desk
from tre.portal.cost_views import MEASURES, PERIODS, SORTS, AccountView, hour_words, row, sorted_by
from tre.portal.histories import actor_words
from tre.portal.pages import render
from tre.portal.sessions import CurrentDesk, CurrentVisitor, Form
from tre.portal.site import NavigationItem
from tre.store import cost_accounts
from tre.store.listings import PAGE

router = APIRouter()
NAVIGATION = (
    NavigationItem("Costs", "/operate/costs", permissions.can_operate, "What each project uses, and its budget."),
)
Name = Annotated[str, Path(max_length=63)]
Refused = tuple[TREError, dict[str, str]]
"""Why a form was refused, and what was typed."""


class CostSearch(NamedTuple):
    """Which projects, when, and in which order."""

    period: str
    sort: str
    text: str
    page: int


def _searched(
    period: Annotated[str, Query(max_length=20)] = "month",
    sort: Annotated[str, Query(max_length=30)] = "",
    q: Annotated[str, Query(max_length=100)] = "",
    page: Annotated[int, Query(ge=1, le=10_000)] = 1,
) -> CostSearch:
    """What an address asks for; words that mean nothing here are as if they were not there."""
    known = (period if period in PERIODS else "month", sort if sort in SORTS else Unit.cpu_reserved.value)
    return CostSearch(*known, as_line(q, 100), page)


@router.get("/operate/costs")
def all_costs(
    request: Request, desk: CurrentDesk, who: CurrentVisitor, wanted: Annotated[CostSearch, Depends(_searched)]
) -> Response:
    """Every project that used anything or has a budget: by any of its numbers, the most first."""
    prices, text = desk.settings.costs.prices, wanted.text.casefold()
    with desk.database.read() as connection:
        every = do.accounts(desk, connection, who.person)
    fitting = [one for one in every if text in f"{one.grant} {one.title}".casefold()]
    ordered = sorted_by(fitting, wanted.sort, wanted.period, prices)[(wanted.page - 1) * PAGE : wanted.page * PAGE]
    values: dict[str, Any] = {"total": len(fitting), "every": len(every), "wanted": wanted, "page_size": PAGE}
    values |= {"rows": [row(one, wanted.period, prices) for one in ordered], "prices": prices}
    return render(request, "costs/all.html", periods=PERIODS, sorts=SORTS, **values)


@router.get("/operate/costs.csv")
def costs_file(desk: CurrentDesk, who: CurrentVisitor) -> Response:
    """Every project and month, as comma-separated values."""
    permissions.check_operate(who.person)
    with desk.database.read() as connection:
        text = cost_accounts.as_csv(cost_accounts.lines(connection, desk.settings.costs.prices))
    headers = {"Content-Disposition": 'attachment; filename="costs.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/grants/{name}/costs")
def project_costs(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name) -> Response:
    """What one project used, by the end of it, run by run; its budget."""
    return _page(request, desk, who.person, name)


@router.post("/grants/{name}/budget")
def budget(request: Request, desk: CurrentDesk, who: CurrentVisitor, name: Name, form: Form) -> Response:
    """Set or lift one limit, with a reason."""
    try:
        do.set_budget(desk, who.person, name, form)
    except TREError as error:
        if error.reason not in {Reason.BadInput, Reason.ObjectNotFound}:
            raise
        return _page(request, desk, who.person, name, (error, form))
    return RedirectResponse(f"/grants/{name}/costs", 303)


def _page(request: Request, desk: Desk, person: Person, name: str, refused: Refused | None = None) -> Response:
    with desk.database.read() as connection:
        grant, account = do.account_of(desk, connection, person, name)
        values: dict[str, Any] = {
            "grant": grant,
            "view": AccountView(account, desk.settings.costs.prices, desk.clock.now()),
            "runs": do.runs_of(connection, name),
            "hour": hour_words(desk.settings, grant.spec.workspace.profile),
            "by": {one.budget.by.key: actor_words(connection, one.budget.by) for one in account.budgets},
            "actions": do.cost_actions(person, grant),
        }
    back = f"/grants/{name}" if permissions.can_read_record(person) else f"/projects/{name}"
    values |= {"back": back, "measures": MEASURES, "no_limit": do.NONE, "now": desk.clock.now()}
    error, typed = refused or (None, {})
    values |= {"error": error, "typed": typed, "at": "budget-reason" if error and _lacks_reason(typed) else "limit"}
    return render(request, "costs/project.html", status=400 if refused else 200, **values)


def _lacks_reason(typed: dict[str, str]) -> bool:
    """Whether it is the reason that is wrong, and not the number."""
    return not 1 <= len(typed.get("reason", "").strip()) <= LONGEST_REASON
