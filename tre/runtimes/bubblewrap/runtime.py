"""The runtime of one machine, as the controller uses it: through the launcher and the supervisors.

Guarantees: the runtime protocol's (`tre.runtimes.protocol`). Ending goes straight to the run's supervisor, so it
works while the launcher is down; a supervisor that does not answer is killed by the launcher, and its sandbox with it;
looking goes to the launcher, which shares no state with the supervisor.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from tre.domain.costs.meters import Used
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap.state import CONTROL, RunState
from tre.runtimes.protocol import DeathProof, Observation, RunPhase
from tre.system.layout import Layout
from tre.system.sockets import request

_PATIENCE = 1.0
"""Seconds for a supervisor to answer: it does nothing else that takes longer than milliseconds."""

_START_PATIENCE = 3.0
"""Seconds for the launcher to fork one: a launcher that hangs must not hold the controller up, and a start may be asked
for again."""


class BubblewrapRuntime:
    """Workspaces in bubblewrap sandboxes on this machine."""

    def __init__(self, layout: Layout) -> None:
        self._launcher = layout.socket("launcher")
        self._runs = layout.run / "workspaces"

    def start(self, plan: WorkspacePlan) -> None:
        """Ask the launcher for a supervisor."""
        request(self._launcher, {"ask": "start", "plan": plan.as_plain()}, timeout=_START_PATIENCE)

    def end(self, identity: str, reason: Reason) -> None:
        """Tell the run's supervisor; one that is gone took its sandbox with it."""
        state = RunState.read(self._runs / identity)
        if state is None or state.phase is RunPhase.Ended or not state.supervisor.handle().alive():
            return
        try:
            request(self._runs / identity / CONTROL, {"end": reason.value}, timeout=_PATIENCE)
        except TREError:
            if state.supervisor.handle().alive():
                request(self._launcher, {"ask": "kill", "identity": identity})

    def shorten(self, identity: str, end: datetime) -> None:
        """Tell the run's supervisor, which tells the first process."""
        state = RunState.read(self._runs / identity)
        if state is None or state.phase is RunPhase.Ended or end >= (state.end or state.plan.end):
            return
        request(self._runs / identity / CONTROL, {"until": end.isoformat()}, timeout=_PATIENCE)

    def observe(self) -> tuple[Observation, ...]:
        """Read every run's state; a run whose supervisor is gone has ended, whatever its state says."""
        found = []
        for directory in self._directories():
            state = RunState.read(directory)
            if state is None:
                continue
            observation = state.observation(directory)
            if state.phase is not RunPhase.Ended and not state.supervisor.handle().alive():
                observation = observation.model_copy(
                    update={
                        "phase": RunPhase.Ended,
                        "reason": Reason.RuntimeFailed,
                        "detail": "the supervisor was gone; the kernel ended the sandbox with it",
                        "socket": None,
                    }
                )
            found.append(observation)
        return tuple(found)

    def _directories(self) -> list[Path]:
        if not self._runs.is_dir():
            return []
        return sorted(path for path in self._runs.iterdir() if path.is_dir())

    def verify_dead(self, plan: WorkspacePlan) -> DeathProof:
        """Have the launcher look."""
        return DeathProof.model_validate(request(self._launcher, {"ask": "verify", "plan": plan.as_plain()}))

    def count_stale_readers(self, plan: WorkspacePlan) -> int | None:
        """Have the launcher look: it alone may see what processes of other users have open."""
        return int(request(self._launcher, {"ask": "readers", "plan": plan.as_plain()})["readers"])

    def used(self, identities: Collection[str]) -> dict[str, Used]:
        """Have the launcher read the kernel's counts."""
        if not identities:
            return {}
        answer = request(self._launcher, {"ask": "used", "identities": sorted(identities)})
        return {name: Used.model_validate(found) for name, found in answer["used"].items()}

    def forget(self, identity: str, *, vouched: bool = False) -> None:
        """Have the launcher remove the run's directory, if nothing lives in it."""
        del vouched  # this machine sees for itself: nothing on it is beyond reach
        request(self._launcher, {"ask": "forget", "identity": identity})

    def means(self) -> dict[str, str]:
        """By what each limit is enforced on this machine."""
        return dict(request(self._launcher, {"ask": "means"})["means"])
