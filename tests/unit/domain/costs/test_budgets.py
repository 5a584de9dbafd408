"""Budgets: nothing new at the limit, a warning before it, and nothing reckoned from what is not known."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.support.factories import ALICE
from tests.unit.domain.costs.test_meters import NOON
from tests.unit.domain.costs.test_prices import an_hour
from tre.domain.costs.budgets import Budget, Measure, can_start, check_start, due_warning, standing
from tre.domain.costs.prices import Prices, Unit, Use
from tre.domain.errors import Reason, TREError

PRICES = Prices(currency="GBP", units={Unit.cpu_reserved: Decimal("0.5")})


def budget(limit: str, measure: Measure = Measure.cpu_reserved, told: int = 0) -> Budget:
    return Budget(grant="g", measure=measure, limit=Decimal(limit), by=ALICE, at=NOON, reason="agreed", told=told)


def test_at_the_limit_nothing_new_is_started_and_below_it_something_is() -> None:
    at, below = standing(budget("2"), an_hour(), None), standing(budget("2.0001"), an_hour(), None)
    assert not can_start([below, at])
    assert can_start([below])
    assert can_start([])
    with pytest.raises(TREError) as caught:
        check_start([at])
    assert caught.value.reason is Reason.CostBudgetSpent
    assert "2 of 2 cpu-hours-reserved" in str(caught.value)
    assert "tre cost budget" in caught.value.remedy


def test_a_limit_of_nothing_is_spent_from_the_start() -> None:
    assert not can_start([standing(budget("0"), Use(), None)])


@pytest.mark.parametrize(("limit", "told", "due"), [("2", 0, 100), ("2", 80, 100), ("2", 100, None), ("2.5", 0, 80),
                                                    ("2.5", 80, None), ("2.51", 0, None)])  # fmt: skip
def test_people_are_told_of_each_step_once(limit: str, told: int, due: int | None) -> None:
    assert due_warning(standing(budget(limit, told=told), an_hour(), None)) == due


def test_money_counts_where_there_are_prices_and_only_there() -> None:
    spent = standing(budget("1", Measure.money), an_hour(), PRICES)
    assert (spent.spent, spent.level) == (Decimal(1), 100)
    assert spent.words() == "1 of 1.00 GBP"
    without = standing(budget("1", Measure.money), an_hour(), None)
    assert can_start([without])
    assert without.words() == "an unknown part of 1"


def test_computed_hours_that_nobody_knows_refuse_nothing() -> None:
    blind = standing(budget("0.1", Measure.cpu_used), Use(life_ms=10**9), None)
    assert (blind.spent, blind.percent, can_start([blind])) == (None, 0, True)
    assert not can_start([standing(budget("0.1", Measure.cpu_used), an_hour(), None)])
