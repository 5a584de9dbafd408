"""What pages and API show of the record, gathered for one person and one moment.

Guarantees: phase, reason and end come from the record and from the domain's functions; nothing is worked out a
second time here. Every view carries the actions that its person may take now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tre.domain.desk import permissions
from tre.domain.desk.notices import Notice, NoticeKind, data_changes, notices
from tre.domain.entitlement import Verdict, is_entitled
from tre.domain.errors import Reason
from tre.domain.grants.models import GrantRecord, Member
from tre.domain.grants.policies import End, effective_end, suspended_slices
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.people import Person, Subject
from tre.domain.workspaces.admission import Place
from tre.domain.workspaces.models import Workspace
from tre.domain.workspaces.states import ALIVE_PHASES, StartStep, WorkspacePhase
from tre.portal.context import Portal
from tre.portal.queue_views import places_of
from tre.portal.words import (
    NEVER_OPENED,
    NOT_OPENED,
    STEPS,
    STOPPED,
    WORKSPACE_COLOURS,
    WORKSPACE_PHASES,
    Words,
    words_for,
)
from tre.store import datasets, grant_slices, grants, overview, people, workspaces
from tre.store.grant_slices import StoredSlice

_AT_ONCE = 500


@dataclass(frozen=True)
class StepView:
    """One step of a start: its name, whether it is reached, when."""

    step: StartStep
    label: str
    at: datetime | None

    @property
    def reached(self) -> bool:
        """Whether it is done."""
        return self.at is not None


@dataclass(frozen=True)
class WorkspaceView:
    """A workspace with its words, its steps and what may be done with it."""

    workspace: Workspace
    steps: tuple[StepView, ...]
    actions: tuple[str, ...]
    member: str
    notices: tuple[Notice, ...]
    grant_ends: datetime
    project: str
    """The title of its project."""
    place: Place | None = None
    """Where it stands in the queue; nothing where it does not wait."""

    @property
    def words(self) -> Words:
        """The reason of its phase, as a person would say it."""
        if self.workspace.phase is WorkspacePhase.Stopped and self.workspace.reason is Reason.Requested:
            return STOPPED if self.workspace.instance else NEVER_OPENED
        return words_for(self.workspace.reason)

    @property
    def label(self) -> str:
        """Its phase in a word or two."""
        if self.queued:
            return WORKSPACE_PHASES[WorkspacePhase.Queued].text
        if self.restarts:
            return "Restarting"
        if self.awaits_start or self.awaits_stop:
            return "Waiting to start" if self.awaits_start else "Waiting to stop"
        untouched = self.workspace.phase is WorkspacePhase.Stopped and not self.workspace.instance
        return NOT_OPENED if untouched else WORKSPACE_PHASES[self.workspace.phase].text

    @property
    def colour(self) -> str:
        """The colour that goes with it."""
        if self.awaits_stop:
            return WORKSPACE_COLOURS[WorkspacePhase.Stopping]
        return (
            "blue"
            if self.awaits_start or (self.restarts and not self.queued)
            else WORKSPACE_COLOURS[self.workspace.phase]
        )

    @property
    def alive(self) -> bool:
        """Whether anything of it may run."""
        return self.workspace.phase in ALIVE_PHASES

    @property
    def queued(self) -> bool:
        """Whether it waits for room."""
        return self.workspace.phase is WorkspacePhase.Queued and self.workspace.wanted != "Stopped"

    @property
    def running(self) -> bool:
        """Whether it can be entered."""
        return self.workspace.phase is WorkspacePhase.Running and not self.awaits_stop and not self.restarts

    @property
    def step_lines(self) -> tuple[tuple[str, str, bool], ...]:
        """The steps of a start as pages list them: name, words, whether it is reached."""
        return tuple((step.step.value, step.label, step.reached) for step in self.steps)

    @property
    def waiting(self) -> bool:
        """Whether it is on its way somewhere, so that a page is worth loading again."""
        moving = {WorkspacePhase.Starting, WorkspacePhase.Stopping, WorkspacePhase.Queued}
        return self.workspace.phase in moving or self.awaits_start or self.awaits_stop or self.restarts

    @property
    def restarts(self) -> bool:
        """Whether its run ends so that another begins."""
        return self.workspace.wanted == "Restart"

    @property
    def restart_pays(self) -> bool:
        """Whether a new run would last longer than this one."""
        longer = {NoticeKind.RestartForNewEnd, NoticeKind.RunEndsSoon}
        return "restart" in self.actions and any(notice.kind in longer for notice in self.notices)

    @property
    def awaits_start(self) -> bool:
        """Whether it is wanted and the controller has not begun yet."""
        resting = {WorkspacePhase.Stopped, WorkspacePhase.Refused}
        return self.workspace.wanted == "Running" and self.workspace.phase in resting

    @property
    def awaits_stop(self) -> bool:
        """Whether its end was asked for and the controller has not begun yet."""
        return self.workspace.wanted == "Stopped" and self.workspace.phase in ALIVE_PHASES - {WorkspacePhase.Stopping}

    @property
    def run_ends(self) -> datetime | None:
        """When this run ends; nothing where none is alive."""
        plan = self.workspace.plan
        return min(plan.end, self.grant_ends) if plan is not None and self.alive else None


@dataclass(frozen=True)
class SliceView:
    """One slice of a grant: where it comes from, what is in it, whether it can be used."""

    slice: StoredSlice
    dataset_title: str
    suspended: bool

    @property
    def words(self) -> Words:
        """The reason of its state."""
        return words_for(Reason.SliceSuspended if self.suspended else self.slice.reason)


@dataclass(frozen=True)
class ProjectView:
    """A grant as its member sees it."""

    grant: GrantRecord
    end: End
    verdict: Verdict
    reason: Reason
    slices: tuple[SliceView, ...]
    workspace: WorkspaceView | None
    notices: tuple[Notice, ...]
    members: tuple[tuple[Member, str], ...]
    actions: tuple[str, ...]

    @property
    def words(self) -> Words:
        """Why the person is, or is not, let in."""
        return words_for(self.reason)

    @property
    def end_words(self) -> Words:
        """What brings the end about."""
        return words_for(self.end.reason)


def workspace_view(portal: Portal, connection: Connection, person: Person, workspace: Workspace) -> WorkspaceView:
    """A workspace for one person, now."""
    return workspace_views(portal, connection, person, [workspace])[0]


def workspace_views(
    portal: Portal, connection: Connection, person: Person, found: Sequence[Workspace]
) -> list[WorkspaceView]:
    """Workspaces for one person, now, in their order; each grant is read once among a few hundred."""
    views: list[WorkspaceView] = []
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        known = overview.records(connection, sorted({item.grant for item in some}))
        called = people.display_names(connection, [item.subject for item in some])
        waiting = places_of(portal, connection, some)
        for item in some:
            grant = known.get(item.grant) or grants.require(connection, item.grant)
            member = called.get(item.subject.key, str(item.subject))
            told = _notices(portal, connection, grant, item)
            view = _view_of(person, item, member, grant, told, portal.clock.now())
            views.append(replace(view, place=waiting.get(item.name)))
    return views


def _view_of(
    person: Person, workspace: Workspace, member: str, grant: GrantRecord, told: tuple[Notice, ...], now: datetime
) -> WorkspaceView:
    entitled = bool(is_entitled(grant, workspace.subject, now))
    reached = {progress.step: progress.at for progress in workspace.progress}
    shown = reached if workspace.phase in {WorkspacePhase.Starting, WorkspacePhase.Running} else {}
    return WorkspaceView(
        workspace=workspace,
        steps=tuple(StepView(step, STEPS[step], shown.get(step)) for step in StartStep),
        actions=tuple(permissions.workspace_actions(person, workspace, entitled=entitled)),
        member=member,
        notices=told,
        grant_ends=effective_end(grant.spec).at,
        project=grant.spec.project.title,
    )


def _notices(
    portal: Portal, connection: Connection, grant: GrantRecord, workspace: Workspace | None
) -> tuple[Notice, ...]:
    now = portal.clock.now()
    changed = grant_slices.changed_at(connection, grant.name)
    return (*data_changes(grant, changed, now), *notices(grant, workspace, now, _cap(portal)))


def _cap(portal: Portal) -> timedelta:
    """The longest run that the installation allows."""
    return timedelta(hours=portal.settings.workspace_cap_hours)


def display_name(connection: Connection, subject: Subject) -> str:
    """What the screen calls a person; their identifier where nobody of that name was seen."""
    known = people.by_subject(connection, subject)
    return str(subject) if known is None else known.display_name


def slice_views(connection: Connection, grant: GrantRecord, suspended: frozenset[str]) -> tuple[SliceView, ...]:
    """The slices of a grant that its present content names."""
    named = {item.name for item in grant.spec.slices}
    titles = {item.name: item.title for item in datasets.all_datasets(connection)}
    return tuple(
        SliceView(item, titles.get(item.dataset, item.dataset), item.name in suspended)
        for item in grant_slices.of_grant(connection, grant.name)
        if item.name in named
    )


def project_view(portal: Portal, connection: Connection, person: Person, grant: GrantRecord) -> ProjectView:
    """A grant for its member, now."""
    now = portal.clock.now()
    workspace = workspaces.get(connection, Workspace.name_for(grant.name, person.subject))
    verdict = is_entitled(grant, person.subject, now)
    return ProjectView(
        grant=grant,
        end=effective_end(grant.spec),
        verdict=verdict,
        reason=_reason(connection, grant, verdict),
        slices=slice_views(connection, grant, suspended_slices(grant, now)),
        workspace=None if workspace is None else workspace_view(portal, connection, person, workspace),
        notices=_notices(portal, connection, grant, workspace),
        members=tuple((member, display_name(connection, member.subject)) for member in grant.spec.members),
        actions=tuple(permissions.grant_actions(person, grant)),
    )


def _reason(connection: Connection, grant: GrantRecord, verdict: Verdict) -> Reason:
    """Why somebody is or is not let in; for an approval that waits, what it waits for."""
    if verdict.reason is not Reason.GrantPending:
        return verdict.reason
    failing = (item["reason"] for item in grants.conditions(connection, grant.name) if item.get("status") == "False")
    return next((Reason(found) for found in failing if found in Reason.__members__), Reason.GrantPending)


def own_projects(portal: Portal, connection: Connection, person: Person) -> list[ProjectView]:
    """Every project that names the person: running ones first, by end."""
    mine = [workspace.grant for workspace in workspaces.of_subject(connection, person.subject)]
    known = overview.records(connection, mine)
    found = [known.get(name) or grants.require(connection, name) for name in mine]
    views = [project_view(portal, connection, person, grant) for grant in found if permissions.is_member(person, grant)]
    return sorted(views, key=lambda view: (view.grant.phase in ENDED_PHASES, view.end.at))
