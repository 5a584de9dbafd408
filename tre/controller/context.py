"""What every part of the controller works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tre.domain.clock import Clock
from tre.domain.events import Event, program
from tre.runtimes.protocol import Runtime
from tre.store.database import Database, new_id
from tre.system.layout import Layout
from tre.system.settings import Settings

ACTOR = program("controller")


@dataclass(frozen=True)
class Context:
    """The record, the machine, the time, and where to tell the gateways."""

    database: Database
    layout: Layout
    settings: Settings
    clock: Clock
    runtime: Runtime
    publish: Callable[[dict[str, Any]], None]
    own_users: bool

    def event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        """An event of the controller's own."""
        return Event(id=new_id(), at=self.clock.now(), actor=ACTOR, kind=kind, object=subject, detail=detail)
