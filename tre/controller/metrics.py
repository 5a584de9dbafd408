"""What the controller counts, for `/metrics`.

Guarantees: labels are kinds, states and reasons only; no name of a person, project, workspace or file. What exists is
read from the record when it is asked for, so it is right from the first moment of a new process.

Does not guarantee: that what happened before this process began is counted: ask the log for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tre.audit.courier import Kept, read_state, state_path
from tre.domain.clock import Clock
from tre.domain.exports.states import ExportState
from tre.domain.grants.states import GrantPhase
from tre.domain.letters.models import LetterState
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import census, letters
from tre.store.database import Database
from tre.system.settings import Settings

RECONCILED = Counter("tre_reconciled", "Looks at an object of the record.", ["kind", "outcome"])
SECONDS = Histogram("tre_reconcile_seconds", "Time that one look takes.", ["kind"])
WAITING = Gauge("tre_reconcile_queue", "Objects that wait to be looked at.")
SURVEYS = Counter("tre_surveys", "Times that every grant and workspace was looked over.")
GRANT_MOVES = Counter("tre_grant_moves", "Grants that the controller brought into a phase.", ["phase", "reason"])
WORKSPACE_REFUSALS = Counter("tre_workspace_refusals", "Workspaces that were asked for and not started.", ["reason"])
WORKSPACE_ENDINGS = Counter("tre_workspace_endings", "Runs that were ended, by what ended them.", ["reason"])
START_SECONDS = Histogram(
    "tre_workspace_start_seconds",
    "Time from the start of a run until it could be entered.",
    buckets=(1, 2, 3, 5, 8, 12, 20, 30, 60, 120),
)


class RecordNumbers(Collector):
    """What is in the record at the moment of asking."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that registering it asks the record nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for each kind; every state is named, those without anything with 0."""
        with self._database.read() as connection:
            found = census.take(connection)
            sent = letters.numbers(connection, now := self._clock.now())
        states = {state.value: count for state, count in sent.states.items()}
        grants = GaugeMetricFamily("tre_grants", "Grants by phase.", labels=["phase"])
        yield _filled(grants, found.grants, GrantPhase)
        workspaces = GaugeMetricFamily("tre_workspaces", "Workspaces by phase.", labels=["phase"])
        yield _filled(workspaces, found.workspaces, WorkspacePhase)
        exports = GaugeMetricFamily("tre_exports", "Export requests by state.", labels=["state"])
        yield _filled(exports, found.exports, ExportState)
        jobs = GaugeMetricFamily("tre_jobs_unfinished", "Jobs that were asked for and not done.", labels=["program"])
        yield _filled(jobs, found.jobs, ("storekeeper", "checker"))
        yield _filled(GaugeMetricFamily("tre_letters", "Letters by state.", labels=["state"]), states, LetterState)
        age = 0.0 if sent.oldest is None else (now - sent.oldest).total_seconds()
        yield GaugeMetricFamily(
            "tre_letters_oldest_seconds", "Age of the oldest letter that should have been sent by now.", value=age
        )
        yield GaugeMetricFamily(
            "tre_audit_events_waiting", "Events that the signed log does not hold yet.", value=found.events_waiting
        )


class WitnessNumbers(Collector):
    """How the places stand that keep checkpoints of the log."""

    def __init__(self, root: Path, settings: Settings, clock: Clock) -> None:
        self._path, self._names, self._clock = state_path(root), [one.name for one in settings.witnesses], clock

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, as above."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """How many are behind, and the longest time by which one is."""
        state, now = read_state(self._path), self._clock.now()
        late = [state.get(name, Kept()).behind(now).total_seconds() for name in self._names]
        yield GaugeMetricFamily(
            "tre_audit_witnesses_behind",
            "Places that lack a checkpoint of the log they should have by now.",
            value=sum(seconds > 0 for seconds in late),
        )
        yield GaugeMetricFamily(
            "tre_audit_witnesses_behind_seconds", "The longest time by which one of them is late.", value=max(late)
        )


def _filled(family: GaugeMetricFamily, counts: Mapping[str, int], states: Iterable[str]) -> GaugeMetricFamily:
    for state in states:
        family.add_metric([str(state)], counts.get(state, 0))
    return family
