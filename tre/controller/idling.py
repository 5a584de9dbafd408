"""Knowing in which runs something happens, by what the gateways say, and ending those in which nothing does.

Guarantees: any gateway's word that something happened counts, however many others saw nothing; after a new start of
the controller counting begins anew, so no run is ended earlier than its profile says.

Does not guarantee: an end to the minute. Gateways look twice a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from tre.domain.clock import Clock
from tre.domain.errors import Reason
from tre.domain.workspaces.idling import Quiet, is_due, is_near, is_outdated, minutes_until_stopped, seconds_left
from tre.domain.workspaces.models import Workspace

_MINUTE = timedelta(minutes=1)


class Activity:
    """When something last happened in each run, and when a gateway last looked, on the boot-time clock. Used from two
    threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[str, float] = {}
        self._looked: dict[str, float] = {}

    def take(self, active: Iterable[str], quiet: Iterable[str], at: float) -> None:
        """A gateway has looked at these runs; something happened in the active ones."""
        with self._lock:
            for identity in active:
                self._active[identity] = self._looked[identity] = at
            for identity in quiet:
                self._looked[identity] = at

    def quiet(self, identity: str, at: float) -> Quiet:
        """For how long nothing has happened in a run; one that was never asked for begins now."""
        with self._lock:
            since = self._active.setdefault(identity, at)
            looked = self._looked.get(identity)
        return Quiet(at - since, None if looked is None else at - looked)

    def forget(self, identity: str) -> None:
        """A run has ended."""
        with self._lock:
            self._active.pop(identity, None)
            self._looked.pop(identity, None)


class Renewal(NamedTuple):
    """For how long nothing may happen in a run that began with older programs, and which are the newest."""

    minutes: int | None
    environment: Callable[[], str | None]


class Idling:
    """What follows for each workspace that runs."""

    def __init__(self, activity: Activity, clock: Clock, renewal: Renewal | None = None) -> None:
        self._activity, self._clock = activity, clock
        self._renewal = renewal or Renewal(None, lambda: None)

    def ending(self, workspace: Workspace) -> tuple[Reason, str] | None:
        """Why a run is to end now, where nothing has happened in it for as long as its profile says."""
        minutes, quiet = self._of(workspace)
        if minutes is None or not is_due(minutes, quiet):
            return None
        words = f"nothing happened in it for {minutes} minutes"
        newer = f"{words}, and it began with older programs than there are now"
        return Reason.IdleStopped, newer if self.is_outdated(workspace) else words

    def is_outdated(self, workspace: Workspace) -> bool:
        """Whether a run began with other programs than one would begin with now."""
        return workspace.plan is not None and is_outdated(workspace.plan.environment, self._renewal.environment())

    def minutes(self, workspace: Workspace) -> int | None:
        """For how long nothing may happen in it; `None`: it is not stopped for that."""
        if workspace.plan is None:
            return None
        outdated = self.is_outdated(workspace)
        return minutes_until_stopped(workspace.plan.idle_minutes, self._renewal.minutes, outdated=outdated)

    def is_near(self, workspace: Workspace) -> bool:
        """Whether its person is to be told that it will be stopped."""
        minutes, quiet = self._of(workspace)
        return minutes is not None and is_near(minutes, quiet)

    def ends_at(self, workspace: Workspace) -> datetime | None:
        """When it will be stopped, to the minute, once its person is to be told."""
        minutes, quiet = self._of(workspace)
        if minutes is None or not is_near(minutes, quiet):
            return None
        end = self._clock.now() + timedelta(seconds=seconds_left(minutes, quiet)) + _MINUTE / 2
        return end.replace(second=0, microsecond=0)

    def next_look(self, workspace: Workspace, end: datetime) -> datetime:
        """When to look again at a run that goes on: each half minute where it may be idle, else by its end."""
        return min(end, self._clock.now() + _MINUTE / 2) if self.is_near(workspace) else end

    def _of(self, workspace: Workspace) -> tuple[int | None, Quiet]:
        minutes = self.minutes(workspace)
        if workspace.plan is None or minutes is None:
            return None, Quiet(0.0, None)
        return minutes, self._activity.quiet(workspace.plan.identity, self._clock.boottime())
