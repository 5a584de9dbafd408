"""How soon access ends that a source elsewhere ends: from REMS's event on the wire to a record that lets nobody in.

Real services; a small REMS tells of a revocation as the real one does (PUT through the gateway). It still states the
entitlement, so that its next answer gives the access back and the same grants serve again. From the record's word to
the death of what runs is another figure: `tre bench revoke`.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from tre.cli.bench.figures import Figure, figure, percentile
from tre.cli.trial.elsewhere import Elsewhere
from tre.cli.trial.rems import small_rems
from tre.cli.trial.world import running_world
from tre.domain.errors import Reason, TREError

RUNS = 200
GRANTS = 20
USER = "alice"
_PATIENCE = 30.0
_LOOK = 0.002


class Run(NamedTuple):
    """Seconds from the first byte of the event: until it was answered, until the record let nobody in."""

    answered: float
    ended: float


def bench(runs: int = RUNS, grants: int = GRANTS) -> list[Figure]:
    """Have the REMS revoke this often, in turn over so many grants."""
    with small_rems() as rems, running_world() as world:
        elsewhere = Elsewhere(world, rems)
        names = {number: elsewhere.approve(number, USER) for number in range(1, grants + 1)}
        elsewhere.follow()
        for name in names.values():
            world.wait_for(lambda name=name: elsewhere.lets_in(name, USER), f"{name} did not open", 600.0)  # type: ignore[misc]
        return figures([_one(elsewhere, names, number) for number in range(runs)])


def figures(found: list[Run]) -> list[Figure]:
    """From runs: time to the end of access, and time to the answer that REMS waits for."""
    ended, answered = [run.ended for run in found], [run.answered for run in found]
    late, slow = percentile(ended, 0.99), max(answered)
    return [
        figure("event sent to access ended, p50", "s", percentile(ended, 0.5)),
        figure("event sent to access ended, p99", "s", late, target=("≤ 1 s", late <= 1)),
        figure("event sent to its answer, p50", "s", percentile(answered, 0.5)),
        figure("event sent to its answer, longest", "s", slow, target=("≤ 2.5 s", slow <= 2.5)),
        figure("runs", "", float(len(found)), target=(f"≥ {RUNS}", len(found) >= RUNS)),
    ]


def _one(elsewhere: Elsewhere, names: dict[int, str], number: int) -> Run:
    application = 1 + number % len(names)
    name = names[application]
    elsewhere.world.wait_for(lambda: elsewhere.lets_in(name, USER), f"{name} did not open again")
    begun = time.monotonic()
    status = elsewhere.event("revoked", application)
    answered = time.monotonic() - begun
    if status != 200:
        raise TREError(Reason.RuntimeFailed, "The event was not taken.", why=f"It was answered with {status}.")
    while elsewhere.lets_in(name, USER):
        if time.monotonic() - begun > _PATIENCE:
            raise TREError(Reason.RuntimeFailed, f"{name} still lets people in, {_PATIENCE:g} s later.")
        time.sleep(_LOOK)
    return Run(answered, time.monotonic() - begun)
