"""Starts that go on beside whoever asks for them, several at once: a cluster's runtime without its waiting times.

Guarantees: asking never waits, so what has to end is not held up by what begins; each run is begun by one worker at a
time; what went wrong is told to whoever asks next. A start that is to end is stopped first: its worker begins no
further step, and has come to its end before the run is looked for.

Does not guarantee: that a run exists when `start` has returned, or that a grant's place does after `prepare`: that is
made so that the first click need not wait for it, and every start makes what is missing.

Threat: a hundred people who click at nine, and a revocation among them; a pod that is made just after its run was
called dead.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from tre.domain.costs.meters import Used
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.kubernetes.runtime import KubernetesRuntime
from tre.runtimes.protocol import DeathProof, Observation

log = structlog.get_logger()

STARTERS, PREPARERS = 8, 2
"""Workers: starts, and places made ahead. An API server shares its time fairly among clients; these are one."""
LOOK_SECONDS = 0.03
"""How often to look whether what a start waits for is there: a quota that counts, a control that answered."""
CLOSING_SECONDS = 1.0
LOOKS = 60
"""After so many, whoever wants the run asks again."""


class StartStoppedError(TREError):
    """A start that was to end."""

    def __init__(self) -> None:
        super().__init__(Reason.Requested, "The start was stopped.")


@dataclass
class _Start:
    stopped: threading.Event = field(default_factory=threading.Event)
    work: Future[None] | None = None

    def check(self) -> None:
        """Raise `StartStoppedError` once it is to end."""
        if self.stopped.is_set():
            raise StartStoppedError


class Crew:
    """The runtime `tre.runtimes.protocol.Runtime`, for one thread that asks; the workers are its own."""

    def __init__(self, runtime: KubernetesRuntime) -> None:
        self._runtime = runtime
        self._starts: dict[str, _Start] = {}
        self._starters = ThreadPoolExecutor(STARTERS, "start")
        self._preparers = ThreadPoolExecutor(PREPARERS, "prepare")
        self._ending = threading.Event()

    def start(self, plan: WorkspacePlan) -> None:
        """Have it begun, unless that goes on already. Raises what the last attempt came to, once."""
        if self._ending.is_set():
            return
        known = self._starts.get(plan.identity)
        if known is not None and known.work is not None:
            if not known.work.done():
                return
            self._starts.pop(plan.identity)
            known.work.result()
        begun = self._starts[plan.identity] = _Start()
        begun.work = self._starters.submit(self._begin, plan, begun)

    def end(self, identity: str, reason: Reason) -> None:
        """Stop its start, if that still goes on, and end the run."""
        begun = self._starts.pop(identity, None)
        if begun is not None and begun.work is not None:
            begun.stopped.set()
            if not begun.work.cancel():
                wait([begun.work])
        self._runtime.end(identity, reason)

    def shorten(self, identity: str, end: datetime) -> None:
        """As the runtime does."""
        self._runtime.shorten(identity, end)

    def observe(self) -> tuple[Observation, ...]:
        """As the runtime does; a run is there once its pod is."""
        return self._runtime.observe()

    def verify_dead(self, plan: WorkspacePlan) -> DeathProof:
        """As the runtime does; a run whose start goes on is not dead."""
        proof = self._runtime.verify_dead(plan)
        begun = self._starts.get(plan.identity)
        if begun is None or begun.work is None or begun.work.done():
            return proof
        return proof.model_copy(update={"unproven": (*proof.unproven, "its start goes on")})

    def count_stale_readers(self, plan: WorkspacePlan) -> int | None:
        """As the runtime does."""
        return self._runtime.count_stale_readers(plan)

    def used(self, identities: Collection[str]) -> dict[str, Used]:
        """As the runtime does."""
        return self._runtime.used(identities)

    def forget(self, identity: str, *, vouched: bool = False) -> None:
        """As the runtime does."""
        self._runtime.forget(identity, vouched=vouched)
        self._starts.pop(identity, None)

    def prepare(self, grant: str) -> None:
        """Have everything made that runs of a grant live among."""
        if not self._ending.is_set():
            self._preparers.submit(self._prepare, grant)

    def close(self) -> None:
        """Begin nothing any more, and stop what goes on; waits for a request that is under way, not for ever."""
        self._ending.set()
        going_on = [one for one in list(self._starts.values()) if one.work is not None]
        for one in going_on:
            one.stopped.set()
        for pool in (self._starters, self._preparers):
            pool.shutdown(wait=False, cancel_futures=True)
        wait([one.work for one in going_on if one.work is not None], CLOSING_SECONDS)

    def _begin(self, plan: WorkspacePlan, begun: _Start) -> None:
        for _look in range(LOOKS):
            begun.check()
            if self._runtime.begin(plan, begun.check) or self._ending.wait(LOOK_SECONDS):
                return

    def _prepare(self, grant: str) -> None:
        """What fails here is told by whoever starts in it."""
        try:
            self._runtime.prepare(grant)
        except TREError as error:
            log.warning("place-not-prepared", grant=grant, reason=error.reason.value, error=str(error))
