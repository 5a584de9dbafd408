"""What every runtime owes, as one suite: a subclass gives the site that it runs on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from tre.domain.costs.meters import Used
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.protocol import Observation, RunPhase, Runtime


class RuntimeSite(Protocol):
    """Where a runtime is tried."""

    @property
    def runtime(self) -> Runtime:
        """The runtime itself."""
        ...

    def plan(self, name: str, *, seconds: float = 120.0, cap: int | None = None, instance: int = 1) -> WorkspacePlan:
        """The plan of a run, with directories that are there."""
        ...

    def start(self, plan: WorkspacePlan) -> Observation:
        """Start a run and wait until it is ready."""
        ...

    def observation(self, plan: WorkspacePlan) -> Observation | None:
        """What the runtime reports of a run."""
        ...

    def await_phase(self, plan: WorkspacePlan, phase: RunPhase, seconds: float = 20.0) -> Observation:
        """Wait until a run is in a phase."""
        ...

    def await_dead(self, plan: WorkspacePlan, seconds: float = 5.0) -> float:
        """Wait for the proof of its death; returns how many seconds it took."""
        ...

    def await_forgotten(self, plan: WorkspacePlan, seconds: float = 5.0) -> None:
        """Wait until there is no trace of a run."""
        ...

    def mark(self, plan: WorkspacePlan) -> object:
        """What is another for another run of one plan: the process or the object that holds it."""
        ...


class RuntimeContract:
    """Both runtimes pass this."""

    fastest = 4.0
    """Seconds from asking for a start to the shortest end that a test gives."""

    earliness, lateness = 0.0, 1.5
    """Seconds by which a run may end too early, and by which its end may be observed late."""

    @pytest.fixture
    def site(self) -> RuntimeSite:
        raise NotImplementedError

    def test_a_run_becomes_ready_only_with_its_isolation_proven(self, site: RuntimeSite) -> None:
        plan = site.plan("ready")
        run = site.start(plan)
        assert run.isolation is not None
        assert run.isolation["proven"] is True
        assert len(run.isolation["provenItems"]) > 30  # type: ignore[arg-type]
        assert set(run.means) == {"memory", "cpu", "processes", "home"}
        assert (run.socket is None) != (run.door is None)
        site.runtime.end(plan.identity, Reason.Requested)
        site.await_phase(plan, RunPhase.Ended)

    def test_starting_twice_starts_one(self, site: RuntimeSite) -> None:
        plan = site.plan("twice")
        site.start(plan)
        first = site.mark(plan)
        site.runtime.start(plan)
        assert site.mark(plan) == first
        site.runtime.end(plan.identity, Reason.Requested)

    def test_the_end_is_observed_and_nothing_is_left(self, site: RuntimeSite) -> None:
        plan = site.plan("ending")
        site.start(plan)
        assert not site.runtime.verify_dead(plan).dead
        so_far = site.runtime.used({plan.identity, "w-aaaaaaaaaaaa-7"})
        site.runtime.end(plan.identity, Reason.GrantRevoked)
        site.await_dead(plan)
        assert site.await_phase(plan, RunPhase.Ended).reason is Reason.GrantRevoked
        site.runtime.end(plan.identity, Reason.Requested)  # again, and for another reason: nothing
        run = site.observation(plan)
        assert run is not None
        assert run.reason is Reason.GrantRevoked
        self.check_use(run, so_far)
        site.runtime.forget(plan.identity)
        site.await_forgotten(plan)
        assert site.runtime.verify_dead(plan).dead

    def check_use(self, run: Observation, so_far: Mapping[str, Used]) -> None:
        """It says when it took room; what it used grew to its end, or nobody could tell, and then nothing is said."""
        assert run.began_at is not None
        assert run.ended_at is not None
        assert run.began_at <= run.ended_at
        assert so_far.keys() <= {run.identity}
        for used in so_far.values():
            assert run.used is not None
            assert (run.used.cpu_us or 0) >= (used.cpu_us or 0) > 0
            assert (run.used.peak_bytes or 0) >= (used.peak_bytes or 0) > 2**20

    def test_a_living_run_is_not_forgotten(self, site: RuntimeSite) -> None:
        plan = site.plan("living")
        site.start(plan)
        with pytest.raises(TREError) as caught:
            site.runtime.forget(plan.identity)
        assert caught.value.reason is Reason.Conflict
        site.runtime.end(plan.identity, Reason.Requested)

    def test_ending_what_is_not_there_is_nothing(self, site: RuntimeSite) -> None:
        site.runtime.end("w-aaaaaaaaaaaa-7", Reason.Requested)
        assert site.runtime.verify_dead(site.plan("never")).dead

    def test_a_run_ends_at_its_end_by_itself(self, site: RuntimeSite) -> None:
        plan = site.plan("clock", seconds=self.fastest)
        site.start(plan)
        run = site.await_phase(plan, RunPhase.Ended, self.fastest + 10)
        assert run.reason is Reason.DeadlineReached
        assert -self.earliness <= (run.at - plan.end).total_seconds() < self.lateness

    def test_the_boot_time_cap_ends_a_run_whose_wall_clock_end_is_far(self, site: RuntimeSite) -> None:
        plan = site.plan("capped", seconds=3600.0, cap=int(self.fastest))
        site.start(plan)
        assert site.await_phase(plan, RunPhase.Ended, self.fastest + 10).reason is Reason.DeadlineReached

    def test_an_end_is_brought_forward_and_never_back(self, site: RuntimeSite) -> None:
        plan = site.plan("sooner", seconds=3600.0)
        assert site.start(plan).end == plan.end
        sooner = datetime.now(UTC) + timedelta(seconds=2.5)
        for end in (sooner, sooner + timedelta(seconds=60), plan.end):
            site.runtime.shorten(plan.identity, end)
        run = site.await_phase(plan, RunPhase.Ended)
        assert run.end == sooner
        assert run.reason is Reason.DeadlineReached
        assert abs((run.at - sooner).total_seconds()) < self.lateness + 1

    def test_bringing_the_end_of_nothing_forward_is_nothing(self, site: RuntimeSite) -> None:
        before = {run.identity for run in site.runtime.observe()}
        site.runtime.shorten("w-aaaaaaaaaaaa-7", datetime.now(UTC))
        assert {run.identity for run in site.runtime.observe()} == before
