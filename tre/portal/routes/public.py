"""The public pages: what this place is, which projects use the data, and what came of it.

Guarantees: what is shown was approved for publication (title, lay summary, benefit, organisation, dates); nobody is
named; numbers of files are rounded to tens and small ones not told apart; why a project was stopped is not shown, only
that it was. The same stands in JSON for machines.

Does not guarantee: that a summary says what was really done. The committee reads it before it approves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import End, effective_end
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import Line, Record, UtcTime
from tre.portal.context import Portal
from tre.portal.pages import render
from tre.portal.site import NavigationItem
from tre.portal.words import PUBLIC_PHASES
from tre.store import datasets, events, exports, grant_slices, grants, optouts

router = APIRouter()
NAVIGATION = (NavigationItem("About", "/"), NavigationItem("Projects", "/projects"))
SMALL = 10
"""Counts below this are told as "fewer than 10" (suppression threshold of the default airlock policy's kind)."""


def rounded(count: int) -> str:
    """A count as the public reads it."""
    return f"fewer than {SMALL}" if count < SMALL else f"about {round(count, -1):,}"


class PublicData(Record):
    """One slice as the public reads of it."""

    dataset: Line
    release: Line
    files: Line


class PublicProject(Record):
    """One project as the public reads of it; also its JSON."""

    name: Line
    title: Line
    organisation: Line
    sector: Line
    commercial: bool
    lay_summary: str
    public_benefit: str
    approved_by: Line
    approved_at: UtcTime
    starts: UtcTime
    ends: UtcTime
    phase: Line
    phase_in_words: str
    people: int
    data: list[PublicData]
    outputs_released: int
    exceptions_made: int
    released_past_quorum: int


@dataclass(frozen=True)
class Milestone:
    """One line of a project's history."""

    at: datetime
    text: str


def portal_of(request: Request) -> Portal:
    """The portal that serves a request."""
    portal: Portal = request.app.state.portal
    return portal


def _project(connection: Connection, grant: GrantRecord) -> PublicProject:
    spec, end = grant.spec, _end(grant)
    titles = {item.name: item.title for item in datasets.all_datasets(connection)}
    return PublicProject(
        name=grant.name,
        title=spec.project.title,
        organisation=spec.project.organisation.name,
        sector=spec.project.organisation.sector,
        commercial=spec.project.organisation.commercial,
        lay_summary=spec.project.lay_summary,
        public_benefit=spec.project.public_benefit,
        approved_by=spec.approval.body,
        approved_at=spec.approval.approved_at,
        starts=spec.not_before,
        ends=end.at,
        phase=grant.phase.value,
        phase_in_words=PUBLIC_PHASES[grant.phase],
        people=len(spec.members),
        data=[
            PublicData(dataset=titles.get(item.dataset, item.dataset), release=item.release, files=rounded(item.files))
            for item in grant_slices.of_grant(connection, grant.name)
        ],
        outputs_released=exports.released_outputs(connection, grant.name),
        exceptions_made=exports.released_exceptions(connection, grant.name),
        released_past_quorum=exports.released_past_quorum(connection, grant.name),
    )


def _end(grant: GrantRecord) -> End:
    """When access ended or will end: a withdrawal is an end too."""
    end = effective_end(grant.spec)
    if grant.revoked_at is not None and grant.revoked_at < end.at:
        return End(grant.revoked_at, Reason.GrantRevoked)
    return end


def published(connection: Connection) -> list[GrantRecord]:
    """Every grant that was ever in force, running ones first, newest first."""
    shown = grants.ever_active(connection)
    return sorted(shown, key=lambda grant: (grant.phase in ENDED_PHASES, -grant.spec.not_before.timestamp()))


def _one(connection: Connection, name: str) -> GrantRecord:
    grant = next(iter(grants.ever_active(connection, name)), None)
    if grant is None:
        raise TREError(Reason.GrantNotFound, "There is no such project.", remedy="See the list of projects.")
    return grant


_TOLD = {
    "grant.activated": "Access began",
    "grant.suspended": "Access was stopped for a time, or begun again",
    "grant.expired": "Access ended",
    "grant.revoked": "The approval was withdrawn and access ended",
    "grant.closed": "Workspaces and the project's view of the data were destroyed",
    "export.released": "Checked outputs left",
}


def history(connection: Connection, grant: GrantRecord) -> list[Milestone]:
    """What the public is told of a project's course, oldest first."""
    found = [Milestone(grant.spec.approval.approved_at, f"Approved by {grant.spec.approval.body}")]
    for kind, at in events.course_of(connection, f"grant/{grant.name}"):
        if (text := _TOLD.get(kind)) is not None:
            found.append(Milestone(at, text))
    return found


@dataclass(frozen=True)
class PublicDataset:
    """A dataset as the public reads of it: its title, and the opt-outs that were applied, rounded."""

    title: str
    opted_out: str
    last: datetime | None


def _datasets(connection: Connection) -> list[PublicDataset]:
    found = []
    for item in datasets.all_datasets(connection):
        people, last = optouts.applied(connection, item.name)
        found.append(PublicDataset(item.title, rounded(people), last))
    return found


@router.get("/")
def front(request: Request) -> Response:
    """What this place is."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        shown = published(connection)
        known = _datasets(connection)
    running = sum(grant.phase not in ENDED_PHASES for grant in shown)
    return render(request, "public_front.html", running=running, total=len(shown), datasets=known)


@router.get("/projects")
def projects(request: Request) -> Response:
    """Every project that uses, or used, the data."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        shown = [_project(connection, grant) for grant in published(connection)]
    return render(request, "public_projects.html", projects=shown, now=portal.clock.now())


@router.get("/projects.json")
def projects_json(request: Request) -> list[PublicProject]:
    """The same for machines."""
    with portal_of(request).database.read() as connection:
        return [_project(connection, grant) for grant in published(connection)]


@router.get("/projects/{name}.json")
def project_json(request: Request, name: str) -> PublicProject:
    """One project for machines."""
    with portal_of(request).database.read() as connection:
        return _project(connection, _one(connection, name))


@router.get("/projects/{name}")
def project(request: Request, name: str) -> Response:
    """One project."""
    portal = portal_of(request)
    with portal.database.read() as connection:
        grant = _one(connection, name)
        shown, milestones = _project(connection, grant), history(connection, grant)
    return render(request, "public_project.html", project=shown, milestones=milestones, now=portal.clock.now())
