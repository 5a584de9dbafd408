"""What people look at and set of costs, for pages and programs alike.

Guarantees: members see their project's account, an operator all of them; a budget is set by an operator who is not in
the project, with a reason, in one transaction with its event. Another's project cannot be told from none.

Threat: a project that raises its own budget; a limit lifted by an empty field.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tre.domain.costs import budgets
from tre.domain.costs.accounts import Account
from tre.domain.costs.budgets import Budget, Measure, Why
from tre.domain.costs.prices import parse_amount
from tre.domain.desk import permissions
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.model import Line, Record, parse_record
from tre.domain.people import Person
from tre.portal import actions
from tre.portal.context import Desk
from tre.portal.cost_views import RunView
from tre.portal.views import display_name
from tre.store import cost_accounts, costs, workspaces

NONE = "none"
"""What is typed for no limit: an empty field is a mistake."""


class BudgetForm(Record):
    """What was typed."""

    measure: Measure
    limit: Line
    reason: Why


def account_of(desk: Desk, connection: Connection, person: Person, name: str) -> tuple[GrantRecord, Account]:
    """A project and its account, for who may see the project. Raises `TREError(GrantNotFound)`."""
    grant = actions.visible_grant(connection, person, name)
    return grant, cost_accounts.account(connection, grant, desk.settings.costs.prices, desk.clock.now())


def accounts(desk: Desk, connection: Connection, person: Person) -> list[Account]:
    """Every project's account. Raises `TREError(NotPermitted)` for all but operators."""
    permissions.check_operate(person)
    return cost_accounts.accounts(connection, desk.settings.costs.prices, desk.clock.now())


def runs_of(connection: Connection, grant: str, limit: int = 50) -> list[RunView]:
    """The newest runs of a project."""
    whose = {one.name: display_name(connection, one.subject) for one in workspaces.of_grant(connection, grant)}
    return [
        RunView(meter, use, whose.get(meter.workspace, "")) for meter, use in costs.runs_of(connection, grant, limit)
    ]


def cost_actions(person: Person, grant: GrantRecord) -> list[str]:
    """What a person may do with a project's budget now."""
    return ["budget"] if budgets.can_set(person, grant) else []


def set_budget(desk: Desk, person: Person, name: str, typed: dict[str, str]) -> None:
    """Set or lift one limit.

    Raises `TREError(BadInput | NotPermitted | GrantNotFound | ObjectNotFound | StateForbids)`.
    """
    with desk.database.read() as connection:
        grant = actions.visible_grant(connection, person, name)
    budgets.check_set(person, grant)
    form = parse_record(BudgetForm, {key: typed.get(key, "") for key in BudgetForm.model_fields}, source="the budget")
    said = {"measure": form.measure.value, "reason": form.reason}
    if form.limit == NONE:
        event = desk.event(person.subject, "grant.budget-lifted", f"grant/{name}", **said)
        with desk.database.change(event) as change:
            costs.drop_budget(change, name, form.measure)
        return
    if not form.limit:
        raise TREError(Reason.BadInput, "How much is missing.", remedy=f"Write a number, or {NONE} for no limit.")
    new = Budget(
        grant=name,
        measure=form.measure,
        limit=parse_amount(form.limit),
        by=person.subject,
        at=desk.clock.now(),
        reason=form.reason,
    )
    event = desk.event(person.subject, "grant.budget-set", f"grant/{name}", limit=f"{new.limit:f}", **said)
    with desk.database.change(event) as change:
        costs.set_budget(change, new)
