"""What every part of the controller works with.

Guarantees: `check_log` is asked before anything is granted (a grant made active, a suspension lifted, a run begun) and
never before anything ends: granting waits for the log, ending does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
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
    log_trouble: Callable[[], str | None] = lambda: None
    """Why the signed log does not go on; `None` while it does."""

    def check_log(self) -> None:
        """Raise `TREError(AuditBroken)` while the signed log is not whole."""
        if (trouble := self.log_trouble()) is not None:
            raise TREError(
                Reason.AuditBroken,
                "Nothing new is granted while the signed log is not whole.",
                why=trouble,
                remedy="An operator finds out with `tre audit verify` what was changed.",
            )

    def event(self, kind: str, subject: str, /, **detail: Any) -> Event:
        """An event of the controller's own."""
        return Event(id=new_id(), at=self.clock.now(), actor=ACTOR, kind=kind, object=subject, detail=detail)
