"""One account of a project for every page and file; and who may change its budget."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.support.factories import ALICE, access_grant
from tests.unit.domain.costs.test_budgets import PRICES, budget
from tests.unit.domain.costs.test_meters import NOON
from tests.unit.domain.costs.test_prices import an_hour
from tre.domain.costs import accounts
from tre.domain.costs.accounts import Account
from tre.domain.costs.budgets import Measure, can_set, check_set, standing
from tre.domain.costs.meters import begin
from tre.domain.costs.prices import Prices, Unit, Use
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.states import GrantPhase
from tre.domain.people import Person, Role, Subject
from tre.domain.workspaces.models import WorkspacePlan

OLGA = Subject(issuer="local", id="olga")
BLIND = Use(life_ms=3_600_000, reserved_cpu_ms=3_600_000_000)


def account(whole: Use, *limits: str, since_days: int | None = 10) -> Account:
    return Account(
        grant="g",
        title="T",
        since=None if since_days is None else NOON - timedelta(days=since_days),
        end=NOON + timedelta(days=20),
        month=whole,
        whole=whole,
        budgets=tuple(standing(budget(one), whole, None) for one in limits),
    )


def test_an_account_for_machines() -> None:
    plain = accounts.plain(account(an_hour(), "10", "4"), PRICES, NOON)
    assert plain["whole"]["cpu-hours-reserved"] == 2
    assert plain["atEnd"]["cpu-hours-reserved"] == 6
    assert plain["money"] == {"currency": "GBP", "thisMonth": 1, "whole": 1, "atEnd": 3, "atLeast": False}
    assert [(one["limit"], one["spent"], one["percent"]) for one in plain["budgets"]] == [(10, 2, 20), (4, 2, 50)]
    assert account(an_hour(), "10", "4").level == 50
    assert account(an_hour()).level == -1
    assert accounts.plain(account(an_hour(), since_days=None), None, NOON)["since"] is None


def test_what_is_not_known_is_null_in_every_part() -> None:
    prices = Prices(currency="GBP", units={Unit.cpu_used: Decimal(1)})
    plain = accounts.plain(account(BLIND), prices, NOON)
    assert [plain[part]["cpu-hours-used"] for part in ("thisMonth", "whole", "atEnd")] == [None] * 3
    assert plain["whole"]["cpu-hours-unknown"] == 1
    assert plain["whole"]["memory-peak-mib"] is None
    assert plain["money"]["atLeast"] is True
    assert accounts.row("g", "2026-11", BLIND, None)["cpu-hours-used"] is None


def test_a_line_has_every_column() -> None:
    assert tuple(accounts.row("g", "2026-11", an_hour(), PRICES)) == accounts.COLUMNS
    assert accounts.row("g", "2026-11", an_hour(), PRICES)["money"] == 1
    assert accounts.row("g", "2026-11", an_hour(), None)["currency"] is None


def test_a_budget_in_words() -> None:
    unknown = standing(budget("1", Measure.cpu_used), BLIND, None)
    assert unknown.words() == "an unknown part of 1 cpu-hours-used"
    plain = accounts.plain(
        Account("g", "T", NOON, NOON, BLIND, BLIND, (unknown,)),
        None,
        NOON,
    )
    assert plain["budgets"][0]["percent"] is None


def test_a_meter_begins_with_what_its_plan_reserves() -> None:
    plan = WorkspacePlan(
        workspace="w-aaaaaaaaaaaa", instance=3, grant="g", subject=ALICE, uid=20001, mounts=(), end=NOON, cap_seconds=1
    )
    found = begin(plan, NOON)
    assert (found.instance, found.cpu_millis, found.memory_mib, found.gpus) == (3, 2000, 4096, 0)
    assert found.began_at == found.counted_to == found.known_to == NOON


def record(phase: GrantPhase = GrantPhase.Active) -> GrantRecord:
    spec = access_grant().spec
    return GrantRecord(name="g", generation=1, spec=spec, phase=phase, evidence_verified=True)


def person(subject: Subject = OLGA, role: Role = Role.operator) -> Person:
    return Person(subject=subject, display_name="x", roles=frozenset({role}))


def test_an_operator_outside_of_a_running_project_sets_its_budget_and_nobody_else() -> None:
    assert can_set(person(), record())
    assert not can_set(person(role=Role.committee), record())
    with pytest.raises(TREError) as caught:
        check_set(person(ALICE), record())  # an operator who is a member of it
    assert caught.value.reason is Reason.NotPermitted
    with pytest.raises(TREError) as caught:
        check_set(person(), record(GrantPhase.Expired))
    assert caught.value.reason is Reason.StateForbids
