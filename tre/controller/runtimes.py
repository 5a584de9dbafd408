"""Which runtime this controller works with.

Guarantees: it is chosen here and nowhere else, by `runtime` in `tre.yaml`.
"""

from __future__ import annotations

from datetime import datetime

from tre.controller.cluster import Cluster
from tre.domain.errors import Reason, TREError
from tre.domain.workspaces.models import WorkspacePlan
from tre.runtimes.bubblewrap.runtime import BubblewrapRuntime
from tre.runtimes.protocol import DeathProof, Observation, Runtime
from tre.system.clock import SystemClock
from tre.system.layout import Layout


class NoPods:
    """In the place of pods until there are any: refuses to start one, and has none."""

    def start(self, plan: WorkspacePlan) -> None:
        """Raise `TREError(SetupIncomplete)`."""
        raise TREError(Reason.SetupIncomplete, f"{plan.identity} cannot start: this launcher runs no pods yet.")

    def end(self, identity: str, reason: Reason) -> None:
        """Nothing runs."""

    def shorten(self, identity: str, end: datetime) -> None:
        """Nothing runs."""

    def observe(self) -> tuple[Observation, ...]:
        """Nothing runs."""
        return ()

    def verify_dead(self, plan: WorkspacePlan) -> DeathProof:
        """Nothing was started."""
        return DeathProof(identity=plan.identity, at=SystemClock().now())

    def forget(self, identity: str) -> None:
        """Nothing was started."""


def runtime_of(layout: Layout, cluster: Cluster | None) -> Runtime:
    """The runtime: sandboxes of this machine, or pods of a cluster."""
    return BubblewrapRuntime(layout) if cluster is None else NoPods()
