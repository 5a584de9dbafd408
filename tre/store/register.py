"""The public register in the record: which projects are told of, how they are found, what is told of their slices.

Guarantees: a project's row is written in the transaction in which its grant is first in force and kept in those that
change the grant, so the list is never behind; what was never in force has no row. What somebody searches for is text:
`%`, `_` and `\\` mean themselves. A page of the list costs the same however many projects there are, but for a search,
which looks at each.

Does not guarantee: that a word is found in another form than the one it is written in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, select, true, update

from tre.domain.exports.models import FileKind
from tre.domain.exports.states import ExportState
from tre.domain.grants.models import AccessGrantSpec
from tre.domain.grants.policies import effective_end
from tre.domain.grants.states import ENDED_PHASES, GrantPhase
from tre.domain.model import Line, Record, UtcTime, as_line
from tre.domain.publicaccount.states import ItemKind
from tre.domain.register.slices import PublicSlice
from tre.domain.slices.plan import Counts
from tre.store.database import Change
from tre.store.tables.airlock import export_files, export_requests
from tre.store.tables.data import releases
from tre.store.tables.grants import grant_slices
from tre.store.tables.publicaccount import account_published
from tre.store.tables.register import register_projects as projects
from tre.store.tables.register import register_slices

PAGE = 20
"""Projects on one page of the list."""

MAX_WORDS = 8
"""Words of a search that are looked at: more make no search narrower that anybody reads."""

_SUMMARY = 220


class ListedProject(Record):
    """One project in the list."""

    name: Line
    told_at: UtcTime
    running: bool
    starts: UtcTime
    ends: UtcTime
    phase: GrantPhase
    title: Line
    organisation: Line
    sector: Line
    commercial: bool
    summary: str


class ProjectSearch(Record):
    """What to look for; every given condition must hold. Pages count from 1."""

    text: Line = ""
    running: bool | None = None
    sector: Line | None = None
    commercial: bool | None = None
    dataset: Line | None = None
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class Found(Record):
    """One page of what was found, and how many there are altogether."""

    total: int
    page: int
    pages: int
    projects: tuple[ListedProject, ...]


# Keeping it


def tell(change: Change, name: str, spec: AccessGrantSpec, now: datetime) -> None:
    """Begin to tell of a project: its grant is in force for the first time."""
    values = {"name": name, "told_at": now, "phase": GrantPhase.Active, "running": True, **_of_spec(spec)}
    change.connection.execute(insert(projects).values(**values))


def change_spec(change: Change, name: str, spec: AccessGrantSpec) -> None:
    """Tell what the grant says now, where it is told of at all."""
    change.connection.execute(update(projects).where(projects.c.name == name).values(**_of_spec(spec)))


def change_phase(change: Change, name: str, phase: GrantPhase, now: datetime) -> None:
    """Tell that a project goes on, pauses or has ended, where it is told of at all; a withdrawal is an end too."""
    values: dict[str, Any] = {"phase": phase, "running": phase not in ENDED_PHASES}
    at = projects.c.name == name
    change.connection.execute(update(projects).where(at).values(**values))
    if phase is GrantPhase.Revoked:
        change.connection.execute(update(projects).where(at, projects.c.ends > now).values(ends=now))


def _of_spec(spec: AccessGrantSpec) -> dict[str, Any]:
    project = spec.project
    lines = (project.title, project.organisation.name, project.organisation.sector, project.lay_summary)
    searched = " ".join((*lines, project.public_benefit, *(item.dataset for item in spec.slices)))
    return {
        "starts": spec.not_before,
        "ends": effective_end(spec).at,
        "title": project.title,
        "organisation": project.organisation.name,
        "sector": project.organisation.sector,
        "commercial": project.organisation.commercial,
        "summary": _beginning(project.lay_summary),
        "searched": as_line(searched, len(searched)).casefold(),
    }


def _beginning(text: str) -> str:
    line = as_line(text, len(text))
    return line if len(line) <= _SUMMARY else line[:_SUMMARY].rsplit(" ", 1)[0] + " …"


def keep_slice(change: Change, slice_id: str, dataset: str, told: PublicSlice, now: datetime) -> None:
    """Keep what is told of a slice, in place of what was told before."""
    values = {"dataset": dataset, "told": told.as_plain(), "at": now}
    known = update(register_slices).where(register_slices.c.slice_id == slice_id)
    if change.connection.execute(known.values(**values)).rowcount == 0:
        change.connection.execute(insert(register_slices).values(slice_id=slice_id, **values))


# Reading it


def find(connection: Connection, wanted: ProjectSearch) -> Found:
    """One page of the projects that fit, running ones first, newest first."""
    fits = and_(true(), *_conditions(wanted))
    order = (projects.c.running.desc(), projects.c.starts.desc(), projects.c.name.desc())
    if wanted.text:  # each project is looked at: once, for the number and for the page
        named = list(connection.execute(select(projects.c.name).where(fits).order_by(*order)).scalars())
        page, pages = _page(wanted.page, len(named))
        query = select(*_LISTED).where(projects.c.name.in_(named[(page - 1) * PAGE : page * PAGE])).order_by(*order)
        return Found(total=len(named), page=page, pages=pages, projects=tuple(_listed(connection, query)))
    total = int(connection.execute(select(func.count()).select_from(projects).where(fits)).scalar_one())
    page, pages = _page(wanted.page, total)
    query = select(*_LISTED).where(fits).order_by(*order).limit(PAGE).offset((page - 1) * PAGE)
    return Found(total=total, page=page, pages=pages, projects=tuple(_listed(connection, query)))


def _page(asked: int, total: int) -> tuple[int, int]:
    """The page that is shown, and how many there are; a page too far is the last."""
    pages = max(1, -(-total // PAGE))
    return min(asked, pages), pages


def newest(connection: Connection, most: int) -> list[ListedProject]:
    """The projects that were told of last, the newest first."""
    query = select(*_LISTED).order_by(projects.c.told_at.desc(), projects.c.name.desc()).limit(most)
    return _listed(connection, query)


_LISTED = [projects.c[name] for name in ListedProject.model_fields]


def _listed(connection: Connection, query: Select[Any]) -> list[ListedProject]:
    return [ListedProject.model_validate(dict(row._mapping)) for row in connection.execute(query)]


def _conditions(wanted: ProjectSearch) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    for word in wanted.text.casefold().split()[:MAX_WORDS]:
        found.append(projects.c.searched.contains(word, autoescape=True))
    if wanted.running is not None:
        found.append(projects.c.running.is_(wanted.running))
    if wanted.sector is not None:
        found.append(projects.c.sector == wanted.sector)
    if wanted.commercial is not None:
        found.append(projects.c.commercial.is_(wanted.commercial))
    if wanted.dataset is not None:
        named = select(grant_slices.c.grant).where(grant_slices.c.dataset == wanted.dataset)
        found.append(projects.c.name.in_(named))
    return found


def sectors(connection: Connection) -> list[str]:
    """Every sector that projects come from, in order."""
    return list(connection.execute(select(projects.c.sector).distinct().order_by(projects.c.sector)).scalars())


def names(connection: Connection) -> list[str]:
    """Names of all projects that are told of, in order."""
    return list(connection.execute(select(projects.c.name).order_by(projects.c.name)).scalars())


def titles_with_outcomes(connection: Connection) -> dict[str, str]:
    """What projects are called of which an outcome is published."""
    told = select(account_published.c.about).where(account_published.c.kind == ItemKind.outcome.value)
    query = select(projects.c.name, projects.c.title).where(projects.c.name.in_(told))
    return {row.name: row.title for row in connection.execute(query)}


class Totals(Record):
    """How many projects there were and are."""

    projects: int
    running: int
    commercial: int


def totals(connection: Connection) -> Totals:
    """How many projects there were and are."""
    query = select(projects.c.running, projects.c.commercial, func.count()).group_by(
        projects.c.running, projects.c.commercial
    )
    rows = [(bool(running), bool(firm), int(count)) for running, firm, count in connection.execute(query)]
    return Totals(
        projects=sum(count for _, _, count in rows),
        running=sum(count for running, _, count in rows if running),
        commercial=sum(count for _, firm, count in rows if firm),
    )


class Use(Record):
    """How many projects use or used a dataset, and how many of them go on."""

    projects: int
    running: int


def use_of(connection: Connection, dataset: str) -> Use:
    """How many projects use or used a dataset."""
    named = select(grant_slices.c.grant).where(grant_slices.c.dataset == dataset)
    query = select(projects.c.running, func.count()).where(projects.c.name.in_(named)).group_by(projects.c.running)
    found = {bool(running): int(count) for running, count in connection.execute(query)}
    return Use(projects=sum(found.values()), running=found.get(True, 0))


class Outputs(Record):
    """What became of a project's wishes to take files out: requests that were made, said no to, and let out."""

    asked: int
    refused: int
    released: int


def has_asked(connection: Connection, grant: str) -> bool:
    """Whether a project ever began to ask for a file to leave."""
    query = select(export_requests.c.id).where(export_requests.c.grant == grant).limit(1)
    return connection.execute(query).first() is not None


def askers(connection: Connection) -> frozenset[str]:
    """Names of all projects that ever began to ask for a file to leave."""
    return frozenset(connection.execute(select(export_requests.c.grant).distinct()).scalars())


def outputs(connection: Connection, grant: str) -> Outputs:
    """How many requests to take files out a project made, and what became of them; drafts are none."""
    query = select(export_requests.c.state, func.count()).where(export_requests.c.grant == grant)
    counts = {row[0]: int(row[1]) for row in connection.execute(query.group_by(export_requests.c.state))}
    drafts = {ExportState.Pending, ExportState.Withdrawn}
    return Outputs(
        asked=sum(count for state, count in counts.items() if state not in drafts),
        refused=counts.get(ExportState.Rejected, 0),
        released=counts.get(ExportState.Released, 0),
    )


class Left(Record):
    """What left in all: checked files, and findings for which an exception was made."""

    files: int
    exceptions: int


def left(connection: Connection) -> Left:
    """What left in all."""
    released = export_requests.c.state == ExportState.Released
    joined = export_files.join(export_requests, export_requests.c.id == export_files.c.request)
    files = select(func.count(export_files.c.request)).select_from(joined)
    made = select(func.coalesce(func.sum(export_requests.c.exceptions), 0)).where(released)
    return Left(
        files=int(connection.execute(files.where(released, export_files.c.kind == FileKind.output)).scalar_one()),
        exceptions=int(connection.execute(made).scalar_one()),
    )


class ReleaseCounts(Record):
    """How much the newest release of a dataset holds, exactly: whoever shows it rounds it."""

    release: Line
    people: int
    images: int


def release_counts(connection: Connection, dataset: str) -> ReleaseCounts | None:
    """How much the newest release of a dataset holds."""
    query = select(releases.c.name, releases.c.counts).where(releases.c.dataset == dataset)
    row = connection.execute(query.order_by(releases.c.created_at.desc(), releases.c.name.desc()).limit(1)).first()
    if row is None:
        return None
    counts = Counts.model_validate(row.counts)
    return ReleaseCounts(release=row.name, people=counts.patients, images=counts.instances)


def told_of(connection: Connection, slice_ids: Sequence[str]) -> dict[str, PublicSlice]:
    """What is told of these slices, by identifier; one that was never built is left out."""
    query = select(register_slices).where(register_slices.c.slice_id.in_(list(slice_ids)))
    return {row.slice_id: PublicSlice.model_validate(row.told) for row in connection.execute(query)}


def latest_of(connection: Connection, dataset: str) -> PublicSlice | None:
    """What was told last of a slice of a dataset: the dataset's own shares stand in it, too."""
    query = select(register_slices.c.told).where(register_slices.c.dataset == dataset)
    found = connection.execute(query.order_by(register_slices.c.at.desc()).limit(1)).scalar()
    return None if found is None else PublicSlice.model_validate(found)
