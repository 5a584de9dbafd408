"""Accounts of projects from the record: what they are about, used and may use."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from tre.domain.costs.accounts import COLUMNS, Account, row
from tre.domain.costs.budgets import Budget, standing
from tre.domain.costs.meters import month_of
from tre.domain.costs.prices import Prices, Use
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.store import costs, overview


def account(connection: Connection, grant: GrantRecord, prices: Prices | None, now: datetime) -> Account:
    """The account of one project."""
    month = costs.uses_now(connection, now, month_of(now), grant.name).get(grant.name, Use())
    whole = costs.uses_now(connection, now, grant=grant.name).get(grant.name, Use())
    return _account(grant, (month, whole), costs.budgets(connection, grant.name), prices)


def accounts(connection: Connection, prices: Prices | None, now: datetime) -> list[Account]:
    """The account of every project that used anything or has a budget, by name."""
    whole, month = costs.uses_now(connection, now), costs.uses_now(connection, now, month_of(now))
    limited: dict[str, list[Budget]] = {}
    for one in costs.budgets(connection):
        limited.setdefault(one.grant, []).append(one)
    names = sorted({*whole, *limited})
    known = overview.records(connection, names)
    return [
        _account(known[name], (month.get(name, Use()), whole.get(name, Use())), limited.get(name, ()), prices)
        for name in names
        if name in known
    ]


def _account(grant: GrantRecord, used: tuple[Use, Use], limits: Iterable[Budget], prices: Prices | None) -> Account:
    month, whole = used
    return Account(
        grant=grant.name,
        title=grant.spec.project.title,
        since=grant.activated_at,
        end=grant.revoked_at or effective_end(grant.spec).at,
        month=month,
        whole=whole,
        budgets=tuple(standing(one, whole, prices) for one in limits),
    )


def lines(connection: Connection, prices: Prices | None) -> list[dict[str, object]]:
    """A line for every project and month, as it was measured; nothing in it was typed by anybody."""
    return [row(grant, month, use, prices) for (grant, month), use in costs.by_month(connection).items()]


def as_csv(found: list[dict[str, object]]) -> str:
    """These lines as a file; what is not known is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue()
