"""Judging what is already open, whenever anything changes and whenever time passes.

Guarantees: a change that the controller reports is acted on before the next message is read, so what it ends is cut
within milliseconds; and no end by the clock is overlooked for longer than a second, since the timer is armed for the
next end that can be foreseen and never for later than that.

Does not guarantee: an end that happens inside a stalled process. The first process of each workspace and its
supervisor hold the same end without the gateway.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.gateway.decisions import Session, decide, moment_of, seconds_to_next_end
from tre.gateway.metrics import Metrics
from tre.gateway.openings import Opening, Openings
from tre.gateway.table import Table

LONGEST_SLEEP = 1.0
"""Seconds; the bound on how late an end by the clock may be seen."""

_SHORTEST_SLEEP = 0.005
Cut = Callable[[str, Reason, int], None]


class Sentry:
    """Cuts what is no longer permitted."""

    def __init__(self, table: Table, openings: Openings, clock: Clock, metrics: Metrics, on_cut: Cut) -> None:
        self._table = table
        self._openings = openings
        self._clock = clock
        self._metrics = metrics
        self._on_cut = on_cut

    def check(self, workspaces: frozenset[str] | None = None) -> float:
        """Judge everything open to these workspaces (`None`: to all); return seconds to the next foreseeable end."""
        began = time.perf_counter()
        names = self._openings.workspaces() if workspaces is None else tuple(workspaces)
        next_end = LONGEST_SLEEP
        cut = Counter[tuple[str, Reason]]()
        for workspace in names:
            judged: dict[Session, Reason | None] = {}
            for opening in self._openings.of(workspace):
                if opening.session not in judged:
                    judged[opening.session], ends_in = self._judge(workspace, opening.session)
                    next_end = min(next_end, ends_in)
                if (reason := judged[opening.session]) is not None:
                    self._cut(opening, reason, cut)
        for (workspace, reason), count in cut.items():
            self._metrics.cut_seconds.observe(time.perf_counter() - began)
            self._on_cut(workspace, reason, count)
        return next_end

    async def run(self) -> None:
        """Check by the clock until cancelled."""
        while True:
            await asyncio.sleep(max(_SHORTEST_SLEEP, self.check()))

    def _judge(self, workspace: str, session: Session) -> tuple[Reason | None, float]:
        standing = self._table.standing(workspace, session)
        moment = moment_of(self._clock)
        verdict = decide(standing, session, moment)
        if verdict:
            return None, seconds_to_next_end(standing, session, moment)
        return verdict.reason, LONGEST_SLEEP

    def _cut(self, opening: Opening, reason: Reason, count: Counter[tuple[str, Reason]]) -> None:
        if opening.cut_for is None:
            opening.cut(reason)
            count[opening.workspace, reason] += 1
