"""From the record and a run to what the gateway serves."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import effective_end
from tre.domain.workspaces.models import HourlyBudgets, Workspace
from tre.domain.workspaces.routes import Route
from tre.domain.workspaces.states import ALIVE_PHASES, WorkspacePhase
from tre.runtimes.protocol import Observation


class Idle(NamedTuple):
    """For how long nothing may happen in a run, and when it will be stopped for that, where that is near."""

    minutes: int | None
    end: datetime | None = None


def route_of(workspace: Workspace, grant: GrantRecord, run: Observation | None, idle: Idle) -> Route:
    """The route of a workspace; it leads somewhere only while the record says Running."""
    end = effective_end(grant.spec)
    plan = workspace.plan if workspace.phase in ALIVE_PHASES else None
    running = workspace.phase is WorkspacePhase.Running and run is not None
    return Route(
        workspace=workspace.name,
        instance=workspace.instance,
        grant=grant.name,
        project_title=grant.spec.project.title,
        subject=workspace.subject,
        phase=workspace.phase,
        reason=workspace.reason,
        message=workspace.message,
        socket=run.socket if running and run is not None else None,
        door=run.door if running and run is not None else None,
        uid=workspace.uid if workspace.uid is not None else (plan.uid if plan else None),
        slices=plan.slices if plan else frozenset(),
        budgets=plan.budgets if plan else HourlyBudgets(),
        progress=workspace.progress,
        end=min(plan.end, end.at, *([run.end] if run else [])) if plan else None,
        boottime_end_ms=run.boottime_end_ms if running and run is not None and run.door is None else None,
        idle_minutes=idle.minutes if plan else None,
        idle_end=idle.end if running else None,
        grant_end=end.at,
        grant_end_reason=end.reason,
    )
