"""Long lists of the record, a page at a time: grants, workspaces and people that fit what somebody looks for.

Guarantees: a page costs the same however many there are, but for a search in words, which looks at each without reading
it as a record. What is searched for is text: `%`, `_` and `\\` mean themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from pydantic import Field
from sqlalchemy import Column, ColumnElement, Connection, and_, case, func, or_, select, true

from tre.domain.grants.states import GrantPhase
from tre.domain.model import Line, Record
from tre.domain.workspaces.states import ALIVE_PHASES, WorkspacePhase
from tre.store.tables.grants import grants
from tre.store.tables.people import people
from tre.store.tables.workspaces import workspaces

PAGE = 50


class GrantSearch(Record):
    """Which grants: in a phase, and with all of these words in name, title or organisation. Pages count from 1."""

    phase: GrantPhase | None = None
    text: Line = ""
    page: Annotated[int, Field(ge=1)] = 1


class WorkspaceSearch(Record):
    """Which workspaces: in a phase, and with all of these words in name, grant or member. Pages count from 1."""

    phase: WorkspacePhase | None = None
    text: Line = ""
    page: Annotated[int, Field(ge=1)] = 1


class PersonSearch(Record):
    """Which people: with all of these words in name or identifier, and only those kept out. Pages count from 1."""

    text: Line = ""
    kept_out: bool = False
    page: Annotated[int, Field(ge=1)] = 1


class Listed(NamedTuple):
    """The names on a page, how many fit, and how many there are altogether."""

    names: tuple[str, ...]
    total: int
    every: int


def find_grants(connection: Connection, wanted: GrantSearch) -> Listed:
    """One page of the grants that fit, by name."""
    in_phase = true() if wanted.phase is None else grants.c.phase == wanted.phase
    every = int(connection.execute(select(func.count()).select_from(grants)).scalar_one())
    first = (wanted.page - 1) * PAGE
    named = select(grants.c.name).where(in_phase).order_by(grants.c.name)
    if not wanted.text.split():
        total = int(connection.execute(select(func.count()).select_from(grants).where(in_phase)).scalar_one())
        return Listed(tuple(connection.execute(named.limit(PAGE).offset(first)).scalars()), total, every)
    words = wanted.text.casefold().split()
    project = grants.c.spec["project"]
    organisation = project["organisation"]
    said = (project["title"].as_string(), organisation["name"].as_string(), organisation["id"].as_string())
    rows = connection.execute(named.add_columns(*said)).all()
    fitting = [row[0] for row in rows if all(word in " ".join(map(str, row)).casefold() for word in words)]
    return Listed(tuple(fitting[first : first + PAGE]), len(fitting), every)


def find_workspaces(connection: Connection, wanted: WorkspaceSearch) -> Listed:
    """One page of the workspaces that fit: those of which something may be alive first, then those that wait
    for room, each by grant and name."""
    fits = and_(true(), *_conditions(wanted))
    among = workspaces.outerjoin(
        people, and_(people.c.issuer == workspaces.c.issuer, people.c.subject == workspaces.c.subject)
    )
    waits = workspaces.c.phase == WorkspacePhase.Queued
    alive_first = case((workspaces.c.phase.in_(sorted(ALIVE_PHASES)), 0), (waits, 1), else_=2)
    query = select(workspaces.c.name).select_from(among).where(fits)
    ordered = query.order_by(alive_first, workspaces.c.grant, workspaces.c.name)
    names = tuple(connection.execute(ordered.limit(PAGE).offset((wanted.page - 1) * PAGE)).scalars())
    total = int(connection.execute(select(func.count()).select_from(among).where(fits)).scalar_one())
    every = int(connection.execute(select(func.count()).select_from(workspaces)).scalar_one())
    return Listed(names, total, every)


def find_people(connection: Connection, wanted: PersonSearch, now: datetime) -> Listed:
    """One page of the people who fit, as the names that the Hub knows them by, in their order."""
    searched = (people.c.display_name, people.c.issuer, people.c.subject)
    fits = and_(true(), *_holding(wanted.text, searched))
    if wanted.kept_out:  # as `tre.domain.identity.is_in_force` has it
        fits = and_(fits, or_(people.c.barred.is_not(None), people.c.confirmed_until <= now))
    query = select(people.c.hub_name).where(fits).order_by(people.c.hub_name)
    names = tuple(connection.execute(query.limit(PAGE).offset((wanted.page - 1) * PAGE)).scalars())
    total = int(connection.execute(select(func.count()).select_from(people).where(fits)).scalar_one())
    every = int(connection.execute(select(func.count()).select_from(people)).scalar_one())
    return Listed(names, total, every)


def _conditions(wanted: WorkspaceSearch) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [] if wanted.phase is None else [workspaces.c.phase == wanted.phase]
    searched = (workspaces.c.name, workspaces.c.grant, workspaces.c.subject, people.c.display_name)
    return [*found, *_holding(wanted.text, searched)]


def _holding(text: str, searched: Sequence[Column[Any]]) -> list[ColumnElement[bool]]:
    """Each word of a text stands in one of these columns at least."""
    return [or_(*(column.icontains(word, autoescape=True) for column in searched)) for word in text.split()]
