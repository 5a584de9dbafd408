"""What stands beside export requests: labels of columns, attempts, one-time links, absences, earlier releases.

Guarantees: a label stands once for a project and title, a link is spent by one conditional update, so that of two who
open it at once one is let in; nothing here is changed without its event.

Does not guarantee: that a link opens its release: `links.check_link` asks the request at that moment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from tre.domain.exports.attempts import WEEK, Attempt
from tre.domain.exports.claims import Absence
from tre.domain.exports.labels import ColumnLabel
from tre.domain.exports.links import Link
from tre.domain.exports.models import ExportRequest, FileKind
from tre.domain.exports.states import ExportState
from tre.domain.model import Line, Record, UtcTime
from tre.domain.people import Subject
from tre.store.database import Change, new_id
from tre.store.tables.airlock import (
    checker_absences,
    column_labels,
    export_attempts,
    export_files,
    export_links,
    export_requests,
)
from tre.store.tables.grants import grant_slices

MOST_EARLIER = 200
"""Earlier files that a run compares with: the newest ones. Each costs a comparison with every new table."""


def _person(row: Any, name: str) -> dict[str, str]:
    return {"issuer": row[f"{name}_issuer"], "id": row[f"{name}_id"]}


def _columns(name: str, subject: Subject) -> dict[str, str]:
    return {f"{name}_issuer": subject.issuer, f"{name}_id": subject.id}


def labels_of(connection: Connection, grant: str) -> tuple[ColumnLabel, ...]:
    """What people said of a project's columns, by title."""
    query = select(column_labels).where(column_labels.c.grant == grant).order_by(column_labels.c.title)
    return tuple(
        ColumnLabel(
            title=row["title"], role=row["role"], by=_person(row, "by"), at=row["at"], by_checker=row["by_checker"]
        )
        for row in connection.execute(query).mappings()
    )


def keep_label(change: Change, grant: str, label: ColumnLabel) -> None:
    """Keep a label in place of any other for that title."""
    values = {"role": label.role, "at": label.at, "by_checker": label.by_checker, **_columns("by", label.by)}
    this = (column_labels.c.grant == grant, column_labels.c.title == label.title)
    if change.connection.execute(update(column_labels).where(*this).values(values)).rowcount == 0:
        change.connection.execute(insert(column_labels).values(grant=grant, title=label.title, **values))


def note_attempt(change: Change, request: ExportRequest, attempt: Attempt) -> None:
    """Count one run of the checks."""
    row = {"id": new_id(), "grant": request.grant, "request": request.id, "at": attempt.at, "met": attempt.met}
    change.connection.execute(insert(export_attempts).values(row))


def attempts_of(connection: Connection, grant: str, now: datetime) -> tuple[Attempt, ...]:
    """A project's runs within the last week."""
    recent = (export_attempts.c.grant == grant, export_attempts.c.at > now - WEEK)
    query = select(export_attempts.c.at, export_attempts.c.met).where(*recent)
    return tuple(Attempt(at=row.at, met=row.met) for row in connection.execute(query))


def links_of(connection: Connection, export: str) -> tuple[Link, ...]:
    """The links to a release, the newest first."""
    query = select(export_links).where(export_links.c.request == export).order_by(export_links.c.at.desc())
    return tuple(_link(row) for row in connection.execute(query).mappings())


def find_link(connection: Connection, token: str) -> Link | None:
    """The link whose token has this digest."""
    row = connection.execute(select(export_links).where(export_links.c.token == token)).mappings().one_or_none()
    return None if row is None else _link(row)


def _link(row: Any) -> Link:
    plain = {name: row[name] for name in ("token", "request", "at", "until", "used_at")}
    return Link.model_validate(plain | {"by": _person(row, "by")})


def add_link(change: Change, link: Link) -> None:
    """Keep a new link."""
    row = {"token": link.token, "request": link.request, "at": link.at, "until": link.until, **_columns("by", link.by)}
    change.connection.execute(insert(export_links).values(row))


def spend_link(change: Change, link: Link, now: datetime) -> bool:
    """Use a link; false where somebody was first."""
    unused = (export_links.c.token == link.token, export_links.c.used_at.is_(None), export_links.c.until > now)
    return change.connection.execute(update(export_links).where(*unused).values(used_at=now)).rowcount == 1


def add_absence(change: Change, absence: Absence) -> None:
    """Keep when a checker is away; the same beginning given again moves its end."""
    table, person = checker_absences, _columns("checker", absence.checker)
    this = [table.c[name] == value for name, value in (person | {"since": absence.since}).items()]
    if change.connection.execute(update(table).where(*this).values(until=absence.until)).rowcount == 0:
        change.connection.execute(insert(table).values(**person, since=absence.since, until=absence.until))


def absences(connection: Connection, now: datetime) -> tuple[Absence, ...]:
    """Who is away now or later."""
    query = select(checker_absences).where(checker_absences.c.until > now).order_by(checker_absences.c.since)
    return tuple(
        Absence(checker=_person(row, "checker"), since=row["since"], until=row["until"])
        for row in connection.execute(query).mappings()
    )


class EarlierOutput(Record):
    """A file that left before, of this project, or of another on the same dataset."""

    path: Line
    sha256: Line
    request: Line
    released_at: UtcTime
    sibling: bool


def earlier_outputs(connection: Connection, own: str, but: str = "") -> tuple[EarlierOutput, ...]:
    """The newest files that left a project before, and others on the same data, each content once.

    Those that were called back, and those of the request `but`, are left out; at most `MOST_EARLIER`.
    """
    siblings = _on_the_same_data(connection, own)
    joined = export_files.join(export_requests, export_requests.c.id == export_files.c.request)
    query = (
        select(
            export_files.c.path,
            export_files.c.sha256,
            export_files.c.request,
            export_requests.c.released_at,
            export_requests.c["grant"],
        )
        .select_from(joined)
        .where(export_requests.c["grant"].in_([own, *siblings]), export_requests.c.id != but)
        .where(export_requests.c.state == ExportState.Released, export_files.c.kind == FileKind.output)
        .order_by(export_requests.c.released_at.desc(), export_files.c.request, export_files.c.path)
        .limit(10 * MOST_EARLIER)
    )
    found: dict[tuple[str, bool], EarlierOutput] = {}
    for path, sha256, name, at, grant in connection.execute(query):
        sibling = grant != own
        item = EarlierOutput(path=path, sha256=sha256, request=name, released_at=at, sibling=sibling)
        found.setdefault((sha256, sibling), item)
    return tuple(found.values())[:MOST_EARLIER]


def _on_the_same_data(connection: Connection, grant: str) -> list[str]:
    """Other projects with a slice of the same dataset: every slice is a project's own, the people in it need not be."""
    own = select(grant_slices.c.dataset).where(grant_slices.c.grant == grant)
    query = select(grant_slices.c.grant).where(grant_slices.c.dataset.in_(own), grant_slices.c.grant != grant)
    return sorted(set(connection.execute(query).scalars()))


def slice_ids(connection: Connection, grant: str) -> list[str]:
    """The slices that a project's workspaces mount, or mounted, by their ids."""
    query = select(grant_slices.c.slice_id).where(grant_slices.c.grant == grant).order_by(grant_slices.c.slice_id)
    return list(connection.execute(query).scalars())
