"""Measuring what projects use, telling them of their budgets, and refusing starts that nothing is left for.

Guarantees: what is read is written with the meter it moves on, so that a controller that is killed loses no reading
and writes none twice; a run is read once more at its end, in the transaction that calls it dead. A run whose end
nobody reported is counted until it was read last, never beyond. What fails here is in the log and tried again; it
holds up no ending, and no start but one whose budget is spent.

Does not guarantee: computed hours where the machine does not count them for a run as a whole; they are unknown then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tre.controller.context import Context
from tre.domain.costs import accounts, budgets, meters
from tre.domain.costs.meters import Kept, Portion, RunMeter, StoreMeter, Used
from tre.domain.costs.prices import Use
from tre.domain.errors import TREError
from tre.domain.model import as_line
from tre.domain.workspaces.models import Workspace
from tre.runtimes.protocol import Observation
from tre.store import costs, jobs, workspaces

log = structlog.get_logger()

PROGRAM, MEASURE = "storekeeper", "storage.measure"
ABOUT = "costs/all"
PATIENCE_SECONDS = 3600
_KIB = 2**10
Reading = tuple[RunMeter, list[Portion]]


class RunCosts:
    """What costs mean for one run: whether it may begin, and its last reading."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def check_start(self, grant: str) -> None:
        """Raise `TREError(CostBudgetSpent)` where the project has nothing left for another run."""
        with self._context.database.read() as connection:
            found = costs.budgets(connection, grant)
            now = self._context.clock.now()
            use = costs.uses_now(connection, now, grant=grant).get(grant, Use()) if found else Use()
        prices = self._context.settings.costs.prices
        budgets.check_start(budgets.standing(one, use, prices) for one in found)

    def last(self, workspace: Workspace, run: Observation | None) -> Reading | None:
        """The last reading of a run that is dead; `None` where it never took room on a machine."""
        assert workspace.plan is not None
        with self._context.database.read() as connection:
            meter = costs.meter(connection, workspace.name, workspace.instance)
        meter = meter or (None if run is None else begun(workspace, run))
        if meter is None or meter.ended_at is not None:
            return None
        identity = workspace.plan.identity
        used = None if run is None else run.used
        if used is None:
            used = read_used(self._context, {identity}).get(identity)
        ended = run.ended_at if run is not None and run.ended_at is not None else meter.counted_to
        return meters.close(meter, used, min(ended, workspace.plan.end))


def begun(workspace: Workspace, run: Observation) -> RunMeter | None:
    """A new meter for a run; `None` while it takes no room on any machine."""
    if workspace.plan is None or run.began_at is None:
        return None
    return meters.begin(workspace.plan, run.began_at)


def read_used(context: Context, identities: set[str]) -> Mapping[str, Used]:
    """What these runs have used, of those where it can be told now."""
    try:
        return context.runtime.used(identities)
    except TREError as error:  # a counter that could not be read is read the next time
        log.warning("use-not-read", error=str(error))
        return {}


class CostNumbers(Collector):
    """What all projects together have used, and how their budgets stand: no project is named."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that registering it asks the record nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Amounts by unit as they were written down, those that are known; budgets by how far they are spent."""
        with self._context.database.read() as connection:
            uses, limits = costs.uses(connection), costs.budgets(connection)
        used = GaugeMetricFamily(
            "tre_cost_units", "What all projects used: hours, GiB-hours, GiB-days.", labels=["kind"]
        )
        for unit, amount in accounts.known(sum(uses.values(), Use())).items():
            if amount is not None:
                used.add_metric([unit.value], float(amount))
        yield used
        prices = self._context.settings.costs.prices
        levels = [budgets.standing(one, uses.get(one.grant, Use()), prices).level for one in limits]
        family = GaugeMetricFamily("tre_cost_budgets", "Budgets by how far they are spent.", labels=["state"])
        for state, level in (("open", 0), ("near", budgets.NEAR), ("spent", budgets.SPENT)):
            family.add_metric([state], levels.count(level))
        yield family


class CostKeeper:
    """Reads every run and every place now and then, and tells of budgets."""

    def __init__(self, context: Context) -> None:
        self._context, self._settings = context, context.settings.costs
        self._every = timedelta(seconds=self._settings.sample_seconds)
        self._next_at = context.clock.now()
        self._applied = ""

    def step(self) -> bool:
        """What is due; never raises, since other work goes on in the same loop."""
        now = self._context.clock.now()
        if now < self._next_at <= now + self._every:  # a clock that was set back makes it due
            return False
        self._next_at = now + self._every
        for work in (self.sample, self.measure, self.tell):
            try:
                work()
            except Exception as error:  # the loop goes on, and the next round tries again
                log.error("costs-not-kept", work=work.__name__, error=as_line(repr(error)), exc_info=True)
        return False

    def sample(self) -> None:
        """Read every run that is alive, and put away the meters of runs that are not."""
        now = self._context.clock.now()
        runs = {run.identity: run for run in self._context.runtime.observe()}
        with self._context.database.read() as connection:
            alive = {(one.name, one.instance): one for one in workspaces.alive(connection) if one.plan is not None}
            known = {(one.workspace, one.instance): one for one in costs.running(connection)}
        used = read_used(self._context, {one.plan.identity for one in alive.values() if one.plan} & runs.keys())
        readings = [meters.close(meter, None, meter.counted_to) for key, meter in known.items() if key not in alive]
        for key, workspace in alive.items():
            assert workspace.plan is not None
            run = runs.get(workspace.plan.identity)
            meter = None if run is None else known.get(key) or begun(workspace, run)
            if run is not None and meter is not None:
                at = min(run.ended_at or now, workspace.plan.end)
                readings.append(meters.read(meter, used.get(run.identity, run.used), at))
        if readings:
            with self._context.database.change(
                self._context.event("costs.sampled", ABOUT, runs=len(readings))
            ) as change:
                for reading in readings:
                    costs.keep_run(change, *reading)

    def measure(self) -> None:
        """Take in what the storekeeper measured last, and have it measure again when that is due."""
        now = self._context.clock.now()
        with self._context.database.read() as connection:
            job = jobs.latest(connection, PROGRAM, MEASURE, ABOUT)
        if job is not None and job.result is not None and job.id != self._applied:
            self._take_in(job.result)
            self._applied = job.id
        every = timedelta(minutes=self._settings.storage_minutes)
        if jobs.is_open(job) or (job is not None and now < job.created_at + every):
            return
        request = jobs.JobRequest(
            program=PROGRAM, kind=MEASURE, subject=ABOUT, payload={}, patience_seconds=PATIENCE_SECONDS
        )
        with self._context.database.change(self._context.event("job.asked", ABOUT, job=MEASURE)) as change:
            jobs.ask(change, request, now)

    def _take_in(self, result: Mapping[str, Any]) -> None:
        at = datetime.fromisoformat(result["at"])
        with self._context.database.read() as connection:
            known = costs.places(connection)
            vault = costs.vault_bytes(connection)
        found = {(grant, Kept(place)): kib for grant, kept in result["kib"].items() for place, kib in kept.items()}
        found |= {(grant, Kept.vault): -(-size // _KIB) for grant, size in vault.items()}
        event = self._context.event("costs.storage-measured", ABOUT, places=len(found))
        with self._context.database.change(event) as change:
            for key in known.keys() | found.keys():
                fresh = StoreMeter(grant=key[0], place=key[1], kib=0, counted_to=at)
                costs.keep_place(change, *meters.store(known.get(key, fresh), found.get(key, 0), at))

    def tell(self) -> None:
        """Announce budgets that are nearly or wholly spent, each step once."""
        with self._context.database.read() as connection:
            found = costs.budgets(connection)
            uses = costs.uses(connection) if found else {}
        for budget in found:
            one = budgets.standing(budget, uses.get(budget.grant, Use()), self._settings.prices)
            if (percent := budgets.due_warning(one)) is not None:
                said = {"measure": budget.measure.value, "percent": percent, "words": one.words()}
                event = self._context.event("grant.budget-told", f"grant/{budget.grant}", **said)
                with self._context.database.change(event) as change:
                    costs.set_told(change, budget, percent)
