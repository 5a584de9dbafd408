"""Judging a start by what there is room for: it begins now, it waits in the queue, or it is refused.

Guarantees: one controller judges one start after another, each against all that lives, so no two starts are let into
the room of one. What is asked of a start, beyond the entitlement, is the list `checks`: the first that raises refuses.
Entering and leaving the queue are phases of the workspace with an event each, so the queue outlives the controller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tre.controller.context import Context
from tre.controller.metrics import QUEUE_SECONDS
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord
from tre.domain.workspaces.admission import (
    Amounts,
    Quota,
    Scene,
    Waiting,
    check_age,
    check_could_fit,
    check_gpus,
    check_quota,
    in_order,
    may_start,
    next_to_start,
)
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.store import queue
from tre.store import workspaces as store
from tre.system.environment import built_at
from tre.system.paths import workspace_environment
from tre.system.room import limits_of, needs_of, quota_of

LOOK_AGAIN = timedelta(seconds=10)
"""How soon somebody who waits is looked at, should nothing be heard meanwhile."""


@dataclass(frozen=True)
class Start:
    """A start that is judged: whose, of which grant, what it reserves, and everything else that lives or waits."""

    workspace: Workspace
    grant: GrantRecord
    needs: Amounts
    scene: Scene


class Admission:
    """Judges starts, and keeps the queue."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._quota = quota_of(context.settings)
        self.checks: list[Callable[[Start], None]] = [self._check_age, self._check_room, self._check_quota]

    def admits(self, workspace: Workspace, grant: GrantRecord) -> bool:
        """Whether a start may begin now; where not, it is to wait.

        Raises `TREError` with the reason of the first check that refuses.
        """
        needs = Amounts.of(limits_of(self._context.settings, grant.spec.workspace.profile))
        start = Start(workspace, grant, needs, self._scene(workspace, grant, needs))
        for check in self.checks:
            check(start)
        if not may_start(start.scene, workspace.name):
            return False
        if workspace.phase is WorkspacePhase.Queued:
            QUEUE_SECONDS.observe((start.scene.now - workspace.changed_at).total_seconds())
        return True

    def enter(self, workspace: Workspace) -> datetime:
        """Have it wait; return when to look again."""
        now = self._context.clock.now()
        if workspace.phase is not WorkspacePhase.Queued:
            event = self._context.event("workspace.queued", f"workspace/{workspace.name}", grant=workspace.grant)
            with self._context.database.change(event) as change:
                store.set_phase(change, workspace.name, WorkspacePhase.Queued, Reason.WaitingForRoom, now)
        return now + LOOK_AGAIN

    def leave(self, workspace: Workspace) -> None:
        """It is not wanted any more: nothing of it had begun, so nothing has to end."""
        event = self._context.event("workspace.left-queue", f"workspace/{workspace.name}", grant=workspace.grant)
        with self._context.database.change(event) as change:
            now = self._context.clock.now()
            store.set_phase(change, workspace.name, WorkspacePhase.Stopped, Reason.Requested, now)

    def next(self) -> str | None:
        """Who of those that wait can start now."""
        with self._context.database.read() as connection:
            if not queue.is_anybody_waiting(connection):
                return None
            return next_to_start(self._read(connection))

    def _read(self, connection: Connection) -> Scene:
        needs = needs_of(self._context.settings)
        return queue.scene(connection, self._context.room, needs, self._context.clock.now())

    def _scene(self, workspace: Workspace, grant: GrantRecord, needs: Amounts) -> Scene:
        """This moment, with this workspace among those who wait."""
        now = self._context.clock.now()
        own = Waiting(workspace.name, grant.name, needs, now, workspace.wanted is Wanted.Restart)
        terms = self._quota.narrowed(grant.spec.workspace.at_once)
        if not self._context.room.is_bounded and terms == Quota():  # nothing is counted, so nothing need be read
            return Scene(self._context.room, (), (own,), now)
        with self._context.database.read() as connection:
            found = self._read(connection)
        if any(one.workspace == workspace.name for one in found.waiting):
            return found
        return replace(found, waiting=(*found.waiting, own))

    def _check_age(self, start: Start) -> None:
        settings = self._context.settings
        if settings.runtime == "kubernetes" or settings.renewal.maximum_age_days is None:  # there its runtime judges
            return
        check_age(built_at(workspace_environment(settings)), start.scene.now, settings.renewal.maximum_age_days)

    def _check_room(self, start: Start) -> None:
        check_gpus(start.scene.room, start.needs)
        check_could_fit(start.scene.room, start.needs)

    def _check_quota(self, start: Start) -> None:
        held = [one.holds for one in start.scene.live if one.grant == start.grant.name]
        for one in in_order(start.scene):
            if one.workspace == start.workspace.name:
                break
            held += [one.needs] if one.grant == start.grant.name else []
        check_quota(self._quota.narrowed(start.grant.spec.workspace.at_once), held, start.needs)
