"""Checks of what projects are told of costs, and of limits to what they spend.

Guarantees: a project counts as told only where there are prices and the size of its workspaces is one that has them; as
limited only where a budget of it can be reckoned here.
"""

from __future__ import annotations

from sqlalchemy import Connection

from tre.cli.satre.place import Check, Found, Place, broken, judged, nothing
from tre.domain.costs.budgets import standing
from tre.domain.costs.prices import Use
from tre.store import costs


def _costs_told(place: Place) -> Found:
    prices = place.settings.costs.prices
    if prices is None or not any(prices.units.values()):
        return broken("No prices are set (costs.prices): members see what is set aside and no money.")
    if not place.running:
        return nothing("No project is in force.")
    wrong = [
        f"{one.name} has workspaces of a size that is not set"
        for one in place.running
        if one.spec.workspace.profile not in place.settings.profiles
    ]
    return judged(wrong, "Every project's page says what an open workspace sets aside and what an hour of it costs.")


def _budgets_set(place: Place) -> Found:
    if not place.running:
        return nothing("No project is in force.")

    def look(connection: Connection) -> Found:
        limited = {
            one.grant
            for one in costs.budgets(connection)
            if standing(one, Use(), place.settings.costs.prices).spent is not None
        }
        wrong = [f"{one.name} has no budget" for one in place.running if one.name not in limited]
        return judged(wrong, "Every project has a budget, beyond which nothing new is started.")

    return place.asked(look)


CHECKS = {
    "costs-told": Check("prices are set, and every project's size has its price", _costs_told),
    "budgets-set": Check("every project has a budget that can be reckoned", _budgets_set),
}
