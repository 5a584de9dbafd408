"""What lives on this machine, for a person who wants to know and trusts no service.

Guarantees: reads the runs' directories and the kernel, asks none of our programs.
"""

from __future__ import annotations

from tre.domain.clock import Clock
from tre.runtimes.bubblewrap.observer import Sight, Target, look
from tre.runtimes.bubblewrap.state import RunState
from tre.runtimes.protocol import DeathProof
from tre.system.layout import Layout


class LivingRun(DeathProof):
    """A run of which something lives: processes, mounts, or a server that answers."""


def living_runs(layout: Layout, clock: Clock, workspaces: set[str] | None = None) -> list[LivingRun]:
    """Every run with signs of life, of these workspaces or of all. Run as root where root started the launcher."""
    directory = layout.run / "workspaces"
    found = []
    now, sight = clock.now(), Sight()
    for path in sorted(directory.iterdir()) if directory.is_dir() else []:
        state = RunState.read(path)
        if state is None or (workspaces is not None and state.plan.workspace not in workspaces):
            continue
        proof = look(Target.of(state.plan, state), path, now, sight)
        if not proof.dead:
            found.append(LivingRun.model_validate(proof.model_dump()))
    return found
