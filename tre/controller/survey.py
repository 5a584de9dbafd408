"""Looking over every grant and workspace, and finding those that are not where they belong.

Guarantees: within a minute each is looked over, however little is heard of it. A part of them is read at once and
judged from memory; what may need something done is named, to be looked at by itself. Nothing is changed here, so a
part that is out of date by a moment costs a look and decides nothing; what changed since has its event. The gateways
are told the truth about what is at rest. After the start everything is looked over without a pause, later the parts
are spread over the minute. Signatures of grants that were verified before are verified again from the second time on,
within the minute in which a key that was taken away counts no more; what is to come into force is verified at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tre.controller.context import Context
from tre.controller.grants import Common, GrantReconciler
from tre.controller.metrics import SURVEYS
from tre.controller.routes import Idle, route_of
from tre.controller.workspaces import WorkspaceReconciler, end_of
from tre.domain.errors import TREError
from tre.domain.workspaces.states import ALIVE_PHASES
from tre.runtimes.protocol import Observation
from tre.store import overview, people
from tre.store.overview import Overview

ROUND = timedelta(seconds=60)
FIRST_PART = 250
"""Grants in one part of the first round, in which no signature is checked: as much work as a part of the later ones."""


@dataclass
class Seen:
    """What came of one part: keys that need a look of their own, and when what is at rest is due."""

    looks: list[str] = field(default_factory=list)
    due: list[tuple[datetime, str]] = field(default_factory=list)


class Survey:
    """Goes over everything in parts, again and again."""

    def __init__(
        self, context: Context, grants: GrantReconciler, workspaces: WorkspaceReconciler, size: int | None = None
    ) -> None:
        self._context, self._grants, self._workspaces = context, grants, workspaces
        self._size, self._first_size = size or overview.PART, size or FIRST_PART
        self._after = ""
        self._pause = timedelta(0)
        self._parts = 0
        self.is_first = True
        self.next_at = context.clock.now()

    def begin_anew(self) -> None:
        """Look over everything now, without a pause: the clock jumped."""
        self._after, self._parts, self.is_first = "", 0, True
        self.next_at = self._context.clock.now()

    def part(self, runs: dict[str, Observation]) -> Seen:
        """Look over the next part, and put down when the one after it is due."""
        with self._context.database.read() as connection:
            found = overview.part(connection, self._after, self._first_size if self.is_first else self._size)
            met = frozenset(people.subjects(connection))
        seen = Seen(looks=[f"grant/{name}" for name in found.unreadable])
        try:
            common = self._grants.common(met, verify=not self.is_first) if found.found else None
        except TREError:  # whoever looks at each says what is wrong
            common = None
        for one in found.found:
            due = None if common is None else self._at_rest(one, common, runs)
            if due is None:
                seen.looks.append(f"grant/{one.grant.name}")
            else:
                seen.due += due
        self._go_on(found.last)
        return seen

    def _go_on(self, last: str | None) -> None:
        now = self._context.clock.now()
        self._parts += 1
        if last is None:
            SURVEYS.inc()
            self._pause = ROUND / max(1, self._parts)
            self._after, self._parts, self.is_first = "", 0, False
        else:
            self._after = last
        self.next_at = now if self.is_first else now + self._pause

    def _at_rest(
        self, seen: Overview, common: Common, runs: dict[str, Observation]
    ) -> list[tuple[datetime, str]] | None:
        """When to look again at a grant and its workspaces; `None` where one of them may need something done."""
        again = self._grants.at_rest(seen, common)
        rest = self._workspaces.at_rest
        if again is None or not all(rest(one, seen, runs, common.now) for one in seen.workspaces):
            return None
        self._context.publish({"type": "grant", "record": seen.grant.as_plain()})
        for one in seen.workspaces:
            run = runs.get(one.plan.identity) if one.plan else None
            route = route_of(one, seen.grant, run, Idle(self._workspaces.idling.minutes(one)))
            self._context.publish({"type": "route", "record": route.as_plain()})
        before_next = common.now + 2 * ROUND  # what is due later is looked over again before
        moments = [(again, f"grant/{seen.grant.name}"), *_ends(seen)]
        return [(moment, key) for moment, key in moments if moment <= before_next]


def _ends(seen: Overview) -> list[tuple[datetime, str]]:
    alive = (one for one in seen.workspaces if one.phase in ALIVE_PHASES)
    return [(end_of(one, seen.grant), f"workspace/{one.name}") for one in alive]
