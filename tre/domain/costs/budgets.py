"""Budgets: how much of something a project may use before nothing new is started for it.

Guarantees: at the limit and above it no run begins; what runs is not touched. Who may raise it, and what is spent, is
said. A limit on money counts only where there are prices, one on computed hours only where they are known; one that
cannot be reckoned refuses nothing and says so.

Does not guarantee: a hard bound. What runs when the limit is reached goes on until it ends.

Threat: a project that spends what another was promised, unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tre.domain.costs.prices import Prices, Unit, Use, money, shown, shown_money
from tre.domain.desk.permissions import is_member
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Person, Role, Subject

NEAR, SPENT = 80, 100
"""Percent of a limit at which people are written to."""


class Measure(StrEnum):
    """What a budget limits: one of the units, or what all of them cost."""

    cpu_used = Unit.cpu_used.value
    cpu_reserved = Unit.cpu_reserved.value
    memory = Unit.memory.value
    gpu = Unit.gpu.value
    storage = Unit.storage.value
    money = "money"


LONGEST_REASON = 500
Why = Annotated[Line, Field(min_length=1, max_length=LONGEST_REASON)]


class Budget(Record):
    """One limit of one project: who set it, when and why, and the last percentage that was told."""

    grant: Line
    measure: Measure
    limit: Annotated[Decimal, Field(ge=0)]
    by: Subject
    at: UtcTime
    reason: Why
    told: Annotated[int, Field(ge=0, le=SPENT)] = 0


@dataclass(frozen=True)
class Standing:
    """How a budget stands; `spent` is nothing where it cannot be reckoned."""

    budget: Budget
    spent: Decimal | None
    currency: str = ""

    @property
    def percent(self) -> int:
        """How much of it is spent, rounded down; a limit of nothing is spent from the start."""
        if self.spent is None:
            return 0
        return int(self.spent * 100 // self.budget.limit) if self.budget.limit else SPENT

    @property
    def level(self) -> int:
        """The highest of the percentages at which people are told that was reached; 0 below all."""
        return max((step for step in (NEAR, SPENT) if self.percent >= step), default=0)

    def share(self) -> str:
        """`12.5 of 20`, or `12.5 of 20.00 GBP`."""
        money_due = self.budget.measure is Measure.money and self.spent is not None
        limit = shown_money(self.budget.limit, self.currency) if money_due else shown(self.budget.limit)
        return f"{'an unknown part' if self.spent is None else shown(self.spent)} of {limit}"

    def words(self) -> str:
        """`12.5 of 20 cpu-hours-reserved`."""
        return self.share() if self.budget.measure is Measure.money else f"{self.share()} {self.budget.measure}"


def standing(budget: Budget, use: Use, prices: Prices | None) -> Standing:
    """How a budget stands after this use."""
    amounts = use.amounts()
    if budget.measure is Measure.money:
        return Standing(budget, None) if prices is None else Standing(budget, money(amounts, prices), prices.currency)
    unknown = budget.measure is Measure.cpu_used and not use.is_cpu_known
    return Standing(budget, None if unknown else amounts[Unit(budget.measure.value)])


def check_set(person: Person, grant: GrantRecord) -> None:
    """Operators set budgets, of projects that go on. Raises `TREError(NotPermitted | StateForbids)`.

    Members ask for more and cannot give it to themselves, an operator who is a member neither.
    """
    if not person.holds(Role.operator) or is_member(person, grant):
        raise TREError(
            Reason.NotPermitted,
            "You cannot set the budget of this project.",
            why="It is set by an operator who is not in the project.",
            remedy="Ask an operator, and say what you need it for.",
        )
    if grant.phase in ENDED_PHASES:
        raise TREError(
            Reason.StateForbids,
            "The project has ended; nothing is started for it any more.",
            why=f"It is {grant.phase}.",
            remedy="Nothing need be done.",
        )


def can_set(person: Person, grant: GrantRecord) -> bool:
    """Whether a person may set the budget of a project now."""
    try:
        check_set(person, grant)
    except TREError:
        return False
    return True


def check_start(standings: Iterable[Standing]) -> None:
    """Raise `TREError(CostBudgetSpent)` where a budget of the project has nothing left for another run."""
    for one in standings:
        if one.level == SPENT:
            raise TREError(
                Reason.CostBudgetSpent,
                "The project's budget is spent; no new workspace is started.",
                why=f"{one.words()} were used.",
                remedy="An operator can raise it, with a reason, on the page of costs or with `tre cost budget`.",
            )


def can_start(standings: Iterable[Standing]) -> bool:
    """Whether the project's budgets leave room for another run."""
    try:
        check_start(standings)
    except TREError:
        return False
    return True


def due_warning(one: Standing) -> int | None:
    """The percentage that people are to be told of now: each is told once, until the limit is changed."""
    return one.level if one.level > one.budget.told else None
