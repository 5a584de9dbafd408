"""What the gateway must know of a workspace to decide by itself.

Guarantees: a route holds every fact that the gateway's decisions need, so that it goes on deciding (and ending
access) when nobody else answers.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.domain.workspaces.models import HourlyBudgets, Progress
from tre.domain.workspaces.states import WorkspacePhase


class Route(Record):
    """One workspace as the gateway serves it.

    `socket` is the path of JupyterLab's unix socket (absent while nothing runs). `end` is when this run ends by the
    wall clock; `boottime_end_ms` is the same bound on this machine's boot-time clock, in milliseconds. `grant_end`
    may lie later than `end` after a renewal: the page then offers a restart. `slices` are those mounted.
    """

    workspace: Line
    instance: int
    grant: Line
    project_title: Line
    subject: Subject
    phase: WorkspacePhase
    reason: Reason
    message: Line = ""
    socket: str | None = None
    uid: int | None = None
    slices: frozenset[str] = frozenset()
    budgets: HourlyBudgets = HourlyBudgets()
    progress: tuple[Progress, ...] = ()
    end: UtcTime | None = None
    boottime_end_ms: Annotated[int, Field(ge=0)] | None = None
    grant_end: UtcTime
    grant_end_reason: Reason
