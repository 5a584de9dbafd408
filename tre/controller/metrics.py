"""What the controller counts, for `/metrics`.

Guarantees: labels are kinds, states and reasons only; no name of a person, project, workspace or file. What exists is
read from the record when it is asked for, so it is right from the first moment of a new process.

Does not guarantee: that what happened before this process began is counted: ask the log for that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tre.audit.courier import Kept, read_state, state_path
from tre.backup.make import BACKED_UP
from tre.domain.clock import Clock
from tre.domain.exports.states import ExportState
from tre.domain.grants.states import GrantPhase
from tre.domain.letters.models import LetterState
from tre.domain.workspaces.states import WorkspacePhase
from tre.store import census, letters
from tre.store.database import Database
from tre.store.events import last_of_kind, latest_moment
from tre.store.waits import Waits, look
from tre.system.heartbeat import heartbeat_age
from tre.system.settings import Settings

RECONCILED = Counter("tre_reconciled", "Looks at an object of the record.", ["kind", "outcome"])
SECONDS = Histogram("tre_reconcile_seconds", "Time that one look takes.", ["kind"])
WAITING = Gauge("tre_reconcile_queue", "Objects that wait to be looked at.")
SURVEYS = Counter("tre_surveys", "Times that every grant and workspace was looked over.")
GRANT_MOVES = Counter("tre_grant_moves", "Grants that the controller brought into a phase.", ["phase", "reason"])
WORKSPACE_REFUSALS = Counter("tre_workspace_refusals", "Workspaces that were asked for and not started.", ["reason"])
WORKSPACE_ENDINGS = Counter("tre_workspace_endings", "Runs that were ended, by what ended them.", ["reason"])
PROOFS = Counter(
    "tre_proofs",
    "Proofs that a run was sealed (isolation) or that nothing of it is left (death); one that a person stated failed.",
    ["kind", "outcome"],
)
ENDING_SECONDS = Histogram(
    "tre_workspace_ending_seconds",
    "Time from the moment a run had to end, a revocation for one, until its death was proven.",
    ["reason"],
    buckets=(0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 300),
)
START_SECONDS = Histogram(
    "tre_workspace_start_seconds",
    "Time from the start of a run until it could be entered.",
    buckets=(1, 2, 3, 5, 8, 12, 20, 30, 60, 120),
)
QUEUE_SECONDS = Histogram(
    "tre_workspace_queue_seconds",
    "Time from entering the queue until there was room.",
    buckets=(1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600),
)


for _kind in ("isolation", "death"):
    for _outcome in ("ok", "failed"):
        PROOFS.labels(_kind, _outcome)  # there from the first moment: what grows from nothing is not seen to grow


def count_proof(kind: str, *, holds: bool) -> None:
    """One proof, or that there is none where one was due; `kind` is `isolation` or `death`."""
    PROOFS.labels(kind, "ok" if holds else "failed").inc()


class RecordNumbers(Collector):
    """What is in the record at the moment of asking, and when the checker was last heard."""

    def __init__(self, database: Database, clock: Clock, checker_spool: Path) -> None:
        self._database, self._clock, self._spool = database, clock, checker_spool

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that registering it asks the record nothing."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge for each kind; every state is named, those without anything with 0."""
        begun = time.perf_counter()
        with self._database.read() as connection:
            found = census.take(connection)
            sent = letters.numbers(connection, now := self._clock.now())
            waits, latest = look(connection, now), latest_moment(connection)
            saved = last_of_kind(connection, BACKED_UP)
        took = time.perf_counter() - begun
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
        yield GaugeMetricFamily(
            "tre_letters_oldest_seconds",
            "Age of the oldest letter that should have been sent by now.",
            value=_age(sent.oldest, now),
        )
        yield GaugeMetricFamily(
            "tre_audit_events_waiting", "Events that the signed log does not hold yet.", value=found.events_waiting
        )
        yield from _waiting(waits, now)
        yield GaugeMetricFamily(
            "tre_clock_behind_seconds",
            "How far this machine's clock is behind the latest event of the log.",
            value=max(0.0, -_age(latest, now)),
        )
        yield GaugeMetricFamily(
            "tre_backup_age_seconds",
            "Time since the last backup; infinite where none was ever made.",
            value=float("inf") if saved is None else _age(saved, now),
        )
        yield GaugeMetricFamily("tre_record_seconds", "Time that the record took to answer all of this.", value=took)
        heard = heartbeat_age(self._spool)
        yield GaugeMetricFamily(
            "tre_checker_heard_seconds",
            "Seconds since the checker last said that it lives; infinite where it never did.",
            value=float("inf") if heard is None else heard,
        )


def _waiting(waits: Waits, now: datetime) -> Iterator[GaugeMetricFamily]:
    yield GaugeMetricFamily(
        "tre_audit_oldest_seconds",
        "Age of the oldest event that the signed log does not hold yet.",
        value=_age(waits.event, now),
    )
    yield GaugeMetricFamily(
        "tre_workspaces_queue_oldest_seconds",
        "Time since whoever has waited longest for room for a workspace began to wait.",
        value=_age(waits.queued, now),
    )
    yield GaugeMetricFamily(
        "tre_exports_oldest_seconds",
        "Time since the export request that has waited longest for checkers last moved.",
        value=_age(waits.export, now),
    )
    yield GaugeMetricFamily(
        "tre_jobs_oldest_seconds", "Age of the oldest job that nobody has taken.", value=_age(waits.job, now)
    )
    yield GaugeMetricFamily(
        "tre_workspaces_overdue",
        "Workspaces that may live although they had to end more than a minute ago.",
        value=waits.overdue,
    )


def _age(moment: datetime | None, now: datetime) -> float:
    return 0.0 if moment is None else (now - moment).total_seconds()


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
