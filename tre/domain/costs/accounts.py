"""What a project has come to: this month, in all, and at its end if it goes on like this.

Guarantees: every number that people see of one project, on whichever page or in whichever file, comes from here, so
that no two of them differ. What is not known is `None`, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tre.domain.costs.budgets import Standing
from tre.domain.costs.meters import Kept
from tre.domain.costs.prices import Prices, Unit, Use, forecast, money

COLUMNS = (
    "grant",
    "month",
    *(unit.value for unit in Unit),
    "cpu-hours-unknown",
    "memory-peak-mib",
    *(f"{place.value}-gib-days" for place in Kept),
    "money",
    "currency",
)
"""The columns of the file of all projects and months."""


@dataclass(frozen=True)
class Account:
    """One project; `since` is when its approval came into force, `end` when it ends as far as is known now."""

    grant: str
    title: str
    since: datetime | None
    end: datetime
    month: Use
    whole: Use
    budgets: tuple[Standing, ...]

    @property
    def level(self) -> int:
        """How much of its tightest budget is spent, in percent; -1 where there is none."""
        return max((one.percent for one in self.budgets), default=-1)

    def at_end(self, now: datetime) -> dict[Unit, Decimal]:
        """How much it will be at the end, by plain arithmetic."""
        begun = now if self.since is None else self.since
        return {unit: forecast(amount, begun, now, self.end) for unit, amount in self.whole.amounts().items()}


def known(use: Use) -> dict[Unit, Decimal | None]:
    """How much of each unit; nothing for computed hours that nobody knows."""
    return {**use.amounts(), **({} if use.is_cpu_known else {Unit.cpu_used: None})}


def plain_use(use: Use) -> dict[str, Any]:
    """Amounts for machines: hours and GiB-days as numbers with six places, `None` where one is not known."""
    found: dict[str, Any] = {unit.value: _number(amount) for unit, amount in known(use).items()}
    found["cpu-hours-unknown"] = _number(use.unknown_hours)
    found["memory-peak-mib"] = None if use.peak_bytes is None else use.peak_bytes // 2**20
    return found | {f"{place.value}-gib-days": _number(use.kept(place)) for place in Kept}


def plain(account: Account, prices: Prices | None, now: datetime) -> dict[str, Any]:
    """An account for machines."""
    at_end = account.at_end(now)
    hidden = {} if account.whole.is_cpu_known else {Unit.cpu_used.value: None}
    return {
        "grant": account.grant,
        "title": account.title,
        "since": None if account.since is None else account.since.isoformat(),
        "end": account.end.isoformat(),
        "thisMonth": plain_use(account.month),
        "whole": plain_use(account.whole),
        "atEnd": {unit.value: _number(amount) for unit, amount in at_end.items()} | hidden,
        "money": None if prices is None else _money(account, at_end, prices),
        "budgets": [_plain_budget(one) for one in account.budgets],
    }


def _money(account: Account, at_end: Mapping[Unit, Decimal], prices: Prices) -> dict[str, Any]:
    return {
        "currency": prices.currency,
        "thisMonth": _number(money(account.month.amounts(), prices)),
        "whole": _number(money(account.whole.amounts(), prices)),
        "atEnd": _number(money(at_end, prices)),
        "atLeast": is_at_least(account.whole, prices),
    }


def is_at_least(use: Use, prices: Prices) -> bool:
    """Whether the money is only what is known to be due: computed hours have a price, and some are not known."""
    return prices.of(Unit.cpu_used) > 0 and use.unknown_hours > 0


def _plain_budget(one: Standing) -> dict[str, Any]:
    return {
        "measure": one.budget.measure.value,
        "limit": _number(one.budget.limit),
        "spent": _number(one.spent),
        "percent": None if one.spent is None else one.percent,
        "by": str(one.budget.by),
        "at": one.budget.at.isoformat(),
        "reason": one.budget.reason,
    }


def row(grant: str, month: str, use: Use, prices: Prices | None) -> dict[str, Any]:
    """A line of the file of all projects and months."""
    due = None if prices is None else _number(money(use.amounts(), prices))
    currency = None if prices is None else prices.currency
    return {"grant": grant, "month": month, **plain_use(use), "money": due, "currency": currency}


def _number(amount: Decimal | None) -> float | None:
    return None if amount is None else round(float(amount), 6)
