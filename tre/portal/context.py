"""What every page works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tre.domain.clock import Clock
from tre.domain.events import Event, program
from tre.domain.people import Subject
from tre.portal.passwords import PasswordChecker
from tre.portal.roles import RolePolicy
from tre.portal.seals import Sealer
from tre.store.database import Database, new_id
from tre.system.layout import Layout
from tre.system.settings import Settings

PROGRAM = program("portal")


@dataclass(frozen=True)
class Portal:
    """The record, the settings, the time, and the portal's own secrets. The public process has none of the latter."""

    settings: Settings
    layout: Layout
    database: Database
    clock: Clock

    def event(self, actor: Subject, kind: str, subject: str, **detail: Any) -> Event:
        """An event that goes with a change."""
        return Event(id=new_id(), at=self.clock.now(), actor=actor, kind=kind, object=subject, detail=detail)


@dataclass(frozen=True)
class Desk(Portal):
    """The portal for people who sign in."""

    sealer: Sealer
    passwords: PasswordChecker
    roles: RolePolicy
    hub_secret: str
