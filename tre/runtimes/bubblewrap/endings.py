"""How a run ended, written where a power cut cannot take it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tre.audit.spool import Spool
from tre.domain.errors import Reason
from tre.domain.events import Event, program
from tre.domain.names import event_id
from tre.domain.workspaces.models import WorkspacePlan


class Ending(NamedTuple):
    """Why a run ended, in the one vocabulary and in words, and when that was decided."""

    reason: Reason
    detail: str
    at: datetime


def write_ending(directory: Path, plan: WorkspacePlan, ending: Ending) -> None:
    """Put the ending into the local spool, flushed; the controller takes it into the log, once, whenever it lives."""
    event = Event(
        id=event_id("workspace.ended", plan.identity),
        at=ending.at,
        actor=program("supervisor"),
        kind="workspace.ended",
        object=f"workspace/{plan.workspace}",
        detail={
            "grant": plan.grant,
            "instance": plan.instance,
            "reason": ending.reason.value,
            "detail": ending.detail,
            "plan": plan.digest(),
        },
    )
    Spool(directory, f"supervisor-{plan.identity}").append(event)
