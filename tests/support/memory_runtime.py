"""A runtime without processes: does what the protocol says, in memory, and does it late or badly when told to."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tre.domain.clock import Clock
from tre.domain.costs.meters import Used
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.protocol import DeathProof, Observation, RunPhase


class MemoryRuntime:
    """Runs become ready and end when a test says so (or at once), and can refuse to die."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.runs: dict[str, Observation] = {}
        self.lingering: set[str] = set()
        self.beyond_reach: set[str] = set()
        self.stale_readers: dict[str, int | None] = {}
        self.asked_for_readers: list[str] = []
        self.broken: TREError | None = None
        self.broken_end: TREError | None = None
        self.unseen: TREError | None = None
        self.counted: dict[str, Used] = {}
        self.started: list[str] = []
        self.ended: list[tuple[str, Reason]] = []

    def start(self, plan: WorkspacePlan) -> None:
        """Begin a run, once."""
        if self.broken is not None:
            raise self.broken
        if plan.identity not in self.runs:
            self.started.append(plan.identity)
            self.runs[plan.identity] = Observation(
                identity=plan.identity,
                plan=plan,
                phase=RunPhase.Starting,
                at=self.clock.now(),
                began_at=self.clock.now(),
                end=plan.end,
                means={"memory": "none"},
            )

    def becomes(self, identity: str, phase: RunPhase, reason: Reason | None = None) -> None:
        """Something happened to a run."""
        socket = "/run/x/lab.sock" if phase is RunPhase.Ready else None
        changes: dict[str, object] = {"phase": phase, "reason": reason, "socket": socket}
        changes |= {"isolation": {"proven": True}}
        if phase is RunPhase.Ended:
            changes |= {"ended_at": self.clock.now(), "used": self.counted.get(identity)}
        self.runs[identity] = self.runs[identity].model_copy(update=changes)

    def end(self, identity: str, reason: Reason) -> None:
        """Kill a run, unless it was told to linger."""
        if self.broken_end is not None:
            raise self.broken_end
        if identity in self.runs and self.runs[identity].phase is not RunPhase.Ended:
            self.ended.append((identity, reason))
            if identity not in self.lingering:
                self.becomes(identity, RunPhase.Ended, reason)

    def shorten(self, identity: str, end: datetime) -> None:
        """Bring a run's end forward."""
        if identity in self.runs and end < self.runs[identity].end:
            self.runs[identity] = self.runs[identity].model_copy(update={"end": end})

    def observe(self) -> tuple[Observation, ...]:
        """Every run."""
        if self.unseen is not None:
            raise self.unseen
        return tuple(self.runs.values())

    def verify_dead(self, plan: WorkspacePlan) -> DeathProof:
        """What lives: a lingering run does."""
        run = self.runs.get(plan.identity)
        alive = plan.identity in self.lingering or (run is not None and run.phase is not RunPhase.Ended)
        lost = plan.identity in self.beyond_reach
        return DeathProof(
            identity=plan.identity,
            at=self.clock.now(),
            processes=(4711,) if alive and not lost else (),
            unproven=("the pod is gone",) if lost else (),
            beyond_reach=lost,
        )

    def count_stale_readers(self, plan: WorkspacePlan) -> int | None:
        """As many as a test says."""
        self.asked_for_readers.append(plan.identity)
        return self.stale_readers.get(plan.identity, 0)

    def used(self, identities: Collection[str]) -> dict[str, Used]:
        """What a test says that runs have used."""
        return {name: self.counted[name] for name in identities if name in self.counted}

    def forget(self, identity: str, *, vouched: bool = False) -> None:
        """Remove the traces of a dead run."""
        if identity in self.lingering and not (vouched and identity in self.beyond_reach):
            raise TREError(Reason.Conflict, f"{identity} still lives.")
        self.runs.pop(identity, None)
