"""What the shell page shows, as data: a pure function of what the gateway knows.

Guarantees: the page and its live updates show the same facts that decisions are made from; an end is always named
with its time, its reason and what to do; a person who may not see the workspace gets none of it.

Does not guarantee: that the page is open. Access ends without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tre.domain.entitlement import Verdict, is_entitled
from tre.domain.errors import Reason
from tre.domain.grants.policies import due_warnings, effective_end
from tre.domain.workspaces.routes import Route
from tre.domain.workspaces.states import StartStep, WorkspacePhase
from tre.gateway.budgets import Budget, Budgets
from tre.gateway.decisions import Moment, Session, Standing, decide, may_have_access
from tre.gateway.explanations import explain

_STEPS = {
    StartStep.GrantChecked: "Approval checked",
    StartStep.SlicesMounted: "Data mounted, read-only",
    StartStep.IsolationProven: "Isolation proven: no network",
    StartStep.ServerReady: "JupyterLab ready",
}
_BUDGETS = {Budget.file_reads: "File reads", Budget.kernel_output: "Kernel output"}
_LOW_PERCENT = 20
_SAME_END = timedelta(minutes=1)
_LAST_HOUR = timedelta(hours=1)
_END_LABELS = {Reason.GrantExpired: "Approval ends", Reason.LegalBasisEnded: "Legal basis ends"}
_DATED = {Reason.GrantExpired, Reason.LegalBasisEnded}


@dataclass(frozen=True)
class Scene:
    """Everything that is shown of one workspace to one person at one moment.

    `silent_for` is how many seconds the controller was not heard; `desk` the address where people stop and start it;
    `cap` the longest run that the installation allows.
    """

    standing: Standing
    session: Session
    moment: Moment
    budgets: Budgets
    silent_for: float
    desk: str
    cap: timedelta


def describe(scene: Scene) -> dict[str, Any]:
    """The state of the page, JSON-ready. The session must have passed `check_caller`."""
    route = scene.standing.route
    assert route is not None
    view, reason = _view(scene, route)
    explanation = explain(reason)
    return {
        "view": view,
        "workspace": route.workspace,
        "instance": route.instance,
        "title": route.project_title,
        "person": scene.session.display_name,
        "now": _iso(scene.moment.now),
        "end": _iso(route.end if view != "ended" else None),
        "endLabel": "This run ends" if _later(route) else _END_LABELS.get(route.grant_end_reason, "Access ends"),
        "approvalEnd": _iso(_approval_end(scene, route)),
        "canRestartLater": _later(route) and not _capped(route, scene.cap),
        "reason": reason.value,
        "heading": explanation.heading if view == "ended" else _HEADINGS[view],
        "text": explanation.text,
        "message": route.message if view == "ended" and reason is route.reason else "",
        "remedy": explanation.remedy,
        "since": _iso(_since(scene, reason)),
        "steps": [_step(route, step) for step in StartStep],
        "budgets": [_budget(scene.budgets, route, budget) for budget in Budget],
        "warning": _warning(route, scene.moment.now) if view == "running" else "",
        "silent": scene.silent_for >= _SILENT_SECONDS,
        "desk": scene.desk,
        "requestPage": f"{scene.desk.rpartition('/workspaces/')[0]}/exports/new?grant={route.grant}",
    }


_HEADINGS = {"running": "Workspace open", "starting": "Starting the workspace"}
_SILENT_SECONDS = 10.0  # five beats of the controller


def _view(scene: Scene, route: Route) -> tuple[str, Reason]:
    access = may_have_access(scene.standing, scene.session, scene.moment)
    if not access:
        return "ended", _why(scene, route, access.reason)
    verdict: Verdict = decide(scene.standing, scene.session, scene.moment)
    if verdict:
        return "running", verdict.reason
    return ("starting" if route.phase is WorkspacePhase.Starting else "ended"), verdict.reason


def _why(scene: Scene, route: Route, reason: Reason) -> Reason:
    """What to tell: that the approval is over says more than that its run was, which is announced first."""
    grant = scene.standing.grant
    if reason is not scene.standing.ending or grant is None:
        return reason
    verdict = is_entitled(grant, route.subject, scene.moment.now)
    return reason if verdict else verdict.reason


def _approval_end(scene: Scene, route: Route) -> datetime:
    return route.grant_end if scene.standing.grant is None else effective_end(scene.standing.grant.spec).at


def _later(route: Route) -> bool:
    return route.end is not None and route.grant_end - route.end > _SAME_END


def _capped(route: Route, cap: timedelta) -> bool:
    """Whether the run ends because no run lasts longer: a renewed approval has nothing to do with it then."""
    started = min((progress.at for progress in route.progress), default=None)
    return started is not None and route.end is not None and route.end >= started + cap - _SAME_END


def _since(scene: Scene, reason: Reason) -> datetime | None:
    grant = scene.standing.grant
    if grant is None:
        return None
    if reason in _DATED:
        return effective_end(grant.spec).at
    return grant.revoked_at if reason is Reason.GrantRevoked else None


def _step(route: Route, step: StartStep) -> dict[str, Any]:
    reached = next((progress for progress in route.progress if progress.step is step), None)
    return {
        "label": _STEPS[step],
        "done": reached is not None,
        "at": None if reached is None else _iso(reached.at),
        "message": "" if reached is None else reached.message,
    }


def _budget(budgets: Budgets, route: Route, budget: Budget) -> dict[str, Any]:
    left, limit = budgets.left(route, budget), budgets.meter(route, budget).limit
    spent = not budgets.may_open(route) if budget is Budget.kernel_output else left * 50 < limit
    level = "spent" if spent else ("low" if left * 100 < limit * _LOW_PERCENT else "fine")
    return {
        "name": budget.value,
        "label": _BUDGETS[budget],
        "left": left,
        "limit": limit,
        "level": level,
        "returnsIn": int(budgets.returns_in(route, budget)) if level == "spent" else 0,
    }


def _warning(route: Route, now: datetime) -> str:
    if route.idle_end is not None:
        at = f"{route.idle_end:%H:%M} UTC"
        return f"Nothing has happened here for a while. At {at} this workspace is stopped unless you go on: save first."
    if route.end is not None and route.end - now <= _LAST_HOUR:
        return "Save your work now: what is not saved is lost when the workspace closes."
    due = due_warnings(route.grant_end, now)
    if not due:
        return ""
    days = min(due).days
    when = f"within {days} {'day' if days == 1 else 'days'}" if days else "within the hour"
    return f"Access ends {when}: submit what you want to take out in good time."


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
