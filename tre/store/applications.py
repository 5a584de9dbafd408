"""Applications in the record, by intent.

Guarantees: an application changes only through the domain's own functions, from the version that was read: of two who
change it at once one is refused with `Conflict` and nothing of that change is kept. What is asked never reaches an
event: `event_of` carries digests and states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, or_, select, update

from tre.domain.applications import acts
from tre.domain.applications.models import Application, ApplicationContent, PlannedSlice
from tre.domain.applications.permissions import not_found
from tre.domain.applications.states import DECIDED, EDITABLE, ApplicationState
from tre.domain.errors import Reason, TREError
from tre.domain.events import Event
from tre.domain.model import Line, Record, UtcTime
from tre.domain.names import short_hash
from tre.domain.people import Person, Subject
from tre.store.database import Change, new_id
from tre.store.tables.committee import application_people, applications
from tre.store.tables.grants import grants

MOST_DRAFTS = 20
"""Drafts of one person at a time: nobody fills the record by beginning."""

_S = ApplicationState


class ApplicationLine(Record):
    """What a list shows of an application, without reading all of it."""

    id: str
    author: Subject
    state: ApplicationState
    title: Line
    organisation: str
    lane: str
    round: int
    varies: str | None
    grant: str | None
    changed_at: UtcTime
    submitted_at: UtcTime | None
    deadline: UtcTime | None
    decided_at: UtcTime | None


def new_application_id() -> str:
    """A random identifier: `a-` and twelve characters."""
    return f"a-{short_hash('application', new_id())}"


def event_of(kind: str, application: Application, actor: Subject, now: datetime, **detail: Any) -> Event:
    """The event of a change; `kind` is the verb in the past: `submitted` gives `application.submitted`."""
    facts: dict[str, Any] = {"state": application.state.value, "round": application.round}
    if application.content is not None and application.state not in EDITABLE:
        facts["content"] = application.content.digest()
    about = f"application/{application.id}"
    return Event(id=new_id(), at=now, actor=actor, kind=f"application.{kind}", object=about, detail=facts | detail)


def get(connection: Connection, name: str) -> Application | None:
    """One application; `None` where there is none."""
    row = connection.execute(select(applications.c.document).where(applications.c.id == name)).scalar()
    return None if row is None else Application.model_validate(row)


def require(connection: Connection, name: str) -> Application:
    """One application. Raises `TREError(ApplicationNotFound)`."""
    if (found := get(connection, name)) is None:
        raise not_found()
    return found


_LINE = tuple(applications.c[name] for name in ApplicationLine.model_fields if name != "author")


def among(connection: Connection, names: Sequence[str]) -> dict[str, Application]:
    """The applications of these names, read together."""
    rows = connection.execute(select(applications.c.id, applications.c.document).where(applications.c.id.in_(names)))
    return {row.id: Application.model_validate(row.document) for row in rows}


def _lines(connection: Connection, query: Select[Any], limit: int, offset: int = 0) -> list[ApplicationLine]:
    newest = query.order_by(applications.c.changed_at.desc(), applications.c.id).limit(limit).offset(offset)
    return [
        ApplicationLine.model_validate(
            {name: row[name] for name in ApplicationLine.model_fields if name != "author"}
            | {"author": {"issuer": row["author_issuer"], "id": row["author_id"]}}
        )
        for row in connection.execute(newest).mappings()
    ]


def _line_query() -> Select[Any]:
    return select(*_LINE, applications.c.author_issuer, applications.c.author_id)


def of_person(connection: Connection, subject: Subject, limit: int = 200) -> list[ApplicationLine]:
    """What a person wrote, and what was handed in and names them; newest first."""
    named = select(application_people.c.application).where(
        application_people.c.issuer == subject.issuer, application_people.c.person == subject.id
    )
    own = (applications.c.author_issuer == subject.issuer) & (applications.c.author_id == subject.id)
    return _lines(connection, _line_query().where(or_(own, applications.c.id.in_(named))), limit)


def handed_in(
    connection: Connection, states: Iterable[ApplicationState] | None = None, limit: int = 1000, offset: int = 0
) -> list[ApplicationLine]:
    """Everything that was ever handed in, or what is in these states of it; newest first."""
    query = _line_query().where(applications.c.round > 0)
    if states is not None:
        query = query.where(applications.c.state.in_([state.value for state in states]))
    return _lines(connection, query, limit, offset)


def totals(connection: Connection) -> dict[ApplicationState, int]:
    """How many that were handed in are in each state."""
    query = select(applications.c.state, func.count()).where(applications.c.round > 0).group_by(applications.c.state)
    found = {ApplicationState(state): int(count) for state, count in connection.execute(query)}
    return {state: found.get(state, 0) for state in ApplicationState}


def waiting(connection: Connection) -> list[str]:
    """What the system has something to do for: planned, counted, told late."""
    states = [_S.Submitted.value, _S.InReview.value]
    query = select(applications.c.id).where(applications.c.state.in_(states)).order_by(applications.c.id)
    return list(connection.execute(query).scalars())


def in_force(connection: Connection, grant: str) -> Application | None:
    """The application that a grant rests on, as its approval names it; `None` where it did not come from one."""
    spec = connection.execute(select(grants.c.spec).where(grants.c.name == grant)).scalar()
    found = None if spec is None else get(connection, spec["approval"]["reference"].partition("/")[0])
    return found if found is not None and found.grant == grant else None


def approved_content(connection: Connection, grant: str) -> ApplicationContent | None:
    """What a grant rests on; `None` where it did not come from an application."""
    found = in_force(connection, grant)
    return None if found is None else found.content


def plans_of(connection: Connection, grant: str) -> tuple[PlannedSlice, ...]:
    """The plans that the approval in force names."""
    found = in_force(connection, grant)
    return () if found is None else found.plans


def begin(
    change: Change, person: Person, now: datetime, varies: str | None = None, identifier: str | None = None
) -> Application:
    """Keep a new draft; one that changes a running project begins with what was approved.

    `identifier` comes from `new_application_id`, where the change's event is to name it.

    Raises `TREError(NotPermitted)`, `TREError(RateLimited)` for too many drafts, `TREError(GrantNotFound)` for a
    project that did not come from an application or does not name this person.
    """
    made = acts.begin(identifier or new_application_id(), person, now, varies)
    drafts = select(func.count()).where(
        applications.c.author_issuer == person.subject.issuer,
        applications.c.author_id == person.subject.id,
        applications.c.state == _S.Draft.value,
    )
    if change.connection.execute(drafts).scalar_one() >= MOST_DRAFTS:
        raise TREError(
            Reason.RateLimited,
            f"You have {MOST_DRAFTS} drafts.",
            why="More are not kept for one person.",
            remedy="Hand one in, or withdraw one.",
        )
    if varies is not None:
        content = approved_content(change.connection, varies)
        if content is None or not content.names(person.subject):
            raise TREError(
                Reason.GrantNotFound,
                f"There is no project {varies!r} for you that an application could change.",
                why="There is none of that name, it names others, or it did not come from an application here.",
                remedy="Apply anew, or ask whoever approved it.",
            )
        made = made.changed(draft=content.as_plain())
    change.connection.execute(insert(applications).values(_row(made)))
    return made


def save(change: Change, before: Application, after: Application) -> Application:
    """Write an application that the domain made from `before`; returns it with its new version.

    Raises `TREError(Conflict)` where somebody else changed it since `before` was read; the whole change is undone.
    """
    if after == before:
        return before
    stored = after.changed(version=before.version + 1)
    written = change.connection.execute(
        update(applications)
        .where(applications.c.id == before.id, applications.c.version == before.version)
        .values(_row(stored))
    )
    if written.rowcount != 1:
        raise TREError(
            Reason.Conflict,
            "Somebody else changed this application meanwhile.",
            why="You, perhaps, in another window.",
            remedy="Look at it again, then decide.",
        )
    if before.content != stored.content and stored.content is not None:
        change.connection.execute(delete(application_people).where(application_people.c.application == stored.id))
        people = [
            {"application": stored.id, "issuer": one.subject.issuer, "person": one.subject.id}
            for one in stored.content.people
        ]
        change.connection.execute(insert(application_people), people)
    return stored


def _row(application: Application) -> dict[str, Any]:
    content = application.content
    return {
        "id": application.id,
        "author_issuer": application.author.issuer,
        "author_id": application.author.id,
        "state": application.state.value,
        "version": application.version,
        "round": application.round,
        "title": application.title,
        "organisation": content.organisation.name if content else "",
        "lane": application.lane.value,
        "varies": application.varies,
        "grant": application.grant,
        "document": application.model_dump(mode="json", by_alias=True),
        "created_at": application.created_at,
        "changed_at": application.changed_at,
        "submitted_at": application.submitted_at,
        "deadline": application.deadline,
        "decided_at": application.decided_at if application.state in DECIDED else None,
    }
