"""`tre cost`: what projects use, what that costs, and how much they may use."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

import typer

from tre.cli import common
from tre.cli.arguments import check_reason
from tre.cli.common import Installation, JsonOption, RootOption, command, operator, when
from tre.domain.costs import accounts as rules
from tre.domain.costs.accounts import Account
from tre.domain.costs.budgets import Budget, Measure, check_set
from tre.domain.costs.meters import RunMeter
from tre.domain.costs.prices import Prices, Unit, Use, money, parse_amount, shown, shown_money
from tre.domain.people import Person, Role
from tre.store import cost_accounts, costs, grants

app = typer.Typer(help="What projects use and cost: show, export, budget.", no_args_is_help=True)

GrantArgument = Annotated[str, typer.Argument(metavar="GRANT", help="A grant, as `tre grant list` shows it.")]
NONE = "none"


@app.command("show")
@command
def show(
    grant: Annotated[str, typer.Argument(metavar="[GRANT]", help="One project; without it, all of them.")] = "",
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """What each project, or one of them, has used this month, in all, and will have used at its end."""
    here = Installation.open(root)
    prices, now = here.settings.costs.prices, here.clock.now()
    with here.database.read() as connection:
        if grant:
            one = cost_accounts.account(connection, grants.require(connection, grant), prices, now)
            found, runs = [one], costs.runs_of(connection, grant)
        else:
            found, runs = cost_accounts.accounts(connection, prices, now), []
    if as_json:
        plain = [rules.plain(one, prices, now) for one in found]
        common.print_json(plain[0] | {"runs": [_plain_run(*run) for run in runs]} if grant else plain)
        return
    if not grant:
        _print_all(found, prices)
        return
    _print_one(found[0], prices, here)
    _print_runs(runs)


def _print_all(found: list[Account], prices: Prices | None) -> None:
    columns = ("project", *(unit.value for unit in Unit), *([] if prices is None else ["cost"]), "budget")
    rows = []
    for one in found:
        amounts = [_amount(amount) for amount in rules.known(one.whole).values()]
        cost = [] if prices is None else [_money(one.whole, prices)]
        rows.append((one.grant, *amounts, *cost, "" if one.level < 0 else f"{one.level} %"))
    common.print_table("", columns, rows)


def _print_one(one: Account, prices: Prices | None, here: Installation) -> None:
    at_end, month, whole = one.at_end(here.clock.now()), rules.known(one.month), rules.known(one.whole)
    rows = []
    for unit in Unit:
        last = "unknown" if whole[unit] is None else shown(at_end[unit])
        rows.append((unit.value, _amount(month[unit]), _amount(whole[unit]), last))
    if prices is not None:
        end = shown_money(money(at_end, prices), prices.currency)
        rows.append(("cost", _money(one.month, prices), _money(one.whole, prices), end))
    common.print_table(one.grant, ("", "this month", "in all", f"by {when(one.end)}"), rows)
    if one.whole.unknown_hours:
        hours = shown(one.whole.unknown_hours)
        common.out.print(f"For {hours} hours it is not known how much was computed.", highlight=False)
    for limit in one.budgets:
        common.out.print(f"budget: {limit.words()} ({limit.percent} %)", highlight=False)


def _print_runs(runs: Iterable[tuple[RunMeter, Use]]) -> None:
    rows = [
        (
            f"{meter.workspace}-{meter.instance}",
            when(meter.began_at),
            when(meter.ended_at) or "runs",
            *(_amount(amount) for unit, amount in rules.known(use).items() if unit is not Unit.storage),
            "" if meter.peak_bytes is None else str(meter.peak_bytes // 2**20),
        )
        for meter, use in runs
    ]
    units = [unit.value for unit in Unit if unit is not Unit.storage]
    common.print_table("", ("run", "from", "to", *units, "peak MiB"), rows)


def _plain_run(meter: RunMeter, use: Use) -> dict[str, object]:
    ended = None if meter.ended_at is None else meter.ended_at.isoformat()
    of_run = {"workspace": meter.workspace, "run": meter.instance, "from": meter.began_at.isoformat(), "to": ended}
    return of_run | rules.plain_use(use)


def _amount(amount: Decimal | None) -> str:
    return "unknown" if amount is None else shown(amount)


def _money(use: Use, prices: Prices) -> str:
    at_least = "at least " if rules.is_at_least(use, prices) else ""
    return at_least + shown_money(money(use.amounts(), prices), prices.currency)


@app.command("export")
@command
def export(
    root: RootOption = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values (the default).")] = False,
) -> None:
    """Every project and month as a file: one line each, for a spreadsheet or an accounting system."""
    if as_json and as_csv:
        raise typer.BadParameter("--json or --csv, not both")
    here = Installation.open(root)
    with here.database.read() as connection:
        found = cost_accounts.lines(connection, here.settings.costs.prices)
    if as_json:
        common.print_json(found)
        return
    sys.stdout.write(cost_accounts.as_csv(found))


@app.command("budget")
@command
def budget(
    grant: GrantArgument,
    measure: Annotated[Measure, typer.Argument(help="What is limited.")],
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="How much in all, for example 120; `none` lifts it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why: the members read it, and the log keeps it.")],
    root: RootOption = None,
) -> None:
    """Set how much a project may use before nothing new is started for it."""
    here = Installation.open(root)
    why = check_reason(reason)
    amount = None if limit == NONE else parse_amount(limit)
    with here.database.read() as connection:
        found = grants.require(connection, grant)
    check_set(Person(subject=operator(), display_name="operator", roles=frozenset({Role.operator})), found)
    said = {"measure": measure.value, "reason": why}
    if amount is None:
        with here.database.change(here.event("grant.budget-lifted", f"grant/{grant}", **said)) as change:
            costs.drop_budget(change, grant, measure)
        common.out.print(f"{grant}: no limit of {measure.value} any more", highlight=False)
        return
    new = Budget(grant=grant, measure=measure, limit=amount, by=operator(), at=here.clock.now(), reason=why)
    event = here.event("grant.budget-set", f"grant/{grant}", limit=f"{amount:f}", **said)
    with here.database.change(event) as change:
        costs.set_budget(change, new)
        standing = cost_accounts.account(change.connection, found, here.settings.costs.prices, here.clock.now())
    told = next(one for one in standing.budgets if one.budget.measure is measure)
    common.out.print(f"{grant}: {told.words()} used", highlight=False)
