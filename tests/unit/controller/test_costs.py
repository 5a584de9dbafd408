"""What runs is measured once, whatever breaks in between; and what a project has spent refuses its next start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.support.factories import ALICE, BOB, NOON
from tests.unit.controller.conftest import World
from tre.controller.context import Context
from tre.controller.costs import ABOUT, MEASURE, CostKeeper, CostNumbers
from tre.domain.costs.budgets import Budget, Measure
from tre.domain.costs.meters import Kept, Used
from tre.domain.costs.prices import Prices, Unit, Use
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.states import Wanted
from tre.store import costs, jobs
from tre.system.cost_settings import CostSettings

HOUR_MS = 3_600_000
GRANT = "nccid-00123"


def use_of(world: World, month: str | None = None) -> Use:
    with world.database.read() as connection:
        return costs.uses(connection, month).get(GRANT, Use())


def identity_of(world: World, name: str) -> str:
    plan = world.workspace(name).plan
    assert plan is not None
    return plan.identity


def limit(world: World, amount: str, measure: Measure = Measure.cpu_reserved) -> None:
    found = Budget(grant=GRANT, measure=measure, limit=Decimal(amount), by=ALICE, at=world.clock.now(), reason="agreed")
    with world.database.change(world.event("grant.budget-set", f"grant/{GRANT}")) as change:
        costs.set_budget(change, found)


def test_an_hour_of_a_run_is_counted_as_it_goes_on_and_to_its_last_moment(world: World) -> None:
    world.apply()
    name = world.run()
    identity, began = identity_of(world, name), world.runtime.runs[identity_of(world, name)].began_at
    assert began is not None
    keeper = CostKeeper(world.context)
    world.runtime.counted[identity] = Used(cpu_us=5_000_000, peak_bytes=77)
    world.clock.advance(1800 - (world.clock.now() - began).total_seconds())
    keeper.sample()
    assert (use_of(world).life_ms, use_of(world).cpu_us) == (HOUR_MS // 2, 5_000_000)
    assert use_of(world).reserved_cpu_ms == HOUR_MS // 2 * 2000
    keeper.sample()  # twice at one moment: nothing twice
    assert (use_of(world).life_ms, use_of(world).cpu_us) == (HOUR_MS // 2, 5_000_000)
    world.clock.advance(1800)
    world.runtime.counted[identity] = Used(cpu_us=9_000_000, peak_bytes=70)
    world.want(Wanted.Stopped)
    world.settle()
    found = use_of(world)
    assert (found.life_ms, found.known_ms, found.cpu_us, found.peak_bytes) == (HOUR_MS, HOUR_MS, 9_000_000, 77)
    keeper.sample()
    world.advance(3600)
    keeper.sample()  # it is over: nothing grows
    assert use_of(world) == found
    with world.database.read() as connection:
        assert costs.running(connection) == []


def test_a_controller_that_is_killed_between_two_readings_loses_none_and_counts_none_twice(world: World) -> None:
    """What it forgot is in the record: another one goes on from there, with the counter that went on meanwhile."""
    world.apply()
    name = world.run()
    identity = identity_of(world, name)
    began = world.runtime.runs[identity].began_at
    assert began is not None
    world.runtime.counted[identity] = Used(cpu_us=1000)
    CostKeeper(world.context).sample()
    broken = CostKeeper(_cut(world.context))
    world.clock.advance(600)
    world.runtime.counted[identity] = Used(cpu_us=3000)
    with pytest.raises(RuntimeError, match="power cut"):
        broken.sample()  # written, and gone before the commit
    assert use_of(world).cpu_us == 1000
    world.clock.advance(600)
    world.runtime.counted[identity] = Used(cpu_us=4000)
    CostKeeper(world.context).sample()
    assert use_of(world).cpu_us == 4000
    assert use_of(world).life_ms == (world.clock.now() - began) // timedelta(milliseconds=1)


def _cut(context: Context) -> Any:
    """The same context, whose changes are all lost just before they are committed."""

    class Cut:
        def __getattr__(self, name: str) -> Any:
            return getattr(context, name)

        @property
        def database(self) -> Any:
            class Lost:
                read = context.database.read

                def change(self, *events: Any) -> Any:
                    return _losing(context.database.change(*events))

            return Lost()

    return Cut()


class _losing:  # noqa: N801 - reads as a verb
    def __init__(self, change: Any) -> None:
        self._change = change

    def __enter__(self) -> Any:
        return self._change.__enter__()

    def __exit__(self, *_gone: object) -> None:
        error = RuntimeError("power cut")
        self._change.__exit__(RuntimeError, error, None)
        raise error


def test_a_counter_that_began_anew_is_noticed(world: World) -> None:
    world.apply()
    name = world.run()
    identity, keeper = identity_of(world, name), CostKeeper(world.context)
    for shown in (9000, 500):
        world.runtime.counted[identity] = Used(cpu_us=shown)
        world.clock.advance(60)
        keeper.sample()
    assert use_of(world).cpu_us == 9500
    with world.database.read() as connection:
        assert costs.running(connection)[0].restarts == 1


def test_where_nobody_counts_the_computed_hours_are_unknown(world: World) -> None:
    world.apply()
    world.run()
    world.clock.advance(600)
    CostKeeper(world.context).sample()
    assert not use_of(world).is_cpu_known
    assert use_of(world).reserved_cpu_ms > 0


def test_a_run_whose_end_nobody_reported_counts_until_it_was_read_last(world: World) -> None:
    """A machine that was off for a week is not paid for."""
    world.apply()
    name = world.run()
    world.clock.advance(600)
    CostKeeper(world.context).sample()
    before = use_of(world)
    world.runtime.runs.clear()
    world.advance(3 * 86400)
    assert world.workspace(name).phase in {"Stopped", "Starting"}
    world.settle()
    CostKeeper(world.context).sample()
    assert use_of(world) == before


def test_the_counts_of_a_run_that_the_record_forgot_are_put_away(world: World) -> None:
    world.apply()
    name = world.run()
    world.clock.advance(60)
    CostKeeper(world.context).sample()
    with world.database.read() as connection:
        stray = costs.running(connection)[0].model_copy(update={"instance": 99})
    with world.database.change(world.event("test.made", f"workspace/{name}")) as change:
        costs.keep_run(change, stray, [])
    world.clock.advance(60)
    CostKeeper(world.context).sample()
    with world.database.read() as connection:
        assert [one.instance for one in costs.running(connection)] == [1]


def test_a_short_run_that_no_round_saw_is_counted_at_its_end(world: World) -> None:
    world.apply()
    name = world.run()
    began = world.runtime.runs[identity_of(world, name)].began_at
    assert began is not None
    world.clock.advance(7)
    world.want(Wanted.Stopped)
    ended = world.clock.now()
    world.settle()
    assert use_of(world).life_ms == (ended - began) // timedelta(milliseconds=1)


def test_a_machine_that_cannot_be_asked_holds_up_no_ending(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_identities: object) -> dict[str, Used]:
        raise TREError(Reason.ServiceUnavailable, "Nobody answers.")

    world.apply()
    name = world.run()
    monkeypatch.setattr(world.runtime, "used", fails)
    world.clock.advance(60)
    CostKeeper(world.context).step()
    world.want(Wanted.Stopped)
    world.settle()
    assert world.workspace(name).phase == "Stopped"
    assert use_of(world).life_ms > 60_000


# --- places


def _measured(world: World, kib: dict[str, dict[str, int]], at: datetime) -> None:
    with world.database.read() as connection:
        job = jobs.latest(connection, "storekeeper", MEASURE, ABOUT)
    assert job is not None
    assert job.state == "open"
    with world.database.change(world.event("job.done", f"job/{job.id}")) as change:
        jobs.take(change, job.id, world.clock.now())
        jobs.finish(change, job.id, {"at": at.isoformat(), "kib": kib}, world.clock.now())


def test_what_is_kept_counts_from_one_measurement_to_the_next(world: World) -> None:
    world.storekeeper_answers = False
    world.apply()
    keeper = CostKeeper(world.context)
    keeper.measure()
    keeper.measure()  # one order at a time
    _measured(world, {GRANT: {"homes": 2**20, "shared": 4}}, NOON)
    keeper.measure()
    assert use_of(world) == Use()
    world.clock.advance(6 * 3600)
    keeper.measure()
    day_later = NOON + timedelta(days=1)
    _measured(world, {GRANT: {"homes": 5}}, day_later)
    keeper.measure()
    CostKeeper(world.context).measure()  # another controller takes the same measurement in again
    assert use_of(world).kept(Kept.homes) == 1
    assert use_of(world).kept_kib_s[Kept.shared] == 4 * 86400
    with world.database.read() as connection:
        places = costs.places(connection)
    assert (places[GRANT, Kept.homes].kib, places[GRANT, Kept.shared].kib) == (5, 0)


# --- budgets


def test_a_spent_budget_refuses_the_next_start_and_touches_nothing_that_runs(world: World) -> None:
    world.apply()
    name = world.run()
    limit(world, "0.5")  # hours of one processor: a quarter of an hour of two
    world.clock.advance(3600)
    world.settle()
    assert world.workspace(name).phase == "Running"
    other = world.want(subject=BOB)
    world.settle()
    refused = world.workspace(other)
    assert (refused.phase, refused.reason) == ("Refused", Reason.CostBudgetSpent)
    assert "0.5 cpu-hours-reserved" in refused.message
    assert world.workspace(name).phase == "Running"
    limit(world, "1000")
    world.want(subject=BOB)
    world.settle()
    assert world.workspace(other).phase == "Starting"


def test_two_starts_at_once_at_the_limit_are_both_refused(world: World) -> None:
    """They are judged one after the other, by what is spent at that moment."""
    world.apply()
    limit(world, "0")
    world.settle()
    names = [world.want(subject=subject) for subject in (ALICE, BOB)]
    world.settle()
    assert [world.workspace(name).reason for name in names] == [Reason.CostBudgetSpent] * 2
    assert world.runtime.started == []


def test_people_are_told_at_four_fifths_and_at_the_whole_each_once(world: World) -> None:
    world.apply()
    world.run()
    limit(world, "1")  # half an hour of two processors
    keeper = CostKeeper(world.context)
    told: Callable[[], int] = lambda: world.kinds().count("grant.budget-told")  # noqa: E731
    for seconds, expected in ((600, 0), (900, 1), (60, 1), (900, 2), (900, 2)):
        world.clock.advance(seconds)
        keeper.sample()
        keeper.tell()
        assert told() == expected
    limit(world, "2")  # raised: it begins anew, at what is spent by then
    keeper.tell()
    assert told() == 3


def test_money_is_a_limit_where_there_are_prices(world: World) -> None:
    world.apply()
    limit(world, "0.1", Measure.money)
    world.run()
    world.clock.advance(3600)
    other = world.want(subject=BOB)
    world.settle()
    assert world.workspace(other).phase == "Starting"  # no prices: nothing to reckon with
    prices = Prices(currency="GBP", units={Unit.cpu_reserved: Decimal(1)})
    settings = world.context.settings.model_copy(update={"costs": CostSettings(prices=prices)})
    object.__setattr__(world.context, "settings", settings)
    world.want(Wanted.Stopped, subject=BOB)
    world.settle()
    world.want(subject=BOB)
    world.settle()
    assert world.workspace(other).reason is Reason.CostBudgetSpent


def test_figures_name_no_project(world: World) -> None:
    world.apply()
    name = world.run()
    limit(world, "0.01")
    world.clock.advance(3600)
    CostKeeper(world.context).sample()
    registry = CollectorRegistry()
    registry.register(CostNumbers(world.context))
    hours = registry.get_sample_value("tre_cost_units", {"kind": "cpu-hours-reserved"})
    assert hours is not None
    assert 2 <= hours < 2.1
    assert registry.get_sample_value("tre_cost_units", {"kind": "cpu-hours-used"}) is None  # not known: not zero
    assert registry.get_sample_value("tre_cost_budgets", {"state": "spent"}) == 1
    shown = generate_latest(registry).decode()
    assert GRANT not in shown
    assert name not in shown


def test_rounds_come_at_their_time_and_outlive_what_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.apply()
    name = world.run()
    keeper = CostKeeper(world.context)
    keeper.step()
    first = use_of(world).life_ms
    world.clock.advance(299)
    keeper.step()
    assert use_of(world).life_ms == first
    world.clock.advance(1)
    monkeypatch.setattr(keeper, "measure", _explode)
    keeper.step()
    assert use_of(world).life_ms == first + 300_000
    world.clock.advance(-3000)  # set back: due at once, and nothing is counted twice
    keeper.step()
    assert use_of(world).life_ms == first + 300_000
    assert world.workspace(name).phase == "Running"


def _explode() -> None:
    raise ValueError("broken")


_explode.__name__ = "measure"
