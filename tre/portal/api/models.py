"""What the API answers and takes.

Guarantees: keys are camelCase, unknown ones are refused, times are in UTC; every resource carries `allowedActions`:
what the asking person may do with it at this moment.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.errors import Reason
from tre.domain.grants.models import SuspensionScope
from tre.domain.grants.states import GrantPhase
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Role, Subject
from tre.domain.workspaces.models import Progress
from tre.domain.workspaces.states import Wanted, WorkspacePhase
from tre.portal.views import ProjectView, WorkspaceView
from tre.store.grant_slices import SliceState
from tre.store.grants import StoredSuspension


class SessionAnswer(Record):
    """Who is signed in; `csrfToken` goes along with every change in the header `X-CSRF-Token`."""

    subject: Subject
    display_name: Line
    roles: list[Role]
    expires_at: UtcTime
    csrf_token: Line


class SliceAnswer(Record):
    """One slice of a grant."""

    name: Line
    dataset: Line
    release: Line
    state: SliceState
    reason: Reason
    suspended: bool
    files: int
    content_digest: str | None = None
    manifest_version: int


class PlaceAnswer(Record):
    """A place in the queue for room, from 1; `roomBy` is when enough of what lives now ends by itself, where it is."""

    position: int
    of: int
    since: UtcTime
    room_by: UtcTime | None = None


class WorkspaceAnswer(Record):
    """One workspace: what is wanted, what is, and why; `runEnds` while it is alive, `queue` while it is Queued."""

    name: Line
    grant: Line
    subject: Subject
    wanted: Wanted
    phase: WorkspacePhase
    reason: Reason
    message: str
    progress: list[Progress]
    run_ends: UtcTime | None = None
    queue: PlaceAnswer | None = None
    url: Line
    allowed_actions: list[str]


class GrantAnswer(Record):
    """One grant as the asking person sees it; `verdict` is the reason of their own entitlement."""

    name: Line
    title: Line
    organisation: Line
    phase: GrantPhase
    effective_end: UtcTime
    effective_end_reason: Reason
    verdict: Reason
    slices: list[SliceAnswer]
    workspace: WorkspaceAnswer | None = None
    allowed_actions: list[str]


class SuspensionAnswer(Record):
    """One recorded suspension."""

    id: Line
    scope: SuspensionScope
    ref: Line
    reason: Line
    by: Subject
    since: UtcTime
    until: UtcTime | None = None


class WantedRequest(Record):
    """What is wanted of a workspace."""

    wanted: Wanted


class SuspensionRequest(Record):
    """A suspension to be added. `ref`: the slice's name, `issuer:id` of a member, the organisation's id, or empty."""

    scope: SuspensionScope
    ref: Annotated[Line, Field(max_length=600)] = ""
    reason: Annotated[Line, Field(min_length=1, max_length=500)]
    until: UtcTime | None = None


class RevokeRequest(Record):
    """A withdrawal; `confirm` repeats the grant's name."""

    confirm: Line
    reason: Annotated[Line, Field(min_length=1, max_length=500)]


class CloseRequest(Record):
    """A closing before its time; `confirm` repeats the grant's name."""

    confirm: Line


def workspace_answer(view: WorkspaceView, url: str) -> WorkspaceAnswer:
    """A workspace's view as the API tells it."""
    workspace = view.workspace
    return WorkspaceAnswer(
        name=workspace.name,
        grant=workspace.grant,
        subject=workspace.subject,
        wanted=workspace.wanted,
        phase=workspace.phase,
        reason=workspace.reason,
        message=workspace.message,
        progress=list(workspace.progress),
        run_ends=view.run_ends,
        queue=None if view.place is None else PlaceAnswer(**view.place._asdict()),
        url=url,
        allowed_actions=list(view.actions),
    )


def grant_answer(view: ProjectView, url: str) -> GrantAnswer:
    """A grant's view as the API tells it; `url` is where its own workspace is opened."""
    project = view.grant.spec.project
    return GrantAnswer(
        name=view.grant.name,
        title=project.title,
        organisation=project.organisation.name,
        phase=view.grant.phase,
        effective_end=view.end.at,
        effective_end_reason=view.end.reason,
        verdict=view.verdict.reason,
        slices=[
            SliceAnswer(
                name=item.slice.name,
                dataset=item.slice.dataset,
                release=item.slice.release,
                state=item.slice.state,
                reason=item.slice.reason,
                suspended=item.suspended,
                files=item.slice.files,
                content_digest=item.slice.content_digest,
                manifest_version=item.slice.manifest_version,
            )
            for item in view.slices
        ],
        workspace=None if view.workspace is None else workspace_answer(view.workspace, url),
        allowed_actions=list(view.actions),
    )


def suspension_answer(stored: StoredSuspension) -> SuspensionAnswer:
    """A stored suspension as the API tells it."""
    return SuspensionAnswer.model_validate(stored.model_dump())
