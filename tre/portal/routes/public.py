"""The public pages: what this place is, which projects use the data, and what came of it.

Guarantees: what is shown was approved for publication (title, lay summary, benefit, organisation, dates); nobody is
named; numbers of files are rounded to tens and small ones not told apart; why a project was stopped is not shown, only
that it was. The same stands in JSON for machines.

Does not guarantee: that a summary says what was really done. The committee reads it before it approves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from tre.domain.committee.published import PublicDecision
from tre.domain.datasets import Dataset
from tre.domain.errors import Reason, TREError
from tre.domain.grants.models import GrantRecord
from tre.domain.grants.policies import End, effective_end
from tre.domain.grants.states import ENDED_PHASES
from tre.domain.model import Line, Record, UtcTime, as_line
from tre.portal import account_words
from tre.portal.context import Portal
from tre.portal.pages import render
from tre.portal.register_files import RegisterFiles
from tre.portal.register_views import CITATION, Known, project_page
from tre.portal.site import NavigationItem
from tre.portal.speaking import to
from tre.portal.words import PUBLIC_PHASES
from tre.store import datasets, events, exports, grant_slices, grants, optouts, register
from tre.store.register import ProjectSearch
from tre.system.languages import gettext, gettext_noop, separated

router = APIRouter()
NAVIGATION = (
    NavigationItem(gettext_noop("About"), "/"),
    NavigationItem(gettext_noop("Projects"), "/projects"),
    NavigationItem(gettext_noop("The data"), "/data"),
    NavigationItem(gettext_noop("In numbers"), "/totals"),
)
SMALL = 10
"""Counts below this are told as "fewer than 10" (suppression threshold of the default airlock policy's kind)."""


def rounded(count: int) -> str:
    """A count as the public reads it."""
    if count < SMALL:
        return gettext("fewer than %(count)s", count=SMALL)
    return gettext("about %(count)s", count=separated(round(count, -1)))


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
    decisions: list[PublicDecision]


@dataclass(frozen=True)
class Milestone:
    """One line of a project's history."""

    at: datetime
    text: str


def portal_of(request: Request) -> Portal:
    """The portal that serves a request."""
    portal: Portal = request.app.state.portal
    return portal


def project_told(connection: Connection, grant: GrantRecord, known: Known) -> PublicProject:
    """One project as the public reads of it."""
    spec, end = grant.spec, _end(grant)
    left = _left(connection, grant.name) if known.has_asked(grant.name) else (0, 0, 0)
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
        phase_in_words=gettext(PUBLIC_PHASES[grant.phase]),
        people=len(spec.members),
        data=[
            PublicData(dataset=known.title(item.dataset), release=item.release, files=rounded(item.files))
            for item in grant_slices.of_grant(connection, grant.name)
        ],
        outputs_released=left[0],
        exceptions_made=left[1],
        released_past_quorum=left[2],
        decisions=known.decisions(grant.name),
    )


def _left(connection: Connection, name: str) -> tuple[int, int, int]:
    """Files that left, exceptions made for them, releases past a quorum."""
    counts = (exports.released_outputs, exports.released_exceptions, exports.released_past_quorum)
    files, exceptions, past_quorum = (count(connection, name) for count in counts)
    return files, exceptions, past_quorum


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
    found = grants.ever_active(connection, name) if name == as_line(name) else []
    grant = next(iter(found), None)
    if grant is None:
        raise TREError(
            Reason.GrantNotFound, gettext("There is no such project."), remedy=gettext("See the list of projects.")
        )
    return grant


_TOLD = {
    "grant.activated": gettext_noop("Access began"),
    "grant.suspended": gettext_noop("Access was stopped for a time, or begun again"),
    "grant.expired": gettext_noop("Access ended"),
    "grant.revoked": gettext_noop("The approval was withdrawn and access ended"),
    "grant.closed": gettext_noop("Workspaces and the project's view of the data were destroyed"),
    "export.released": gettext_noop("Checked outputs left"),
}


def history(connection: Connection, grant: GrantRecord) -> list[Milestone]:
    """What the public is told of a project's course, oldest first."""
    found = [Milestone(grant.spec.approval.approved_at, gettext("Approved by %(body)s", body=grant.spec.approval.body))]
    for kind, at in events.course_of(connection, f"grant/{grant.name}"):
        if (text := _TOLD.get(kind)) is not None:
            found.append(Milestone(at, gettext(text)))
    return found


@dataclass(frozen=True)
class PublicDataset:
    """A dataset as the public reads of it: its name and title, and the opt-outs that were applied, rounded."""

    name: str
    title: str
    opted_out: str
    last: datetime | None


def _datasets(connection: Connection) -> list[PublicDataset]:
    found = []
    for item in datasets.all_datasets(connection):
        people, last = optouts.applied(connection, item.name)
        found.append(PublicDataset(item.name, item.title, rounded(people), last))
    return found


@router.get("/")
def front(request: Request) -> Response:
    """What this place is."""
    with portal_of(request).database.read() as connection:
        values = front_values(connection)
    return render(request, "public_front.html", **values)


def front_values(connection: Connection) -> dict[str, Any]:
    """What the front page shows."""
    found = register.totals(connection)
    return {"running": found.running, "total": found.projects, "datasets": _datasets(connection)}


STATES = {"": None, "running": True, "ended": False}
COMPANIES = {"": None, "yes": True, "no": False}
"""What can be chosen, and what it means; whatever else is typed means no choice."""


@dataclass(frozen=True)
class Chosen:
    """What somebody chose in the list of projects, as it was typed; what nobody could choose counts as no choice."""

    q: str = ""
    state: str = ""
    sector: str = ""
    company: str = ""
    dataset: str = ""

    def search(self, page: str) -> ProjectSearch:
        """What to look for."""
        return ProjectSearch(
            text=self.q,
            running=STATES[self.state],
            sector=self.sector or None,
            commercial=COMPANIES[self.company],
            dataset=self.dataset or None,
            page=int(page) if re.fullmatch(r"[1-9][0-9]{0,5}", page) else 1,
        )

    def address(self, page: int) -> str:
        """The address of another page of what was chosen."""
        given = {key: value for key, value in asdict(self).items() if value}
        return to(f"/projects?{urlencode(given | {'page': page})}")


def _chosen(typed: Mapping[str, str], sectors: Iterable[str], known: Iterable[Dataset]) -> Chosen:
    def among(key: str, words: Iterable[str]) -> str:
        return value if (value := typed.get(key, "")) in set(words) else ""

    return Chosen(
        q=as_line(typed.get("q", ""), 200),
        state=among("state", STATES),
        sector=among("sector", sectors),
        company=among("company", COMPANIES),
        dataset=among("dataset", [item.name for item in known]),
    )


@router.get("/projects")
def projects(request: Request) -> Response:
    """Every project that uses, or used, the data: searched, filtered, a page at a time."""
    typed = request.query_params
    with portal_of(request).database.read() as connection:
        sectors, known = register.sectors(connection), datasets.all_datasets(connection)
        chosen = _chosen(typed, sectors, known)
        values = list_values(connection, chosen, typed.get("page", ""))
    choices: dict[str, Any] = {
        "sector_options": [(name, name) for name in sectors],
        "dataset_options": [(item.name, item.title) for item in known],
    }
    return render(request, "public_projects.html", **values, **choices)


def list_values(connection: Connection, chosen: Chosen, page: str) -> dict[str, Any]:
    """What a page of the list shows, but for what can be chosen."""
    found, every = register.find(connection, chosen.search(page)), register.totals(connection).projects
    return {"found": found, "every": every, "chosen": chosen}


@router.get("/projects.json")
def projects_json(request: Request) -> Response:
    """The same for machines; like the register's files, made at most once a minute."""
    files: RegisterFiles = request.app.state.register_files
    return Response(files.get(ALL_PROJECTS), media_type="application/json")


ALL_PROJECTS = "projects"
"""The name of the file that holds every project as its page's JSON."""


def all_projects(connection: Connection) -> bytes:
    """Every project as its page's JSON."""
    known = Known(connection, many=True)
    found = [project_told(connection, grant, known).as_plain() for grant in published(connection)]
    return json.dumps(found).encode()


@router.get("/projects/{name}.json")
def project_json(request: Request, name: str) -> PublicProject:
    """One project for machines."""
    with portal_of(request).database.read() as connection:
        return project_told(connection, _one(connection, name), Known(connection))


@router.get("/projects/{name}")
def project(request: Request, name: str) -> Response:
    """One project."""
    with portal_of(request).database.read() as connection:
        values = project_values(connection, _one(connection, name), Known(connection))
    return render(request, "public_project.html", **values)


def project_values(connection: Connection, grant: GrantRecord, known: Known) -> dict[str, Any]:
    """What a project's page shows."""
    return {
        "project": project_told(connection, grant, known),
        "more": project_page(connection, grant, known),
        "milestones": history(connection, grant),
        "citation": CITATION,
        "outcomes": known.outcomes(grant.name),
        "incidents": known.incidents(grant.name),
        "say": account_words,
    }
