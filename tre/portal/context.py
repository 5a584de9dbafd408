"""What every page works with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tre.airlock.extracts import ExtractStore
from tre.domain.clock import Clock
from tre.domain.events import Event, program
from tre.domain.people import Subject
from tre.domain.publicaccount.policies import AccountPolicy
from tre.domain.workspaces.admission import Room
from tre.portal.passwords import PasswordChecker
from tre.portal.preview.reading import ExtractReader
from tre.portal.roles import RolePolicy
from tre.portal.seals import Sealer
from tre.portal.uploads import Uploads
from tre.register.account_policy import load_account_policy
from tre.store.database import Database, new_id
from tre.system.layout import Layout
from tre.system.room import room_of
from tre.system.settings import Settings

PROGRAM = program("portal")


@dataclass(frozen=True)
class Portal:
    """The record, the settings, the time, and the portal's own secrets. The public process has none of the latter."""

    settings: Settings
    layout: Layout
    database: Database
    clock: Clock

    @cached_property
    def account(self) -> AccountPolicy:
        """How long things of the public account may take. Raises `TREError(PolicyMissing | BadInput)`."""
        return load_account_policy(self.layout.root)

    @cached_property
    def room(self) -> Room:
        """What workspaces may reserve together, as the controller counts it."""
        return room_of(self.settings)

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

    @cached_property
    def extracts(self) -> ExtractReader:
        """What the checks kept of files for people to look at."""
        return ExtractReader(ExtractStore(self.layout.extracts))

    @cached_property
    def uploads(self) -> Uploads:
        """What is being sent in at this moment."""
        return Uploads(self.layout.uploads)
