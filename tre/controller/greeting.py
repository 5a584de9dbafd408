"""What a controller does before it acts for the first time: it lets the gateways listen again.

Guarantees: the gateways are told what stands in the record about everything that lives, revoked sessions included, and
are given half a second to connect, before a controller that was restarted ends anything. So the order of an ending
(gateway, processes, mounts, record) holds also for what was decided while no controller lived.

Does not guarantee: that a gateway listens. One that is gone has no door open either.
"""

from __future__ import annotations

import structlog

from tre.controller.context import Context
from tre.controller.idling import Idling
from tre.controller.publisher import Publisher
from tre.controller.reconciler import KEEPING_UP_SECONDS
from tre.controller.routes import Idle, route_of
from tre.controller.workspaces import renewal_of
from tre.store import overview, people, workspaces

log = structlog.get_logger()

GREETING_SECONDS = 0.5
"""How long the gateways are waited for: their longest pause between two attempts, and a little more."""


class Greeting:
    """Said once, when a controller starts."""

    def __init__(self, context: Context, publisher: Publisher) -> None:
        self._context, self._publisher = context, publisher
        self._said_at: float | None = None

    def is_fresh(self) -> bool:
        """Whether what was told is young enough to be trusted before the loop has looked at everything itself."""
        said = self._said_at
        return said is not None and self._context.clock.boottime() - said < KEEPING_UP_SECONDS

    def say(self) -> None:
        """Tell what lives and wait until somebody listened; a record that cannot be read is left to the loop."""
        try:
            anybody = self._tell()
        except Exception as error:  # noqa: BLE001 - the loop that follows meets the same trouble, and reports it
            log.error("greeting-failed", error=str(error))
            return
        self._said_at = self._context.clock.boottime()
        if anybody and not self._publisher.await_listener(GREETING_SECONDS):
            log.warning("no-gateway-listens")

    def _tell(self) -> bool:
        """Whether anything lives."""
        idling = Idling(self._context.activity, self._context.clock, renewal_of(self._context))
        runs = {run.identity: run for run in self._context.runtime.observe()}
        with self._context.database.read() as connection:
            sessions = people.revoked_sessions(connection, self._context.clock.now())
            alive = workspaces.alive(connection)
            concerned = overview.records(connection, sorted({found.grant for found in alive}))
        for session in sessions:
            self._context.publish({"type": "session-revoked", "session": session})
        for grant in concerned.values():
            self._context.publish({"type": "grant", "record": grant.as_plain()})
        for found in alive:
            if found.grant not in concerned:  # a row that nobody understands entitles nobody
                continue
            run = runs.get(found.plan.identity) if found.plan else None
            route = route_of(found, concerned[found.grant], run, Idle(idling.minutes(found)))
            self._context.publish({"type": "route", "record": route.as_plain()})
        return bool(alive)
