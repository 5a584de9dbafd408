"""What every part of the controller works with.

Guarantees: `check_granting` is asked before anything is granted (a grant made active, a suspension lifted, a run
begun) and never before anything ends: granting waits for the log, and for a clock that does not contradict it; ending
waits for neither.

Threat: a log that was changed; a machine whose clock was set back, on which approvals that ended seem to be in force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tre.controller.idling import Activity
from tre.domain.clock import Clock
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event, program
from tre.domain.workspaces.admission import Room
from tre.runtimes.protocol import Runtime
from tre.sources.verified import VerifiedEvidence
from tre.store.database import Database, new_id
from tre.store.events import latest_moment
from tre.system.layout import Layout
from tre.system.settings import Settings

ACTOR = program("controller")
CLOCK_TOLERANCE = timedelta(minutes=2)
"""How far a clock may fall behind the log: what time servers correct in one step without anybody meaning harm."""


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
    prepare_grant: Callable[[str], None] = lambda _grant: None
    """Has made, beside, what a grant's runs live among; a start makes what is missing in any case."""
    clear_grant: Callable[[str], bool] = lambda _grant: True
    """Removes what a runtime keeps for a grant whose runs are all dead; says whether nothing is left."""
    room: Room = field(default_factory=Room)
    """What workspaces may reserve together; by default nothing is counted."""
    activity: Activity = field(default_factory=Activity)
    """What gateways saw happen in each run."""
    environment: Callable[[], str | None] = lambda: None
    """The programs that a run would begin with now."""
    verified: VerifiedEvidence = field(default_factory=VerifiedEvidence)
    """What was found signed, by whoever looked first."""

    def check_granting(self) -> None:
        """Raise `TREError(AuditBroken)` while the signed log is not whole, `TREError(ClockOutOfStep)` while the clock
        shows an earlier time than the log."""
        self._check_log()
        self._check_clock()

    def can_grant(self) -> bool:
        """Whether anything may be granted now."""
        try:
            self.check_granting()
        except TREError:
            return False
        return True

    def _check_clock(self) -> None:
        with self.database.read() as connection:
            latest = latest_moment(connection)
        now = self.clock.now()
        if latest is not None and now < latest - CLOCK_TOLERANCE:
            raise TREError(
                Reason.ClockOutOfStep,
                "Nothing new is granted while the machine's clock is out of step.",
                why=f"It shows {now:%Y-%m-%d %H:%M} UTC, and the log holds events of {latest:%Y-%m-%d %H:%M} UTC.",
                remedy="Set the clock. If the log's times are the wrong ones, a thousand later events outweigh them.",
            )

    def _check_log(self) -> None:
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
