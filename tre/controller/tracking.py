"""The days of conditions: told ahead, told when they have passed, and the project suspended where that was said.

Guarantees: level-triggered; each day is told ahead once and found to be missed once; the suspension that a missed one
brings is one transaction with it, asked again at that moment from what the record says then.

Threat: a report that comes in while its day passes; a power cut between the missing and the suspension.
"""

from __future__ import annotations

from datetime import datetime

from tre.controller.context import ACTOR, Context
from tre.domain.committee.tracking import ConditionState, TrackedCondition, is_missed, is_near, next_look
from tre.domain.errors import Reason
from tre.domain.grants.models import Suspension, SuspensionScope
from tre.domain.grants.states import ENDED_PHASES
from tre.store import conditions as store
from tre.store import grants
from tre.store.database import Change

SAID = "A condition of the approval was not met in time."


class ConditionKeeper:
    """Looks at one condition and does what its day asks for."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reconcile(self, name: str) -> datetime | None:
        """Do what is due; return when to look again."""
        now = self._context.clock.now()
        with self._context.database.read() as connection:
            found = store.get(connection, name)
        if found is None:
            return None
        if is_missed(found, now):
            self._missed(found, now)
            return None
        if is_near(found, now):
            found = self._told(found, now)
        return next_look(found, now)

    def _told(self, condition: TrackedCondition, now: datetime) -> TrackedCondition:
        after = condition.changed(announced=True)
        with self._context.database.change(store.event_of("due-announced", after, ACTOR, now)) as change:
            return store.save(change, condition, after)

    def _missed(self, condition: TrackedCondition, now: datetime) -> None:
        after = condition.moved(ConditionState.Missed, now)
        event = store.event_of("missed", after, ACTOR, now, reason=Reason.ConditionMissed.value)
        with self._context.database.change(event) as change:
            store.save(change, condition, after)
            if condition.terms.suspends:
                self._suspend(change, condition, now)

    def _suspend(self, change: Change, condition: TrackedCondition, now: datetime) -> None:
        grant = grants.get(change.connection, condition.grant)
        if grant is None or grant.phase in ENDED_PHASES:
            return
        stop = Suspension(scope=SuspensionScope.grant, reason=SAID, by=ACTOR, since=now)
        grants.suspend(change, condition.grant, stop)
        said = {"scope": "grant", "ref": "", "reason": SAID, "condition": condition.id}
        change.record(self._context.event("suspension.added", f"grant/{condition.grant}", **said))
