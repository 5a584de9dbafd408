"""What pages show of costs: amounts in people's units and words.

Guarantees: every number comes from `tre.domain.costs.accounts`, as on the command line and in the file; what nobody
could measure is called not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tre.domain.costs import accounts
from tre.domain.costs.accounts import Account
from tre.domain.costs.budgets import Measure, Standing
from tre.domain.costs.meters import Kept, RunMeter
from tre.domain.costs.prices import Prices, Unit, Use, hourly, money, shown, shown_money
from tre.domain.quantities import parse_bytes
from tre.system.settings import Settings

UNITS = {
    Unit.cpu_used: "Processor hours computed",
    Unit.cpu_reserved: "Processor hours set aside",
    Unit.memory: "Memory set aside, GiB-hours",
    Unit.gpu: "Graphics processor hours set aside",
    Unit.storage: "Kept on disk, GiB-days",
}
MEASURES = {**{Measure(unit.value): words for unit, words in UNITS.items()}, Measure.money: "Money"}
PLACES = {
    Kept.homes: "homes",
    Kept.outboxes: "outboxes",
    Kept.shared: "the project's folder",
    Kept.slices: "tables of its data",
    Kept.vault: "files that asked to leave",
}
UNKNOWN = "not known"
SORTS = {
    "project": "Project",
    **{unit.value: words for unit, words in UNITS.items()},
    "money": "Cost",
    "budget": "Budget",
}
PERIODS = {"month": "This month", "whole": "In all"}


@dataclass(frozen=True)
class Line:
    """One thing that is counted: this month, in all, and by the end if it goes on like this."""

    label: str
    month: str
    whole: str
    at_end: str


@dataclass(frozen=True)
class AccountView:
    """One project's account for a page."""

    account: Account
    prices: Prices | None
    now: datetime

    @property
    def lines(self) -> list[Line]:
        """A line for each unit, and one for the money where there are prices."""
        month, whole = accounts.known(self.account.month), accounts.known(self.account.whole)
        end = self.account.at_end(self.now)
        found = [
            Line(words, amount(month[unit]), amount(whole[unit]), UNKNOWN if whole[unit] is None else shown(end[unit]))
            for unit, words in UNITS.items()
        ]
        if self.prices is not None:
            last = shown_money(money(end, self.prices), self.prices.currency)
            found.append(
                Line("Cost", cost(self.account.month, self.prices), cost(self.account.whole, self.prices), last)
            )
        return found

    @property
    def places(self) -> list[tuple[str, str]]:
        """GiB-days of each place that holds anything."""
        return [(words, shown(days)) for place, words in PLACES.items() if (days := self.account.whole.kept(place))]

    @property
    def budgets(self) -> tuple[Standing, ...]:
        """Its limits."""
        return self.account.budgets


def hour_words(settings: Settings, profile: str) -> str:
    """What an hour of an open workspace sets aside and costs, before anybody opens one; empty for an unknown size."""
    if (size := settings.profiles.get(profile)) is None:
        return ""
    use = hourly(size.cpu_millis, parse_bytes(size.memory), size.gpus)
    amounts, prices = use.amounts(), settings.costs.prices
    said = f"{shown(amounts[Unit.cpu_reserved])} processors and {shown(amounts[Unit.memory])} GiB of memory"
    if size.gpus:
        said = f"{said} and {size.gpus} GPU{'s' if size.gpus > 1 else ''}"
    return (
        said
        if prices is None
        else f"{said}, which costs {shown_money(money(amounts, prices), prices.currency)} an hour"
    )


@dataclass(frozen=True)
class Row:
    """One project in the list of all: its account, the amounts of a period in words, and its tightest budget."""

    account: Account
    amounts: tuple[str, ...]
    cost: str


def row(account: Account, period: str, prices: Prices | None) -> Row:
    """A project's line in the list."""
    use = use_of(account, period)
    known = accounts.known(use)
    return Row(account, tuple(amount(known[unit]) for unit in UNITS), "" if prices is None else cost(use, prices))


def use_of(account: Account, period: str) -> Use:
    """What it used in a period."""
    return account.month if period == "month" else account.whole


def sorted_by(found: list[Account], sort: str, period: str, prices: Prices | None) -> list[Account]:
    """The accounts, the most first; by name where nothing else is asked for."""
    if sort == "project":
        return sorted(found, key=lambda one: one.grant)
    return sorted(found, key=lambda one: (-_key(sort, period, prices)(one), one.grant))


def _key(sort: str, period: str, prices: Prices | None) -> Callable[[Account], Decimal]:
    if sort == "budget":
        return lambda one: Decimal(one.level)
    if sort == "money":
        return lambda one: Decimal(0) if prices is None else money(use_of(one, period).amounts(), prices)
    return lambda one: use_of(one, period).amounts()[Unit(sort)]


def amount(found: Decimal | None) -> str:
    """An amount, or that it is not known."""
    return UNKNOWN if found is None else shown(found)


def cost(use: Use, prices: Prices) -> str:
    """The money, and whether it is only what is known to be due."""
    at_least = "at least " if accounts.is_at_least(use, prices) else ""
    return at_least + shown_money(money(use.amounts(), prices), prices.currency)


@dataclass(frozen=True)
class RunView:
    """One run of a workspace: whose, when, and what it used."""

    meter: RunMeter
    use: Use
    member: str

    @property
    def amounts(self) -> tuple[str, ...]:
        """Its amounts, without what is kept on disk."""
        known = accounts.known(self.use)
        return tuple(amount(known[unit]) for unit in UNITS if unit is not Unit.storage)

    @property
    def peak(self) -> str:
        """The most memory it had at one moment."""
        return UNKNOWN if self.meter.peak_bytes is None else f"{self.meter.peak_bytes // 2**20:,} MiB"
